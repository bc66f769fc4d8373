package sim_test

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

// A tiny system on env, to show that the simulator knows nothing of the
// conversion: workers raise a shared counter, each raise recorded under its
// worker's name. careless workers read in one transaction and write in another.
type counter struct {
	workers, target int
	careless        bool
}

func (c *counter) Name() string { return "counter" }

func (c *counter) Settings() []plan.Setting {
	return []plan.Setting{
		{Name: "counter.workers", Int: &c.workers, Min: 1, Max: 100},
		{Name: "counter.target", Int: &c.target, Min: 1, Max: 10000},
		{Name: "counter.careless", Bool: &c.careless},
	}
}

func (c *counter) Draw(d keyed.Draw) {
	c.workers = int(d.Between("workers", 2, 4))
	c.target = int(d.Between("target", 5, 20))
}

func (c *counter) New() (sim.System, error) { return c, nil }

func (c *counter) Programs() []sim.Program {
	var programs []sim.Program
	for i := range c.workers {
		programs = append(programs, sim.Program{Name: "w" + strconv.Itoa(i), Main: c.work, Restart: time.Second})
	}
	return programs
}

func (c *counter) Prepare(*sim.Stores)            {}
func (c *counter) StoreOptions() objstore.Options { return objstore.Options{} }
func (c *counter) Region(string) int              { return 0 }

func (c *counter) Classify(key string) string {
	class, _, _ := strings.Cut(key, "/")
	return class
}

func (c *counter) Bounds() sim.Bounds {
	return sim.Bounds{RPCTimeout: time.Second, Quiesce: time.Second}
}

func (c *counter) Done(w *sim.World) bool { return counterValue(w) >= c.target }

func (c *counter) Quiet(*sim.World) bool { return true }

func (c *counter) Describe(w *sim.World, s *sim.Summary) {
	s.Fields = []plan.Field{{Name: "workers", Value: strconv.Itoa(c.workers)}}
	s.Outcome, s.Outcomes = "raised", []sim.Count{{Name: "raised", N: counterValue(w)}}
}

func counterValue(w *sim.World) int {
	value, ok := w.Get("counter")
	if !ok {
		return 0
	}
	n, _ := strconv.Atoi(string(value))
	return n
}

// work raises the counter until it has reached the target.
func (c *counter) work(ctx context.Context, e *env.Env) error {
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

func (c *counter) raise(ctx context.Context, e *env.Env, record string) (done bool, err error) {
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
	if n >= c.target {
		return true, nil
	}
	if c.careless {
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

func (i *countersAgree) Name() string { return "counters-agree" }

func (i *countersAgree) Observe(w *sim.World, e *sim.Effect) error {
	for range e.Writes("raised/") {
		i.raised++
	}
	if n := counterValue(w); n != i.raised {
		return &sim.Violation{
			Shape: "lost update", Subject: "counter", Second: e.Ref(e.Process + " raised the counter to " + strconv.Itoa(n)),
			Text: fmt.Sprintf("the counter is %d after %d raises", n, i.raised),
		}
	}
	return nil
}

func counterTarget(careless bool) sim.Target {
	return sim.Target{
		Assemble:   func() sim.Assembly { return &counter{careless: careless} },
		Invariants: func(sim.Assembly, sim.System) []sim.Invariant { return []sim.Invariant{&countersAgree{}} },
	}
}

// Any system written against env can be simulated: here, workers that raise a
// shared counter, and what must hold of it.
func Example() {
	for seed := range uint64(200) {
		result, err := sim.Run(counterTarget(false), seed)
		if err != nil || result.Violation != nil {
			fmt.Println("careful:", err, result.Violation)
			return
		}
	}
	fmt.Println("careful workers: 200 universes, no violation")
	for seed := range uint64(200) {
		result, err := sim.Run(counterTarget(true), seed)
		if err != nil {
			fmt.Println(err)
			return
		}
		if result.Violation != nil {
			fmt.Println("careless workers:", result.Violation.Invariant)
			return
		}
	}
	// Output:
	// careful workers: 200 universes, no violation
	// careless workers: counters-agree
}
