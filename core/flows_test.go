package core_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/backend/process/local"
	"github.com/gauntlet-dst/gauntlet/backend/process/processtest"
	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/dataset/plain"
	"github.com/gauntlet-dst/gauntlet/core/dataset/plain/plaintest"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// world is a cluster with a client in it.
type world struct {
	*processtest.World
	t      *testing.T
	config core.Config
	calls  int
}

func run(t *testing.T, test func(w *world)) {
	config := local.Config{Seed: 3, MinLatency: time.Millisecond, MaxLatency: 20 * time.Millisecond, Store: objstore.Options{MinPart: 1}}
	processtest.Run(t, config, func(t *testing.T, pw *processtest.World) {
		w := &world{World: pw, t: t, config: core.DefaultConfig()}
		w.config.ReadChunk, w.config.PartSize, w.config.MultipartAbove, w.config.Store.MinPart = 256, 300, 500, 1
		w.config.CheckpointFrames = 5
		w.config.WatchFor = 30 * time.Minute
		test(w)
	})
}

// record stores a recording under a key.
func (w *world) record(key string, body []byte) {
	w.InspectObjects(func(store *objstore.Store) {
		var resp objstore.Response
		store.Handle(&objstore.Request{Kind: objstore.KindPut, Key: key, Body: body}, &resp)
	})
}

func recording(id uint64, frames int) []byte {
	return plaintest.Recording(id, "pick", plaintest.Frames(id, 0, frames))
}

// node starts a process with all roles.
func (w *world) node(name string) *local.Process {
	return w.Start(name, func(ctx context.Context, e *env.Env) error {
		return core.New(e, w.config, plain.Codec{}).Run(ctx, core.Unified)
	})
}

// call runs one request as a client of its own.
func (w *world) call(do func(ctx context.Context, c *core.Client) error) error {
	w.t.Helper()
	w.calls++
	p := w.Start(fmt.Sprintf("client%d", w.calls), func(ctx context.Context, e *env.Env) error {
		return do(ctx, core.NewClient(e, w.config))
	})
	require.True(w.t, w.Drive(time.Hour, p.Done), "a call does not return")
	return p.Wait()
}

func (w *world) submit(spec core.BatchSpec) (gen uint64, err error) {
	w.t.Helper()
	err = w.call(func(ctx context.Context, c *core.Client) (err error) {
		gen, err = c.Submit(ctx, spec)
		return err
	})
	return gen, err
}

func (w *world) status(name string) (status core.BatchStatus) {
	w.t.Helper()
	require.NoError(w.t, w.call(func(ctx context.Context, c *core.Client) (err error) {
		status, err = c.Status(ctx, "lab", name)
		return err
	}))
	return status
}

// await drives the world until the batch is in a phase.
func (w *world) await(name string, phase core.Phase) core.BatchStatus {
	w.t.Helper()
	for range 720 {
		if status := w.status(name); status.Phase == phase {
			return status
		}
		w.Clock.Advance(5 * time.Second)
	}
	require.Fail(w.t, "never reached", "%s: %+v", phase, w.status(name))
	return core.BatchStatus{}
}

func (w *world) keys(prefix string) (keys []string) {
	w.InspectObjects(func(store *objstore.Store) {
		for obj := range store.Objects() {
			if strings.HasPrefix(obj.Key, prefix) {
				keys = append(keys, obj.Key)
			}
		}
	})
	return keys
}

func (w *world) rows(prefix string) (rows []string) {
	w.InspectKV(func(engine *tikv.Engine) {
		for key, value := range engine.SnapshotAt(engine.LastTS()) {
			if strings.HasPrefix(key, prefix) {
				rows = append(rows, key+" "+string(value))
			}
		}
	})
	return rows
}

func spec(name string) core.BatchSpec {
	return core.BatchSpec{Namespace: "lab", Name: name, Output: "out/" + name, Sources: []core.Source{{URL: "in/" + name + "/", Filter: "*.rec"}}}
}

func TestPoisonFailsItsBatchAtOnce(t *testing.T) {
	run(t, func(w *world) {
		w.record("in/arm/a.rec", recording(1, 20))
		w.record("in/arm/b.rec", []byte("this is no recording"))
		w.record("in/arm/c.rec", []byte("neither is this"))
		w.node("w0")
		_, err := w.submit(spec("arm"))
		require.NoError(t, err)
		status := w.await("arm", core.PhaseFailed)
		require.Regexp(t, "in/arm/[bc].rec", status.Error)
		require.Equal(t, core.Counts{Complete: 1, Dead: 2}, status.Counts)
		require.Len(t, status.Failures, 2)
		require.NotEqual(t, status.Failures[0].URL, status.Failures[1].URL)
		for _, failure := range status.Failures {
			require.Equal(t, 1, failure.Attempts, "poison is not worth a second attempt")
			require.NotEmpty(t, failure.Error)
		}
		require.Equal(t, []core.SourceStatus{{Source: spec("arm").Sources[0], Found: 3, Done: true}}, status.Sources)
		require.Empty(t, w.rows("active/"))
	})
}

