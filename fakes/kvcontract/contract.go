// Package kvcontract states what every implementation of env.KV must show its
// caller, as one suite of tests: what a snapshot sees, who wins a conflict, the
// class of error after each kind of failure, and which anomalies of isolation are
// prevented and which are not. The in-memory store's client and the adapter of the
// real client both pass it, so that code proven over the one meets nothing new over
// the other.
package kvcontract

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Store is one empty store, with its failures and its time under control.
type Store interface {
	// Client returns the client of a process of its own. It stays usable until
	// the test ends.
	Client() env.KV
	// Clock is the time in which the store's clients live. It moves while they
	// call and sleep, and when the test sleeps.
	Clock() env.Clock
	// OnCall sets what decides the fate of each call from now on; nil delivers
	// all. It is asked in the caller's place before the call is handled, and
	// may use other clients and the clock meanwhile: for the caller, the call
	// just takes that long.
	OnCall(decide func(Call) Fate)
}

// Call is one request of a client to the store, as far as all implementations
// have it. Others are always delivered.
type Call uint8

const (
	Read     Call = iota + 1 // Get and Scan
	Prewrite                 // locks the keys of a transaction
	Commit                   // commits the primary
)

// Fate is what becomes of a call.
type Fate uint8

const (
	Deliver   Fate = iota
	Lose           // not handled, no answer
	LoseReply      // handled, no answer
)

// Run runs the suite. For each test, each opens a fresh store, calls body with
// it and closes it.
func Run(t *testing.T, each func(t *testing.T, body func(t *testing.T, s Store))) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T, s Store) {
				c.body(&fixture{T: t, Store: s, kv: s.Client(), ctx: context.Background()})
			})
		})
	}
}

// Count returns how many tests the suite has.
func Count() int { return len(cases) }

var cases = []struct {
	name string
	body func(*fixture)
}{
	{"snapshot reads", snapshotReads},
	{"read your writes", readYourWrites},
	{"scan in pages", scanInPages},
	{"scan own writes in pages", scanOwnWrites},
	{"delete", deleteKeys},
	{"rollback", rollback},
	{"commit without writes", commitNothing},
	{"empty value", emptyValue},
	{"empty value overwritten", emptyValueOverwritten},
	{"spent after commit", spentAfterCommit},
	{"spent after rollback", spentAfterRollback},
	{"spent after conflict", spentAfterConflict},
	{"scan without limit", scanWithoutLimit},
	{"second read while the store is silent", secondRead},
	{"first committer wins", firstCommitterWins},
	{"blind writes conflict", blindWritesConflict},
	{"delete conflicts", deleteConflicts},
	{"write skew", writeSkew},
	{"lock prevents write skew", lockPreventsWriteSkew},
	{"lock conflicts with writers", lockConflicts},
	{"prewrite lost once", prewriteLostOnce},
	{"prewrite lost for ever", prewriteLost},
	{"read lost for ever", readLost},
	{"commit lost once", commitLostOnce},
	{"commit reply lost once", commitReplyLostOnce},
	{"commit lost for ever", commitLost},
	{"commit reply lost for ever", commitReplyLost},
	{"commit lost until the deadline", commitLostUntilDeadline},
	{"lost commit found rolled back", lostCommitRolledBack},
	{"context ends during prewrite", contextEndsInPrewrite},
	{"context ends during commit", contextEndsInCommit},
	{"context ends during reads", contextEndsInReads},
	{"context ended before", contextEndedBefore},
	{"reader of an orphan lock", orphanReader},
	{"scan over orphan locks", orphanScan},
	{"writer on an orphan lock", orphanWriter},
	{"writer waits no longer than its context", orphanWriterDeadline},
	{"reader of a lock about to commit", readerPushesCommit},
	{"committer paused past its time to live", pausedCommitter},
	{"G0 write cycles", writeCycles},
	{"G1a aborted reads", abortedReads},
	{"G1b intermediate reads", intermediateReads},
	{"G1c circular flow", circularFlow},
	{"OTV observed transaction vanishes", observedVanishes},
	{"PMP predicate many preceders", predicatePreceders},
	{"PMP of a write", predicateWrite},
	{"P4 lost update", lostUpdate},
	{"G-single read skew", readSkew},
	{"G-single of ranges", readSkewOfRanges},
	{"G-single then a write", readSkewThenWrite},
	{"G2-item write skew", itemSkew},
	{"G2 of ranges", rangeSkew},
	{"G2 of two edges", twoEdges},
	{"G2-item with locks", itemSkewLocked},
}

// fixture is a test with its store and a first client.
type fixture struct {
	*testing.T
	Store
	kv  env.KV
	ctx context.Context
}

func (f *fixture) begin(kv env.KV) env.Txn {
	f.Helper()
	tx, err := kv.Begin(f.ctx)
	require.NoError(f, err)
	return tx
}

// writing returns a transaction that is about to put value on the keys.
func (f *fixture) writing(kv env.KV, value string, keys ...string) env.Txn {
	f.Helper()
	tx := f.begin(kv)
	for _, key := range keys {
		tx.Put(key, []byte(value))
	}
	return tx
}

func (f *fixture) put(kv env.KV, value string, keys ...string) {
	f.Helper()
	require.NoError(f, f.writing(kv, value, keys...).Commit(f.ctx))
}

// sees checks what tx reads under key; "" means nothing.
func (f *fixture) sees(tx env.Txn, key, want string) {
	f.Helper()
	value, err := tx.Get(f.ctx, key)
	if want == "" {
		f.class(env.ClassNotFound, err)
		require.Nil(f, value)
		return
	}
	require.NoError(f, err)
	require.Equal(f, want, string(value))
}

// stored checks the newest value under key, through a client of its own.
func (f *fixture) stored(key, want string) {
	f.Helper()
	f.sees(f.begin(f.Client()), key, want)
}

// pages scans [from, to) page by page and returns key=value pairs.
func (f *fixture) pages(tx env.Txn, from, to string, limit int) []string {
	f.Helper()
	var got []string
	for {
		page, err := tx.Scan(f.ctx, from, to, limit)
		require.NoError(f, err)
		require.LessOrEqual(f, len(page), limit)
		for _, p := range page {
			got = append(got, p.Key+"="+string(p.Value))
		}
		if len(page) < limit {
			return got
		}
		from = page[len(page)-1].Key + "\x00"
	}
}

func (f *fixture) class(want env.Class, err error) {
	f.Helper()
	require.Equal(f, want, env.ClassOf(err), "%v", err)
}

// fate applies fate to every call of one kind from now on.
func (f *fixture) fate(call Call, fate Fate) {
	f.OnCall(func(c Call) Fate {
		if c == call {
			return fate
		}
		return Deliver
	})
}

// next runs do in place of the next call of one kind, and then lets its fate
// be done.
func (f *fixture) next(call Call, fate Fate, do func()) {
	f.OnCall(func(c Call) Fate {
		if c != call {
			return Deliver
		}
		f.OnCall(nil)
		do()
		return fate
	})
}

// orphan leaves the locks of a committer that died between prewrite and commit.
func (f *fixture) orphan(keys ...string) {
	f.Helper()
	ctx, die := f.Clock().WithCancel(f.ctx)
	f.next(Commit, Lose, func() { die(context.Canceled) })
	f.class(env.ClassUndetermined, f.writing(f.Client(), "orphan", keys...).Commit(ctx))
}

// takes checks how long do takes.
func (f *fixture) takes(low, high time.Duration, do func()) {
	f.Helper()
	start := f.Clock().Monotonic()
	do()
	took := f.Clock().Monotonic() - start
	require.GreaterOrEqual(f, took, low)
	require.LessOrEqual(f, took, high)
}
