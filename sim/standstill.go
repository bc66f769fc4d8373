package sim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// How a system is not done when it must be: the forms of a standstill, and what
// tells them apart.

// Standstill says how a healed system is not done. It belongs to the violation of
// progress-after-healing.
type Standstill struct {
	Kind StandstillKind
	// Period is the time after which the states of a Lasso came again, Events how
	// many events that took, and Turns how often the last of them was seen.
	Period time.Duration
	Events uint64
	Turns  int
	// Moving are the subjects that keep changing, and the parts of those that have
	// some: what goes round in a Lasso, what a Starvation's subject starves beside.
	Moving []string
	// Row is the subject's row that changed last, and Still for how long it has not
	// changed since.
	Row   string
	Still time.Duration
	// Changing are the rows and objects that still changed in the last quarter of
	// the bound, those that changed most often first.
	Changing []Changes
	// Locks are those that are left on rows of the subject, and the one that keeps
	// later commits from being judged.
	Locks []string
	// Busiest is the task that most events of a TimerStorm were for, and Woken how
	// many of the last Watched ones.
	Busiest        string
	Woken, Watched int
	// Circle are the tasks of a Deadlock that wait for one another: each for what the
	// next one's process holds, the last for the first. Empty if nothing at all is
	// left to happen.
	Circle []Link
}

// StandstillKind is one form of a standstill. It is part of the failure's
// identity.
type StandstillKind string

const (
	// Deadlock: nothing is left to happen, or processes wait in a circle for what the
	// others hold.
	Deadlock StandstillKind = "deadlock"
	// Lasso: the subject changes, and the world comes back to the same states again
	// and again.
	Lasso StandstillKind = "lasso"
	// NoProgress: things happen, and nothing that matters changes any more.
	NoProgress StandstillKind = "no progress"
	// Starvation: others progress, and the subject never does.
	Starvation StandstillKind = "starvation"
	// TimerStorm: events without number, while hardly any time passes.
	TimerStorm StandstillKind = "timer storm"
	// Livelock: the subject keeps changing, into ever new states, and is never done.
	Livelock StandstillKind = "livelock"
	// NotDone: another executor has run the system, which tells no more.
	NotDone StandstillKind = "not done"
)

// Changes is how often a row or an object changed.
type Changes struct {
	Key   string
	Times int
}

// Wait is what tasks of the same name wait for.
type Wait struct {
	Processes []string
	Task      string
	Step      string // "" outside every step
	Op        ops.Op // None: the task has not begun
	For       time.Duration
}

// String says it in a few words: "w0 w1/controller: kv.get in control, for 0.1s".
func (w *Wait) String() string {
	what := w.Op.String()
	switch w.Op {
	case ops.None:
		return fmt.Sprintf("%s/%s: has not begun", strings.Join(w.Processes, " "), w.Task)
	case ops.Sleep:
		what = "sleeps"
	case ops.Work:
		what = "works"
	case ops.Wait:
		what = "waits for its own tasks"
	}
	if w.Step != "" {
		what += " in " + w.Step
	}
	return fmt.Sprintf("%s/%s: %s, for %s", strings.Join(w.Processes, " "), w.Task, what, secondsText(w.For))
}

// About reports whether a key, or one of a list of keys with spaces between them,
// is about a subject: it has the subject as one or several of its parts. "" is
// what everything is about.
func About(key, subject string) bool {
	for rest := key; subject != ""; {
		i := strings.Index(rest, subject)
		if i < 0 {
			return false
		}
		before, after := rest[:i], rest[i+len(subject):]
		if (before == "" || strings.ContainsAny(before[len(before)-1:], "/ ")) &&
			(after == "" || strings.ContainsAny(after[:1], "/ ") || strings.HasSuffix(subject, "/")) {
			return true
		}
		rest = rest[i+1:]
	}
	return true
}

// probe watches a healed system that takes long: the second half of its bound.
// Systems that get done in time, which are nearly all, are never watched.
type probe struct {
	u       *Universe
	begun   int64
	first   uint64 // event
	named   bool   // the invariants name abstract states: only those count as progress
	states  int    // of them so far
	values  map[string]uint64
	changes map[string][]int64 // when they changed
	// progress is what changed together with the abstract state, and when last.
	progress map[string]int64
	last     int64  // progress of anything
	at       uint64 // the event of that
	content  uint64 // the sum of what the changing rows and objects hold
	seen     map[uint64]*turn
	lasso    *turn
	woken    map[string]int
	stays    map[*task]*stay
	circle   []Link
}

// turn is a state that was seen before.
type turn struct {
	at, event uint64
	times     int
	period    time.Duration
	events    uint64
}

