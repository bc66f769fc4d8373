package core

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/core/dataset"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// table is a key-value store of one process: what is read of it is noted, and a commit
// always succeeds.
type table struct {
	rows    map[string]string
	read    map[string]bool
	refused string // what is read of keys that begin with it is refused, if it is not ""
}

func newTable() *table { return &table{rows: map[string]string{}, read: map[string]bool{}} }

func (s *table) Begin(context.Context) (env.Txn, error) { return &tableTxn{table: s}, nil }

type tableTxn struct {
	env.Txn
	table  *table
	writes []func()
}

func (tx *tableTxn) Get(_ context.Context, key string) ([]byte, error) {
	row, ok := tx.table.rows[key]
	if !ok {
		return nil, env.ErrNotFound
	}
	return []byte(row), nil
}

func (tx *tableTxn) Scan(_ context.Context, from, to string, limit int) (page []env.Pair, err error) {
	if tx.table.refused != "" && strings.HasPrefix(from, tx.table.refused) {
		return nil, env.ErrUnavailable
	}
	for _, key := range slices.Sorted(maps.Keys(tx.table.rows)) {
		if key >= from && key < to && len(page) < limit {
			tx.table.read[key] = true
			page = append(page, env.Pair{Key: key, Value: []byte(tx.table.rows[key])})
		}
	}
	return page, nil
}

func (tx *tableTxn) Put(key string, value []byte) {
	tx.writes = append(tx.writes, func() { tx.table.rows[key] = string(value) })
}

func (tx *tableTxn) Delete(key string) {
	tx.writes = append(tx.writes, func() { delete(tx.table.rows, key) })
}

func (*tableTxn) Lock(...string) {}
func (*tableTxn) Rollback()      {}

func (tx *tableTxn) Commit(context.Context) error {
	for _, write := range tx.writes {
		write()
	}
	return nil
}

// node is a node over the table.
func (s *table) node(cfg Config, rand env.Rand) *Node {
	e := &env.Env{KV: s, Clock: &napClock{}, Runtime: plainRuntime{}, Rand: rand, Metrics: noMetrics{}, Log: noLog{}}
	n := &Node{cfg: cfg, env: e}
	n.kv = newStore(e, &n.cfg)
	return n
}

// What is counted, or listed, is all there is, or an error: never what could be read of it (R17, R18).
func TestPartsAreNoWhole(t *testing.T) {
	const id = batchID("lab/arm/00000001")
	cfg := DefaultConfig()
	cfg.ConflictTries = 1
	b := batchRow{gen: 1, phase: PhaseDiscovering, shards: 2}
	for refused, look := range map[string]func(n *Node, tx env.Txn) error{
		shardPrefix:      func(_ *Node, tx env.Txn) error { _, err := readCounts(t.Context(), tx, id, &b, 10); return err },
		discoveryPrefix:  func(_ *Node, tx env.Txn) error { _, err := readCounts(t.Context(), tx, id, &b, 10); return err },
		checkpointPrefix: func(_ *Node, tx env.Txn) error { return new(BatchStatus).readUnits(t.Context(), tx, id, &b, 10) },
		activePrefix:     func(n *Node, _ env.Txn) error { _, err := n.liveBatches(t.Context()); return err },
		sweepPrefix:      func(n *Node, _ env.Txn) error { _, err := n.sweeps(t.Context()); return err },
		deadPrefix:       func(_ *Node, tx env.Txn) error { return new(BatchStatus).readUnits(t.Context(), tx, id, &b, 10) },
		failedPrefix:     func(_ *Node, tx env.Txn) error { return new(BatchStatus).readUnits(t.Context(), tx, id, &b, 10) },
	} {
		s := newTable()
		tx, _ := s.Begin(t.Context())
		n := s.node(cfg, evenRand{})
		require.NoError(t, look(n, tx), refused)
		s.refused = refused
		require.ErrorIs(t, look(n, tx), env.ErrUnavailable, refused)
	}
}

// Who watches rows forgets those that are no more, or would remember every unit and every batch that there was.
func TestWatchersForgetWhatIsGone(t *testing.T) {
	n := newTable().node(DefaultConfig(), evenRand{})
	c, r, m, j := newController(n), newReaper(n), newMerger(n), newJanitor(n)
	watched := []*observer{c.failed, r.leases, m.claims, j.settled, j.ages}
	for _, o := range watched {
		o.unchanged("a row", beat{})
	}
	for range 2 { // in the first it may have been seen
		for _, round := range []func(context.Context) error{c.round, r.round, m.round, j.round} {
			require.NoError(t, round(t.Context()))
		}
	}
	for i, o := range watched {
		require.Empty(t, o.seen, i)
	}
}

