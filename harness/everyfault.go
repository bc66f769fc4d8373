package harness

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
	"github.com/gauntlet-dst/gauntlet/sim/systematic"
)

// Schedules is how many base schedules EveryFault uses that nobody says more to.
const Schedules = 12

// Placing says which faults to place: Base is the seed of the first schedule and
// Count how many there are.
type Placing struct {
	Request
	// Singles and Pairs bound how many placements of one fault and of two are tried:
	// see [systematic.Options].
	Singles, Pairs int
}

// Placed is what placing faults came to.
type Placed struct {
	*systematic.Totals
	// Failures are grouped as those of a sweep are.
	Failures []*Failure
	// CPU is the processor time in seconds.
	CPU float64
	// Stopped tells that it ended at the violation asked for.
	Stopped bool
}

// EveryFault places single faults, and pairs of them, in the suite's small
// schedules. The error is as of Sweep.
func (s *Suite) EveryFault(q Placing) (*Placed, error) {
	before := CPUSeconds()
	out := &Placed{}
	schedules, err := s.schedules(&q.Request)
	if err != nil {
		return out, err
	}
	q.Progress.expect(systematic.Size(schedules, q.Singles))
	options := systematic.Options{Singles: q.Singles, Pairs: q.Pairs, Patience: q.Patience, Again: again}
	out.Totals, err = systematic.Run(s.Target, schedules, options, func(r *sim.Result) bool {
		q.Progress.add(r)
		if r.Violation != nil {
			out.Failures = group(out.Failures, r)
			out.Stopped = q.Stops(r.Violation.Invariant)
		}
		return !out.Stopped
	})
	q.Progress.end()
	out.CPU = CPUSeconds() - before
	slices.SortStableFunc(out.Failures, func(a, b *Failure) int { return cmp.Compare(b.Count, a.Count) })
	if err == nil && q.Singles > 0 && out.Singles.Of == 0 && out.Failing == 0 {
		err = fmt.Errorf("no call of the %d schedules can meet a fault: nothing was tried", q.Count)
	}
	return out, err
}

// drawnFor is among how many drawn universes each schedule is chosen that no Small
// makes small.
const drawnFor = 8

// schedules are the base schedules: those of the seeds from q.Base on. Without a
// Small they are the drawn ones that make the fewest calls among more seeds.
func (s *Suite) schedules(q *Request) ([]*systematic.Schedule, error) {
	seeds := q.Count
	if s.Small == nil && q.Count > 1 { // one alone is the one that was asked for
		seeds *= drawnFor
	}
	var all []*systematic.Schedule
	for i := range seeds {
		schedule, err := s.schedule(q.Base+uint64(i), q)
		if err != nil {
			return nil, err
		}
		all = append(all, schedule)
	}
	if len(all) > q.Count {
		slices.SortStableFunc(all, func(a, b *systematic.Schedule) int { return cmp.Compare(len(a.Calls), len(b.Calls)) })
	}
	return all[:q.Count], nil
}

// schedule is the base schedule of a seed.
func (s *Suite) schedule(seed uint64, q *Request) (schedule *systematic.Schedule, err error) {
	target := s.smallTarget(seed)
	if stuck := sweep.Watch(target, seed, q.Patience, func(watched sim.Target) { schedule, err = systematic.Of(watched, seed) }); stuck != nil {
		return nil, stuck
	}
	return schedule, err
}

func (s *Suite) smallTarget(seed uint64) sim.Target {
	target := s.Target
	if s.Small != nil {
		vary := target.Vary
		target.Vary = func(c *sim.Config, a sim.Assembly) {
			if vary != nil {
				vary(c, a)
			}
			s.Small(seed, c, a)
		}
	}
	return target
}

// Place runs the schedule of a seed with those faults, as a plan's lines have them.
func (s *Suite) Place(q Request, faults []string) (*sim.Result, error) {
	p, err := sim.Draft(s.smallTarget(q.Base), q.Base)
	if err != nil {
		return nil, err
	}
	for _, text := range faults {
		f, err := fault.Parse(strings.TrimPrefix(text, "fault "))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", text, err)
		}
		p.Faults = append(p.Faults, f)
	}
	var result *sim.Result
	options := sweep.Options{Patience: q.Patience, Again: 1}
	result, err = options.Check(s.Target, p.Seed, 0, func(watched sim.Target) (*sim.Result, error) { return sim.Replay(watched, p) })
	return result, err
}

// Line counts what was tried, in one line.
func (p *Placed) Line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "sim: every-fault schedules=%d placements=%d", p.Schedules, p.Singles.Tried+p.Pairs.Tried)
	fmt.Fprintf(&b, " unchanged=%d repeated=%d", p.Singles.Unchanged+p.Pairs.Unchanged, p.Singles.Repeated+p.Pairs.Repeated)
	fmt.Fprintf(&b, " violations=%d inconclusive=%d", p.violations(), p.Singles.Inconclusive+p.Pairs.Inconclusive)
	fmt.Fprintf(&b, " events=%d cpu_s=%.1f", p.Events, p.CPU)
	return b.String()
}

func (p *Placed) violations() int { return p.Failing + p.Singles.Violations + p.Pairs.Violations }
