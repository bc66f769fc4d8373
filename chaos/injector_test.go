//go:build chaos_testing

package chaos_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/chaos/protocol"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

var sentinels = map[env.Class]error{
	env.ClassUnavailable:  env.ErrUnavailable,
	env.ClassConflict:     env.ErrConflict,
	env.ClassUndetermined: env.ErrUndetermined,
	env.ClassNotFound:     env.ErrNotFound,
}

// rig is a world behind an Injector.
type rig struct {
	*world
	injector *chaos.Injector
	runtime  env.Runtime
	kv       env.KV
	objects  env.Objects
}

func newRig(t *testing.T, seed uint64, rules ...chaos.Rule) *rig {
	w := &world{}
	return newRigOn(t, w, worldClock{w: w}, seed, rules...)
}

func newRigOn(t *testing.T, w *world, clock env.Clock, seed uint64, rules ...chaos.Rule) *rig {
	injector, err := chaos.NewInjector(chaos.Config{Seed: seed, Rules: rules}, system(), clock, worldLog{w})
	require.NoError(t, err)
	return &rig{w, injector, injector.WrapRuntime(w), injector.WrapKV(w), injector.WrapObjects(worldObjects{w})}
}

// do makes one call in a step ("" for none) and returns its error, after
// checking that a failed call has no result.
func (r *rig) do(t *testing.T, step, call string) error {
	ctx := t.Context()
	if step != "" {
		ctx = env.WithStep(ctx, env.Step(step))
	}
	if call == "" {
		_, err := r.runtime.Step(t.Context(), env.Step(step))
		return err
	}
	result, empty, err := r.call(t, ctx, call)
	if err != nil {
		require.Equal(t, empty, result, "%s failed with a result", call)
	} else {
		require.NotEqual(t, empty, result, "%s succeeded without a result", call)
	}
	return err
}

func (r *rig) call(t *testing.T, ctx context.Context, call string) (result, empty any, err error) {
	switch call {
	case chaos.KVBegin:
		result, err = r.kv.Begin(ctx)
		return result, nil, err
	case chaos.KVGet, chaos.KVScan, chaos.KVCommit:
		return r.txnCall(t, ctx, call)
	case chaos.ObjectsPut:
		result, err = r.objects.Put(ctx, "k", nil, env.IfAbsent)
		return result, env.Object{}, err
	case chaos.ObjectsGet:
		body, object, err := r.objects.Get(ctx, "k", 0, -1)
		require.Equal(t, err != nil, body == nil)
		return object, env.Object{}, err
	case chaos.ObjectsHead:
		result, err = r.objects.Head(ctx, "k")
		return result, env.Object{}, err
	case chaos.ObjectsList:
		result, err = r.objects.List(ctx, "", "", 1)
		return result, env.Listing{}, err
	case chaos.ObjectsCreateUpload:
		result, err = r.objects.CreateUpload(ctx, "k")
		return result, "", err
	case chaos.ObjectsUploadPart:
		result, err = r.objects.UploadPart(ctx, "k", "id", 1, nil)
		return result, env.Part{}, err
	case chaos.ObjectsCompleteUpload:
		result, err = r.objects.CompleteUpload(ctx, "k", "id", nil, env.IfAbsent)
		return result, env.Object{}, err
	case chaos.ObjectsListUploads:
		result, err = r.objects.ListUploads(ctx, "", "", "", 1)
		return result, env.UploadListing{}, err
	case chaos.ObjectsDelete:
		err = r.objects.Delete(ctx, "k")
	case chaos.ObjectsAbortUpload:
		err = r.objects.AbortUpload(ctx, "k", "id")
	default:
		require.Fail(t, "no such call", call)
	}
	return err == nil, false, err
}

func (r *rig) txnCall(t *testing.T, ctx context.Context, call string) (result, empty any, err error) {
	txn, err := r.kv.Begin(t.Context())
	require.NoError(t, err)
	switch call {
	case chaos.KVGet:
		result, err = txn.Get(ctx, "k")
		return result, []byte(nil), err
	case chaos.KVScan:
		result, err = txn.Scan(ctx, "", "", 1)
		return result, []env.Pair(nil), err
	}
	txn.Put("k", []byte("v"))
	err = txn.Commit(ctx)
	return err == nil, false, err
}

// pattern makes n calls and returns the numbers of those that failed.
func (r *rig) pattern(t *testing.T, step, call string, n int) (failed []int) {
	for i := 1; i <= n; i++ {
		if err := r.do(t, step, call); err != nil {
			failed = append(failed, i)
		}
	}
	return failed
}

