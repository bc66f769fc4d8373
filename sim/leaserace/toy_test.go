package leaserace_test

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

// shifts is a system of workers that take a lease in turn. Whoever has it counts
// three times and lets it go. Fenced workers look at the lease in the transaction
// that counts, the others only before it.
type shifts struct{ fenced bool }

const (
	leaseFor  = 10 * time.Second
	countGoal = 9
)

func (s *shifts) Name() string { return "shifts" }
func (s *shifts) Settings() []plan.Setting {
	return []plan.Setting{{Name: "shifts.fenced", Bool: &s.fenced}}
}
func (s *shifts) Draw(keyed.Draw)                {}
func (s *shifts) New() (sim.System, error)       { return s, nil }
func (s *shifts) Prepare(*sim.Stores)            {}
func (s *shifts) StoreOptions() objstore.Options { return objstore.Options{} }
func (s *shifts) Region(string) int              { return 0 }
func (s *shifts) Quiet(*sim.World) bool          { return true }
func (s *shifts) Done(w *sim.World) bool         { return counted(w) >= countGoal }
func (s *shifts) Classify(key string) string {
	class, _, _ := strings.Cut(key, "/")
	return class
}

func (s *shifts) Bounds() sim.Bounds {
	return sim.Bounds{RPCTimeout: time.Second, Leases: []time.Duration{leaseFor}}
}

func (s *shifts) Describe(w *sim.World, sum *sim.Summary) {
	sum.Outcome, sum.Outcomes = "counted", []sim.Count{{Name: "counted", N: counted(w)}}
}

func counted(w *sim.World) (sum int) {
	for _, key := range w.Keys("count/") {
		value, _ := w.Get(key)
		n, _ := strconv.Atoi(string(value))
		sum += n
	}
	return sum
}

// Holds: the lease's row is "worker/incarnation turn".
func (s *shifts) Holds(key string, value []byte) (sim.Hold, bool) {
	owner, turn, _ := strings.Cut(string(value), " ")
	worker, incarnation, _ := strings.Cut(owner, "/")
	return sim.Hold{Process: worker, Incarnation: incarnation, Kind: "lease", Of: "turn " + turn, For: leaseFor}, key == "lease"
}

func (s *shifts) Programs() []sim.Program {
	var programs []sim.Program
	for i := range 2 {
		programs = append(programs, sim.Program{Name: "w" + strconv.Itoa(i), Restart: time.Second, Main: s.work})
	}
	return programs
}

func (s *shifts) work(ctx context.Context, e *env.Env) error {
	seen, since := "", time.Duration(0)
	for ctx.Err() == nil {
		row, err := s.take(ctx, e, seen, e.Clock.Monotonic()-since > leaseFor)
		if err == nil && row != seen {
			seen, since = row, e.Clock.Monotonic()
		}
		for n := 1; err == nil && n <= 3 && mine(e, row); n++ {
			err = s.count(ctx, e, row)
		}
		if err == nil && mine(e, row) {
			_ = s.leave(ctx, e, row) // the next round sees whether it went
		}
		if err := e.Clock.Sleep(ctx, time.Duration(200+e.Rand.Uint64()%800)*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func mine(e *env.Env, row string) bool {
	return strings.HasPrefix(row, e.Self.Name+"/"+e.Self.Incarnation+" ")
}

// take takes the lease if it is free or seems to have lapsed, and returns its row.
func (s *shifts) take(ctx context.Context, e *env.Env, seen string, lapsed bool) (string, error) {
	ctx, txn, err := begin(ctx, e, "take")
	if err != nil {
		return "", err
	}
	row, err := get(ctx, txn, "lease")
	if err != nil || row != "" && (row != seen || !lapsed) {
		return row, err
	}
	turn, err := get(ctx, txn, "turn")
	if err != nil {
		return "", err
	}
	n, _ := strconv.Atoi(turn)
	row = fmt.Sprintf("%s/%s %d", e.Self.Name, e.Self.Incarnation, n+1)
	txn.Put("lease", []byte(row))
	txn.Put("turn", []byte(strconv.Itoa(n+1)))
	return row, txn.Commit(ctx)
}

// count raises the worker's count.
func (s *shifts) count(ctx context.Context, e *env.Env, row string) error {
	ctx, txn, err := begin(ctx, e, "count")
	if err != nil {
		return err
	}
	if s.fenced {
		if now, err := get(ctx, txn, "lease"); err != nil || now != row {
			return env.ErrConflict
		}
		txn.Put("lease", []byte(row))
	}
	key := "count/" + e.Self.Name
	count, err := get(ctx, txn, key)
	if err != nil {
		return err
	}
	n, _ := strconv.Atoi(count)
	txn.Put(key, []byte(strconv.Itoa(n+1)))
	return txn.Commit(ctx)
}

// leave lets the lease go.
func (s *shifts) leave(ctx context.Context, e *env.Env, row string) error {
	ctx, txn, err := begin(ctx, e, "leave")
	if err != nil {
		return err
	}
	if now, err := get(ctx, txn, "lease"); err != nil || now != row {
		return err
	}
	txn.Delete("lease")
	return txn.Commit(ctx)
}

func begin(ctx context.Context, e *env.Env, step env.Step) (context.Context, env.Txn, error) {
	ctx, err := e.Runtime.Step(ctx, step)
	if err != nil {
		return ctx, nil, err
	}
	txn, err := e.KV.Begin(ctx)
	return ctx, txn, err
}

func get(ctx context.Context, txn env.Txn, key string) (string, error) {
	value, err := txn.Get(ctx, key)
	if env.ClassOf(err) == env.ClassNotFound {
		err = nil
	}
	return string(value), err
}

// ownersCount: whoever counts has the lease.
type ownersCount struct{}

func (ownersCount) Name() string { return "owners-count" }

func (ownersCount) Observe(w *sim.World, e *sim.Effect) error {
	for range e.Writes("count/") {
		if row, _ := w.Before("lease"); !strings.HasPrefix(string(row), e.Process+"/"+e.Incarnation+" ") {
			return fmt.Errorf("%s counts while the lease is %q", e.Process, row)
		}
	}
	return nil
}

func target(fenced bool) sim.Target {
	return sim.Target{
		Assemble:   func() sim.Assembly { return &shifts{fenced} },
		Invariants: func(sim.Assembly, sim.System) []sim.Invariant { return []sim.Invariant{ownersCount{}} },
		Calm:       true,
	}
}