func TestResubmission(t *testing.T) {
	run(t, func(w *world) {
		w.record("in/arm/a.rec", recording(1, 20))
		gen, err := w.submit(spec("arm"))
		require.NoError(t, err)
		require.EqualValues(t, 1, gen)
		_, err = w.submit(spec("arm"))
		require.ErrorIs(t, err, core.ErrLive)

		other := spec("leg")
		other.Output = "out/arm"
		_, err = w.submit(other)
		require.ErrorIs(t, err, core.ErrOutputTaken)
		other.Output = "out/arm/inside"
		_, err = w.submit(other)
		require.ErrorIs(t, err, core.ErrOutputTaken)
		other.Output = "out"
		_, err = w.submit(other)
		require.ErrorIs(t, err, core.ErrOutputTaken)

		w.node("w0")
		first := w.await("arm", core.PhaseComplete)
		gen, err = w.submit(spec("arm"))
		require.NoError(t, err)
		require.EqualValues(t, 2, gen)
		second := w.await("arm", core.PhaseComplete)
		require.EqualValues(t, 2, second.Generation)
		require.NotEqual(t, first.Manifest, second.Manifest)
		for _, status := range []core.BatchStatus{first, second} { // by clocks that agree here
			require.True(t, status.Finished.After(status.Submitted), status)
			require.Less(t, status.Finished.Sub(status.Submitted), time.Hour)
		}
		require.Contains(t, w.keys("out/arm/"), first.Manifest, "what was published stays")
	})
}

// A recording that changed after it was discovered is not converted: the dataset would hold
// what nobody asked for, or a mixture (R5).
func TestChangedRecordingIsPoison(t *testing.T) {
	run(t, func(w *world) {
		w.record("in/arm/a.rec", recording(1, 20))
		_, err := w.submit(spec("arm"))
		require.NoError(t, err)
		w.scanner("s")
		for len(w.rows("queue/")) == 0 {
			w.Clock.Advance(time.Second)
		}
		w.record("in/arm/a.rec", recording(2, 20)) // of the same size
		w.node("w0")
		status := w.await("arm", core.PhaseFailed)
		require.Contains(t, status.Error, "changed since it was discovered")
		require.Equal(t, 1, status.Failures[0].Attempts)
	})
}

// What a codec says of an episode is too long for a row: to try again would not make it
// shorter, so that the unit is dead at once, and its error says what is too long (R12).
func TestSummaryTooLongForARow(t *testing.T) {
	run(t, func(w *world) {
		w.config.Store.MaxRow = 1 << 16
		w.record("in/arm/a.rec", plaintest.Recording(1, strings.Repeat("pick and place ", 4300), plaintest.Frames(1, 0, 20)))
		_, err := w.submit(spec("arm"))
		require.NoError(t, err)
		w.node("w0")
		status := w.await("arm", core.PhaseFailed)
		require.Contains(t, status.Error, "its summary makes a row of ")
		require.Equal(t, 1, status.Failures[0].Attempts)
	})
}

// put writes a row as nothing of core would.
func (w *world) put(key, value string) {
	w.t.Helper()
	w.calls++
	p := w.Start(fmt.Sprintf("stranger%d", w.calls), func(ctx context.Context, e *env.Env) error {
		tx, err := e.KV.Begin(ctx)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		tx.Put(key, []byte(value))
		return tx.Commit(ctx)
	})
	require.True(w.t, w.Drive(time.Hour, p.Done))
	require.NoError(w.t, p.Wait())
}