// A worker enters the queue at any place. It finds an entry wherever that lies, as long as there is one
// (R13): behind the place, in its shard or beyond, or before it.
func TestEveryEntryIsFoundFromEverywhere(t *testing.T) {
	const id = batchID("lab/arm/00000001")
	rapid.Check(t, func(t *rapid.T) {
		s := newTable()
		b := batchRow{gen: 1, phase: PhaseRunning, units: rapid.IntRange(1, 12).Draw(t, "units"), shards: rapid.IntRange(1, maxShards).Draw(t, "shards")}
		s.rows[batchKey(id.name())] = string(b.encode())
		queue := queuePrefixOf(b.priority, id)
		for range b.units {
			s.rows[queue+hex16(rapid.Uint64().Draw(t, "unit"))] = "q1 epoch=0"
		}
		b.units = len(s.rows) - 1 // two may be alike
		s.rows[batchKey(id.name())] = string(b.encode())
		w := newWorker(s.node(DefaultConfig(), fixedRand(rapid.Uint64().Draw(t, "at"))))
		tx, _ := s.Begin(context.Background())
		found, err := w.enter(context.Background(), tx, id)
		require.NoError(t, err)
		require.NotEmpty(t, found)
		for _, c := range found {
			require.Contains(t, s.rows, queueKey(b.priority, c.id, c.uid))
		}
	})
}

// What is found near the place is taken: nobody asks the shards, and reads on, who has found enough.
func TestLookEndsWithWhatIsNear(t *testing.T) {
	const id = batchID("lab/arm/00000001")
	s := newTable()
	b := batchRow{gen: 1, phase: PhaseRunning, units: 2, shards: 2}
	s.rows[batchKey(id.name())] = string(b.encode())
	near, far := hex16(5), hex16(1<<63+9)
	for _, uid := range []string{near, far} {
		s.rows[queueKey(0, id, uid)] = "q1 epoch=0"
	}
	w := newWorker(s.node(DefaultConfig(), fixedRand(3)))
	tx, _ := s.Begin(t.Context())
	found, err := w.enter(t.Context(), tx, id)
	require.NoError(t, err)
	require.Equal(t, []candidate{{id: id, uid: near}}, found)
	require.NotContains(t, s.read, queueKey(0, id, far))
}

// A candidate that cannot be claimed hides none of those behind it: it was taken since, another slot is at it, or
// its row is gone or cannot be read (R13).
func TestNextCandidateIsClaimed(t *testing.T) {
	const id = batchID("lab/arm/00000001")
	first, second := candidate{id, hex16(1)}, candidate{id, hex16(2)}
	pending := unitRow{state: UnitPending, url: "in/b"}
	for name, taken := range map[string]string{
		"taken since": string((&unitRow{state: UnitProcessing, epoch: 1}).encode()), "gone": "", "damaged": "u9 of a later version", "another slot's": string(pending.encode()),
	} {
		s := newTable()
		b := batchRow{gen: 1, phase: PhaseRunning, units: 2, shards: 1}
		s.rows[batchKey(id.name())] = string(b.encode())
		s.rows[unitKey(id, second.uid)] = string(pending.encode())
		if taken != "" {
			s.rows[unitKey(id, first.uid)] = taken
		}
		n := s.node(DefaultConfig(), evenRand{})
		n.env.Self = env.Process{Name: "w0", Incarnation: "1"}
		w := newWorker(n)
		if name == "another slot's" {
			w.reserve(unitKey(id, first.uid))
		}
		a, err := w.claimOne(t.Context(), []candidate{first, second})
		require.NoError(t, err, name)
		require.NotNil(t, a, name)
		require.Equal(t, second.uid, a.uid, name)
		require.Contains(t, s.rows[unitKey(id, second.uid)], "state=processing epoch=1", name)
		require.Contains(t, s.rows, a.leaseKey)
	}
}

