package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// pair is a kind of fault at an operation.
type pair struct {
	kind string
	op   ops.Op
}

// struck is how often a pair was drawn, and how often that changed a call.
type struck struct{ drawn, fired int }

// sums are what many universes came to.
type sums struct {
	base      uint64
	universes int
	silent    int // universes in which no fault fired
	pairs     map[pair]struck
	items     map[string]tally
}

// pairs lists what must be drawn: each kind at each operation to which the world
// could do that. To wait for tasks of one's own is no call: nothing strikes it.
func pairs() (list []pair) {
	for _, k := range fault.Kinds() {
		for _, op := range ops.All() {
			if op != ops.Wait && k.Strikes(op) {
				list = append(list, pair{k.Name, op})
			}
		}
	}
	return list
}

// sum runs the universes, judged by nobody.
func sum(base uint64, universes int) (*sums, error) {
	s := &sums{base: base, pairs: map[pair]struck{}, items: map[string]tally{}}
	counts := make([]map[string]tally, universes)
	one := func(i int) (*sim.Result, error) {
		var w *watcher
		target := suite.Target()
		target.Invariants = func(_ sim.Assembly, system sim.System) []sim.Invariant {
			w = newWatcher(system.(*conversion.System))
			return []sim.Invariant{w}
		}
		r, err := sim.Run(target, base+uint64(i))
		if err == nil {
			counts[i] = w.count()
		}
		return r, err
	}
	zero := zeroes()
	err := sweep.Each(universes, 0, one, func(r *sim.Result) bool {
		s.add(r, zero, counts[s.universes])
		counts[s.universes-1] = nil
		return true
	})
	return s, err
}

// zeroes are the zero values of the settings that have one.
func zeroes() map[string]string {
	zero := map[string]string{}
	for _, setting := range settings() {
		if setting.Absent != "" {
			zero[setting.Name] = setting.Absent
		}
	}
	return zero
}

func settings() []plan.Setting {
	return append((&sim.Config{}).Settings(), (&conversion.Config{}).Settings()...)
}

func (s *sums) add(r *sim.Result, zero map[string]string, counts map[string]tally) {
	s.universes++
	if len(r.Fired) == 0 {
		s.silent++
	}
	for _, f := range r.Injected {
		p := pair{f.Name(), f.At.Op}
		c := s.pairs[p]
		c.drawn++
		if f.Fired > 0 {
			c.fired++
		}
		s.pairs[p] = c
	}
	for _, setting := range r.Plan.Settings {
		if is, ok := zero[setting.Name]; ok && is != setting.Value {
			counts["setting/"+setting.Name] = tally{n: 1, universes: 1}
		}
	}
	for item, t := range counts {
		all := s.items[item]
		s.items[item] = tally{all.n + t.n, all.after + t.after, all.universes + t.universes}
	}
}

// Demands.
const (
	whole   = 20_000 // universes, in which each item is asked for
	leastOf = 20     // of an edge, timer, limit or step, and of those right after a fault
	// In fewer universes a share of the items is asked for, in percent: of the pairs,
	// of the other items, and of those right after a fault.
	quickPairs, quickItems, quickAfter = 75, 90, 65
)

// judge names what was drawn too seldom, and what happens and stands in no list.
func (s *sums) judge() error {
	wrong := s.unknown()
	if s.universes >= whole {
		wrong = append(wrong, s.missing()...)
	} else {
		wrong = append(wrong, s.poor()...)
	}
	if len(wrong) == 0 {
		return nil
	}
	slices.Sort(wrong)
	return fmt.Errorf("in %d universes from 0x%x:\n  %s", s.universes, s.base, strings.Join(wrong, "\n  "))
}

// unknown is what happens and stands in no list.
func (s *sums) unknown() (wrong []string) {
	known := map[string]bool{}
	for _, item := range expected() {
		known[item.name] = true
	}
	for _, name := range strings.Split(seldom, "\n") {
		known[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(s.items)) {
		if !known[name] {
			wrong = append(wrong, name+": happens, and stands in no list of internal/coverage")
		}
	}
	return wrong
}

// missing is what the whole number of universes shows too seldom.
func (s *sums) missing() (wrong []string) {
	for _, p := range pairs() {
		if c := s.pairs[p]; c.fired == 0 {
			wrong = append(wrong, fmt.Sprintf("fault %s at %s: drawn %d times, never fired", p.kind, p.op, c.drawn))
		}
	}
	for _, item := range expected() {
		t := s.items[item.name]
		if t.n < leastOf {
			wrong = append(wrong, fmt.Sprintf("%s: %d times; want %d", item.name, t.n, leastOf))
		}
		if t.after < leastOf && !item.calm {
			wrong = append(wrong, fmt.Sprintf("%s, right after a fault: %d times; want %d", item.name, t.after, leastOf))
		}
	}
	return wrong
}

// shares are how many of what is asked for was there at all, in percent.
func (s *sums) shares() (ofPairs, ofItems, ofAfter int) {
	fired, there, after, asked := 0, 0, 0, 0
	for _, p := range pairs() {
		fired += min(s.pairs[p].fired, 1)
	}
	items := expected()
	for _, item := range items {
		there += min(s.items[item.name].n, 1)
		if !item.calm {
			asked++
			after += min(s.items[item.name].after, 1)
		}
	}
	return 100 * fired / len(pairs()), 100 * there / len(items), 100 * after / asked
}

// poor is what few universes show too little of.
func (s *sums) poor() (wrong []string) {
	ofPairs, ofItems, ofAfter := s.shares()
	for _, of := range []struct {
		what      string
		is, least int
	}{{"kinds of faults at operations", ofPairs, quickPairs}, {"items", ofItems, quickItems}, {"items right after a fault", ofAfter, quickAfter}} {
		if of.is < of.least {
			wrong = append(wrong, fmt.Sprintf("%d %% of the %s; want %d %%", of.is, of.what, of.least))
		}
	}
	return wrong
}

// line is the sum in one line.
func (s *sums) line() string {
	ofPairs, ofItems, ofAfter := s.shares()
	return fmt.Sprintf("coverage: universes=%d pairs_pct=%d of %d items_pct=%d of %d after_pct=%d silent_pct=%.1f",
		s.universes, ofPairs, len(pairs()), ofItems, len(expected()), ofAfter, 100*float64(s.silent)/float64(s.universes))
}
