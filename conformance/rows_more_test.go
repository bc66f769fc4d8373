package conformance_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/conformance/rpc"
	"github.com/gauntlet-dst/gauntlet/core/env"
	fake "github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

func lockOfMegabyte(w *world) {
	w.orphan(strings.Repeat("x", 1<<20), "a")
	w.row("X12", func() (string, error) { return w.ttl(), nil })
}

func lockOfOldTransaction(w *world) {
	p := w.peer()
	tx := p.writing("1", "a")
	w.sleep(10 * time.Second)
	w.die(p, tx, primaryCommit())
	w.row("E4", func() (string, error) { return w.ttl(), nil })
}

func orphanReadWithoutOracle(w *world) {
	p := w.peer()
	w.orphan("1", "a", "b")
	tx := p.begin()
	p.on(always(kind(fake.KindTSO), rpc.Fate{Lost: true}))
	w.row("X2", func() (string, error) { return w.read(tx, "b") })
}

func leftReadWithoutOracle(w *world) {
	w.split("m")
	p := w.peer()
	w.left()
	tx := p.begin()
	p.on(always(kind(fake.KindTSO), rpc.Fate{Lost: true}))
	w.row("X36", func() (string, error) { return w.read(tx, "z") })
}

func resolveLost(w *world) {
	w.split("m")
	p := w.peer()
	w.left()
	p.on(always(kind(fake.KindResolve), rpc.Fate{Lost: true}))
	w.row("X38", func() (string, error) { return p.get("z") })
}

func resolveBusy(w *world) {
	w.split("m")
	p := w.peer()
	w.left()
	p.on(always(kind(fake.KindResolve), rpc.Fate{Region: fake.RegionServerIsBusy}))
	w.row("X39", func() (string, error) { return p.get("z") })
}

func secondGet(w *world) {
	p := w.peer()
	p.put("1", "a")
	tx := p.begin()
	_, err := w.read(tx, "a")
	require.NoError(w, err)
	p.on(always(toStore, rpc.Fate{Lost: true}))
	w.row("X3", func() (string, error) { return w.read(tx, "a") })
}

var silence = rpc.Fate{Lost: true, Silent: true}

func silentCommit(w *world) {
	p := w.peer()
	tx := p.writing("1", "a")
	p.on(always(kind(fake.KindCommit), silence))
	w.row("X4", w.commit(tx))
}

func silentPrewrite(w *world) {
	p := w.peer()
	tx := p.writing("1", "a")
	p.on(always(kind(fake.KindPrewrite), silence))
	w.row("X5", w.commit(tx))
}

func silentGet(w *world) {
	p := w.peer()
	p.on(always(kind(fake.KindGet), silence))
	w.row("X6", func() (string, error) { return p.get("a") })
}

func silentCommitOnce(w *world) {
	p := w.peer()
	tx := p.writing("1", "a")
	p.on(once(kind(fake.KindCommit), silence, nil))
	w.row("X7", w.commit(tx))
}

// slow makes every call that picks picks take a second more.
func slow(picks func(*rpc.Call) bool) rpc.Hook { return always(picks, rpc.Fate{Hold: time.Second}) }

// threeRegions: prewrites and commits take a second each.
func threeRegions(w *world) {
	p := w.peer()
	tx := p.writing("1", "a", "b", "c")
	p.on(slow(func(c *rpc.Call) bool { return c.Kind == fake.KindPrewrite || c.Kind == fake.KindCommit }))
	w.row("X8", w.commit(tx))
}

func silentSecondaries(w *world) {
	p := w.peer()
	tx := p.writing("1", "a", "b", "c")
	deciding := primaryCommit()
	p.on(always(func(c *rpc.Call) bool { return c.Kind == fake.KindCommit && !deciding(c) }, silence))
	w.row("X9", w.commit(tx))
	w.row("X9 locks", func() (string, error) { return w.locks(), nil })
}

// lastRegionConflicts: prewrites take a second each.
func lastRegionConflicts(w *world) {
	p := w.peer()
	tx := p.writing("1", "a", "b", "c")
	w.peer().put("2", "c")
	p.on(slow(kind(fake.KindPrewrite)))
	w.row("X30", w.commit(tx))
}

func getAfterCommit(w *world) {
	p := w.peer()
	tx := p.writing("1", "a")
	require.NoError(w, tx.Commit(w.ctx))
	w.row("X17", func() (string, error) { return w.read(tx, "b") })
}

func longKey(w *world) {
	w.row("X21", w.commit(w.peer().writing("1", strings.Repeat("k", 70_000))))
}

func emptyPutFirst(w *world) {
	tx := w.peer().begin()
	tx.Put("a", nil)
	tx.Put("a", []byte("1"))
	w.row("X23", w.commit(tx))
}