// A row that cannot be read hides nothing that comes behind it: the batch is discovered, and
// converted, an attempt whose owner is lost is taken over, and what ended is swept.
func TestUnreadableRowsHideNothing(t *testing.T) {
	for name, rows := range map[string][]string{
		"an active batch": {"active/lab/aaa"},
		"a batch":         {"active/lab/aaa=a1 gen=1 priority=9", "batch/lab/aaa"},
		"a queued unit":   {"queue/999/lab/arm/00000001/0000000000000000"},
		"a lease":         {"lease/a/1/lab/aaa/00000001/0000000000000000"},
		"a sweep":         {"sweep/lab/aaa/00000001"},
		"a sweep's key":   {"sweep/x=w1 state=collect output=out/x priority=0 merge_gen=0 chunk=1 age_ms=0 ttl_ms=0"},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(w *world) {
				for _, row := range rows {
					key, value, readable := strings.Cut(row, "=")
					if !readable {
						value = "u9 of a later version"
					}
					w.put(key, value)
				}
				w.record("in/arm/a.rec", recording(1, 20))
				_, err := w.submit(spec("arm"))
				require.NoError(t, err)
				lost := w.node("w0")
				require.True(t, w.Drive(time.Minute, func() bool { return len(w.rows("checkpoint/")) > 0 }))
				lost.Stop(context.Canceled)
				w.node("w1")
				status := w.await("arm", core.PhaseComplete)
				require.Equal(t, 1, status.Complete)
				require.True(t, w.Drive(2*w.config.WatchFor, func() bool { return len(w.rows("sweep/lab/arm/")) == 0 }))
			})
		})
	}
}

// A row that an answer is made of cannot be read. The answer says so, and leaves nothing out (R17).
func TestUnreadableRowsAreNoAnswer(t *testing.T) {
	for _, prefix := range []string{"shard", "discovery", "checkpoint", "failed", "dead", "batch"} {
		t.Run(prefix, func(t *testing.T) {
			run(t, func(w *world) {
				w.record("in/arm/a.rec", recording(1, 20))
				_, err := w.submit(spec("arm"))
				require.NoError(t, err)
				w.scanner("s")
				require.True(t, w.Drive(time.Minute, func() bool { return len(w.rows("queue/")) > 0 }))
				key := map[string]string{"batch": "batch/lab/arm", "shard": "shard/lab/arm/00000001/0003", "discovery": "discovery/lab/arm/00000001/0000"}[prefix]
				if key == "" {
					key = prefix + "/lab/arm/00000001/0000000000000000"
				}
				w.put(key, "x9 of a later version")
				for name, ask := range map[string]func(ctx context.Context, c *core.Client) error{
					"status": func(ctx context.Context, c *core.Client) error { _, err := c.Status(ctx, "lab", "arm"); return err },
					"list":   func(ctx context.Context, c *core.Client) error { _, err := c.List(ctx, "lab"); return err },
				} {
					err := w.call(ask)
					if name == "list" && prefix != "batch" {
						require.NoError(t, err, "it is made of no such row")
						continue
					}
					require.ErrorIs(t, err, env.ErrInvalid, name)
					require.ErrorContains(t, err, key)
				}
			})
		})
	}
}

// The row of a unit cannot be read when its batch is merged. What is published holds every unit, or the batch
// fails, and says why (R10, R17).
func TestUnreadableUnitIsNotLeftOut(t *testing.T) {
	run(t, func(w *world) {
		w.record("in/arm/a.rec", recording(1, 20))
		w.record("in/arm/b.rec", recording(2, 20))
		_, err := w.submit(spec("arm"))
		require.NoError(t, err)
		w.role("w0", core.Scanner|core.Worker|core.Controller)
		require.True(t, w.Drive(time.Hour, func() bool { return w.status("arm").Complete == 2 }))
		unit, _, _ := strings.Cut(w.rows("unit/")[0], " ")
		w.put(unit, "u9 of a later version")
		w.role("w1", core.Merger)
		require.Contains(t, w.await("arm", core.PhaseFailed).Error, unit)
	})
}

// A checkpoint that is not of the unit, or lies beyond its source, is as good as none: the conversion begins
// anew, and touches no upload that is another's (R1, R5).
func TestCheckpointOfAnotherUnitIsNotContinued(t *testing.T) {
	for name, spoil := range map[string]func(rows [2]string) (spoilt [2]string){
		"another's": func(rows [2]string) [2]string { return [2]string{rows[1], rows[0]} },
		"beyond its source": func(rows [2]string) [2]string {
			return [2]string{strings.Replace(rows[0], " offset=", " offset=9", 1), rows[1]}
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(w *world) {
				w.config.Slots = 2
				w.record("in/arm/a.rec", recording(1, 200))
				w.record("in/arm/b.rec", recording(2, 200))
				_, err := w.submit(spec("arm"))
				require.NoError(t, err)
				lost := w.node("w0")
				require.True(t, w.Drive(time.Minute, func() bool { return len(w.rows("checkpoint/")) == 2 }))
				lost.Stop(context.Canceled)
				require.True(t, w.Drive(time.Minute, lost.Done))
				var keys, rows [2]string
				for i, row := range w.rows("checkpoint/") {
					keys[i], rows[i], _ = strings.Cut(row, " ")
				}
				for i, row := range spoil(rows) {
					w.put(keys[i], row)
				}
				w.role("w1", core.Unified&^core.Merger)
				require.True(t, w.Drive(time.Hour, func() bool { return w.status("arm").Complete == 2 }))
				for _, row := range w.rows("unit/") {
					uid := strings.TrimPrefix(strings.Fields(row)[0], "unit/lab/arm/00000001/")
					require.Contains(t, row, " staged=out/arm/staging/00000001/"+uid+"/")
					require.Contains(t, row, " attempts=2 ")
				}
				w.role("m", core.Merger)
				require.EqualValues(t, 400, w.await("arm", core.PhaseComplete).Frames)
			})
		})
	}
}

func TestCancelStopsEverything(t *testing.T) {
	run(t, func(w *world) {
		for i := range 6 {
			w.record(fmt.Sprintf("in/arm/%d.rec", i), recording(uint64(i), 20))
		}
		require.ErrorIs(t, w.cancel("arm"), core.ErrNoBatch)
		_, err := w.submit(spec("arm"))
		require.NoError(t, err)
		w.node("w0")
		for len(w.rows("lease/")) == 0 {
			w.Clock.Advance(10 * time.Millisecond)
		}
		require.NoError(t, w.cancel("arm"))
		require.NoError(t, w.cancel("arm"), "again is no error")
		w.Clock.Advance(w.config.ControlEvery + w.config.Heartbeat)
		require.Empty(t, w.rows("lease/"))
		require.Empty(t, w.rows("queue/"))
		require.Empty(t, w.rows("checkpoint/"))
		status := w.status("arm")
		require.Equal(t, core.PhaseCancelled, status.Phase)
		require.Equal(t, 6, status.Complete+status.Cancelled)
		require.NotZero(t, status.Cancelled)

		w.Clock.Advance(w.config.MaxInFlight + 3*w.config.JanitorEvery)
		require.Empty(t, w.keys("out/arm/"), "nothing was published, so nothing stays")
	})
}

func (w *world) cancel(name string) error {
	w.t.Helper()
	return w.call(func(ctx context.Context, c *core.Client) error { return c.Cancel(ctx, "lab", name) })
}

func TestStagingIsCollectedAndTheDatasetStays(t *testing.T) {
	run(t, func(w *world) {
		w.record("in/arm/a.rec", recording(1, 60))
		s := spec("arm")
		s.TTL = time.Hour
		_, err := w.submit(s)
		require.NoError(t, err)
		w.node("w0")
		done := w.await("arm", core.PhaseComplete)
		require.NotEmpty(t, w.keys("out/arm/staging/"))
		published := len(w.keys("out/arm/g"))

		w.Clock.Advance(w.config.MaxInFlight + 3*w.config.JanitorEvery)
		require.Empty(t, w.keys("out/arm/staging/"))
		require.Len(t, w.keys("out/arm/g"), published)
		for _, row := range w.rows("unit/") {
			require.NotContains(t, row, "staged=", "no row names what was collected")
		}

		w.Clock.Advance(3 * time.Hour)
		expired := w.status("arm")
		require.Equal(t, core.PhaseExpired, expired.Phase)
		require.Equal(t, done.Manifest, expired.Manifest)
		require.Len(t, w.keys("out/arm/g"), published)
		for _, prefix := range []string{"unit/", "discovery/", "merge/", "sweep/", "status/", "checkpoint/"} {
			require.Empty(t, w.rows(prefix))
		}
	})
}

func TestRetryRevivesDeadUnits(t *testing.T) {
	run(t, func(w *world) {
		w.record("in/arm/a.rec", recording(1, 20))
		w.record("in/arm/b.rec", recording(2, 20))
		s := spec("arm")
		s.MaxAttempts = 1
		_, err := w.submit(s)
		require.NoError(t, err)
		// A process that claims and dies: its unit is dead after one attempt.
		w.config.Slots = 2
		w.scanner("s")
		for len(w.rows("queue/")) < 2 {
			w.Clock.Advance(time.Second)
		}
		victim := w.worker("victim")
		for len(w.rows("lease/")) == 0 {
			w.Clock.Advance(time.Millisecond)
		}
		victim.Stop(context.Canceled)
		w.reaper("r")
		for len(w.rows("lease/")) > 0 {
			w.Clock.Advance(time.Minute)
		}
		dead := w.status("arm")
		require.NotZero(t, dead.Dead)
		require.Contains(t, dead.Failures[0].Error, "ran out")

		var retried int
		require.NoError(t, w.call(func(ctx context.Context, c *core.Client) (err error) {
			retried, err = c.Retry(ctx, "lab", "arm")
			return err
		}))
		require.Equal(t, dead.Dead, retried)
		w.node("w0")
		done := w.await("arm", core.PhaseComplete)
		require.Equal(t, core.Counts{Complete: 2}, done.Counts)
		require.ErrorIs(t, w.call(func(ctx context.Context, c *core.Client) (err error) {
			_, err = c.Retry(ctx, "lab", "arm")
			return err
		}), core.ErrEnded)
	})
}

func (w *world) scanner(name string) { w.role(name, core.Scanner) }
func (w *world) reaper(name string)  { w.role(name, core.Reaper) }

func (w *world) worker(name string) *local.Process { return w.role(name, core.Worker) }

func (w *world) role(name string, roles core.Role) *local.Process {
	return w.Start(name, func(ctx context.Context, e *env.Env) error {
		return core.New(e, w.config, plain.Codec{}).Run(ctx, roles)
	})
}

func TestListShowsANamespace(t *testing.T) {
	run(t, func(w *world) {
		w.record("in/arm/a.rec", recording(1, 5))
		w.node("w0")
		for _, name := range []string{"leg", "arm"} {
			_, err := w.submit(spec(name))
			require.NoError(t, err)
		}
		w.await("arm", core.PhaseComplete)
		w.await("leg", core.PhaseComplete) // no sources: an empty dataset
		w.Clock.Advance(time.Minute)
		var list []core.BatchStatus
		require.NoError(t, w.call(func(ctx context.Context, c *core.Client) (err error) {
			list, err = c.List(ctx, "lab")
			return err
		}))
		require.Len(t, list, 2)
		require.Equal(t, "arm", list[0].Name)
		require.Equal(t, core.Counts{Complete: 1}, list[0].Counts)
		require.Equal(t, "leg", list[1].Name)
		require.Equal(t, core.Counts{}, list[1].Counts)
	})
}

func TestParallelismAndPriority(t *testing.T) {
	run(t, func(w *world) {
		for i := range 40 {
			w.record(fmt.Sprintf("in/slow/%02d.rec", i), recording(uint64(i), 10))
		}
		w.record("in/free/a.rec", recording(99, 10))
		slow := spec("slow")
		slow.Priority, slow.Parallelism = 9, 1
		_, err := w.submit(slow)
		require.NoError(t, err)
		_, err = w.submit(spec("free"))
		require.NoError(t, err)
		w.config.Slots = 3
		w.scanner("s")
		for len(w.rows("queue/")) < 41 {
			w.Clock.Advance(time.Second)
		}
		w.worker("w0")
		most := 0
		for w.status("free").Complete == 0 {
			count := 0
			for _, row := range w.rows("unit/lab/slow/") {
				if strings.Contains(row, "state=processing") {
					count++
				}
			}
			most = max(most, count)
			w.Clock.Advance(10 * time.Millisecond)
		}
		require.Equal(t, 1, most, "the batch allows one at a time")
		require.Less(t, w.status("slow").Complete, 40, "a batch at its limit hid the others behind a page of its units")
	})
}

func TestRunRefusesWhatCannotWork(t *testing.T) {
	run(t, func(w *world) {
		w.config.Slots = 0
		p := w.node("w0")
		require.True(t, w.Drive(time.Minute, p.Done))
		require.ErrorIs(t, p.Wait(), env.ErrInvalid)
	})
}

func TestHealth(t *testing.T) {
	run(t, func(w *world) {
		nodes := make(chan *core.Node, 1)
		w.Start("w0", func(ctx context.Context, e *env.Env) error {
			n := core.New(e, w.config, plain.Codec{})
			nodes <- n
			return n.Run(ctx, core.Unified)
		})
		w.Clock.Advance(time.Second)
		require.Equal(t, core.Health{Alive: true, Ready: true}, (<-nodes).Health())
	})
}

// TestMergeStaysWithinItsMemory: a batch whose rows a merge may not hold fails,
// and says what to set.
func TestMergeStaysWithinItsMemory(t *testing.T) {
	run(t, func(w *world) {
		w.record("in/arm/a.rec", recording(1, 20))
		w.record("in/arm/b.rec", recording(2, 20))
		w.config.MergeMemory = 700 // one row, not two
		w.node("w0")
		_, err := w.submit(spec("arm"))
		require.NoError(t, err)
		w.await("arm", core.PhaseFailed)
		require.Contains(t, w.status("arm").Error, "MergeMemory, 700 bytes")
	})
}
