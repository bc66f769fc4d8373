package core

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// text draws texts that a careless codec would break on.
func text(t *rapid.T, label string) string {
	return rapid.OneOf(
		rapid.StringMatching(`[a-z0-9/:._-]{0,20}`),
		rapid.SampledFrom([]string{"", " ", "=", `"`, `\`, "a b", `a"b`, "x=y", "\n", "\x00", "\xff\xfe", "ü", "\u00a0", `"quoted"`}),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 30), func(b []byte) string { return string(b) }),
	).Draw(t, label)
}

func word(t *rapid.T, label string) string {
	return rapid.StringMatching(`[a-z0-9.-]{1,12}`).Draw(t, label)
}

func number(t *rapid.T, label string) int { return rapid.IntRange(0, 1<<40).Draw(t, label) }

func TestBatchRowsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := batchRow{
			gen: rapid.Uint64().Draw(t, "gen"), phase: PhaseRunning, output: text(t, "output"),
			maxAttempts: number(t, "attempts"), backoffLimit: number(t, "backoff"), parallelism: number(t, "parallelism"), shards: rapid.IntRange(1, maxShards).Draw(t, "shards"), closing: PhaseFailed,
			priority: number(t, "priority"), ttlMS: rapid.Int64().Draw(t, "ttl"), chunk: number(t, "chunk"),
			units: number(t, "units"), mergeGen: rapid.Uint64().Draw(t, "mergeGen"), manifest: text(t, "manifest"),
			manifestETag: text(t, "etag"), err: text(t, "error"), submitter: text(t, "submitter"),
			submittedMS: rapid.Int64().Draw(t, "submitted"), finishedMS: rapid.Int64().Draw(t, "finished"),
		}
		var sources []Source
		for range rapid.IntRange(1, 4).Draw(t, "sources") {
			sources = append(sources, Source{
				URL:    rapid.StringMatching(`[a-z/ ="]{1,12}`).Draw(t, "url"),
				Filter: rapid.StringMatching(`[a-z*?= ]{0,8}`).Draw(t, "filter"),
			})
		}
		want.sources = listOf(sources)
		got, err := decodeBatch("batch/x", want.encode())
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, sources, got.sources.split())
	})
}

func TestUnitRowsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := unitRow{
			state: UnitProcessing, epoch: rapid.Uint64().Draw(t, "epoch"), attempts: number(t, "attempts"),
			releases: number(t, "releases"), retries: number(t, "retries"), shard: number(t, "shard"), slot: number(t, "slot"), source: number(t, "source"),
			url: text(t, "url"), size: rapid.Int64().Draw(t, "size"), etag: text(t, "etag"), worker: text(t, "worker"),
			incarnation: text(t, "incarnation"), staged: text(t, "staged"), stagedSize: rapid.Int64().Draw(t, "stagedSize"),
			stagedETag: text(t, "stagedETag"), digest: text(t, "digest"), frames: rapid.Int64().Draw(t, "frames"),
			task: text(t, "task"), stats: text(t, "stats"), err: text(t, "error"),
		}
		got, err := decodeUnit("unit/x", want.encode())
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestCheckpointRowsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := checkpointRow{
			epoch: rapid.Uint64().Draw(t, "epoch"), seq: rapid.Uint64().Draw(t, "seq"),
			offset: rapid.Int64().Draw(t, "offset"), frames: rapid.Int64().Draw(t, "frames"),
			key: text(t, "key"), upload: text(t, "upload"), digest: text(t, "digest"), state: text(t, "state"),
		}
		for i := range rapid.IntRange(0, 4).Draw(t, "parts") {
			etag := rapid.SampledFrom([]string{"", `"d41d8-3"`, "a:b", "plain", "a,b", "2C%,", "%2C"}).Draw(t, "etag")
			want.parts = append(want.parts, env.Part{Number: i + 1, ETag: etag, Size: rapid.Int64Min(0).Draw(t, "size")})
		}
		got, err := decodeCheckpoint("checkpoint/x", want.encode())
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestSmallRowsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lease := leaseRow{epoch: rapid.Uint64().Draw(t, "epoch"), beat: rapid.Uint64().Draw(t, "beat"), ttlMS: 5}
		gotLease, err := decodeLease("k", lease.encode())
		require.NoError(t, err)
		require.Equal(t, lease, gotLease)

		merge := mergeRow{
			gen: rapid.Uint64().Draw(t, "gen"), state: mergeClaimed, worker: text(t, "worker"),
			incarnation: text(t, "incarnation"), beat: 3, units: number(t, "units"), digest: text(t, "digest"),
		}
		gotMerge, err := decodeMerge("k", merge.encode())
		require.NoError(t, err)
		require.Equal(t, merge, gotMerge)

		leader := leaderRow{epoch: 7, worker: text(t, "leader"), incarnation: text(t, "life"), beat: 9}
		gotLeader, err := decodeLeader("k", leader.encode())
		require.NoError(t, err)
		require.Equal(t, leader, gotLeader)

		found := discoveryRow{after: text(t, "after"), done: rapid.Bool().Draw(t, "done"), found: number(t, "found"), err: text(t, "error")}
		gotFound, err := decodeDiscovery("k", found.encode())
		require.NoError(t, err)
		require.Equal(t, found, gotFound)

		sweep := sweepRow{state: sweepSettle, output: text(t, "output"), priority: 5, mergeGen: 2, chunk: 7, ageMS: 3, ttlMS: 4}
		gotSweep, err := decodeSweep("k", sweep.encode())
		require.NoError(t, err)
		require.Equal(t, sweep, gotSweep)

		shard := shardRow{1, 2, 3, 4, 5, 6, 7, rapid.Uint64().Draw(t, "digest"), 8}
		gotShard, err := decodeShard("k", shard.encode())
		require.NoError(t, err)
		require.Equal(t, shard, gotShard)

		failed := failedRow{epoch: 3, attempts: number(t, "attempts")}
		gotFailed, err := decodeFailed("k", failed.encode())
		require.NoError(t, err)
		require.Equal(t, failed, gotFailed)

		status := statusRow{gen: 1, phase: PhaseFailed, counts: Counts{1, 2, 3, 4, 5, 6}, err: text(t, "why")}
		gotStatus, err := decodeStatus("k", status.encode())
		require.NoError(t, err)
		require.Equal(t, status, gotStatus)

		active := activeRow{gen: rapid.Uint64().Draw(t, "active"), priority: number(t, "activePriority")}
		gotActive, err := decodeActive("k", active.encode())
		require.NoError(t, err)
		require.Equal(t, active, gotActive)
	})
}

// TestRowsAreReadable pins the stored form, which other programs read.
func TestRowsAreReadable(t *testing.T) {
	unit := unitRow{state: UnitFailed, epoch: 2, attempts: 1, url: "in/a b.bag", size: 12, etag: "e", worker: "w1", incarnation: "3", err: "x=y"}
	require.Equal(t,
		`u1 state=failed epoch=2 attempts=1 releases=0 retries=0 shard=0 slot=0 source=0 url="in/a b.bag" size=12 etag=e`+
			` worker=w1 incarnation=3 staged_size=0 frames=0 error="x=y"`, string(unit.encode()))
	batch := batchRow{shards: 1, sources: listOf([]Source{{URL: "in/a/", Filter: "*.bag"}, {URL: "in/b"}})}
	require.Contains(t, string(batch.encode()), ` sources="in/a/\t*.bag\nin/b" `)
	point := checkpointRow{parts: []env.Part{{Number: 1, ETag: "x", Size: 5}, {Number: 2, ETag: "y", Size: 6}}}
	require.Contains(t, string(point.encode()), " parts=1:x:5,2:y:6")
	queued := queueRow{epoch: 4}
	require.Equal(t, "q1 epoch=4", string(queued.encode()))
}

