package conformance_test

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/conformance/rpc"
	"github.com/gauntlet-dst/gauntlet/core/env"
	fake "github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// scenario is a situation that is driven on both clients. Its rows are those of
// testdata/behaviours.txt; its name is the first of them.
type scenario struct {
	name   string
	only   string // "real" for what the in-memory client has no way to do
	splits []string
	run    func(w *world)
}

// scenarios are all situations. Each begins with an empty cluster.
func scenarios() []scenario {
	inThree := []string{"b", "c"}
	list := []scenario{
		{name: "1", run: plainCommit},
		{name: "2", run: readOnlyCommit},
		{name: "3", run: rollBack},
		{name: "4", run: emptyValue},
		{name: "K3", run: missingKey},
		{name: "5", run: writeConflict},
		{name: "6", run: writeSkew},
		{name: "K2", run: lockedSkew},
		{name: "8", run: orphanReadOfPrimary},
		{name: "9", run: orphanReadOfSecondary},
		{name: "10", run: orphanWrite},
		{name: "11", run: orphanWriteDeadline},
		{name: "104", run: orphanPhases},
		{name: "16", run: partitioned},
		{name: "18", run: commitLost},
		{name: "20", run: commitLostDeadline},
		{name: "21", run: prewriteLost},
		{name: "27", run: commitReplyLost},
		{name: "29", run: commitReplyLostDeadline},
		{name: "30", run: prewriteReplyLost},
		{name: "36", run: cancelledInCommit},
		{name: "37", run: cancelledInPrewrite},
		{name: "X24", run: cancelledBeforeCommit},
		{name: "38", run: pausedCommitter},
		{name: "40", run: pushedCommit},
		{name: "103", run: secondaryLeft},
		{name: "90", run: oracleDownBegin},
		{name: "91", run: oracleDownCommit},
		{name: "93", run: oracleDownBriefly},
		{name: "100", run: oracleBack},
		{name: "94", run: safePointPassed},
		{name: "98", run: safePointUnreadable},
		{name: "113", run: olderThanADay},
		{name: "105", run: sizes(1<<20, "105")},
		{name: "112", run: sizes(7<<20, "112")},
		{name: "E8", run: sizes(9<<20, "E8")},
		{name: "X12", run: lockOfMegabyte},
		{name: "E4", run: lockOfOldTransaction},
		{name: "X2", run: orphanReadWithoutOracle},
		{name: "X36", run: leftReadWithoutOracle},
		{name: "X38", run: resolveLost},
		{name: "X39", run: resolveBusy},
		{name: "X3", run: secondGet},
		{name: "X4", run: silentCommit},
		{name: "X5", run: silentPrewrite},
		{name: "X6", run: silentGet},
		{name: "X7", run: silentCommitOnce},
		{name: "X8", run: threeRegions, splits: inThree},
		{name: "X9", run: silentSecondaries, splits: inThree},
		{name: "X30", run: lastRegionConflicts, splits: inThree},
		{name: "X17", run: getAfterCommit},
		{name: "X21", run: longKey},
		{name: "X23", run: emptyPutFirst},
		{name: "X25", run: undeterminedCommit},
		{name: "X28", run: primaryNeverCame},
		{name: "X29", run: scanNothing},
		{name: "E1", run: commitReplyLostOnce},
		{name: "E2", run: releasedEarly},
		{name: "E3", run: neverGoes},
		{name: "E5", run: lockOnly},
		{name: "E6", run: secondCommit},
		{name: "E7", run: emptyKey},
		{name: "E9 begin", run: endedContexts},
		{name: "E10", run: manyVersions},
		{name: "E11", run: longScan},
	}
	list = append(list, regionErrors()...)
	return slices.Concat(list, asyncRows(), rawRows())
}

func plainCommit(w *world) {
	w.row("1", w.commit(w.peer().writing("1", "a", "b")))
}

func readOnlyCommit(w *world) {
	p := w.peer()
	p.put("1", "a")
	tx := p.begin()
	_, err := w.read(tx, "a")
	require.NoError(w, err)
	w.row("2", w.commit(tx))
}

func rollBack(w *world) {
	p := w.peer()
	tx := p.writing("1", "a")
	tx.Rollback()
	w.row("3", func() (string, error) { return p.get("a") })
}

func emptyValue(w *world) {
	w.row("4", w.commit(w.peer().writing("", "a")))
}

func missingKey(w *world) {
	w.row("K3", func() (string, error) { return w.peer().get("a") })
}

func writeConflict(w *world) {
	p := w.peer()
	tx := p.writing("1", "a")
	w.peer().put("2", "a")
	w.row("5", w.commit(tx))
}

// skewed returns two transactions that read both keys and write one each.
func skewed(w *world, lock bool) (t1, t2 env.Txn) {
	w.peer().put("0", "a", "b")
	t1, t2 = w.peer().begin(), w.peer().begin()
	for _, tx := range []env.Txn{t1, t2} {
		for _, key := range []string{"a", "b"} {
			_, err := w.read(tx, key)
			require.NoError(w, err)
		}
		if lock {
			tx.Lock("a", "b")
		}
	}
	t1.Put("a", []byte("1"))
	t2.Put("b", []byte("1"))
	return t1, t2
}

func writeSkew(w *world) {
	t1, t2 := skewed(w, false)
	w.row("6", w.commit(t1))
	w.row("7", w.commit(t2))
}

func lockedSkew(w *world) {
	t1, t2 := skewed(w, true)
	require.NoError(w, t1.Commit(w.ctx))
	w.row("K2", w.commit(t2))
}

func orphanReadOfPrimary(w *world) {
	p := w.peer()
	w.orphan("1", "a", "b")
	w.row("8", func() (string, error) { return p.get("a") })
}

func orphanReadOfSecondary(w *world) {
	p := w.peer()
	w.orphan("1", "a", "b")
	w.row("9", func() (string, error) { return p.get("b") })
}

func orphanWrite(w *world) {
	p := w.peer()
	w.orphan("1", "a", "b")
	w.row("10", w.commit(p.writing("2", "b")))
}

func orphanWriteDeadline(w *world) {
	p := w.peer()
	w.orphan("1", "a", "b")
	tx := p.writing("2", "b")
	ctx, cancel := w.clock.WithTimeout(w.ctx, time.Second)
	defer cancel()
	w.row("11", func() (string, error) { return "", tx.Commit(ctx) })
}

// orphanPhases: how long a writer waits depends on where in its client's two
// seconds between timestamps the locks expire.
func orphanPhases(w *world) {
	var least, most time.Duration
	for i := range 20 {
		p, key := w.peer(), "k"+strconv.Itoa(i)
		w.sleep(time.Duration(i) * 100 * time.Millisecond)
		w.orphan("1", key)
		began := w.clock.Monotonic()
		require.NoError(w, p.writing("2", key).Commit(w.ctx))
		took := w.clock.Monotonic() - began
		if most = max(most, took); least == 0 || took < least {
			least = took
		}
	}
	w.rows["104"] = seen{class: "ok", took: most}
	w.rows["104 least"] = seen{class: "ok", took: least}
}

// partitioned: the committer lives and reaches nobody any more.
func partitioned(w *world) {
	p, reader, writer := w.peer(), w.peer(), w.peer()
	tx := p.writing("1", "a", "b")
	done := make(chan struct{})
	prewritten := make(chan struct{})
	picks := primaryCommit()
	cut := false
	p.on(func(c *rpc.Call) rpc.Fate {
		if !cut && picks(c) {
			cut = true
			close(prewritten)
		}
		return rpc.Fate{Lost: cut}
	})
	go func() {
		defer close(done)
		_ = tx.Commit(w.ctx)
	}()
	<-prewritten
	w.row("16", func() (string, error) { return reader.get("b") })
	w.row("17", w.commit(writer.writing("2", "b")))
	<-done
}

func commitLost(w *world) {
	p := w.peer()
	tx := p.writing("1", "a", "b")
	p.on(always(kind(fake.KindCommit), rpc.Fate{Lost: true}))
	w.row("18", w.commit(tx))
	w.row("19", func() (string, error) { return w.peer().get("a") })
}

// before is a row's body: it commits within d.
func (w *world) before(d time.Duration, tx env.Txn) func() (string, error) {
	return func() (string, error) {
		ctx, cancel := w.clock.WithTimeout(w.ctx, d)
		defer cancel()
		return "", tx.Commit(ctx)
	}
}

func commitLostDeadline(w *world) {
	p := w.peer()
	tx := p.writing("1", "a", "b")
	p.on(always(kind(fake.KindCommit), rpc.Fate{Lost: true}))
	w.row("20", w.before(3*time.Second, tx))
}

func prewriteLost(w *world) {
	p := w.peer()
	tx := p.writing("1", "a", "b")
	p.on(always(kind(fake.KindPrewrite), rpc.Fate{Lost: true}))
	w.row("21", w.commit(tx))
	w.row("22", func() (string, error) { return w.peer().get("a") })
}

func commitReplyLost(w *world) {
	p := w.peer()
	tx := p.writing("1", "a", "b")
	p.on(always(kind(fake.KindCommit), rpc.Fate{ReplyLost: true}))
	w.row("27", w.commit(tx))
	w.row("28", func() (string, error) { return w.peer().get("a") })
}

func commitReplyLostDeadline(w *world) {
	p := w.peer()
	tx := p.writing("1", "a", "b")
	p.on(always(kind(fake.KindCommit), rpc.Fate{ReplyLost: true}))
	w.row("29", w.before(3*time.Second, tx))
}

func prewriteReplyLost(w *world) {
	p := w.peer()
	tx := p.writing("1", "a", "b")
	p.on(always(kind(fake.KindPrewrite), rpc.Fate{ReplyLost: true}))
	w.row("30", w.commit(tx))
	w.row("31", func() (string, error) { return w.peer().get("a") })
}

// cancelIn commits while the context ends during the first call that picks picks.
func (w *world) cancelIn(p *peer, tx env.Txn, picks func(*rpc.Call) bool) func() (string, error) {
	ctx, cancel := context.WithCancel(w.ctx)
	p.on(once(picks, rpc.Fate{}, func() { time.AfterFunc(50*time.Microsecond, cancel) }))
	return func() (string, error) {
		defer cancel()
		return "", tx.Commit(ctx)
	}
}

func cancelledInCommit(w *world) {
	p := w.peer()
	w.row("36", w.cancelIn(p, p.writing("1", "a"), kind(fake.KindCommit)))
}

// cancelledInPrewrite: the other writer writes when the locks have come.
func cancelledInPrewrite(w *world) {
	p, other := w.peer(), w.peer()
	w.row("37", w.cancelIn(p, p.writing("1", "a"), kind(fake.KindPrewrite)))
	w.row("E12", w.commit(other.writing("2", "a")))
}

// cancelledBeforeCommit: the context ends when the commit timestamp has come, and
// before the commit is sent.
func cancelledBeforeCommit(w *world) {
	p := w.peer()
	tx := p.writing("1", "a")
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	p.on(once(kind(fake.KindTSO), rpc.Fate{Then: cancel}, nil))
	w.row("X24", func() (string, error) { return "", tx.Commit(ctx) })
	w.sleep(time.Second)
	w.row("X24 locks", func() (string, error) { return w.locks(), nil })
}

func pausedCommitter(w *world) {
	p, other := w.peer(), w.peer()
	tx := p.writing("1", "a", "b")
	p.on(once(kind(fake.KindCommit), rpc.Fate{}, func() {
		w.row("38", w.commit(other.writing("2", "b")))
	}))
	w.row("39", w.commit(tx))
}

func pushedCommit(w *world) {
	p, reader := w.peer(), w.peer()
	tx := p.writing("1", "a", "b")
	p.on(once(kind(fake.KindCommit), rpc.Fate{}, func() {
		w.row("40", func() (string, error) { return reader.get("b") })
	}))
	w.row("41", w.commit(tx))
}

// left commits the primary of a transaction and leaves its other lock.
func (w *world) left() {
	w.Helper()
	p := w.peer()
	tx := p.writing("1", "a", "z")
	ctx, cancel := context.WithCancel(w.ctx)
	p.on(once(primaryCommit(), rpc.Fate{}, func() {
		p.on(always(func(c *rpc.Call) bool { return c.Kind != 0 }, rpc.Fate{Lost: true}))
	}))
	require.NoError(w, tx.Commit(ctx))
	cancel()
	require.Equal(w, "1 locks", w.locks())
}

func secondaryLeft(w *world) {
	w.split("m")
	p := w.peer()
	w.left()
	w.row("103", func() (string, error) { return p.get("z") })
}

func oracleDownBegin(w *world) {
	p := w.peer()
	p.on(always(kind(fake.KindTSO), rpc.Fate{Lost: true}))
	w.row("90", func() (string, error) {
		_, err := p.Begin(w.ctx)
		return "", err
	})
}

func oracleDownCommit(w *world) {
	p := w.peer()
	tx := p.writing("1", "a")
	p.on(always(kind(fake.KindTSO), rpc.Fate{Lost: true}))
	w.row("91", w.commit(tx))
	w.row("92", func() (string, error) { return w.peer().get("a") })
}

func oracleDownBriefly(w *world) {
	p := w.peer()
	tx := p.writing("1", "a")
	began := w.clock.Monotonic()
	p.on(func(c *rpc.Call) rpc.Fate {
		return rpc.Fate{Lost: c.Kind == fake.KindTSO && w.clock.Monotonic()-began < 5*time.Second}
	})
	w.row("93", w.commit(tx))
}

func oracleBack(w *world) {
	p := w.peer()
	w.sleep(2 * time.Hour)
	tx := p.writing("1", "a")
	back := rpc.Fate{TS: tx.StartTS() - uint64(time.Hour.Milliseconds())<<fake.LogicalBits}
	p.on(always(kind(fake.KindTSO), back))
	w.row("100", w.commit(tx))
	w.row("101", func() (string, error) { return p.get("a") })
	p.on(nil)
	w.peer().put("2", "b")
	w.row("102", func() (string, error) { return p.get("b") })
}

func safePointPassed(w *world) {
	p := w.peer()
	p.put("1", "a", "b", "c")
	tx := p.begin()
	_, err := w.read(tx, "a")
	require.NoError(w, err)
	w.sleep(time.Second)
	// Garbage collection: PD tells clients, and the store drops versions.
	safe := p.begin().StartTS()
	w.SetTxnSafePoint(safe)
	w.Inspect(func(e *fake.Engine) { e.SetSafePoint(safe) })
	w.row("94", func() (string, error) { return w.read(tx, "b") })
	w.sleep(15 * time.Second)
	w.row("95", func() (string, error) { return w.read(tx, "a") })
	w.row("96", func() (string, error) { return w.read(tx, "c") })
	tx.Put("d", []byte("2"))
	w.row("97", w.commit(tx))
}

func safePointUnreadable(w *world) {
	p := w.peer()
	p.put("1", "a")
	p.on(always(method("GetGCState"), rpc.Fate{Lost: true}))
	w.sleep(2 * time.Minute)
	w.row("98", func() (string, error) { return p.get("a") })
	w.row("99", w.commit(p.writing("2", "a")))
}

func olderThanADay(w *world) {
	p := w.peer()
	tx := p.writing("1", "a")
	w.sleep(25 * time.Hour)
	w.row("113", w.commit(tx))
}

func sizes(n int, id string) func(*world) {
	return func(w *world) {
		p := w.peer()
		tx := p.begin()
		tx.Put("a", make([]byte, n))
		w.row(id, w.commit(tx))
	}
}