func (u *Universe) watch() *probe {
	return &probe{
		u: u, begun: u.sched.now, first: u.events, named: len(u.world.states) > 0, states: len(u.world.states),
		values: map[string]uint64{}, changes: map[string][]int64{}, progress: map[string]int64{}, seen: map[uint64]*turn{}, woken: map[string]int{}, stays: map[*task]*stay{},
	}
}

// step lets one event happen, and notes for which task.
func (p *probe) step() bool {
	e := p.u.sched.pick()
	if e == nil {
		return false
	}
	if t := e.task; t != nil && e.kind != evRequest {
		p.woken[t.proc.program.Name+"/"+t.name]++
	}
	p.u.dispatch(e)
	p.u.performActs()
	return true
}

// observed is told of an effect that has been judged.
func (p *probe) observed(e *Effect) {
	var changed []string
	for i := range e.Commit.Writes {
		if m := &e.Commit.Writes[i]; writes(m) && p.set(m.Key, keyed.HashBytes(m.Value)^uint64(m.Op), func() bool { return p.u.world.rewrote(m.Key) }) {
			changed = append(changed, m.Key)
		}
	}
	if e.Kind == EffectObject {
		if o := &e.Object; o.Kind == objstore.EffectDelete || o.Kind == objstore.EffectPut || o.Kind == objstore.EffectComplete {
			if p.set(o.Key, o.Digest^uint64(o.Kind), func() bool { return e.Before.Digest == o.Digest }) {
				changed = append(changed, o.Key)
			}
		}
	}
	if len(changed) == 0 {
		return
	}
	now, what := p.u.sched.now, uint64(0)
	for _, key := range changed {
		p.changes[key] = append(p.changes[key], now)
		what += keyed.HashText(key)
	}
	abstract := uint64(0)
	if p.named {
		states := p.u.world.states
		if len(states) == p.states {
			p.repeat(p.content + what)
			return
		}
		p.states = len(states)
		abstract = states[len(states)-1]
	} else {
		abstract = p.content
	}
	p.last, p.at = now, p.u.events
	for _, key := range changed {
		p.progress[key] = now
	}
	p.repeat(abstract + what)
}

// set notes what a key holds, and reports whether that is new; unless it was
// noted before, same says whether it is what it was.
func (p *probe) set(key string, value uint64, same func() bool) bool {
	hash := keyed.HashText(key)
	before, known := p.values[key]
	p.values[key] = value
	p.content += keyed.Mix(hash, value)
	if known {
		p.content -= keyed.Mix(hash, before)
		return before != value
	}
	return !same()
}

// repeat notes a state of the world and what led to it, together with what every task
// waits for: a turn in which two subjects go through the same states is one turn.
func (p *probe) repeat(state uint64) {
	for _, q := range p.u.processes {
		for _, t := range q.tasks {
			where := keyed.Mix(t.nameKey, uint64(t.where.op))
			if t.where.step != nil {
				where = keyed.Mix(where, t.where.step.key)
			}
			state += where
		}
	}
	now, event := uint64(p.u.sched.now), p.u.events
	s := p.seen[state]
	if s == nil {
		p.seen[state] = &turn{at: now, event: event, times: 1}
		return
	}
	s.period, s.events = time.Duration(now-s.at), event-s.event
	s.at, s.event = now, event
	s.times++
	if s.times >= 3 {
		p.lasso = s
	}
}

// recent is the part of the bound that decides what kind of standstill it is.
func (p *probe) recent() int64 { return p.begun + (p.u.sched.now-p.begun)/2 }

// exhausted is the kind of a standstill that has taken all its events before its
// bound in time is over: a storm, unless it comes back to the same states all the
// same, or has come half the way, as large worlds do.
func (p *probe) exhausted() StandstillKind {
	if p.cycling() || time.Duration(p.u.sched.now-p.u.healedAt) >= p.u.settleFor()/2 {
		return NotDone
	}
	return TimerStorm
}

// progressing reports whether a system that has had all its events may have more,
// as its abstract state has changed within as many: three workers that poll four
// times a second, for as long as their one merge works, are no storm (seed
// 0x2ad531).
func (p *probe) progressing(had, most uint64) bool {
	return p.named && p.at > 0 && p.u.events-p.at < most && had < progressEvents*most
}

// cycling reports whether the world still comes back to the same states.
func (p *probe) cycling() bool { return p.lasso != nil && int64(p.lasso.at) >= p.recent() }