func TestDamagedRowsAreRefused(t *testing.T) {
	for _, row := range []string{
		"", "l2 epoch=1", "l1epoch=1", "l1 epoch", "l1 epoch=x", "l1 epoch=-1", `l1 epoch="1`, "l1 other=1", "l1  epoch=1",
		"l1 epoch=99999999999999999999", "l1 epoch=", "l1 epoch=1 beat=1 ttl_ms=x", "l1 epoch=1 beat=1 ttl_ms=5 x=1",
	} {
		_, err := decodeLease("lease/x", []byte(row))
		require.ErrorIs(t, err, env.ErrInvalid, "%q", row)
		require.ErrorContains(t, err, "lease/x")
	}
	for _, row := range []string{"f1 epoch=1 attempts=x", "f1 epoch=1 attempts=", "f1 epoch=1 attempts=1.5"} {
		_, err := decodeFailed("failed/x", []byte(row))
		require.ErrorIs(t, err, env.ErrInvalid, row)
	}
	for _, shards := range []int{-1, 0, maxShards + 1} {
		row := batchRow{gen: 1, shards: shards}
		_, err := decodeBatch("batch/x", row.encode())
		require.ErrorIs(t, err, env.ErrInvalid, "%d shards", shards)
	}
	for _, parts := range []string{"1", "1:e", "x:e:1", "1:e:x", "1:e:1,"} {
		_, err := decodeCheckpoint("k", []byte("c1 parts="+parts))
		require.ErrorIs(t, err, env.ErrInvalid, parts)
	}
}

// TestDecodersNeverPanic feeds garbage to every decoder.
func TestDecodersNeverPanic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		version := rapid.SampledFrom([]string{"b1", "u1", "l1", "c1", "m1", "s1", "d1", "w1", "t1", "a1", "h1", "f1"}).Draw(t, "version")
		row := []byte(version + " " + text(t, "a") + "=" + text(t, "b"))
		_, _ = decodeBatch("k", row)
		_, _ = decodeUnit("k", row)
		_, _ = decodeLease("k", row)
		_, _ = decodeCheckpoint("k", row)
		_, _ = decodeMerge("k", row)
		_, _ = decodeLeader("k", row)
		_, _ = decodeDiscovery("k", row)
		_, _ = decodeSweep("k", row)
		_, _ = decodeStatus("k", row)
		_, _ = decodeActive("k", row)
		_, _ = decodeShard("k", row)
		_, _ = decodeFailed("k", row)
	})
}

// TestRowsHoldEveryField fails when a field is added to a row and not to its
// codec: every field of a filled row must come back.
func TestRowsHoldEveryField(t *testing.T) {
	unit := unitRow{"s", 1, 2, 3, 4, 10, 9, 5, "u", 6, "e", "w", "i", "st", 7, "se", "d", 8, "t", "x", "err"}
	got, err := decodeUnit("k", unit.encode())
	require.NoError(t, err)
	require.Equal(t, unit, got)
	require.False(t, slices.Contains(isZero(reflect.ValueOf(got)), true), "a field of unitRow is not filled in by this test")
}

func isZero(v reflect.Value) []bool {
	zero := make([]bool, v.NumField())
	for i := range zero {
		zero[i] = v.Field(i).IsZero()
	}
	return zero
}

func TestKeysSortAsNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.Uint64Range(0, 99999999).Draw(t, "a")
		b := rapid.Uint64Range(0, 99999999).Draw(t, "b")
		require.Equal(t, a < b, pad(a, genDigits) < pad(b, genDigits))
		require.Equal(t, a < b, newBatchID("n/b", a) < newBatchID("n/b", b))
		require.Equal(t, a, newBatchID("n/b", a).gen())
	})
	require.Equal(t, "0", pad(0, 1))
	require.Equal(t, "123456789", pad(123456789, 8), "a number that outgrows its digits is not cut")
	high, low := queueKey(999, "n/b/00000001", "x"), queueKey(0, "n/b/00000001", "x")
	require.Less(t, high, low, "higher priorities come first")
}

func TestKeysComeApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := newBatchID(word(t, "ns")+"/"+word(t, "name"), rapid.Uint64Range(1, 99999999).Draw(t, "gen"))
		uid := unitID(id, text(t, "url"))
		require.Len(t, uid, uidDigits)
		require.True(t, validBatchID(string(id)))

		gotID, gotUID, ok := splitQueueKey(queueKey(rapid.IntRange(0, maxPriority).Draw(t, "priority"), id, uid))
		require.True(t, ok)
		require.Equal(t, id, gotID)
		require.Equal(t, uid, gotUID)

		worker, incarnation := word(t, "worker"), word(t, "incarnation")
		w, i, gotID, gotUID, ok := splitLeaseKey(leaseKey(worker, incarnation, id, uid))
		require.True(t, ok)
		require.Equal(t, []string{worker, incarnation, string(id), uid}, []string{w, i, string(gotID), gotUID})
	})
	for _, key := range []string{"queue/", "queue/999/", "queue/999/a/b/00000001", "queue/999/a/b/1/0123456789abcdef"} {
		_, _, ok := splitQueueKey(key)
		require.False(t, ok, key)
	}
	for _, key := range []string{"lease/", "lease/w", "lease/w/i", "lease/w/i/a/b/00000001"} {
		_, _, _, _, ok := splitLeaseKey(key)
		require.False(t, ok, key)
	}
}

// TestScansDoNotMixBatches: the range of one batch's units holds none of a
// batch whose name it begins (R18).
func TestScansDoNotMixBatches(t *testing.T) {
	prefix := unitsPrefix("n/arm/00000001")
	end := prefixEnd(prefix)
	inside := func(key string) bool { return prefix <= key && key < end }
	require.True(t, inside(unitKey("n/arm/00000001", "0123456789abcdef")))
	for _, id := range []batchID{"n/arm2/00000001", "n/arm/00000002", "n/ar/00000001", "n/arm-left/00000001"} {
		require.False(t, inside(unitKey(id, "0123456789abcdef")), id)
	}
	require.False(t, strings.HasPrefix(datasetPrefix("out/arm2", 1, 1), mergesPrefix("out/arm", 1)))
}

func TestPrefixEnds(t *testing.T) {
	for _, prefix := range []string{queuePrefix, leasePrefix, activePrefix, sweepPrefix, "unit/a/b/00000001/"} {
		require.Equal(t, strings.TrimSuffix(prefix, "/")+"0", prefixEnd(prefix))
	}
}

func TestUnitIDsDependOnAll(t *testing.T) {
	seen := map[string]string{}
	for _, id := range []batchID{"n/a/00000001", "n/a/00000002", "n/b/00000001"} {
		for _, url := range []string{"", "in/a", "in/b", "in/ab", "in/a/"} {
			uid := unitID(id, url)
			require.Empty(t, seen[uid])
			seen[uid] = string(id) + " " + url
		}
	}
	require.Equal(t, "127d0f8deaaf65bd", unitID("n/a/00000001", "in/a"), "ids are stored: they must never change")
}

// stored is a transaction that sees one row.
type stored struct {
	env.Txn
	row []byte
}

func (s *stored) Get(context.Context, string) ([]byte, error) { return s.row, nil }

// TestKnownBatchesAreAsStored: what is remembered of a batch never hides what is
// stored, be it another row or a damaged one.
func TestKnownBatchesAreAsStored(t *testing.T) {
	var known batchRows
	var tx stored
	for _, want := range []batchRow{{gen: 1, shards: 1}, {gen: 1, shards: 1}, {gen: 1, shards: 1, closing: PhaseFailed}, {gen: 1, shards: 1}} {
		tx.row = want.encode()
		got, err := known.read(t.Context(), &tx, "ns/x")
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	tx.row = []byte("b1 gen=x")
	_, err := known.read(t.Context(), &tx, "ns/x")
	require.ErrorIs(t, err, env.ErrInvalid)
}

// The lead is an incarnation's: a successor of the same name does not have it (R14, R20).
func TestLeadIsAnIncarnations(t *testing.T) {
	row := leaderRow{epoch: 1, worker: "w0", incarnation: "1"}
	require.True(t, row.heldBy(env.Process{Name: "w0", Incarnation: "1"}))
	require.False(t, row.heldBy(env.Process{Name: "w0", Incarnation: "2"}))
	require.False(t, row.heldBy(env.Process{Name: "w1", Incarnation: "1"}))
}
