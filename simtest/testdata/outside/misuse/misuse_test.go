// Package misuse blocks where a simulated system must not.
package misuse

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
	"github.com/gauntlet-dst/gauntlet/simtest"
)

func TestMain(m *testing.M) {
	simtest.Main(m, harness.Suite{Target: sim.Target{
		Assemble:   func() sim.Assembly { return &system{block: kinds[os.Getenv("MISUSE")]} },
		Invariants: func(sim.Assembly, sim.System) []sim.Invariant { return nil },
		Calm:       true,
	}})
}

func TestSim(t *testing.T) { simtest.Universes(t) }

var kinds = map[string]func(context.Context){"channel": channel, "goroutine": goroutine, "done": done, "spin": spin}

func channel(context.Context) { <-make(chan int) }

func goroutine(context.Context) {
	var answer, never = make(chan int), make(chan int)
	go func() { answer <- <-never }()
	<-answer
}

func done(ctx context.Context) { <-ctx.Done() }

func spin(context.Context) {
	for n := 1; n != 0; n = n%7 + 1 {
	}
}

type system struct{ block func(context.Context) }

func (s *system) Name() string                   { return "misuse" }
func (s *system) Settings() []plan.Setting       { return nil }
func (s *system) Draw(keyed.Draw)                {}
func (s *system) New() (sim.System, error)       { return s, nil }
func (s *system) Done(*sim.World) bool           { return false }
func (s *system) Quiet(*sim.World) bool          { return true }
func (s *system) Region(string) int              { return 0 }
func (s *system) Classify(string) string         { return "" }
func (s *system) StoreOptions() objstore.Options { return objstore.Options{} }

func (s *system) Prepare(*sim.Stores)               {}
func (s *system) Describe(*sim.World, *sim.Summary) {}

func (s *system) Programs() []sim.Program {
	return []sim.Program{{Name: "idle", Main: s.idle}, {Name: "w0", Main: s.work}}
}

// idle goes on as it should.
func (s *system) idle(ctx context.Context, e *env.Env) error {
	for {
		if err := e.Clock.Sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}

// work blocks in a task of its own, after a while.
func (s *system) work(ctx context.Context, e *env.Env) error {
	group := e.Runtime.Group(ctx)
	group.Spawn("careless", func(ctx context.Context) error {
		if err := e.Clock.Sleep(ctx, time.Minute); err != nil {
			return err
		}
		s.block(ctx)
		return nil
	})
	return group.Wait()
}

func (s *system) Bounds() sim.Bounds { return sim.Bounds{} }
