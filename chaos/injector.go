//go:build chaos_testing

package chaos

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Injector makes the operations of one process fail and wait as a Config says.
// What happens to the n-th call of an operation depends on the seed, the
// operation and n alone, so a run with the same calls has the same failures.
// It is safe for concurrent use; concurrent calls are numbered as they arrive.
type Injector struct {
	clock env.Clock
	log   env.Log
	ops   Catalogue
	rules atomic.Pointer[ruleSet]
}

// ruleSet is one configuration, and what it has done.
type ruleSet struct {
	config Config
	order  []*ruleState // as configured
	rules  map[place]*ruleState

	mu      sync.Mutex // guards what follows and all counts; never held over a call of env
	over    bool       // another configuration has taken its place
	waiting map[int]context.CancelCauseFunc
	lastID  int
}

type ruleState struct {
	set    *ruleSet
	rule   Rule
	op     Operation
	counts [numPoints]struct{ calls, fired, held int }
}

// errReleased ends a delay whose configuration was replaced.
var errReleased = errors.New("chaos: released")

// NewInjector returns an Injector for config, or the first thing that is wrong
// with config, whose operations are those of catalogue. Delays are slept on clock. log, which may be nil, receives one
// warning for each injection.
func NewInjector(config Config, catalogue Catalogue, clock env.Clock, log env.Log) (*Injector, error) {
	if err := config.Validate(catalogue); err != nil {
		return nil, err
	}
	i := &Injector{clock: clock, log: log, ops: catalogue}
	i.rules.Store(i.compile(config))
	return i, nil
}

// Set replaces the configuration, while calls are made, or returns the first
// thing that is wrong with config and changes nothing. All counting begins again,
// and calls that wait go on at once, as if their delays were over.
func (i *Injector) Set(config Config) error {
	if err := config.Validate(i.ops); err != nil {
		return err
	}
	i.rules.Swap(i.compile(config)).release()
	return nil
}

// Config returns the configuration.
func (i *Injector) Config() Config { return i.rules.Load().config }

func (i *Injector) compile(config Config) *ruleSet {
	s := &ruleSet{config: config, rules: make(map[place]*ruleState), waiting: make(map[int]context.CancelCauseFunc)}
	for _, rule := range config.Rules {
		op, _ := i.ops.Lookup(rule.Operation)
		state := &ruleState{set: s, rule: rule, op: op}
		s.order = append(s.order, state)
		s.rules[place{op.Step, op.Call}] = state
	}
	return s
}

// release lets all calls that wait go on, and those that were about to.
func (s *ruleSet) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for _, cancel := range s.waiting {
		cancel(errReleased)
	}
}

// MaybeFail returns an *InjectedError if a rule fails this call of op before
// its effect; the caller must return it without making the call. op is a name
// of the catalogue; for a store's call the rules for it in the step that ctx
// carries count, too.
func (i *Injector) MaybeFail(ctx context.Context, op string) error {
	return i.failBefore(ctx, op, true)
}

// MaybeFailAfter returns an *InjectedError if a rule fails this call of op
// after its effect, which is for the caller to have happened.
func (i *Injector) MaybeFailAfter(ctx context.Context, op string) error {
	hit := i.pick(i.after(ctx, op, pointFailAfter), true)
	if hit.state == nil {
		return nil
	}
	return i.fail(ctx, hit)
}

// MaybeDelay waits if a rule delays this call of op. It returns nil, or the
// cause of ctx's end; then the caller must return it without making the call.
func (i *Injector) MaybeDelay(ctx context.Context, op string) error {
	hit := i.pick(i.before(ctx, op, pointDelayBefore, pointDelayAfter), true)
	if hit.state == nil {
		return nil
	}
	return i.sleep(ctx, hit)
}

// MaybeDelayAfter waits if a rule delays the answer of this call of op, whose
// effect has happened. If ctx ends meanwhile it returns what a caller is told
// whose answer never came: an *InjectedError of class undetermined for a call
// with an effect, the cause of ctx's end for one without.
func (i *Injector) MaybeDelayAfter(ctx context.Context, op string) error {
	hit := i.pick(i.after(ctx, op, pointDelayAfter), true)
	if hit.state == nil {
		return nil
	}
	err := i.sleep(ctx, hit)
	if err != nil && hit.state.op.FailAfter.Errors[0] == env.ClassUndetermined {
		return &InjectedError{Op: hit.state.rule.Operation, Applied: true, Class: env.ClassUndetermined, Err: err}
	}
	return err
}

func (i *Injector) failBefore(ctx context.Context, op string, conditional bool) error {
	hit := i.pick(i.before(ctx, op, pointFailBefore, pointFailAfter), conditional)
	if hit.state == nil {
		return nil
	}
	return i.fail(ctx, hit)
}

// candidate is a rule at one of its points.
type candidate struct {
	state *ruleState
	point int
}

// before lists what may act before op's effect, the most specific first. Both
// sides of a prewrite stand before the effect of the commit that it is in.
func (i *Injector) before(ctx context.Context, op string, point, prewriteAfter int) []candidate {
	list := i.named(nil, ctx, op, point)
	if op == KVCommit {
		list = i.named(list, ctx, KVPrewrite, point)
		list = i.named(list, ctx, KVPrewrite, prewriteAfter)
	}
	return list
}

// after lists what may act after op's effect, the most specific first.
func (i *Injector) after(ctx context.Context, op string, point int) []candidate {
	list := i.named(nil, ctx, op, point)
	at := place{step: string(env.StepOf(ctx))}
	if step := i.rules.Load().rules[at]; step != nil && slices.Contains(step.op.FailAfter.Calls, op) {
		list = i.add(list, at, point)
	}
	return list
}

