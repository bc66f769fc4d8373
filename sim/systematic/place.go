package systematic

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// Schedule is a run without drawn faults, in which faults are placed.
type Schedule struct {
	Seed uint64
	*sim.Survey
	forms forms
}

// Of returns the schedule of a seed: its configuration as drawn, and no fault.
func Of(target sim.Target, seed uint64) (*Schedule, error) {
	p, err := sim.Draft(target, seed)
	if err != nil {
		return nil, err
	}
	survey, err := sim.Explore(target, p)
	if err != nil {
		return nil, err
	}
	survey.Scale.MayDie = true // whichever process is struck is the only one
	return &Schedule{Seed: seed, Survey: survey, forms: forms{}}, nil
}

// placement is one more fault in a run: at which of its calls, and in which form.
type placement struct {
	of       *Schedule
	in       *sim.Survey // of the schedule, or with the first fault of a pair
	at       *fault.Crossing
	kind     fault.Kind
	decisive bool
	// kin is equal for placements of one form at calls of one operation, key class
	// and step, whoever makes them, in whichever schedule and for the how manieth
	// time.
	kin uint64
	// order says when it is tried.
	order uint64
}

// plan is the run with the fault.
func (p *placement) plan() *plan.Plan {
	q := p.in.Result.Plan.Clone()
	q.Faults = append(slices.Clone(q.Faults), &fault.Fault{Kind: p.kind, At: p.at.Anchor()})
	return q
}

// sorted puts placements into the order in which they are tried. What was tried
// already in another process, schedule or repetition tells least: the second and
// third of their kin are one place behind the first, those up to the seventh two,
// and so on. What is not at a semantic point is two places back, and a form that is
// not decisive three. Among kin the first calls of their sites come first: what a
// process does for the hundredth time is polling. A hash decides the rest: however
// many are tried, they are a fair sample.
func sorted(all []placement) []placement {
	order := func(a, b placement) int { return cmp.Compare(a.order, b.order) }
	slices.SortStableFunc(all, order)
	met := map[uint64]uint{}
	for i := range all {
		p := &all[i]
		met[p.kin]++
		place := uint64(bits.Len(met[p.kin]))
		if !semantic(p.at) {
			place += 2
		}
		if !p.decisive {
			place += 3
		}
		p.order = place<<56 | p.order<<8>>8
	}
	slices.SortStableFunc(all, order)
	return all
}

// add adds to all the placements of a call's forms; at is its number in the run.
func (s *Schedule) add(all []placement, run *sim.Survey, at int, forms *known, n int) []placement {
	call := &run.Calls[at]
	site := keyed.Mix(keyed.HashText(call.Step)^uint64(call.Op), keyed.HashText(call.Class))
	first := uint64(bits.Len(uint(call.Nth))) << 56
	for j, kind := range forms.all[:n] {
		drawn := keyed.Mix(keyed.Mix(s.Seed, uint64(at)), uint64(j))
		all = append(all, placement{
			of: s, in: run, at: call, kind: kind, decisive: j < forms.decisive,
			kin: keyed.Mix(site, uint64(j)), order: first | drawn>>8,
		})
	}
	return all
}

// forms remembers the forms for calls that are alike: they depend on no more.
type forms map[alike]*known

type alike struct {
	op                          ops.Op
	client, expendable, outside bool
}

// known are all forms, the decisive ones first.
type known struct {
	all      []fault.Kind
	decisive int
}

// of lists all forms of all kinds that may strike the call.
func (f forms) of(s *fault.Scale, c *fault.Crossing) *known {
	key := alike{c.Op, c.Client, c.Expendable, c.Step == ""}
	if k := f[key]; k != nil {
		return k
	}
	var decisive, others []fault.Kind
	for _, info := range fault.Kinds() {
		d, o := fault.Forms(info, s, c)
		decisive, others = append(decisive, d...), append(others, o...)
	}
	f[key] = &known{append(decisive, others...), len(decisive)}
	return f[key]
}

// singles lists every form of every kind at every call of the schedule.
func (s *Schedule) singles() []placement {
	var all []placement
	for i := range s.Calls {
		k := s.forms.of(&s.Scale, &s.Calls[i])
		all = s.add(all, s.Survey, i, k, len(k.all))
	}
	return all
}

// Size is how many universes placements of one fault take, of which at most limit
// are tried: those of the schedules, and one for each.
func Size(schedules []*Schedule, limit int) int {
	n := 0
	for _, s := range schedules {
		for i := range s.Calls {
			n += len(s.forms.of(&s.Scale, &s.Calls[i]).all)
		}
	}
	return len(schedules) + min(n, limit)
}

// firsts lists the first faults of pairs: the decisive forms at each semantic
// point of the schedule.
func (s *Schedule) firsts() []placement {
	return s.decisive(s.Survey, 0, semantic)
}

// seconds lists the second faults of pairs, in the run that the first fault has
// made: at each semantic point after it, and at each request after it that the
// same process makes about the same key and that has an effect. A pair in which
// the other fault comes first is one of that fault's.
func (s *Schedule) seconds(run *sim.Survey, first *fault.Crossing) []placement {
	at := slices.IndexFunc(run.Calls, func(c fault.Crossing) bool { return c.Site.Key == first.Site.Key && c.Nth == first.Nth })
	return sorted(s.decisive(run, at+1, func(c *fault.Crossing) bool { return semantic(c) || related(first, c) }))
}

// decisive lists the decisive forms at those calls of a run.
func (s *Schedule) decisive(run *sim.Survey, from int, chosen func(*fault.Crossing) bool) []placement {
	var all []placement
	for i := from; i < len(run.Calls); i++ {
		if call := &run.Calls[i]; chosen(call) {
			k := s.forms.of(&s.Scale, call)
			all = s.add(all, run, i, k, k.decisive)
		}
	}
	return all
}

// semantic reports whether a call is one of those by which a protocol takes
// effect: what others may see before it and after it differs.
func semantic(c *fault.Crossing) bool {
	switch c.Op {
	case ops.Commit, ops.Put, ops.CompleteUpload, ops.Delete:
		return true
	}
	return false
}

// related reports whether two calls are one actor's about the same thing.
func related(a, b *fault.Crossing) bool {
	return b.Op.HasEffect() && a.Process == b.Process && a.Subject == b.Subject && a.Subject != ""
}
