package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
)

// Neighbour is what becomes of the run if one of its faults is another.
type Neighbour struct {
	// Fault is the fault as the failing run has it.
	Fault string
	// Namesake is set if another one is of the same kind and process.
	Namesake bool
	// Without tells that the run does not fail this way without the fault, and
	// WithoutBreaks which invariant it breaks in another way, "" if it passes.
	Without       bool
	WithoutBreaks string
	// Milder counts the milder forms that were tried, MilderFail those that fail
	// all the same, and MilderBreak those that fail in another way.
	Milder, MilderFail, MilderBreak int
	// Bounds are where each of its durations begins to matter.
	Bounds []Boundary
}

// Boundary is the smallest duration of a fault with which the run fails.
type Boundary struct {
	// Name is the option's: "for".
	Name string
	// Is is the failing run's, Fails the smallest that fails this way (0: every one
	// does), Passes the largest below it that does not.
	Is, Fails, Passes time.Duration
	// Breaks is the invariant that the run with Passes breaks in another way, "" if
	// it passes.
	Breaks string
	// Ends is when the fault ends with the last two, if it ends by itself.
	FailsUntil, PassesUntil time.Duration
	// Crossed is the deadline in between, or what somebody else had done by then: ""
	// if nothing is known.
	Crossed string
}

// precision is how exactly a boundary is found: to a thousandth of its value, and
// no closer than a millisecond.
func precision(d time.Duration) time.Duration { return max(d/1000, time.Millisecond) }

// neighbours looks for the nearest passing run of each fault.
func (l *laboratory) neighbours(s *story) ([]Neighbour, error) {
	var all []Neighbour
	for i, f := range l.reduced.Plan.Faults {
		n := Neighbour{Fault: f.String()}
		fails, err := l.with(i, nil)
		if err != nil {
			return nil, err
		}
		n.Without, n.WithoutBreaks = !fails, l.otherwise
		for _, weaker := range fault.Weaker(f) {
			if !l.left() {
				break
			}
			if fails, err = l.with(i, weaker); err != nil {
				continue // a form that no plan may have
			}
			n.Milder++
			if fails {
				n.MilderFail++
			} else if l.otherwise != "" {
				n.MilderBreak++
			}
		}
		if n.Without {
			n.Bounds = l.bounds(s, i, n.WithoutBreaks)
		}
		all = append(all, n)
	}
	nameApart(all)
	return all, nil
}

// with runs the plan with another fault in the place of the i-th, nil for none.
func (l *laboratory) with(i int, other *fault.Fault) (bool, error) {
	p := l.reduced.Plan.Clone()
	p.Faults = slices.Clone(l.reduced.Plan.Faults)
	if other == nil {
		p.Faults = slices.Delete(p.Faults, i, i+1)
	} else {
		p.Faults[i] = other
	}
	return l.fails(sim.Replay(l.target, p))
}

// bounds finds the boundary of each duration of a fault, without which the run does
// not fail this way, but breaks another invariant if that isn't "".
func (l *laboratory) bounds(s *story, i int, breaks string) []Boundary {
	f := l.reduced.Plan.Faults[i]
	var all []Boundary
	for _, o := range f.Kind.Info().Options() {
		is, ok := durationOf(f, o.Name)
		if !ok || is <= 0 {
			continue
		}
		b := Boundary{Name: o.Name, Is: is, Fails: is, Breaks: breaks}
		for b.Fails-b.Passes > precision(b.Fails) && l.left() {
			middle := (b.Passes + b.Fails) / 2
			other := withDuration(f, o.Name, middle)
			if other == nil { // below what the option may be
				b.Passes = middle
				continue
			}
			fails, err := l.with(i, other)
			if err != nil {
				break
			}
			if fails {
				b.Fails = middle
			} else {
				b.Passes, b.Breaks = middle, l.otherwise
			}
		}
		if b.Fails <= time.Millisecond {
			b.Fails = 0
		}
		s.cross(f, &b)
		all = append(all, b)
	}
	return all
}

// durationOf reads an option of a fault from its line, if it is a duration.
func durationOf(f *fault.Fault, name string) (time.Duration, bool) {
	for _, word := range strings.Fields(f.String()) {
		if text, ok := strings.CutPrefix(word, name+"="); ok {
			d, err := time.ParseDuration(text)
			return d, err == nil
		}
	}
	return 0, false
}

// withDuration is the fault with another duration, nil if it may not be that.
func withDuration(f *fault.Fault, name string, d time.Duration) *fault.Fault {
	words := strings.Fields(f.String())
	for i, word := range words {
		if strings.HasPrefix(word, name+"=") {
			words[i] = name + "=" + d.String()
		}
	}
	other, err := fault.Parse(strings.Join(words, " "))
	if err != nil {
		return nil
	}
	return f.With(other.Kind)
}