func undeterminedCommit(w *world) {
	p := w.peer()
	tx := p.writing("1", "a")
	p.on(once(kind(fake.KindCommit), rpc.Fate{Region: fake.RegionUndetermined}, nil))
	w.row("X25", w.commit(tx))
	w.sleep(time.Second)
	w.row("X25 locks", func() (string, error) { return w.locks(), nil })
}

// prewrite lets the engine handle a prewrite that no client sends.
func (w *world) prewrite(startTS uint64, primary string, ttl time.Duration, key string) {
	w.Inspect(func(e *fake.Engine) {
		var resp fake.Response
		e.Handle(&fake.Request{
			Kind: fake.KindPrewrite, StartTS: startTS, Primary: primary, TTLMS: uint64(ttl.Milliseconds()),
			Mutations: []fake.Mutation{{Op: fake.OpPut, Key: key, Value: []byte("1")}},
		}, &resp)
		require.Equal(w, fake.StatusOK, resp.Status)
	})
}

// primaryNeverCame: a secondary's prewrite has overtaken its primary's.
func primaryNeverCame(w *world) {
	p := w.peer()
	w.prewrite(p.begin().StartTS(), "p", 3*time.Second, "s")
	w.row("X28", func() (string, error) { return p.get("s") })
}

// neverGoes: the lock's process lives for ever and does not commit.
func neverGoes(w *world) {
	p := w.peer()
	w.prewrite(p.begin().StartTS(), "a", 24*time.Hour, "a")
	w.row("E3", w.commit(p.writing("2", "a")))
}

func scanNothing(w *world) {
	p := w.peer()
	p.put("1", "a")
	w.row("X29", func() (string, error) { return w.scan(p.begin(), 0) })
}

// scan reads everything, and shows how much that is.
func (w *world) scan(tx env.Txn, limit int) (string, error) {
	page, err := tx.Scan(w.ctx, "", "", limit)
	return strconv.Itoa(len(page)) + " pairs", err
}

func commitReplyLostOnce(w *world) {
	p := w.peer()
	tx := p.writing("1", "a")
	p.on(once(kind(fake.KindCommit), rpc.Fate{ReplyLost: true}, nil))
	w.row("E1", w.commit(tx))
}

// releasedEarly: the lock that a writer waits for is committed a second later.
func releasedEarly(w *world) {
	p, other := w.peer(), w.peer()
	tx, done := p.writing("1", "a"), make(chan error)
	p.on(always(kind(fake.KindCommit), rpc.Fate{Hold: time.Second}))
	go func() { done <- tx.Commit(w.ctx) }()
	w.sleep(10 * time.Millisecond)
	w.row("E2", w.commit(other.writing("2", "a"))) // it began before the commit
	require.NoError(w, <-done)
}

func lockOnly(w *world) {
	p := w.peer()
	older := p.writing("1", "a")
	tx := p.begin()
	tx.Lock("a")
	w.row("E5", w.commit(tx))
	w.row("E5 writer", w.commit(older))
}

func secondCommit(w *world) {
	tx := w.peer().writing("1", "a")
	require.NoError(w, tx.Commit(w.ctx))
	w.row("E6", w.commit(tx))
}

func emptyKey(w *world) {
	p := w.peer()
	w.row("E7", w.commit(p.writing("1", "")))
	w.row("E7 get", func() (string, error) { return p.get("") })
}

var errStopped = errors.New("stopped")

// endedContexts: the context has ended before the call.
func endedContexts(w *world) {
	p := w.peer()
	writing, reading := p.writing("1", "a"), p.begin()
	ctx, cancel := context.WithCancelCause(w.ctx)
	cancel(errStopped)
	w.row("E9 begin", func() (string, error) {
		_, err := p.Begin(ctx)
		return "", err
	})
	w.row("E9 get", func() (string, error) {
		_, err := reading.Get(ctx, "b")
		return "", err
	})
	w.row("E9 scan", func() (string, error) {
		_, err := reading.Scan(ctx, "", "", 1)
		return "", err
	})
	w.row("E9 commit", func() (string, error) { return "", writing.Commit(ctx) })
}

func manyVersions(w *world) {
	p := w.peer()
	for i := range 300 {
		p.put(strconv.Itoa(i), "a")
	}
	w.row("E10", func() (string, error) { return p.get("a") })
}

func longScan(w *world) {
	p := w.peer()
	tx := p.begin()
	for i := range 5000 {
		tx.Put("k"+strconv.Itoa(10000+i), []byte("1"))
	}
	require.NoError(w, tx.Commit(w.ctx))
	w.row("E11", func() (string, error) { return w.scan(p.begin(), 10_000) })
}
