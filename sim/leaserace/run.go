package leaserace

import (
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// The marks of universes that a sweep watches: how many races came close, how many
// schedules that close one were tried, and how many of those failed.
const (
	MarkClose  = "lease_race_close"
	MarkTried  = "lease_race_tried"
	MarkFailed = "lease_race_failed"
)

// oneIn is how many universes of a sweep there are for each that is watched. What is
// tried takes about as long as the universe itself, so all of it takes about 5 % of
// the time.
const oneIn = 20

// watched tells whether a sweep watches the universe of a seed.
func watched(seed uint64) bool { return keyed.New(seed, "lease race").Intn("watched", oneIn) == 0 }

// Run runs the universe of a seed, and predicts if the seed is one of those that are
// watched.
func Run(target sim.Target, seed uint64) (*sim.Result, error) {
	if watched(seed) {
		return Predict(target, seed)
	}
	return sim.Run(target, seed)
}

// Predict runs the universe of a seed. If it holds, one of the schedules that close
// one of its races is tried. If that fails, it is what the seed comes to. All of it
// is a function of the seed.
func Predict(target sim.Target, seed uint64) (*sim.Result, error) {
	r, races, err := Watch(target, func(watched sim.Target) (*sim.Result, error) { return sim.Run(watched, seed) })
	if err != nil || r.Violation != nil || len(races) == 0 {
		return r, err
	}
	p := choose(keyed.New(seed, "lease race"), r, races)
	if p == nil {
		return r, nil
	}
	tried, err := Try(target, r, p)
	if err != nil {
		return nil, err
	}
	if tried.Violation != nil {
		r = tried
		r.Marks[MarkFailed]++
	}
	r.Marks[MarkTried]++
	if n := closeRaces(races); n > 0 {
		r.Marks[MarkClose] += n
	}
	return r, nil
}

// closeRaces counts the races of two owners.
func closeRaces(races []Race) (n int) {
	for i := range races {
		if races[i].Second != "" {
			n++
		}
	}
	return n
}

// choose draws a race, one of two owners if there is one half of the time, and one
// of its schedules; nil if there are none.
func choose(d keyed.Draw, r *sim.Result, races []Race) *plan.Plan {
	if n := closeRaces(races); n > 0 && d.Chance("two owners", 500) {
		kept := make([]Race, 0, n)
		for i := range races {
			if races[i].Second != "" {
				kept = append(kept, races[i])
			}
		}
		races = kept
	}
	schedules := races[d.Intn("race", len(races))].Schedules(r)
	if len(schedules) == 0 {
		return nil
	}
	return schedules[d.Intn("schedule", len(schedules))]
}

// Try runs a schedule of a run's race. It is given up, and held then, when it takes
// much longer than the run did.
func Try(target sim.Target, r *sim.Result, schedule *plan.Plan) (*sim.Result, error) {
	target.Events = 2*r.Events + 2000
	return sim.Replay(target, schedule)
}

// Watch runs a universe and returns its races.
func Watch(target sim.Target, run func(watched sim.Target) (*sim.Result, error)) (*sim.Result, []Race, error) {
	var w *watcher
	watched := target
	watched.Invariants = func(a sim.Assembly, s sim.System) []sim.Invariant {
		w = newWatcher(s)
		return append(target.Invariants(a, s), w)
	}
	r, err := run(watched)
	if err != nil {
		return nil, nil, err
	}
	return r, w.races(), nil
}
