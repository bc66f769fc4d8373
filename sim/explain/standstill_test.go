package explain_test

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/counter"
	"github.com/gauntlet-dst/gauntlet/sim/explain"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

var rewrite = flag.Bool("rewrite", false, "write testdata anew")

// jobs is a system whose jobs are rows "job/NAME" that must come to say "done".
// What its processes do instead is what a test is about.
type jobs struct {
	counter.System
	names    []string
	programs []sim.Program
}

func (j *jobs) New() (sim.System, error) { return j, nil }
func (j *jobs) Programs() []sim.Program  { return j.programs }
func (j *jobs) Bounds() sim.Bounds {
	return sim.Bounds{Settle: 10 * time.Minute, ChaosFor: time.Second}
}
func (j *jobs) Show(_ string, value []byte) string    { return string(value) }
func (j *jobs) Done(w *sim.World) bool                { return len(j.left(w)) == 0 }
func (j *jobs) Describe(w *sim.World, s *sim.Summary) { s.Outcome, s.Unfinished = "done", j.left(w) }

func (j *jobs) left(w *sim.World) (left []sim.Unfinished) {
	for _, name := range j.names {
		if row, _ := w.Get("job/" + name); string(row) != "done" {
			left = append(left, sim.Unfinished{Subject: "job/" + name, Shape: "job is open", Text: fmt.Sprintf("job %s is %q", name, row)})
		}
	}
	return left
}

// Holds: a row "lock/NAME" is held by the first incarnation of the process that it
// names.
func (j *jobs) Holds(key string, value []byte) (sim.Hold, bool) {
	return sim.Hold{Process: string(value), Incarnation: "1", Kind: "lock", Of: key}, strings.HasPrefix(key, "lock/") && len(value) > 0
}

// body is what a process does.
type body func(ctx context.Context, e *env.Env) error

// running is a system with these jobs and processes w0, w1, ...
func running(names []string, bodies ...body) sim.Target {
	return sim.Target{
		Assemble: func() sim.Assembly {
			j := &jobs{names: names}
			for i, main := range bodies {
				j.programs = append(j.programs, sim.Program{Name: "w" + strconv.Itoa(i), Main: main})
			}
			return j
		},
		Invariants: func(sim.Assembly, sim.System) []sim.Invariant { return nil },
		Vary:       func(c *sim.Config, _ sim.Assembly) { c.ChaosFor = time.Second },
		Calm:       true,
	}
}

// standstill runs a system that does not finish to its end.
func standstill(t *testing.T, names []string, bodies ...body) (sim.Target, *sim.Result) {
	target := running(names, bodies...)
	r, err := sim.Run(target, 1)
	require.NoError(t, err)
	require.NotNil(t, r.Violation)
	require.Equal(t, "progress-after-healing", r.Violation.Invariant)
	return target, r
}

// write sets a row in a transaction of its own.
func write(ctx context.Context, e *env.Env, key, value string) error {
	txn, err := e.KV.Begin(ctx)
	if err != nil {
		return err
	}
	txn.Put(key, []byte(value))
	return txn.Commit(ctx)
}

// every calls do with a rising number, a second apart.
func every(d time.Duration, do func(ctx context.Context, e *env.Env, n int) error) body {
	return func(ctx context.Context, e *env.Env) error {
		ctx, err := e.Runtime.Step(ctx, "poll")
		for n := 0; err == nil; n++ {
			if err = do(ctx, e, n); err == nil {
				err = e.Clock.Sleep(ctx, d)
			}
		}
		return err
	}
}

func idle(context.Context, *env.Env) error { return nil }

// opened opens job a once.
func opened(ctx context.Context, e *env.Env, n int) error {
	if n > 0 {
		return nil
	}
	return write(ctx, e, "job/a", "open")
}

// locking takes a lock and waits for another as long as that is taken.
func locking(mine, other string) body {
	return func(ctx context.Context, e *env.Env) error {
		if err := opened(ctx, e, 0); err != nil && env.ClassOf(err) != env.ClassConflict {
			return err
		}
		ctx, err := e.Runtime.Step(ctx, "lock")
		if err == nil {
			err = write(ctx, e, mine, e.Self.Name)
		}
		for err == nil {
			var txn env.Txn
			if txn, err = e.KV.Begin(ctx); err != nil {
				return err
			}
			if _, err = txn.Get(ctx, other); err == nil || env.ClassOf(err) == env.ClassNotFound {
				err = e.Clock.Sleep(ctx, time.Second)
			}
		}
		return err
	}
}