// system is the conversion's catalogue, but for what its steps never do: here
// any step makes any call.
func system() chaos.Catalogue {
	catalogue := protocol.Catalogue()
	for i := range catalogue.Steps {
		catalogue.Steps[i].Makes = nil
	}
	return catalogue
}

// allOperations is the catalogue with some calls in their steps.
func allOperations(t *testing.T) []chaos.Operation {
	catalogue := system()
	all := catalogue.Operations()
	for _, name := range []string{"flip/kv.commit", "flip/kv.prewrite", "stage/objects.upload_part", "resume/kv.begin", "discover/objects.list"} {
		op, ok := catalogue.Lookup(name)
		require.True(t, ok)
		all = append(all, op)
	}
	return all
}

// side is one of the two sides of an effect on which a call can fail.
type side struct {
	name  string
	point func(chaos.Operation) chaos.Point
	rule  func(op string, trigger chaos.Trigger, class env.Class) chaos.Rule
}

var sides = []side{
	{"before", func(op chaos.Operation) chaos.Point { return op.FailBefore },
		func(op string, trigger chaos.Trigger, class env.Class) chaos.Rule {
			return chaos.Rule{Operation: op, FailBefore: &chaos.Failure{Trigger: trigger, Error: class}}
		}},
	{"after", func(op chaos.Operation) chaos.Point { return op.FailAfter },
		func(op string, trigger chaos.Trigger, class env.Class) chaos.Rule {
			return chaos.Rule{Operation: op, FailAfter: &chaos.Failure{Trigger: trigger, Error: class}}
		}},
}

// places are the calls of env at which a point can be reached; "" is the entry
// of a step.
func places(point chaos.Point) []string {
	if len(point.Calls) == 0 {
		return []string{""}
	}
	return point.Calls
}

// Every operation of the catalogue fires, on both sides of its effect, at
// every call it stands for, by rate, by number and once.
func TestEveryOperationFails(t *testing.T) {
	triggers := []struct {
		name    string
		trigger chaos.Trigger
		failed  []int
	}{
		{"rate", chaos.Trigger{Rate: 1}, []int{1, 2, 3, 4}},
		{"nth", chaos.Trigger{Nth: []int{2, 4}}, []int{2, 4}},
		{"once", chaos.Trigger{Once: true}, []int{1}},
		{"once of nth", chaos.Trigger{Nth: []int{3, 4}, Once: true}, []int{3}},
		{"once of rate", chaos.Trigger{Rate: 1, Once: true}, []int{1}},
	}
	for _, op := range allOperations(t) {
		for _, side := range sides {
			for _, call := range places(side.point(op)) {
				for _, tr := range triggers {
					r := newRig(t, 1, side.rule(op.Name, tr.trigger, env.ClassNone))
					require.Equal(t, tr.failed, r.pattern(t, op.Step, call, 4), "%s %s %s at %q", op.Name, side.name, tr.name, call)
					require.Equal(t, []chaos.Count{{Operation: op.Name, Point: "fail_" + side.name, Calls: 4, Fired: len(tr.failed)}},
						r.injector.Counts())
				}
			}
		}
	}
}

// An injected error names its operation, is of the class that was asked for,
// and tells the truth about the effect.
func TestInjectedErrors(t *testing.T) {
	for _, op := range allOperations(t) {
		for _, side := range sides {
			point := side.point(op)
			for i, class := range append([]env.Class{env.ClassNone}, point.Errors...) {
				for _, call := range places(point) {
					r := newRig(t, 1, side.rule(op.Name, chaos.Trigger{Once: true}, class))
					err := r.do(t, op.Step, call)
					var injected *chaos.InjectedError
					require.ErrorAs(t, err, &injected)
					want := class
					if i == 0 {
						want = point.Errors[0]
					}
					require.Equal(t, chaos.InjectedError{Op: op.Name, Class: want, Applied: point.Phase == chaos.Applied}, *injected)
					require.Equal(t, want, env.ClassOf(err))
					for other, sentinel := range sentinels {
						require.Equal(t, other == want, injected.Is(sentinel), "%s is %s", err, other)
					}
					reached := call
					if call == "" {
						reached = op.Step
					}
					require.Equal(t, injected.Applied, slices.Contains(r.take(), reached), "%s: %s", op.Name, err)
				}
			}
		}
	}
}