// cross finds what lies between the longest form that passes and the shortest that
// fails: the end of what the process held, or else what another process had done to
// the subject by then.
func (s *story) cross(f *fault.Fault, b *Boundary) {
	strike := slices.IndexFunc(s.h.Strikes, func(k sim.Strike) bool { return k.Fault.String() == f.String() })
	if strike < 0 || b.Fails == 0 || f.Kind.Lasts() != b.Is {
		return
	}
	from := s.h.Strikes[strike].From
	b.FailsUntil, b.PassesUntil = from.At+b.Fails, from.At+b.Passes
	near := precision(b.Fails) * 20
	for _, held := range s.h.Holdings {
		if held.For == 0 || held.From.Event > from.Event || held.Process != f.At.Process {
			continue
		}
		written := held.From.At
		for _, again := range held.Renewed {
			if again.At <= b.FailsUntil {
				written = again.At
			}
		}
		if ends := written + held.For; ends >= b.PassesUntil-near && ends <= b.FailsUntil+near {
			b.Crossed = fmt.Sprintf("the %s of %s ends at %s", held.Kind, held.Of, clockText(ends))
			return
		}
	}
	last := 0
	for i := range s.h.Requests {
		r := &s.h.Requests[i]
		if r.Process == f.At.Process || r.Fate != sim.Handled || r.Handled.Event <= from.Event || r.Handled.At > b.FailsUntil+near ||
			!slices.ContainsFunc(r.Keys, s.about) {
			continue
		}
		if n := i + 1; len(s.changes[n]) > 0 || r.Handled.At >= b.PassesUntil-near {
			last = n
		}
	}
	if last > 0 {
		r := s.request(last)
		b.Crossed = fmt.Sprintf("about then: %s/%s %s at %s", r.Process, r.Incarnation, s.deed(r), clockText(r.Handled.At))
	}
}

// named names the fault: "w1's pause", and where it strikes if another one is named so.
func (n *Neighbour) named() string {
	kind, at, _ := strings.Cut(n.Fault, " at ")
	process, _, _ := strings.Cut(at, "/")
	name := process + "'s " + kind
	if !n.Namesake {
		return name
	}
	words := strings.Fields(at)
	if i := slices.IndexFunc(words, func(word string) bool { return strings.HasPrefix(word, "#") }); i >= 0 {
		name += " at " + strings.Join(words[:i+1], " ")
	}
	return name
}

// nameApart notes which faults are of the same kind and process as another.
func nameApart(all []Neighbour) {
	counts := map[string]int{}
	for i := range all {
		counts[all[i].named()]++
	}
	for i := range all {
		all[i].Namesake = counts[all[i].named()] > 1
	}
}

// lines render what was found about a fault.
func (n *Neighbour) lines() []string {
	what := passes(n.WithoutBreaks)
	if !n.Without {
		what = "fails all the same"
	}
	line := fmt.Sprintf("  without %s: %s", n.named(), what)
	switch {
	case n.Milder == 0:
	case n.MilderFail == 0 && n.MilderBreak > 0:
		line += fmt.Sprintf("; none of its %d milder forms fails this way (%d in another)", n.Milder, n.MilderBreak)
	case n.MilderFail == 0:
		line += fmt.Sprintf("; with any of its %d milder forms: passes", n.Milder)
	default:
		line += fmt.Sprintf("; %d of its %d milder forms fail, too", n.MilderFail, n.Milder)
	}
	lines := []string{line}
	for _, b := range n.Bounds {
		if b.Fails == 0 {
			lines = append(lines, fmt.Sprintf("  the same, %s=0: fails all the same", b.Name))
			continue
		}
		in := secondsOf
		if in(b.Passes) == in(b.Fails) {
			in = time.Duration.String
		}
		text := fmt.Sprintf("  the same, %s=%s: %s", b.Name, in(b.Passes), passes(b.Breaks))
		if b.FailsUntil > 0 {
			text += fmt.Sprintf(" (until %s)", seconds(b.PassesUntil))
		}
		text += fmt.Sprintf("; %s: fails", in(b.Fails))
		if b.FailsUntil > 0 {
			text += fmt.Sprintf(" (until %s)", seconds(b.FailsUntil))
		}
		if b.Crossed != "" {
			text += "; " + b.Crossed
		}
		lines = append(lines, text)
	}
	return lines
}

// passes says what becomes of a run that does not fail this way: it may break an
// invariant in another.
func passes(breaks string) string {
	if breaks == "" {
		return "passes"
	}
	return "breaks " + breaks + " instead"
}

// secondsOf prints a duration in seconds, as short as it is exact to a millisecond.
func secondsOf(d time.Duration) string {
	text := fmt.Sprintf("%.3f", d.Seconds())
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + "s"
}