// Every form of a standstill is told from the others, with its subject; each is
// a failure of its own, and its report is a page of at most 30 lines.
func TestStandstills(t *testing.T) {
	a, ab := []string{"a"}, []string{"a", "b"}
	for _, c := range []struct {
		name    string // "": the kind's
		kind    sim.StandstillKind
		subject string
		jobs    []string
		bodies  []body
		long    bool
	}{
		{kind: sim.Deadlock, subject: "job/a", jobs: a, bodies: []body{idle, func(ctx context.Context, e *env.Env) error {
			if err := opened(ctx, e, 0); err != nil {
				return err
			}
			g := e.Runtime.Group(ctx)
			g.Spawn("helper", func(context.Context) error { return g.Wait() }) // for itself
			return g.Wait()
		}}},
		{kind: sim.Lasso, subject: "job/a", jobs: a, bodies: []body{every(time.Second, func(ctx context.Context, e *env.Env, n int) error {
			return write(ctx, e, "job/a", []string{"claimed", "given back"}[n%2])
		})}},
		{kind: sim.NoProgress, subject: "job/a", jobs: a, bodies: []body{every(time.Second, opened), every(5*time.Second, func(ctx context.Context, e *env.Env, n int) error {
			txn, err := e.KV.Begin(ctx)
			if err == nil {
				_, err = txn.Get(ctx, "job/a")
			}
			if env.ClassOf(err) == env.ClassNotFound {
				return nil
			}
			return err
		})}},
		{kind: sim.Starvation, subject: "job/b", jobs: ab, bodies: []body{every(time.Second, func(ctx context.Context, e *env.Env, n int) error {
			if n == 0 {
				return write(ctx, e, "job/b", "open")
			}
			return write(ctx, e, "job/a", strconv.Itoa(n)+" parts")
		})}},
		{name: "deadlock in a circle", kind: sim.Deadlock, subject: "job/a", jobs: a, bodies: []body{locking("lock/x", "lock/y"), locking("lock/y", "lock/x")}},
		{name: "starvation beside a lasso", kind: sim.Starvation, subject: "job/b", jobs: ab, bodies: []body{every(time.Second, func(ctx context.Context, e *env.Env, n int) error {
			if n == 0 {
				return write(ctx, e, "job/b", "open")
			}
			return write(ctx, e, "job/a", []string{"claimed", "given back"}[n%2])
		})}},
		{name: "lasso of many events", kind: sim.Lasso, subject: "job/a", jobs: a, long: true, bodies: []body{every(100*time.Millisecond, func(ctx context.Context, e *env.Env, n int) error {
			return write(ctx, e, "job/a", []string{"claimed", "given back"}[n%2])
		}), every(250*time.Microsecond, func(context.Context, *env.Env, int) error { return nil })}},
		{kind: sim.Livelock, subject: "job/a", jobs: a, bodies: []body{every(time.Second, func(ctx context.Context, e *env.Env, n int) error {
			return write(ctx, e, "job/a", "attempt "+strconv.Itoa(n))
		})}},
		{kind: sim.TimerStorm, subject: "job/a", jobs: a, long: true, bodies: []body{every(time.Second, opened), every(time.Microsecond, func(context.Context, *env.Env, int) error { return nil })}},
	} {
		name := cmp.Or(c.name, string(c.kind))
		t.Run(name, func(t *testing.T) {
			if c.long && testing.Short() {
				t.Skip("400,000 events, four times")
			}
			target, r := standstill(t, c.jobs, c.bodies...)
			require.Equal(t, c.kind, r.Violation.Standstill.Kind, r.Violation.Text)
			require.Equal(t, c.subject, r.Violation.Subject)
			require.Equal(t, string(c.kind)+": job is open", r.Violation.Shape)
			report, err := explain.Failure(target, r, 400)
			require.NoError(t, err)
			golden(t, filepath.Join("testdata", "standstills", strings.ReplaceAll(name, " ", "-")), report.String(), 30)
		})
	}
}