// Every operation can be delayed, on both sides of its effect.
func TestEveryOperationWaits(t *testing.T) {
	for _, op := range allOperations(t) {
		latency := &chaos.Latency{Trigger: chaos.Trigger{Nth: []int{2}}, Min: time.Second, Max: 3 * time.Second}
		for _, call := range places(op.FailBefore) {
			r := newRig(t, 1, chaos.Rule{Operation: op.Name, DelayBefore: latency})
			require.Empty(t, r.pattern(t, op.Step, call, 3))
			require.Len(t, r.sleeps, 1, op.Name)
			require.LessOrEqual(t, time.Second, r.sleeps[0])
			require.GreaterOrEqual(t, 3*time.Second, r.sleeps[0])
		}
		for _, call := range places(op.FailAfter) {
			r := newRig(t, 1, chaos.Rule{Operation: op.Name, DelayAfter: latency})
			require.Empty(t, r.pattern(t, op.Step, call, 3))
			require.Len(t, r.sleeps, 1, op.Name)
		}
	}
}

// A caller whose context ends during a delay is told what it may conclude:
// before the effect its own error, after an effect that it is undetermined.
func TestContextEndsDuringDelay(t *testing.T) {
	always := &chaos.Latency{Trigger: chaos.Trigger{Rate: 1}, Min: time.Second, Max: time.Second}
	catalogue := system()
	for _, op := range catalogue.Operations() {
		for _, call := range places(op.FailBefore) {
			w := &world{}
			r := newRigOn(t, w, worldClock{w: w, end: context.DeadlineExceeded}, 1, chaos.Rule{Operation: op.Name, DelayBefore: always})
			require.Equal(t, env.ClassDeadline, env.ClassOf(r.do(t, op.Step, call)), op.Name)
			calls := r.take()
			require.False(t, slices.Contains(calls, call) || slices.Contains(calls, op.Step), op.Name)
		}
		if op.FailAfter.Phase != chaos.Applied {
			continue
		}
		for _, call := range op.FailAfter.Calls {
			w := &world{}
			r := newRigOn(t, w, worldClock{w: w, end: context.DeadlineExceeded}, 1, chaos.Rule{Operation: op.Name, DelayAfter: always})
			err := r.do(t, op.Step, call)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Contains(t, r.take(), call)
			want := env.ClassDeadline
			if op.FailAfter.Errors[0] == env.ClassUndetermined {
				want = env.ClassUndetermined
			}
			require.Equal(t, want, env.ClassOf(err), op.Name)
		}
	}
}

// What fails before its commit is rolled back; what has nothing to commit
// makes no call and cannot fail; a begin that "failed" leaves nothing open.
func TestTransactionsAreSpent(t *testing.T) {
	commit := chaos.Rule{Operation: "kv.commit", FailBefore: &chaos.Failure{Trigger: chaos.Trigger{Rate: 1}}}
	r := newRig(t, 1, commit)
	for _, write := range []func(env.Txn){
		func(txn env.Txn) { txn.Put("k", []byte("v")) },
		func(txn env.Txn) { txn.Delete("k") },
		func(txn env.Txn) { txn.Lock("k") },
	} {
		txn, err := r.kv.Begin(t.Context())
		require.NoError(t, err)
		write(txn)
		require.ErrorIs(t, txn.Commit(t.Context()), env.ErrUnavailable)
		require.Equal(t, []string{"kv.begin", "rollback"}, r.take())
	}
	txn, err := r.kv.Begin(t.Context())
	require.NoError(t, err)
	txn.Lock()
	require.NoError(t, txn.Commit(t.Context()))
	require.Equal(t, []string{"kv.begin", "kv.commit"}, r.take())

	r = newRig(t, 1, chaos.Rule{Operation: "kv.begin", FailAfter: &chaos.Failure{Trigger: chaos.Trigger{Rate: 1}}})
	_, err = r.kv.Begin(t.Context())
	require.ErrorIs(t, err, env.ErrUnavailable)
	require.Equal(t, []string{"kv.begin", "rollback"}, r.take())
}

// Only a conditional write can lose against another writer.
func TestConflictsNeedACondition(t *testing.T) {
	for _, op := range []string{"objects.put", "objects.complete_upload"} {
		r := newRig(t, 1, chaos.Rule{Operation: op, FailBefore: &chaos.Failure{Trigger: chaos.Trigger{Rate: 1}, Error: env.ClassConflict}})
		for cond, want := range map[env.Condition]env.Class{env.Always: env.ClassNone, env.IfAbsent: env.ClassConflict} {
			_, err := r.objects.Put(t.Context(), "k", nil, cond)
			if op == "objects.complete_upload" {
				_, err = r.objects.CompleteUpload(t.Context(), "k", "id", nil, cond)
			}
			require.Equal(t, want, env.ClassOf(err))
		}
	}
}