// named appends the rules that bear op's name: in the step of ctx, then alone.
func (i *Injector) named(list []candidate, ctx context.Context, op string, point int) []candidate {
	found, ok := i.ops.Lookup(op)
	if !ok {
		return list
	}
	if step := string(env.StepOf(ctx)); step != "" && found.Step == "" {
		list = i.add(list, place{step, found.Call}, point)
	}
	return i.add(list, place{found.Step, found.Call}, point)
}

func (i *Injector) add(list []candidate, at place, point int) []candidate {
	if state := i.rules.Load().rules[at]; state != nil && state.rule.trigger(point) != nil {
		return append(list, candidate{state, point})
	}
	return list
}

// hit is a candidate that was picked, with the number of its call.
type hit struct {
	candidate
	nth int
}

// pick counts the call for every candidate and returns the first that its
// trigger picks. A conflict is never picked for an unconditional write.
func (i *Injector) pick(list []candidate, conditional bool) (first hit) {
	for _, c := range list {
		// One after another: a call that meets two configurations counts for both.
		if h := c.pick(first.state == nil, conditional); h.state != nil {
			first = h
		}
	}
	return first
}

// pick counts the call and returns it if it may be picked and the trigger does.
func (c candidate) pick(may, conditional bool) hit {
	c.state.set.mu.Lock()
	defer c.state.set.mu.Unlock()
	count := &c.state.counts[c.point]
	count.calls++
	if !may || !conditional && c.class() == env.ClassConflict || !c.picks(count.calls, count.fired) {
		return hit{}
	}
	count.fired++
	return hit{c, count.calls}
}

func (c candidate) picks(nth, fired int) bool {
	t := c.state.rule.trigger(c.point)
	if t.Once && fired > 0 {
		return false
	}
	if t.Once && t.Rate == 0 && len(t.Nth) == 0 {
		return true
	}
	if _, found := slices.BinarySearch(t.Nth, nth); found {
		return true
	}
	const unit = 1.0 / (1 << 53)
	return float64(c.draw(nth, 0)>>11)*unit < t.Rate
}

// class is the class of the error that a candidate injects.
func (c candidate) class() env.Class {
	failure, at := c.state.rule.FailBefore, &c.state.op.FailBefore
	switch c.point {
	case pointFailBefore:
	case pointFailAfter:
		failure, at = c.state.rule.FailAfter, &c.state.op.FailAfter
	default:
		return env.ClassNone
	}
	if failure.Error != env.ClassNone {
		return failure.Error
	}
	return at.Errors[0]
}

func (i *Injector) fail(ctx context.Context, h hit) error {
	err := &InjectedError{Op: h.state.rule.Operation, Class: h.class()}
	err.Applied = h.point == pointFailAfter && h.state.op.FailAfter.Phase == Applied
	i.tell(ctx, h, slog.String("error", className(err.Class)), slog.Bool("applied", err.Applied))
	return err
}

func (i *Injector) sleep(ctx context.Context, h hit) error {
	latency := h.state.rule.DelayBefore
	if h.point == pointDelayAfter {
		latency = h.state.rule.DelayAfter
	}
	d := latency.Min
	if spread := uint64(latency.Max - latency.Min); spread > 0 {
		d += time.Duration(h.draw(h.nth, 1) % (spread + 1))
	}
	i.tell(ctx, h, slog.Duration("delay", d))
	return h.hold(ctx, i.clock, d)
}

// hold makes the call wait, for as long as its configuration is the one in
// effect. Counts tells of it meanwhile.
func (h hit) hold(ctx context.Context, clock env.Clock, d time.Duration) error {
	s := h.state.set
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return nil
	}
	s.lastID++
	id := s.lastID
	s.waiting[id] = cancel
	h.state.counts[h.point].held++
	s.mu.Unlock()

	err := clock.Sleep(ctx, d)

	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, id)
	h.state.counts[h.point].held--
	if errors.Is(err, errReleased) {
		return nil
	}
	return err
}

func (i *Injector) tell(ctx context.Context, h hit, what ...slog.Attr) {
	if i.log == nil || !i.log.Enabled(slog.LevelWarn) {
		return
	}
	attrs := append([]slog.Attr{
		slog.String("operation", h.state.rule.Operation),
		slog.String("point", pointKeys[h.point]),
		slog.Int("nth", h.nth),
	}, what...)
	i.log.Log(ctx, slog.LevelWarn, "chaos injected", attrs...)
}

// draw returns 64 bits keyed by the seed, the operation, the point, the call's
// number and the purpose: no draw shifts another.
func (c candidate) draw(nth, purpose int) uint64 {
	h := mix(c.state.set.config.Seed)
	for _, b := range []byte(c.state.rule.Operation) {
		h = mix(h ^ uint64(b))
	}
	return mix(mix(h^uint64(c.point)<<8^uint64(purpose)) ^ uint64(nth))
}

// mix is splitmix64's output function.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Count tells how often one point of an operation was reached and how often a
// failure or a delay was injected there.
type Count struct {
	Operation string
	Point     string // fail_before, fail_after, delay_before, delay_after
	Calls     int
	Fired     int
	Held      int // of those that fired: calls whose delay is not over yet
}

// Counts returns what has happened so far, rule by rule as configured: a run
// whose rules never fired has shown nothing.
func (i *Injector) Counts() []Count {
	s := i.rules.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Count
	for _, state := range s.order {
		for point, count := range state.counts {
			if state.rule.trigger(point) != nil {
				list = append(list, Count{state.rule.Operation, pointKeys[point], count.calls, count.fired, count.held})
			}
		}
	}
	return list
}
