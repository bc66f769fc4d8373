package web

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

// evil is part of a key, of a task's name and of a step's: where it became
// markup, a page would hold an image and a test would see it.
const evil = `</script><img src=x onerror="document.title='harmed'">`

const (
	leaseKey = "lease/" + evil
	leaseFor = 10 * time.Second
)

// turns is a system to draw: workers take turns under a lease and count theirs.
// A worker that wakes up late counts beside its successor, which is the bug.
type turns struct{ workers, goal int }

func (s *turns) Name() string { return "turns" }

func (s *turns) Settings() []plan.Setting {
	return []plan.Setting{{Name: "turns.workers", Int: &s.workers, Min: 1, Max: 100}, {Name: "turns.goal", Int: &s.goal, Min: 1, Max: 100_000}}
}

func (s *turns) Draw(keyed.Draw) {
	if s.workers == 0 {
		s.workers, s.goal = 3, 12
	}
}

func (s *turns) New() (sim.System, error)       { return s, nil }
func (s *turns) Prepare(*sim.Stores)            {}
func (s *turns) StoreOptions() objstore.Options { return objstore.Options{} }
func (s *turns) Region(string) int              { return 0 }
func (s *turns) Quiet(*sim.World) bool          { return true }

func (s *turns) Classify(key string) string {
	class, _, _ := strings.Cut(key, "/")
	return class
}

func (s *turns) Bounds() sim.Bounds {
	return sim.Bounds{RPCTimeout: time.Second, Leases: []time.Duration{leaseFor}}
}

func (s *turns) Done(w *sim.World) bool { return counted(w) >= s.goal }

func (s *turns) Describe(w *sim.World, sum *sim.Summary) {
	sum.Fields = []plan.Field{{Name: "workers", Value: strconv.Itoa(s.workers)}}
	sum.Outcome, sum.Outcomes = "counted", []sim.Count{{Name: "counted", N: counted(w)}}
}

func counted(w *sim.World) int {
	value, _ := w.Get("count")
	n, _ := strconv.Atoi(string(value))
	return n
}

// Show and Holds: a lease's row is "worker/incarnation until beat".
func (s *turns) Show(key string, value []byte) string {
	if key == leaseKey {
		return "holder=" + string(value)
	}
	return "n=" + string(value)
}

func (s *turns) Holds(key string, value []byte) (sim.Hold, bool) {
	worker, rest, _ := strings.Cut(string(value), "/")
	incarnation, turn, _ := strings.Cut(rest, " ")
	return sim.Hold{Process: worker, Incarnation: incarnation, Kind: "lease", Of: "turn " + turn, For: leaseFor}, key == leaseKey && worker != ""
}

func (s *turns) Programs() []sim.Program {
	var programs []sim.Program
	for i := range s.workers {
		programs = append(programs, sim.Program{Name: "w" + strconv.Itoa(i), Restart: time.Second, Main: func(ctx context.Context, e *env.Env) error {
			group := e.Runtime.Group(ctx)
			group.Spawn("turns "+evil, func(ctx context.Context) error { return s.work(ctx, e) })
			return group.Wait()
		}})
	}
	return programs
}

func (s *turns) work(ctx context.Context, e *env.Env) error {
	last, since := "", time.Duration(0)
	for ctx.Err() == nil {
		row, err := s.take(ctx, e, last, e.Clock.Monotonic()-since > leaseFor)
		if err == nil && row != last {
			last, since = row, e.Clock.Monotonic()
		}
		if strings.HasPrefix(row, e.Self.Name+"/"+e.Self.Incarnation+" ") && err == nil {
			if err := s.count(ctx, e); err != nil && env.ClassOf(err) == env.ClassNone {
				return err
			}
		}
		if err := e.Clock.Sleep(ctx, time.Duration(200+e.Rand.Uint64()%800)*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// take takes the lease if it is free or seems to have lapsed, and returns its row.
func (s *turns) take(ctx context.Context, e *env.Env, last string, lapsed bool) (string, error) {
	ctx, err := e.Runtime.Step(ctx, "take")
	if err != nil {
		return "", err
	}
	txn, err := e.KV.Begin(ctx)
	if err != nil {
		return "", err
	}
	value, err := txn.Get(ctx, leaseKey)
	if err != nil && env.ClassOf(err) != env.ClassNotFound {
		return "", err
	}
	row := string(value)
	if row != "" && (row != last || !lapsed) {
		return row, nil
	}
	_, turn, _ := strings.Cut(row, " ")
	n, _ := strconv.Atoi(turn)
	row = fmt.Sprintf("%s/%s %d", e.Self.Name, e.Self.Incarnation, n+1)
	txn.Put(leaseKey, []byte(row))
	return row, txn.Commit(ctx)
}

// count raises the count, and lets the lease go at every third. It reads the count
// in one transaction and writes it in another.
func (s *turns) count(ctx context.Context, e *env.Env) error {
	ctx, err := e.Runtime.Step(ctx, env.Step("count "+evil))
	if err != nil {
		return err
	}
	txn, err := e.KV.Begin(ctx)
	if err != nil {
		return err
	}
	value, err := txn.Get(ctx, "count")
	if err != nil && env.ClassOf(err) != env.ClassNotFound {
		return err
	}
	n, _ := strconv.Atoi(string(value))
	if err := e.Runtime.Work(ctx, 1); err != nil {
		return err
	}
	if txn, err = e.KV.Begin(ctx); err != nil {
		return err
	}
	txn.Put("count", []byte(strconv.Itoa(n+1)))
	if (n+1)%3 == 0 {
		txn.Delete(leaseKey)
	}
	return txn.Commit(ctx)
}

// alone: the count goes up one by one.
type alone struct{ last sim.Moment }

func (i *alone) Name() string { return "alone" }

func (i *alone) Observe(w *sim.World, e *sim.Effect) error {
	for _, value := range e.Writes("count") {
		before, _ := w.Before("count")
		was, _ := strconv.Atoi(string(before))
		first := i.last
		i.last = e.Moment()
		if is, _ := strconv.Atoi(string(value)); is != was+1 {
			return &sim.Violation{
				Shape: "counted twice", Rule: "R1", Subject: "count", Also: []string{leaseKey}, First: first.Ref("counted"), Second: e.Ref(e.Process + " counted " + string(value)),
				Text: fmt.Sprintf("the count went from %d to %d: somebody counted beside %s", was, is, e.Process),
			}
		}
	}
	return nil
}

func target(workers, goal int) sim.Target {
	return sim.Target{
		Assemble:   func() sim.Assembly { return &turns{workers: workers, goal: goal} },
		Invariants: func(sim.Assembly, sim.System) []sim.Invariant { return []sim.Invariant{&alone{}} },
	}
}