// kind tells what kind of standstill it is, if the bound in time is over, and which
// part of which of the subjects it is about.
func (p *probe) kind(subjects []Unfinished) (kind StandstillKind, subject, part int) {
	from := p.recent()
	if p.circle = p.findCircle(); len(p.circle) > 0 {
		i, k, _ := firstPart(subjects, func(subject string) bool { return About(p.circle[0].Holds, subject) })
		return Deadlock, i, k
	}
	if p.last < from {
		return NoProgress, 0, 0
	}
	stuck, left, starves := firstPart(subjects, func(subject string) bool { return !p.touches(subject, from) })
	moving, turning, moves := firstPart(subjects, func(subject string) bool { return p.touches(subject, from) })
	switch {
	case starves && (moves || !p.cycling()):
		return Starvation, stuck, left
	case p.cycling():
		return Lasso, moving, turning
	}
	return Livelock, moving, turning
}

// firstPart finds the first part of a subject, or subject without parts, of which
// something is true; without one it is the first of all.
func firstPart(subjects []Unfinished, is func(subject string) bool) (subject, part int, found bool) {
	for i := range subjects {
		for k, p := range subjects[i].parts() {
			if is(p.Subject) {
				return i, k, true
			}
		}
	}
	return 0, 0, false
}

// parts are what can stand still by itself: the parts, or all of it.
func (left *Unfinished) parts() []Part {
	if len(left.Parts) > 0 {
		return left.Parts
	}
	return []Part{{left.Subject, left.Key}}
}

// touches reports whether something of the subject has changed since then.
func (p *probe) touches(subject string, from int64) bool {
	return slices.ContainsFunc(slices.Sorted(maps.Keys(p.progress)), func(key string) bool { return p.progress[key] >= from && About(key, subject) })
}

// changing lists what still changes.
func (p *probe) changing() []Changes {
	var all []Changes
	from := p.recent()
	for _, key := range slices.Sorted(maps.Keys(p.changes)) {
		n := 0
		for _, at := range p.changes[key] {
			if at >= from {
				n++
			}
		}
		if n > 0 {
			all = append(all, Changes{plan.Printable(key), n})
		}
	}
	slices.SortStableFunc(all, func(a, b Changes) int { return cmp.Compare(b.Times, a.Times) })
	return all
}

// standstill is the violation of a system that is not done when it must be. p may
// be nil: nobody has watched.
func (u *Universe) standstill(kind StandstillKind, p *probe) *Violation {
	var s Summary
	u.system.Describe(&u.world, &s)
	still := &Standstill{Kind: kind}
	first, part := 0, 0
	if p != nil {
		if kind == NotDone {
			still.Kind, first, part = p.kind(s.Unfinished)
		}
		still.Changing = p.changing()
		p.describe(still, s.Unfinished)
	}
	v := &Violation{Invariant: progressAfterHealing, Standstill: still}
	v.Shape = string(still.Kind)
	subject, row := "the system is not done", ""
	var others []string
	for i, left := range s.Unfinished {
		text := plan.Printable(left.Text)
		if i == first {
			v.Shape += ": " + left.Shape
			about := left.parts()[part]
			v.Subject = plan.Printable(about.Subject)
			subject, row = text, about.Key
			continue
		}
		others = append(others, text)
	}
	for i := range still.Circle {
		v.Also = append(v.Also, still.Circle[i].Holds)
	}
	if still.Kind == Lasso {
		v.Also = still.Moving
	}
	u.lastChange(v, row)
	u.locks(v)
	u.world.Overdue(v)
	v.Text = strings.Join(append([]string{string(still.Kind) + ": " + subject, still.detail(u)}, others...), "; ")
	return v
}

// describe fills in what was seen of a lasso, a storm or a circle.
func (p *probe) describe(still *Standstill, subjects []Unfinished) {
	still.Circle = p.circle
	for i := range subjects {
		for _, part := range subjects[i].parts() {
			if p.touches(part.Subject, p.recent()) {
				still.Moving = append(still.Moving, plan.Printable(part.Subject))
			}
		}
	}
	if p.cycling() {
		still.Period, still.Events, still.Turns = p.lasso.period, p.lasso.events, p.lasso.times
	}
	still.Watched = int(p.u.events - p.first)
	for _, name := range slices.Sorted(maps.Keys(p.woken)) {
		if p.woken[name] > still.Woken {
			still.Busiest, still.Woken = name, p.woken[name]
		}
	}
}

