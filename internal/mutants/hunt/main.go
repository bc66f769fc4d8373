// Command hunt runs universes of the conversion and prints, as JSON, which
// invariants found a violation and in which universe first. The mutants' test
// builds it with -overlay, one binary for each planted bug.
//
//	hunt -seed 1 -seeds 2000 -stop exactly-once   until that invariant speaks first
//	hunt -seed 1 -seeds 2000 -each                every invariant as if it were alone
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/explain"
)

// found is what one invariant saw.
type found struct {
	Seed  uint64 `json:"seed"`           // the first
	Seeds int    `json:"seeds"`          // how many
	Text  string `json:"text,omitempty"` // of the first
}

// report is what a hunt came to.
type report struct {
	Seeds     int               `json:"seeds"` // how many were run
	Published int               `json:"published"`
	Batches   int               `json:"batches"`
	Found     map[string]*found `json:"found"`
	// Plan replays the universe that ended the hunt; "" if none did.
	Plan string `json:"plan,omitempty"`
	// Needed is how many faults of that plan are left when those that don't
	// matter are taken away, -1 if nobody asked.
	Needed int `json:"needed"`
}

func main() {
	base := flag.Uint64("seed", 1, "the first universe")
	count := flag.Int("seeds", 2000, "how many")
	stop := flag.String("stop", "", "end at the first universe in which this invariant speaks first")
	each := flag.Bool("each", false, "let every invariant judge to the end, whatever the others have said")
	reduce := flag.Bool("reduce", false, "count the faults that the last universe needs")
	flag.Parse()
	debug.SetGCPercent(400) // the live heap is tiny
	r, err := hunt(*base, *count, *stop, *each, *reduce)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "hunt:", err)
		os.Exit(1)
	}
}

func hunt(base uint64, count int, stop string, each, reduce bool) (*report, error) {
	target := suite.Target()
	r := &report{Found: map[string]*found{}, Needed: -1}
	var witnesses []*witness
	if each {
		judges := target.Invariants
		target.Invariants = func(a sim.Assembly, s sim.System) []sim.Invariant {
			witnesses = witnesses[:0]
			var all []sim.Invariant
			for _, inv := range judges(a, s) {
				w := &witness{Invariant: inv}
				witnesses = append(witnesses, w)
				all = append(all, w)
			}
			return all
		}
	}
	for seed := base; seed < base+uint64(count); seed++ {
		result, err := sim.Run(target, seed)
		if err != nil {
			return nil, err
		}
		r.Seeds++
		for _, o := range result.Summary.Outcomes {
			r.Batches += o.N
			if o.Name == "published" {
				r.Published += o.N
			}
		}
		for _, w := range witnesses {
			if w.said != nil {
				r.note(w.Name(), seed, w.said.Error())
			}
		}
		if result.Violation == nil {
			continue
		}
		r.note(result.Violation.Invariant, seed, result.Violation.Text)
		if result.Violation.Invariant == stop {
			r.Plan = result.Plan.String()
			return r, r.reduce(target, result, reduce)
		}
	}
	return r, nil
}

func (r *report) note(name string, seed uint64, text string) {
	f := r.Found[name]
	if f == nil {
		f = &found{Seed: seed, Text: text}
		r.Found[name] = f
	}
	f.Seeds++
}

// reduce takes away the faults that the violation doesn't need.
func (r *report) reduce(target sim.Target, result *sim.Result, wanted bool) error {
	if !wanted {
		return nil
	}
	explained, err := explain.Failure(target, result, 400)
	if err == nil {
		r.Needed = len(explained.Reduced.Plan.Faults)
	}
	return err
}

// witness keeps an invariant's first error to itself, so that the universe goes
// on for the others, and does not ask it again.
type witness struct {
	sim.Invariant
	said error
}

// rowsReadable must go on after an error: the others see through its eyes.
const rowsReadable = "rows-readable"

func (w *witness) Observe(world *sim.World, e *sim.Effect) error {
	if w.said != nil && w.Name() != rowsReadable {
		return nil
	}
	if err := w.Invariant.Observe(world, e); err != nil && w.said == nil {
		w.said = err
	}
	return nil
}

func (w *witness) Settled(world *sim.World) error {
	if w.said == nil {
		if settler, ok := w.Invariant.(sim.Settler); ok {
			w.said = settler.Settled(world)
		}
	}
	return nil
}

// ObserveCall implements sim.CallObserver for the invariants that are one.
func (w *witness) ObserveCall(world *sim.World, c *sim.Call) {
	if watcher, ok := w.Invariant.(sim.CallObserver); ok {
		watcher.ObserveCall(world, c)
	}
}
