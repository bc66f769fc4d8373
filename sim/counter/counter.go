// Package counter is a tiny system on package env: workers raise a shared
// counter. The examples and tests of the simulator run it, and it shows what the
// simulator must know of a system, and that it knows nothing of the conversion.
package counter

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// System is the system: each raise is recorded under its worker's name.
type System struct {
	Workers int // 1 to 100
	Goal    int // what they raise the counter to, 1 to 10,000
	// Careless workers read in one transaction and write in another.
	Careless bool
}

// Name is the system's name in plans.
func (c *System) Name() string { return "counter" }

// Settings binds the fields to their names in plans.
func (c *System) Settings() []plan.Setting {
	return []plan.Setting{
		{Name: "counter.workers", Int: &c.Workers, Min: 1, Max: 100},
		{Name: "counter.target", Int: &c.Goal, Min: 1, Max: 10000},
		{Name: "counter.careless", Bool: &c.Careless},
	}
}

// Draw chooses a system for a seed.
func (c *System) Draw(d keyed.Draw) {
	c.Workers = int(d.Between("workers", 2, 4))
	c.Goal = int(d.Between("target", 5, 20))
	if d.Chance("long", 250) { // most runs are over soon, some before any fault has come
		c.Goal = int(d.Between("long target", 30, 80))
	}
}

// New returns the system itself: every configuration works.
func (c *System) New() (sim.System, error) { return c, nil }

// Programs are the workers.
func (c *System) Programs() []sim.Program {
	var programs []sim.Program
	for i := range c.Workers {
		programs = append(programs, sim.Program{Name: "w" + strconv.Itoa(i), Main: c.Work, Restart: time.Second})
	}
	return programs
}

// Prepare, StoreOptions and Region: nothing is there at the beginning, and the
// stores have no traits of their own.
func (c *System) Prepare(*sim.Stores)            {}
func (c *System) StoreOptions() objstore.Options { return objstore.Options{} }
func (c *System) Region(string) int              { return 0 }

// Classify is the first part of a key.
func (c *System) Classify(key string) string {
	class, _, _ := strings.Cut(key, "/")
	return class
}

// Bounds sets what the defaults do not fit.
func (c *System) Bounds() sim.Bounds {
	return sim.Bounds{RPCTimeout: time.Second, Quiesce: time.Second}
}

// Done reports whether the counter has reached its goal.
func (c *System) Done(w *sim.World) bool { return Value(w) >= c.Goal }

// Quiet: nothing has to be cleaned up.
func (c *System) Quiet(*sim.World) bool { return true }

// Describe sums up how far the counter was raised.
func (c *System) Describe(w *sim.World, s *sim.Summary) {
	s.Fields = []plan.Field{{Name: "workers", Value: strconv.Itoa(c.Workers)}}
	s.Outcome, s.Outcomes = "raised", []sim.Count{{Name: "raised", N: Value(w)}}
	if n := Value(w); n < c.Goal {
		s.Outcome = "unfinished"
		s.Unfinished = []sim.Unfinished{{Subject: "counter", Key: "counter", Shape: "counter too low", Text: fmt.Sprintf("the counter is %d of %d", n, c.Goal)}}
	}
}

// Value returns what the counter is.
func Value(w *sim.World) int {
	value, ok := w.Get("counter")
	if !ok {
		return 0
	}
	n, _ := strconv.Atoi(string(value))
	return n
}

// Work is a worker: it raises the counter until it has reached the target.
func (c *System) Work(ctx context.Context, e *env.Env) error {
	for n := 1; ; n++ {
		done, err := c.raise(ctx, e, fmt.Sprintf("raised/%s/%s/%d", e.Self.Name, e.Self.Incarnation, n))
		if done || ctx.Err() != nil {
			return err
		}
		if err := e.Clock.Sleep(ctx, time.Duration(e.Rand.Uint64()%uint64(100*time.Millisecond))); err != nil {
			return err
		}
	}
}

func (c *System) raise(ctx context.Context, e *env.Env, record string) (done bool, err error) {
	ctx, err = e.Runtime.Step(ctx, "raise")
	if err != nil {
		return false, err
	}
	txn, err := e.KV.Begin(ctx)
	if err != nil {
		return false, err
	}
	n := 0
	value, err := txn.Get(ctx, "counter")
	switch env.ClassOf(err) {
	case env.ClassNone:
		n, _ = strconv.Atoi(string(value))
	case env.ClassNotFound:
	default:
		return false, err
	}
	if n >= c.Goal {
		return true, nil
	}
	if c.Careless {
		if txn, err = e.KV.Begin(ctx); err != nil {
			return false, err
		}
	}
	if err := e.Runtime.Work(ctx, 1); err != nil {
		return false, err
	}
	txn.Put("counter", []byte(strconv.Itoa(n+1)))
	txn.Put(record, []byte("1"))
	return false, txn.Commit(ctx)
}

// countersAgree: the counter equals the number of raises on record.
type countersAgree struct{ raised int }

// Name is the invariant's.
func (i *countersAgree) Name() string { return "counters-agree" }

// Observe counts the raises on record, commit by commit.
func (i *countersAgree) Observe(w *sim.World, e *sim.Effect) error {
	for range e.Writes("raised/") {
		i.raised++
	}
	if n := Value(w); n != i.raised {
		return &sim.Violation{
			Shape: "lost update", Subject: "counter", Second: e.Ref(e.Process + " raised the counter to " + strconv.Itoa(n)),
			Text: fmt.Sprintf("the counter is %d after %d raises", n, i.raised),
		}
	}
	return nil
}

// Target is the system with what must hold of it.
func Target(careless bool) sim.Target {
	return sim.Target{
		Assemble:   func() sim.Assembly { return &System{Careless: careless} },
		Invariants: func(sim.Assembly, sim.System) []sim.Invariant { return []sim.Invariant{&countersAgree{}} },
	}
}
