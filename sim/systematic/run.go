// Package systematic tries faults where a draw may never put them: every kind
// that can strike a call, in every form that matters, at every call of a few small
// universes; then pairs of faults at the points that protocols are decided at. It
// ends in a sentence that no random search can give.
package systematic

import (
	"fmt"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// Options say how many placements are tried.
type Options struct {
	// Singles and Pairs bound how many placements of one fault and of two are
	// tried, over all schedules; 0 means none, and All every one.
	Singles, Pairs int
	// Parallel is how many universes run at once; 0 means GOMAXPROCS.
	Parallel int
	// Patience and Again are as for sweeps.
	Patience time.Duration
	Again    int
}

// All is more than there are.
const All = int(^uint(0) >> 1)

// Count is what placements of one fault, or of two, came to.
type Count struct {
	// Tried is how many of them ran, of so many.
	Tried, Of int
	// Unchanged are those in which a fault gave no call another outcome or place,
	// Repeated those others whose run was one that had been before.
	Unchanged, Repeated      int
	Violations, Inconclusive int
}

// Totals is what the placements on some schedules came to.
type Totals struct {
	Schedules int
	// Failing are the schedules that fail without any fault: none is placed there.
	Failing        int
	Singles, Pairs Count
	// Firsts is behind how many first faults pairs were looked for, of FirstsOf:
	// Pairs.Of are the pairs of those.
	Firsts, FirstsOf int
	Events           uint64
	// Fired counts the faults that did something, by their kind.
	Fired map[string]int
}

// Run places faults in the schedules and calls visit for each universe, in an
// order that depends on the schedules only, until it returns false. The schedules
// themselves come first. The error is as of sweep.Run.
func Run(target sim.Target, schedules []*Schedule, o Options, visit func(*sim.Result) bool) (*Totals, error) {
	r := &runner{target: target, visit: visit, seen: map[uint64]struct{}{}, totals: Totals{Schedules: len(schedules), Fired: map[string]int{}}}
	r.sweep = sweep.Options{Parallel: o.Parallel, Patience: o.Patience, Again: o.Again}
	sound := r.alone(schedules)
	if err := r.singles(sound, o.Singles); err != nil || r.stopped {
		return &r.totals, err
	}
	err := r.pairs(sound, o.Pairs)
	return &r.totals, err
}

type runner struct {
	target  sim.Target
	sweep   sweep.Options
	visit   func(*sim.Result) bool
	stopped bool
	seen    map[uint64]struct{} // hashes
	totals  Totals
}

// alone shows the schedules' own runs, and returns those that hold.
func (r *runner) alone(schedules []*Schedule) (sound []*Schedule) {
	for _, s := range schedules {
		r.seen[s.Result.Hash] = struct{}{}
		r.totals.Events += s.Result.Events
		if s.Result.Violation == nil {
			sound = append(sound, s)
		} else {
			r.totals.Failing++
		}
		r.stopped = r.stopped || !r.visit(s.Result)
	}
	return sound
}

func (r *runner) singles(schedules []*Schedule, limit int) error {
	if r.stopped || limit == 0 {
		return nil
	}
	var all []placement
	for _, s := range schedules {
		all = append(all, s.singles()...)
	}
	r.totals.Singles.Of = len(all)
	return r.try(sorted(all)[:min(limit, len(all))], &r.totals.Singles)
}

// seconds is how many second faults a first one is worth, where not all are tried:
// the run that the first makes must be seen before a second can be placed in it.
const seconds = 4

// pairs gives each first fault an equal share of the limit.
func (r *runner) pairs(schedules []*Schedule, limit int) error {
	if r.stopped || limit == 0 {
		return nil
	}
	var all []placement
	for _, s := range schedules {
		all = append(all, s.firsts()...)
	}
	r.totals.FirstsOf = len(all)
	all = sorted(all)[:min(len(all), max(limit/seconds, 1))]
	for i := range all {
		share := (limit - r.totals.Pairs.Tried + len(all) - i - 1) / (len(all) - i)
		if err := r.pair(&all[i], share); err != nil || r.stopped {
			return err
		}
	}
	return nil
}

// pair places second faults in the run that a first one has made, unless that
// failed: then they would explain nothing.
func (r *runner) pair(first *placement, limit int) error {
	p := first.plan()
	var run *sim.Survey
	var err error
	stuck := sweep.Watch(r.target, p.Seed, r.sweep.Patience, func(watched sim.Target) { run, err = sim.Explore(watched, p) })
	if stuck != nil {
		return stuck
	}
	if err != nil || run.Result.Violation != nil {
		return err
	}
	r.totals.Firsts++
	all := first.of.seconds(run, first.at)
	r.totals.Pairs.Of += len(all)
	return r.try(all[:min(limit, len(all))], &r.totals.Pairs)
}

// try runs placements and counts what they come to.
func (r *runner) try(all []placement, c *Count) error {
	one := func(i int) (*sim.Result, error) {
		p := all[i].plan()
		return r.sweep.Check(r.target, p.Seed, i, func(watched sim.Target) (*sim.Result, error) { return sim.Replay(watched, p) })
	}
	return sweep.Each(len(all), r.sweep.Parallel, one, func(result *sim.Result) bool {
		r.count(result, c)
		r.stopped = !r.visit(result)
		return !r.stopped
	})
}

func (r *runner) count(result *sim.Result, c *Count) {
	c.Tried++
	r.totals.Events += result.Events
	for _, f := range result.Fired {
		r.totals.Fired[f.Name()]++
	}
	_, seen := r.seen[result.Hash]
	switch {
	case len(result.Fired) < len(result.Plan.Faults):
		c.Unchanged++
	case seen:
		c.Repeated++
	}
	r.seen[result.Hash] = struct{}{}
	if result.Violation != nil {
		c.Violations++
	}
	if result.Inconclusive {
		c.Inconclusive++
	}
}

// String is the sentence about what was tried.
func (t *Totals) String() string {
	text := fmt.Sprintf("%s of one fault on %s: %s", t.Singles.share("placement"), plural(t.Schedules, "schedule"), plural(t.Singles.Violations, "violation"))
	if t.Pairs.Of > 0 {
		behind := ""
		if t.Firsts < t.FirstsOf {
			behind = fmt.Sprintf(" behind %d of %d first faults", t.Firsts, t.FirstsOf)
		}
		text += fmt.Sprintf("; %s at semantic points%s: %d", t.Pairs.share("pair"), behind, t.Pairs.Violations)
	}
	if t.Failing > 0 {
		text += fmt.Sprintf("; %s without any fault", plural(t.Failing, "schedule fails", "schedules fail"))
	}
	return text
}

// share says how many were tried: all, or how many of them.
func (c *Count) share(what string) string {
	if c.Tried < c.Of {
		return fmt.Sprintf("%d of %s", c.Tried, plural(c.Of, what))
	}
	return "all " + plural(c.Of, what)
}

// plural is a number of things: of one, or of several.
func plural(n int, one string, several ...string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, append(several, one+"s")[0])
}