// The call in its step comes before the call, the call before the step.
func TestMostSpecificRuleWins(t *testing.T) {
	first := &chaos.Failure{Trigger: chaos.Trigger{Nth: []int{1}}}
	second := &chaos.Failure{Trigger: chaos.Trigger{Nth: []int{1, 2}}}
	third := &chaos.Failure{Trigger: chaos.Trigger{Nth: []int{1, 2, 3}}}
	r := newRig(t, 1,
		chaos.Rule{Operation: "flip", FailAfter: third},
		chaos.Rule{Operation: "kv.commit", FailAfter: second},
		chaos.Rule{Operation: "flip/kv.commit", FailAfter: first},
	)
	for _, want := range []string{"flip/kv.commit", "kv.commit", "flip"} {
		var injected *chaos.InjectedError
		require.ErrorAs(t, r.do(t, "flip", "kv.commit"), &injected)
		require.Equal(t, want, injected.Op)
	}
	require.NoError(t, r.do(t, "flip", "kv.commit"))
	require.NoError(t, r.do(t, "merge", "kv.commit"), "numbered 5 by kv.commit")
}

// A rule for a step's call leaves the same call in other steps alone.
func TestOtherStepsAreLeftAlone(t *testing.T) {
	r := newRig(t, 1, chaos.Rule{Operation: "flip/kv.commit", FailBefore: &chaos.Failure{Trigger: chaos.Trigger{Rate: 1}}})
	require.NoError(t, r.do(t, "heartbeat", "kv.commit"))
	require.NoError(t, r.do(t, "", "kv.commit"))
	require.NoError(t, r.do(t, "flip", "kv.get"))
	require.Error(t, r.do(t, "flip", "kv.commit"))
}

// The named calls of the Injector do by hand what the decorators do.
func TestByHand(t *testing.T) {
	r := newRig(t, 1, chaos.Rule{
		Operation:   "convert",
		FailBefore:  &chaos.Failure{Trigger: chaos.Trigger{Nth: []int{2}}},
		FailAfter:   &chaos.Failure{Trigger: chaos.Trigger{Nth: []int{1}}},
		DelayBefore: &chaos.Latency{Trigger: chaos.Trigger{Rate: 1}, Min: 1, Max: 1},
	})
	ctx := t.Context()
	require.NoError(t, r.injector.MaybeDelay(ctx, "convert"))
	require.Equal(t, []time.Duration{1}, r.sleeps)
	require.NoError(t, r.injector.MaybeDelayAfter(ctx, "convert"))
	require.NoError(t, r.injector.MaybeFail(ctx, "convert"))
	require.EqualError(t, r.injector.MaybeFail(ctx, "convert"), "chaos: convert: unavailable (injected, not applied)")
	require.EqualError(t, r.injector.MaybeFailAfter(ctx, "convert"), "chaos: convert: unavailable (injected, applied)")
	require.NoError(t, r.injector.MaybeFail(ctx, "no such operation"))
	require.Equal(t, []string{
		"WARN chaos injected operation=convert point=delay_before nth=1 delay=1ns",
		"WARN chaos injected operation=convert point=fail_before nth=2 error=unavailable applied=false",
		"WARN chaos injected operation=convert point=fail_after nth=1 error=unavailable applied=true",
	}, r.logged)
}

func rated(op string, rate float64) chaos.Rule {
	return chaos.Rule{Operation: op, FailBefore: &chaos.Failure{Trigger: chaos.Trigger{Rate: rate}}}
}

// Rates come out as asked for, within four standard deviations, for every
// seed; draws differ by seed, operation and side.
func TestRates(t *testing.T) {
	const calls = 20_000
	seen := map[string]bool{}
	for seed := range uint64(4) {
		for _, rate := range []float64{0.001, 0.1, 0.5, 0.9} {
			for _, op := range []string{"objects.delete", "objects.head"} {
				failed := newRig(t, seed, rated(op, rate)).pattern(t, "", op, calls)
				deviation := math.Sqrt(calls * rate * (1 - rate))
				require.InDelta(t, calls*rate, len(failed), 4*deviation, "%s at %g, seed %d", op, rate, seed)
				key := string([]byte{byte(failed[0]), byte(failed[0] >> 8), byte(failed[1]), byte(len(failed))})
				require.False(t, seen[key], "two patterns agree")
				seen[key] = true
			}
		}
	}
}

