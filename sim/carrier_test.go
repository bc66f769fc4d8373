package sim_test

import (
	"context"
	"flag"
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

var costs = flag.Bool("costs", false, "TestCarriers: measure what an event costs, with 10 to 10,000 actors")

// channels is iter.Pull by a goroutine and two channels: what coroutines would be
// made of without it.
func channels(seq iter.Seq[struct{}]) (next func() (struct{}, bool), stop func()) {
	resume, blocked := make(chan bool), make(chan bool)
	go func() {
		defer close(blocked)
		if <-resume {
			seq(func(struct{}) bool { blocked <- true; return <-resume })
		}
	}()
	ended := false
	pass := func(on bool) (struct{}, bool) {
		if !ended {
			resume <- on
			ended = !<-blocked
		}
		return struct{}{}, !ended
	}
	return func() (struct{}, bool) { return pass(true) }, func() {
		for !ended { // a function that is told to stop may yet block
			pass(false)
		}
	}
}

// sleepers is a system whose actors sleep, each for a drawn time, over and over.
type sleepers struct{ actors, events, woken int }

// longestNap bounds what they sleep at a time.
const longestNap = time.Second

func (s *sleepers) Name() string                      { return "sleepers" }
func (s *sleepers) Settings() []plan.Setting          { return nil }
func (s *sleepers) Draw(keyed.Draw)                   {}
func (s *sleepers) New() (sim.System, error)          { return s, nil }
func (s *sleepers) Prepare(*sim.Stores)               {}
func (s *sleepers) StoreOptions() objstore.Options    { return objstore.Options{} }
func (s *sleepers) Region(string) int                 { return 0 }
func (s *sleepers) Classify(string) string            { return "" }
func (s *sleepers) Bounds() sim.Bounds                { return sim.Bounds{} }
func (s *sleepers) Done(w *sim.World) bool            { return 2*s.woken > s.events }
func (s *sleepers) Quiet(*sim.World) bool             { return true }
func (s *sleepers) Describe(*sim.World, *sim.Summary) {}

func (s *sleepers) Programs() []sim.Program {
	programs := make([]sim.Program, s.actors)
	for i := range programs {
		programs[i] = sim.Program{Name: strconv.Itoa(i), Main: s.sleep}
	}
	return programs
}

func (s *sleepers) sleep(ctx context.Context, e *env.Env) error {
	for {
		if err := e.Clock.Sleep(ctx, time.Duration(e.Rand.Uint64()%uint64(longestNap))); err != nil {
			return err
		}
		s.woken++
	}
}

// run is a universe of sleepers.
func (s *sleepers) run(t *testing.T) *sim.Result {
	s.woken = 0
	r, err := sim.Run(sim.Target{
		Assemble:   func() sim.Assembly { return s },
		Invariants: func(sim.Assembly, sim.System) []sim.Invariant { return nil },
		Vary: func(c *sim.Config, _ sim.Assembly) {
			c.Arm, c.ChaosEvents, c.ChaosFor = "narrow", s.events, 2*time.Hour
		},
		Calm: true,
	}, 1)
	require.NoError(t, err)
	require.Nil(t, r.Violation)
	return r
}

// bubble lets goroutines in a bubble of testing/synctest sleep as often, which is
// the other way to run ordinary code in virtual time.
func (s *sleepers) bubble(t *testing.T) {
	synctest.Test(t, func(*testing.T) {
		for i := range s.actors {
			random := rand.New(rand.NewPCG(1, uint64(i)))
			go func() {
				for range s.events / s.actors {
					time.Sleep(time.Duration(random.Uint64N(uint64(longestNap))))
				}
			}()
		}
		time.Sleep(time.Duration(s.events/s.actors+1) * longestNap)
	})
}

// TestCarriers: universes are the same whatever carries their actors. With -costs,
// it prints what an event costs on each carrier, in the same run: the least of
// three times.
func TestCarriers(t *testing.T) {
	hashes := func() (all []uint64) {
		for seed := range uint64(20) {
			r, err := sim.Run(suite.Target(), 9000+seed)
			require.NoError(t, err)
			all = append(all, r.Hash)
		}
		return append(all, (&sleepers{actors: 10, events: 2000}).run(t).Hash)
	}
	coroutines := hashes()
	back := sim.PullBy(channels)
	defer back()
	require.Equal(t, coroutines, hashes())
	back()
	if !*costs {
		return
	}
	for _, actors := range []int{10, 100, 1000, 10_000} {
		s := &sleepers{actors: actors, events: max(200_000, 50*actors)}
		var ns [3]float64
		for range 3 {
			for i, run := range []func(){
				func() { s.run(t) },
				func() { defer sim.PullBy(channels)(); s.run(t) },
				func() { s.bubble(t) },
			} {
				begun := harness.CPUSeconds()
				run()
				if took := (harness.CPUSeconds() - begun) * 1e9 / float64(s.events); ns[i] == 0 || took < ns[i] {
					ns[i] = took
				}
			}
		}
		fmt.Printf("carriers: actors=%d coroutine=%.0fns channels=%.0fns synctest=%.0fns coroutine/channels=%.2f coroutine/synctest=%.2f\n",
			actors, ns[0], ns[1], ns[2], ns[0]/ns[1], ns[0]/ns[2])
	}
}