// Who is busy for long is no storm: a system that polls for nearly half of
// its bound has more events than a storm needs, and gets done.
func TestBusyIsNoStorm(t *testing.T) {
	target := running([]string{"a"}, every(280*time.Second, func(ctx context.Context, e *env.Env, n int) error {
		return write(ctx, e, "job/a", []string{"open", "done"}[n])
	}), every(500*time.Microsecond, func(context.Context, *env.Env, int) error { return nil }))
	r, err := sim.Run(target, 1)
	require.NoError(t, err)
	require.Nil(t, r.Violation)
	require.Greater(t, r.Events, uint64(500_000))
}

// named is an invariant that names the state of the jobs.
type named struct{ *jobs }

func (named) Name() string { return "jobs-are-named" }
func (n named) Observe(w *sim.World, _ *sim.Effect) error {
	state := uint64(0)
	for _, job := range n.names {
		row, _ := w.Get("job/" + job)
		state = keyed.Mix(state, keyed.HashText(string(row)))
	}
	w.State(state)
	return nil
}

// Who progresses does not storm: a system whose state is another one every 50
// seconds has all its events, and more, long before a quarter of its bound is over.
// One whose state stays the same has no more of them than others.
func TestProgressIsNoStorm(t *testing.T) {
	polls := every(200*time.Microsecond, func(context.Context, *env.Env, int) error { return nil })
	works := func(texts ...string) body {
		return every(50*time.Second, func(ctx context.Context, e *env.Env, n int) error {
			return write(ctx, e, "job/a", texts[min(n, len(texts)-1)])
		})
	}
	run := func(bodies ...body) *sim.Result {
		target := running([]string{"a"}, bodies...)
		target.Invariants = func(a sim.Assembly, _ sim.System) []sim.Invariant { return []sim.Invariant{named{a.(*jobs)}} }
		r, err := sim.Run(target, 1)
		require.NoError(t, err)
		return r
	}
	r := run(works("first", "second", "third", "done"), polls)
	require.Nil(t, r.Violation)
	require.Greater(t, r.Events, uint64(700_000))

	r = run(works("first", "second"), polls)
	require.NotNil(t, r.Violation)
	require.Equal(t, sim.TimerStorm, r.Violation.Standstill.Kind)
	require.Less(t, r.Events, uint64(700_000))
	require.Regexp(t, `; 6\d{5} events in the 1\d\d\.\ds after healing$`, r.Violation.Text)
}

// parse reads a plan.
func parse(t *testing.T, text string) *plan.Plan {
	t.Helper()
	p, err := plan.Parse("test.plan", []byte(text))
	require.NoError(t, err, text)
	return p
}

// golden compares a text with a file's, or writes it there.
func golden(t *testing.T, file, text string, lines int) {
	t.Helper()
	require.Less(t, strings.Count(text, "\n"), lines)
	if *rewrite {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text+"\n"), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), text+"\n", "go test ./sim/explain -run "+t.Name()+" -rewrite, and read what changed")
}

// A lock that a dead process left on the subject's row is named, with its age.
func TestLockIsNamed(t *testing.T) {
	j := []string{"a"}
	target, _ := standstill(t, j, every(time.Second, opened), every(time.Second, func(context.Context, *env.Env, int) error { return nil }))
	p, err := sim.Draft(target, 1)
	require.NoError(t, err)
	text := strings.NewReplacer("set sim.lock_gc = ", "set sim.lock_gc = 0s # was ").Replace(p.String())
	text = strings.Split(text, "# was")[0] + text[strings.Index(text, "\nset sim.chaos_for"):]
	text += "fault crash at w0/main poll kv.prewrite job #1 phase=after restart=never temp=kept\n"
	p = parse(t, text)
	r, err := sim.Replay(target, p)
	require.NoError(t, err)
	require.NotNil(t, r.Violation)
	require.Len(t, r.Violation.Standstill.Locks, 1)
	require.Regexp(t, `^job/a has been locked for 6\d\d\.\ds \(primary job/a\)$`, r.Violation.Standstill.Locks[0])
}

// A subject is a part of a key, not of a word.
func TestAbout(t *testing.T) {
	for key, want := range map[string]bool{
		"batch/lab/data": true, "unit/lab/data/00000001": true, "lab/data": true, "x lab/data y": true,
		"batch/lab/data-1": false, "batch/mylab/data": false, "lab": false, "batch/lab/data-1 active/lab/data": true,
	} {
		require.Equal(t, want, sim.About(key, "lab/data"), key)
	}
	require.True(t, sim.About("anything", ""))
}