// The two sides of one operation are drawn apart: after a failure before, a
// failure after is as likely as ever.
func TestSidesAreIndependent(t *testing.T) {
	const calls = 10_000
	rule := rated("kv.commit", 0.5)
	rule.FailAfter = &chaos.Failure{Trigger: chaos.Trigger{Rate: 0.5}}
	r := newRig(t, 5, rule)
	both := 0
	for range calls {
		before := r.injector.MaybeFail(t.Context(), "kv.commit")
		after := r.injector.MaybeFailAfter(t.Context(), "kv.commit")
		if before != nil && after != nil {
			both++
		}
	}
	require.InDelta(t, calls/4, both, 4*math.Sqrt(calls*0.25*0.75))
}

// The same seed and calls fail the same way, and a rule that is added moves no
// other rule's failures.
func TestDeterminism(t *testing.T) {
	want := newRig(t, 9, rated("objects.head", 0.3)).pattern(t, "", "objects.head", 500)
	require.NotEmpty(t, want)
	require.Equal(t, want, newRig(t, 9, rated("objects.head", 0.3)).pattern(t, "", "objects.head", 500))
	require.NotEqual(t, want, newRig(t, 10, rated("objects.head", 0.3)).pattern(t, "", "objects.head", 500))

	more := newRig(t, 9, rated("kv.commit", 0.7), rated("objects.head", 0.3), rated("stage/objects.head", 0.9))
	var got []int
	for n := 1; n <= 500; n++ {
		_ = more.do(t, "", "kv.commit")
		if err := more.do(t, "", "objects.head"); err != nil {
			got = append(got, n)
		}
	}
	require.Equal(t, want, got)
}

// Callers at the same time share the numbering: as many calls fail as in a
// row. The race detector watches.
func TestConcurrentUse(t *testing.T) {
	const workers, each = 8, 250
	want := newRig(t, 3, rated("objects.head", 0.2)).pattern(t, "", "objects.head", workers*each)
	r := newRig(t, 3, rated("objects.head", 0.2))
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				_ = r.injector.MaybeFail(context.Background(), "objects.head")
				_ = r.injector.MaybeDelay(context.Background(), "objects.head")
			}
		})
	}
	wg.Wait()
	require.Equal(t, []chaos.Count{{Operation: "objects.head", Point: "fail_before", Calls: workers * each, Fired: len(want)}}, r.injector.Counts())
}

// Wrap reads a file and puts the Injector around everything that it concerns.
func TestWrap(t *testing.T) {
	require.True(t, chaos.Enabled)
	w := &world{}
	plain := &env.Env{Clock: worldClock{w: w}, Runtime: w, KV: w, Objects: worldObjects{w}, Log: worldLog{w}}
	same, err := chaos.Wrap(plain, system(), "")
	require.NoError(t, err)
	require.Same(t, plain, same)

	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "chaos.yaml")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	wrapped, err := chaos.Wrap(plain, system(), file(`
operations:
  kv.begin: {fail_before: {once: true}}
  objects.head: {fail_after: {once: true}}
  flip: {fail_before: {once: true}}
`))
	require.NoError(t, err)
	_, err = wrapped.KV.Begin(t.Context())
	require.ErrorIs(t, err, env.ErrUnavailable)
	_, err = wrapped.Objects.Head(t.Context(), "k")
	require.ErrorIs(t, err, env.ErrUnavailable)
	_, err = wrapped.Runtime.Step(t.Context(), "flip")
	require.ErrorIs(t, err, env.ErrUnavailable)
	_, err = plain.KV.Begin(t.Context())
	require.NoError(t, err, "what was wrapped is unchanged")

	_, err = chaos.Wrap(plain, system(), filepath.Join(t.TempDir(), "none.yaml"))
	require.ErrorIs(t, err, os.ErrNotExist)
	path := file("operations: {flip: {fail_before: {rate: 1.5}}}")
	_, err = chaos.Wrap(plain, system(), path)
	require.EqualError(t, err, path+":1: rate 1.5 is out of range, allowed: above 0 to 1")
	_, err = chaos.Wrap(plain, system(), file(string(make([]byte, chaos.MaxConfigBytes+1000))))
	require.ErrorContains(t, err, "file has 65537 bytes, allowed: at most 65536")
}

// An Injector for a configuration that is wrong is refused.
func TestNewInjectorValidates(t *testing.T) {
	_, err := chaos.NewInjector(chaos.Config{Rules: []chaos.Rule{rated("flip", 2)}}, system(), nil, nil)
	require.ErrorContains(t, err, "rate 2 is out of range")
}
