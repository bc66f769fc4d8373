package conformance_test

import (
	"strconv"
	"time"

	"github.com/stretchr/testify/require"
	tikverr "github.com/tikv/client-go/v2/error"
	"github.com/tikv/client-go/v2/txnkv/transaction"

	"github.com/gauntlet-dst/gauntlet/conformance/rpc"
	"github.com/gauntlet-dst/gauntlet/core/env"
	fake "github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// asyncRows are rows 12 to 15, 23 to 26 and 32 to 35: what an application would see
// if its transactions committed asynchronously or in one phase. Neither env.KV nor
// the in-memory client can ask for that.
func asyncRows() []scenario {
	list := []scenario{
		{name: "12", only: "real", run: asyncOrphanRead},
		{name: "14", only: "real", run: asyncOrphanWrite},
		{name: "15", only: "real", run: asyncOrphanDeadline},
	}
	number := 23
	for _, fate := range []rpc.Fate{{Lost: true}, {ReplyLost: true}} {
		for _, mode := range []func(*transaction.KVTxn){async, onePhase} {
			list = append(list, scenario{name: strconv.Itoa(number), only: "real", run: asyncPrewriteLost(number, mode, fate)})
			number += 2
		}
		number = 32
	}
	return list
}

func async(tx *transaction.KVTxn)    { tx.SetEnableAsyncCommit(true) }
func onePhase(tx *transaction.KVTxn) { tx.SetEnable1PC(true) }

// raw returns a transaction of the real client that is about to put value on the
// keys.
func (p *peer) raw(mode func(*transaction.KVTxn), value string, keys ...string) *transaction.KVTxn {
	p.w.Helper()
	tx, err := p.store.Begin()
	require.NoError(p.w, err)
	mode(tx)
	for _, key := range keys {
		require.NoError(p.w, tx.Set([]byte(key), []byte(value)))
	}
	return tx
}

// commitRaw is a row's body: it commits and shows whether the outcome is known.
func (w *world) commitRaw(tx *transaction.KVTxn) func() (string, error) {
	return func() (string, error) {
		err := tx.Commit(w.ctx)
		switch {
		case err == nil:
			return "", nil
		case tikverr.IsErrorUndetermined(err):
			return "", env.ErrUndetermined
		}
		return "", env.ErrUnavailable
	}
}

// asyncOrphan leaves the locks of a committer that died when all of them stood.
func (w *world) asyncOrphan(keys ...string) {
	w.Helper()
	p := w.peer()
	tx := p.raw(async, "1", keys...)
	dead := false
	p.on(func(c *rpc.Call) rpc.Fate {
		dead = dead || c.Kind == fake.KindCommit
		return rpc.Fate{Lost: dead}
	})
	require.NoError(w, tx.Commit(w.ctx))
	w.sleep(time.Millisecond)
	require.True(w, dead, "the process did not die")
}

func asyncOrphanRead(w *world) {
	p := w.peer()
	w.asyncOrphan("a", "b")
	w.row("12", func() (string, error) { return p.get("a") })
	w.row("13", func() (string, error) { return p.get("b") })
}

func asyncOrphanWrite(w *world) {
	p := w.peer()
	w.asyncOrphan("a", "b")
	w.row("14", w.commit(p.writing("2", "b")))
}

func asyncOrphanDeadline(w *world) {
	p := w.peer()
	w.asyncOrphan("a", "b")
	w.row("15", w.before(time.Second, p.writing("2", "b")))
}

func asyncPrewriteLost(number int, mode func(*transaction.KVTxn), fate rpc.Fate) func(*world) {
	return func(w *world) {
		p := w.peer()
		tx := p.raw(mode, "1", "a", "b")
		p.on(always(kind(fake.KindPrewrite), fate))
		w.row(strconv.Itoa(number), w.commitRaw(tx))
		w.row(strconv.Itoa(number+1), func() (string, error) { return w.peer().get("a") })
	}
}