// detail says how the subject stands still.
func (s *Standstill) detail(u *Universe) string {
	after := time.Duration(u.sched.now - u.healedAt)
	switch s.Kind {
	case Deadlock:
		if len(s.Circle) > 0 {
			return fmt.Sprintf("%s wait in a circle for what the others hold", strings.Join(s.waiters(), " and "))
		}
		return "nothing is left to happen"
	case TimerStorm:
		return fmt.Sprintf("%d events in the %s after healing", u.events-u.healedEvent, secondsText(after))
	case Lasso:
		return fmt.Sprintf("the same states come again every %s (%d events)", secondsText(s.Period), s.Events)
	case NoProgress:
		return fmt.Sprintf("it has not changed for %s", secondsText(s.Still))
	case Starvation:
		if s.Turns > 0 {
			return fmt.Sprintf("it has not changed for %s, while the others come to the same states again every %s", secondsText(s.Still), secondsText(s.Period))
		}
		return fmt.Sprintf("it has not changed for %s, while others progress", secondsText(s.Still))
	case Livelock:
		return fmt.Sprintf("it keeps changing, %s after healing", secondsText(after))
	}
	return fmt.Sprintf("%s after healing", secondsText(after))
}

// lastChange finds the last change of the subject: of the row that says so, or of
// any about it, what still changes aside: a beat is no progress.
func (u *Universe) lastChange(v *Violation, row string) {
	s := v.Standstill
	last := Moment{At: time.Duration(u.healedAt)}
	for _, key := range slices.Sorted(maps.Keys(u.world.rows)) {
		if row != "" && key != row || !About(key, v.Subject) && key != row ||
			row == "" && slices.ContainsFunc(s.Changing, func(c Changes) bool { return c.Key == plan.Printable(key) }) {
			continue
		}
		if r := u.world.rows[key]; r.written.Event > last.Event {
			last, s.Row = r.written, plan.Printable(key)
		}
	}
	v.First = last.Ref("wrote " + s.Row)
	s.Still = time.Duration(u.sched.now) - last.At
}

// locks names the locks that are left on the subject's rows, and the transaction
// that keeps later commits from being judged.
func (u *Universe) locks(v *Violation) {
	if text := u.blocking(); text != "" {
		v.Standstill.Locks = append(v.Standstill.Locks, text)
	}
	for _, lock := range u.kv.Locks() {
		if About(lock.Key, v.Subject) && len(v.Standstill.Locks) < 3 {
			v.Standstill.Locks = append(v.Standstill.Locks, fmt.Sprintf("%s has been locked for %s (primary %s)",
				plan.Printable(lock.Key), secondsText(time.Duration(u.sched.now)-beganAt(lock.StartTS)), plan.Printable(lock.Primary)))
		}
	}
}

// Overdue notes in a violation what everybody waits for now, since something has not
// happened in time.
func (w *World) Overdue(v *Violation) { v.Waits, v.Absent = w.u.waits(), w.u.absent() }

// absent names the processes that do not run.
func (u *Universe) absent() (names []string) {
	for _, p := range u.processes {
		if !p.alive {
			names = append(names, p.program.Name+" "+p.absence())
		}
	}
	return names
}

// waits says what the tasks wait for, those first that wait for a store or
// compute. Tasks of several processes that do the same are said together.
func (u *Universe) waits() []Wait {
	var all []Wait
	for _, p := range u.everybody() {
		for _, t := range p.tasks {
			w := Wait{Processes: []string{p.program.Name}, Task: t.name, Op: t.where.op, For: time.Duration(u.sched.now - t.where.since)}
			if t.where.step != nil {
				w.Step = t.where.step.name
			}
			i := slices.IndexFunc(all, func(o Wait) bool {
				return o.Task == w.Task && o.Step == w.Step && o.Op == w.Op && !slices.Contains(o.Processes, p.program.Name)
			})
			if i < 0 {
				all = append(all, w)
				continue
			}
			all[i].Processes = append(all[i].Processes, p.program.Name)
			all[i].For = max(all[i].For, w.For)
		}
	}
	order := func(w Wait) int {
		switch w.Op {
		case ops.Wait:
			return 2
		case ops.Sleep, ops.None:
			return 1
		}
		return 0
	}
	slices.SortStableFunc(all, func(a, b Wait) int { return cmp.Compare(order(a), order(b)) })
	return all
}

// waiting says in one line what the tasks wait for.
func (u *Universe) waiting() string {
	parts := u.absent()
	idle := 0
	for _, w := range u.waits() {
		if w.Op == ops.Sleep || w.Op == ops.Wait || w.Op == ops.None {
			if idle++; idle > 4 {
				continue
			}
		}
		parts = append(parts, w.String())
	}
	if idle > 4 {
		parts = append(parts, fmt.Sprintf("%d more sleep or wait for their own tasks", idle-4))
	}
	return strings.Join(parts, "; ")
}

// secondsText prints how long something took (virtual time).
func secondsText(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }
