package tikv_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/stretchr/testify/require"
	"github.com/tikv/client-go/v2/tikvrpc"

	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
)

// frameBytes is the size of a recording's frame. With a task of this length the
// header is as long, so that chunks of frameBytes bytes end where frames end,
// and a reader that goes on behind a frame reads no byte of it again.
const (
	frameBytes = 41
	task       = "put a cup on the table"
)

// episodes is a batch of two sources whose episodes take many parts each.
func episodes() *workload.Batch {
	batch := &workload.Batch{Namespace: "lab", Name: "arm", Output: "out/arm/", ChunkSize: 2, MaxAttempts: 3}
	for s := range 2 {
		source := workload.Source{Prefix: "in/" + strconv.Itoa(s) + "/", Filter: "*.rec", Ignored: []string{"notes.txt"}}
		for i := range 2 {
			source.Recordings = append(source.Recordings, workload.Recording{
				Name: strconv.Itoa(i) + ".rec", ID: uint64(10*s + i), Frames: 40, Task: task,
			})
		}
		batch.Sources = append(batch.Sources, source)
	}
	return batch
}

// TestCoreConverts: the whole of core publishes the reference dataset over the
// real client, and no unit runs twice.
func TestCoreConverts(t *testing.T) {
	run(t, func(w *world) {
		batch := episodes()
		w.prepare(batch)
		w.node("w0", newMachine())
		w.node("w1", newMachine())
		var status core.BatchStatus
		require.NoError(w, w.submit(batch, &status).Wait())

		w.requireReference(batch, &status)
		require.EqualValues(w, batch.Units(), w.Metrics().Counter("claims_total"))
		require.EqualValues(w, 1, w.Metrics().Counter("publications_total"))
		require.Zero(w, w.Metrics().Counter("txn_undetermined_total"))
	})
}

// TestCoreResumesAfterACrash: a machine dies in the middle of an upload. When
// its lease has gone stale another one takes the unit over where its last
// checkpoint says: with the same upload, and without reading the source again.
func TestCoreResumesAfterACrash(t *testing.T) {
	for name, c := range map[string]struct {
		doom func(m *machine)
		seq  string // of the checkpoint that the machine leaves
	}{
		"before a part is stored": {doom: func(m *machine) { m.onPart = atPart(5, dies) }, seq: "4"},
		"after a part is stored":  {doom: func(m *machine) { m.onPart = atPart(5, diesDone) }, seq: "4"},
		// Its locks stay, for others to find and remove.
		"before a checkpoint is committed": {doom: func(m *machine) { m.onRPC = atCommit(2, checkpoints, dies) }, seq: "1"},
		"after a checkpoint is committed":  {doom: func(m *machine) { m.onRPC = atCommit(2, checkpoints, diesDone) }, seq: "2"},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(w *world) {
				batch := episodes()
				w.prepare(batch)
				doomed := newMachine()
				c.doom(doomed)
				w0 := w.node("w0", doomed)
				var status core.BatchStatus
				client := w.submit(batch, &status)
				w.die(doomed, w0)
				crash := w.look()
				require.Equal(w, c.seq, schema.Field(crash.checkpoint, "seq"))

				began := time.Now()
				successor := newMachine()
				w.node("w1", successor)
				require.NoError(w, client.Wait())
				k := &w.config
				require.GreaterOrEqual(w, time.Since(began), k.StaleAfter, "the lease was taken away too soon")
				require.Less(w, time.Since(began), k.StaleAfter+k.ReapEvery+k.WorkerPoll+k.MergePoll+10*time.Second)

				w.requireReference(batch, &status)
				w.requireReadBehind(crash, successor.readsOf(crash.source))
				w.requireUploadContinued(crash)
				w.requireAttempts(crash)
				require.EqualValues(w, 1, w.Metrics().Counter("units_reaped_total"))
				require.EqualValues(w, 1, w.Metrics().Counter("resumes_total"))
			})
		})
	}
}

// crash is what a machine leaves behind when it dies in the middle of a
// conversion.
type crash struct {
	unitKey    string
	source     string // key of the recording
	checkpoint []byte
	effects    int // how much had happened to objects
}

// look looks at what is left of the one unit that was being converted.
func (w *world) look() crash {
	w.Helper()
	units := slices.DeleteFunc(w.rows("unit"), func(p env.Pair) bool { return schema.Field(p.Value, "state") != "processing" })
	require.Len(w, units, 1)
	checkpoints := w.rows("checkpoint")
	require.Len(w, checkpoints, 1)
	c := crash{unitKey: units[0].Key, source: schema.Field(units[0].Value, "url"), checkpoint: checkpoints[0].Value}
	require.Equal(w, strings.TrimPrefix(c.unitKey, "unit/"), strings.TrimPrefix(checkpoints[0].Key, "checkpoint/"))
	w.InspectObjects(func(store *objstore.Store) { c.effects = len(store.Effects) })
	return c
}

// requireReadBehind requires that the source was not read again before the
// checkpoint.
func (w *world) requireReadBehind(c crash, offsets []int64) {
	w.Helper()
	from, err := strconv.ParseInt(schema.Field(c.checkpoint, "offset"), 10, 64)
	require.NoError(w, err)
	require.Greater(w, from, int64(5*frameBytes))
	require.NotEmpty(w, offsets)
	require.Equal(w, from, slices.Min(offsets))
}

// requireUploadContinued requires that nothing was written for the unit since
// the crash but the parts behind the checkpoint, into the same upload.
func (w *world) requireUploadContinued(c crash) {
	w.Helper()
	key := schema.Field(c.checkpoint, "key")
	staging, ok := strings.CutSuffix(key, "/e00000001/episode")
	require.True(w, ok, key)
	var effects []objstore.Effect
	w.InspectObjects(func(store *objstore.Store) { effects = slices.Clone(store.Effects[c.effects:]) })
	effects = slices.DeleteFunc(effects, func(e objstore.Effect) bool { return !strings.HasPrefix(e.Key, staging) })
	require.NotEmpty(w, effects)

	durable := 1 + strings.Count(schema.Field(c.checkpoint, "parts"), ",")
	for i, e := range effects {
		require.Equal(w, key, e.Key)
		require.Equal(w, schema.Field(c.checkpoint, "upload"), e.UploadID)
		if i == len(effects)-1 {
			require.Equal(w, objstore.EffectComplete, e.Kind)
			require.Equal(w, durable+i, e.Number, "parts of the whole")
			continue
		}
		require.Equal(w, objstore.EffectUploadPart, e.Kind)
		require.Equal(w, durable+i+1, e.Number)
	}
}

// requireAttempts requires that the unit took a second attempt, and no other
// did.
func (w *world) requireAttempts(c crash) {
	w.Helper()
	for _, unit := range w.rows("unit") {
		want := "1"
		if unit.Key == c.unitKey {
			want = "2"
		}
		require.Equal(w, want, schema.Field(unit.Value, "epoch"))
		require.Equal(w, want, schema.Field(unit.Value, "attempts"))
	}
}

// TestCoreSettlesLostCommits: the answers to a commit stay away until the
// caller's patience ends, while heartbeats go on. Whether the commit was applied
// or not, core finds out, and nothing is done twice.
func TestCoreSettlesLostCommits(t *testing.T) {
	for name, picks := range map[string]func(*kvrpcpb.Mutation) bool{
		"claim":    func(m *kvrpcpb.Mutation) bool { return deletes(m, "queue/") },
		"complete": func(m *kvrpcpb.Mutation) bool { return deletes(m, "lease/") },
		"flip":     func(m *kvrpcpb.Mutation) bool { return writes(m, "sweep/") },
	} {
		for how, f := range map[string]fault{"not applied": lost, "applied": replyLost} {
			t.Run(name+" "+how, func(t *testing.T) {
				run(t, func(w *world) {
					batch := episodes()
					w.prepare(batch)
					w.config.Heartbeat = 2 * time.Second
					m := newMachine()
					m.onRPC = atCommit(1, picks, f)
					w.node("w0", m)
					var status core.BatchStatus
					require.NoError(w, w.submit(batch, &status).Wait())
					time.Sleep(time.Minute) // whoever still waits for an answer gives up

					w.requireReference(batch, &status)
					require.EqualValues(w, 1, w.Metrics().Counter("txn_undetermined_total"))
					require.EqualValues(w, batch.Units(), w.Metrics().Counter("claims_total"))
					require.EqualValues(w, batch.Units(), w.Metrics().Counter("units_completed_total"))
					require.EqualValues(w, 1, w.Metrics().Counter("publications_total"))
					require.Zero(w, w.Metrics().Counter("attempts_fenced_total"))
					for _, unit := range w.rows("unit") {
						require.Equal(w, "1", schema.Field(unit.Value, "epoch"))
						require.Equal(w, "1", schema.Field(unit.Value, "attempts"))
					}
				})
			})
		}
	}
}

// atPart lets f befall the nth part.
func atPart(nth int, f fault) func(int) fault {
	return func(number int) fault {
		if number == nth {
			return f
		}
		return none
	}
}

// atCommit lets f befall the commits of the nth transaction that has a mutation
// which picks picks.
func atCommit(nth int, picks func(*kvrpcpb.Mutation) bool, f fault) func(*tikvrpc.Request) fault {
	var picked []uint64 // start timestamps
	return func(req *tikvrpc.Request) fault {
		switch req.Type {
		case tikvrpc.CmdPrewrite:
			prewrite := req.Prewrite()
			if slices.ContainsFunc(prewrite.Mutations, picks) && !slices.Contains(picked, prewrite.StartVersion) {
				picked = append(picked, prewrite.StartVersion)
			}
		case tikvrpc.CmdCommit:
			if len(picked) >= nth && picked[nth-1] == req.Commit().StartVersion {
				return f
			}
		}
		return none
	}
}

func checkpoints(m *kvrpcpb.Mutation) bool { return writes(m, "checkpoint/") }

func writes(m *kvrpcpb.Mutation, table string) bool {
	return m.Op == kvrpcpb.Op_Put && strings.HasPrefix(string(m.Key), table)
}

func deletes(m *kvrpcpb.Mutation, table string) bool {
	return m.Op == kvrpcpb.Op_Del && strings.HasPrefix(string(m.Key), table)
}