// A beat that comes when the unit is complete, or a renewal when the dataset is published, while its author still
// waits for the answer, is no sign that another has taken over. One that finds another's end is (R4, R9).
func TestBeatsBehindTheirOwnEnd(t *testing.T) {
	const id = batchID("lab/arm/00000001")
	s := newTable()
	n := s.node(DefaultConfig(), evenRand{})
	n.env.Self = env.Process{Name: "w0", Incarnation: "1"}
	a := &attempt{node: n, id: id, uid: hex16(1), unitKey: unitKey(id, hex16(1)), leaseKey: leaseKey("w0", "1", id, hex16(1)), epoch: 3}
	m := &merge{node: n, id: id, key: mergeKey(id), gen: 3}
	for epoch, want := range map[uint64]error{3: nil, 4: env.ErrFenced} {
		unit := unitRow{state: UnitComplete, epoch: epoch, worker: "w0", incarnation: "1"}
		published := mergeRow{gen: epoch, state: mergePublished, worker: "w0", incarnation: "1", beat: 5}
		s.rows = map[string]string{a.unitKey: string(unit.encode()), m.key: string(published.encode())}
		require.ErrorIs(t, a.heartbeat(t.Context(), 0), want)
		require.ErrorIs(t, m.renew(t.Context(), 0), want)
		require.NotContains(t, s.rows, a.leaseKey, "a beat revives nothing")
		require.Equal(t, string(published.encode()), s.rows[m.key])
	}
}

// A time limit is released when what it bounds has ended, or a process would hold those of all its calls.
func TestTimeLimitsAreReleased(t *testing.T) {
	n := newTable().node(DefaultConfig(), evenRand{})
	clock := &openClock{}
	n.env.Clock = clock
	o := objects{env: n.env, cfg: &n.cfg, breaker: newBreaker(&n.cfg)}
	ask := func(context.Context) error { return nil }
	require.NoError(t, o.retry(t.Context(), func(ctx context.Context, _ bool) error { return ask(ctx) }))
	require.NoError(t, n.renewOnce(t.Context(), StepHeartbeat, time.Minute, ask))
	for _, whole := range []bool{false, true} {
		require.NoError(t, n.kv.update(t.Context(), &txn{whole: whole, body: func(ctx context.Context, _ env.Txn) error { return ask(ctx) }}))
	}
	require.Equal(t, 5, clock.set)
	require.Zero(t, clock.open)
}

// openClock counts the time limits that were set, and those that were not released.
type openClock struct {
	napClock
	set, open int
}

func (c *openClock) WithTimeout(ctx context.Context, _ time.Duration) (context.Context, context.CancelFunc) {
	c.set++
	c.open++
	return ctx, func() { c.open-- }
}

// A janitor reads every row of an ended batch, however many pages they fill: a lock that a dead committer left
// is resolved by who reads it (R18).
func TestVisitsReadEveryPage(t *testing.T) {
	const id = batchID("lab/arm/00000001")
	s := newTable()
	for i := range 7 {
		uid := hex16(uint64(i))
		for _, key := range []string{unitKey(id, uid), checkpointKey(id, uid), discoveryKey(id, i), shardKey(id, i), failedKey(id, uid), deadKey(id, uid)} {
			s.rows[key] = "x1"
		}
	}
	cfg := DefaultConfig()
	cfg.Page = 2
	require.NoError(t, newJanitor(s.node(cfg, evenRand{})).visit(t.Context(), id))
	require.Len(t, s.read, len(s.rows))
}

// A janitor tells what attempts and merges write from what others keep under the same prefixes.
func TestOthersKeysAreNotWritten(t *testing.T) {
	const uid = "0123456789abcdef"
	n := newTable().node(DefaultConfig(), evenRand{})
	n.codec = extOnly{ext: "csv"}
	j := newJanitor(n)
	s := swept{id: "lab/arm/00000007", row: sweepRow{output: "out/arm"}}
	staging, merges := stagingPrefix("out/arm", 7), mergesPrefix("out/arm", 7)
	for _, key := range []string{
		stagingKey("out/arm", s.id, uid, 1), stagingKey("out/arm", s.id, uid, 123456789),
		datasetPrefix("out/arm", 7, 1) + "data/chunk-000/episode_000000.csv", datasetPrefix("out/arm", 7, 123456789) + "manifest.json",
	} {
		require.True(t, j.written(s, key), key)
	}
	for _, key := range []string{
		staging + uid + "/e00000001", staging + uid + "/e00000001/episode.bak", staging + uid + "/e0000001/episode", staging + uid + "/e0000000x/episode",
		staging + uid[1:] + "/e00000001/episode", staging + "x" + uid[1:] + "/e00000001/episode", staging + "a.rec", staging,
		merges + "00000001", merges + "0000001/manifest.json", merges + "0000000x/manifest.json", merges + "00000001/notes.txt",
		stagingKey("out/arm", "lab/arm/00000008", uid, 1), datasetPrefix("out/arm", 8, 1) + "manifest.json", "out/arm/manifest.json", "manifest.json",
	} {
		require.False(t, j.written(s, key), key)
	}
}

// Scratch space is given back when a unit has ended: all chunks of its source, and no others.
func TestChunksOfASourceAreForgotten(t *testing.T) {
	cfg := DefaultConfig()
	cfg.ReadChunk = 10
	for size, chunks := range map[int64]int{1: 1, 9: 1, 10: 1, 11: 2, 95: 10} {
		temp := &notedTemp{}
		a := &attempt{node: &Node{cfg: cfg, env: &env.Env{Temp: temp, Metrics: noMetrics{}}}, unit: unitRow{url: "in/a", size: size}}
		a.forgetSource()
		var want []string
		for number := range chunks {
			want = append(want, a.chunkName(int64(number)))
		}
		require.Equal(t, want, temp.removed, "a source of %d bytes", size)
		temp.removed = nil
		a.forgetChunks(10, 35)
		require.Equal(t, []string{a.chunkName(1), a.chunkName(2)}, temp.removed, "whole chunks only")
	}
}

// notedTemp notes what was removed of it.
type notedTemp struct {
	env.TempDir
	removed []string
}

func (x *notedTemp) Remove(name string) error {
	x.removed = append(x.removed, name)
	return nil
}

// lines is a codec whose frames are lines. A line that begins with '#' belongs to none, and one that begins
// with '!' is malformed. It finishes whatever it was given.
type lines struct{ dataset.Converter }

func (lines) Frame(dst, src []byte, _ bool) (out []byte, consumed int, frame bool, err error) {
	line, _, whole := strings.Cut(string(src), "\n")
	switch {
	case !whole:
		return dst, 0, false, nil
	case line[0] == '!':
		return dst, 0, false, invalid("convert", "", "malformed")
	case line[0] == '#':
		return dst, len(line) + 1, false, nil
	}
	return append(dst, line...), len(line) + 1, true, nil
}

// A conversion takes a source frame by frame to its end, whatever lies between the frames; what a codec cannot
// read is an error of the source, and no end of it.
func TestFramesAreTakenToTheEnd(t *testing.T) {
	for body, want := range map[string]string{
		"a\nb\n":             "a b.",
		"#x\n#y\na\n#z\nb\n": "a b.",
		"a\n#x\n":            "a.",
		"":                   ".",
		"a\n!\nb\n":          "a malformed",
		"a\nb":               "a within a frame",
		"#x\nb":              "within a frame",
	} {
		for _, chunk := range []int64{1, 3, 100} {
			cfg := DefaultConfig()
			cfg.ReadChunk = chunk
			e := &env.Env{Clock: &napClock{}, Log: noLog{}, Temp: fullTemp{}, Objects: ranges{body: body}}
			n := &Node{cfg: cfg, env: e, patient: &objects{env: e, cfg: &cfg, breaker: newBreaker(&cfg), patient: true}}
			a := &attempt{node: n, unit: unitRow{url: "in/a", etag: "1", size: int64(len(body))}}
			c := &conversion{attempt: a, src: &source{attempt: a}, codec: lines{}, out: &sink{attempt: a}}
			got := ""
			for {
				more, err := c.frame(t.Context())
				if err != nil {
					require.True(t, isPoison(err))
					require.ErrorContains(t, err, strings.TrimPrefix(want, got))
					break
				}
				if !more {
					require.Equal(t, want, strings.TrimSuffix(got, " ")+".")
					break
				}
				got += string(c.out.buf) + " "
				c.out.buf = nil
			}
		}
	}
}

// ranges answers reads with parts of a body.
type ranges struct {
	env.Objects
	body string
}

func (r ranges) Get(_ context.Context, _ string, offset, length int64) ([]byte, env.Object, error) {
	end := min(offset+length, int64(len(r.body)))
	return []byte(r.body[offset:end]), env.Object{Size: int64(len(r.body)), ETag: "1"}, nil
}

// A listing that leads nowhere is no end of one, be it of objects or of uploads (R18).
func TestListingsLeadSomewhere(t *testing.T) {
	cfg := DefaultConfig()
	e := &env.Env{Clock: &napClock{}, Rand: evenRand{}, Metrics: noMetrics{}, Objects: nowhere{}}
	o := objects{env: e, cfg: &cfg, breaker: newBreaker(&cfg)}
	_, err := o.List(t.Context(), "out/", "", 10)
	require.ErrorIs(t, err, env.ErrUnavailable)
	_, err = o.ListUploads(t.Context(), "out/", "", "", 10)
	require.ErrorIs(t, err, env.ErrUnavailable)
}

// nowhere lists pages that are empty, and not the last.
type nowhere struct{ env.Objects }

func (nowhere) List(context.Context, string, string, int) (env.Listing, error) {
	return env.Listing{More: true}, nil
}

func (nowhere) ListUploads(context.Context, string, string, string, int) (env.UploadListing, error) {
	return env.UploadListing{More: true}, nil
}
