package tikvserver

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/e2e/wal"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// history drives a server with requests of transactions that a client might
// send, in any order.
type history struct {
	t       *rapid.T
	server  *Server
	starts  []uint64
	nowMS   int64
	log     string
	moments []moment
}

// moment is what a server had acknowledged when its log was so long.
type moment struct {
	size   int64
	newest uint64 // timestamp
	state
}

// look notes a moment. It is called for each request.
func (h *history) look(newest uint64) {
	info, err := os.Stat(h.log)
	require.NoError(h.t, err)
	h.moments = append(h.moments, moment{info.Size(), newest, stateOf(h.server)})
}

func (h *history) newest() uint64 { return h.moments[len(h.moments)-1].newest }

func (h *history) timestamp() uint64 {
	h.nowMS += rapid.Int64Range(-2000, 5000).Draw(h.t, "ms")
	ts, err := h.server.timestamps(rapid.IntRange(1, 5).Draw(h.t, "count"))
	require.NoError(h.t, err)
	require.Greater(h.t, ts, h.newest())
	h.look(ts)
	return ts
}

func (h *history) one(req tikv.Request) tikv.Response {
	resp, err := h.server.one(req)
	require.NoError(h.t, err)
	h.look(h.newest())
	return resp
}

var someKeys = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 1, 3, rapid.ID)

func (h *history) step() {
	if len(h.starts) == 0 || rapid.IntRange(0, 3).Draw(h.t, "begins") == 0 {
		h.starts = append(h.starts, h.timestamp())
	}
	start := rapid.SampledFrom(h.starts).Draw(h.t, "transaction")
	keys := someKeys.Draw(h.t, "keys")
	req := tikv.Request{StartTS: start, Primary: keys[0], Keys: keys}
	switch rapid.IntRange(0, 6).Draw(h.t, "request") {
	case 0, 1:
		req.Kind, req.TTLMS, req.MinCommitTS = tikv.KindPrewrite, 3000, start+1
		for _, key := range keys {
			m := tikv.Mutation{Op: rapid.SampledFrom([]tikv.Op{tikv.OpPut, tikv.OpDelete, tikv.OpLock}).Draw(h.t, "op"), Key: key}
			if m.Op == tikv.OpPut {
				m.Value = []byte(strconv.FormatUint(start, 36))
			}
			req.Mutations = append(req.Mutations, m)
		}
	case 2:
		req.Kind, req.CommitTS = tikv.KindCommit, h.timestamp()
	case 3:
		req.Kind = tikv.KindRollback
	case 4:
		req.Kind, req.CurrentTS, req.CallerTS = tikv.KindCheckTxn, h.timestamp(), h.timestamp()
		req.RollbackIfMissing = rapid.Bool().Draw(h.t, "if missing")
	case 5:
		// Only what is decided is resolved.
		check := h.one(tikv.Request{Kind: tikv.KindCheckTxn, StartTS: start, Primary: keys[0], CurrentTS: h.timestamp()})
		if check.Status != tikv.StatusOK || check.LockTTLMS > 0 {
			return
		}
		req.Kind, req.CommitTS = tikv.KindResolve, check.CommitTS
	case 6:
		req.Kind, req.Key, req.CurrentTS = tikv.KindCleanup, keys[0], h.timestamp()
	}
	if rapid.IntRange(0, 3).Draw(h.t, "astray") == 0 {
		req.Region = &tikv.RegionContext{ID: 99, PeerStore: StoreID} // which is not there
	}
	h.one(req)
}

// state is all that a server's clients can find out, timestamps aside.
type state struct {
	rows  map[string]string
	locks []tikv.Lock
}

func stateOf(s *Server) state {
	rows := map[string]string{}
	for key, value := range s.engine.SnapshotAt(math.MaxUint64) {
		rows[key] = string(value)
	}
	return state{rows, s.engine.Locks()}
}

// TestCutLog: a server whose log is cut at any byte has the state that it had
// when the log was last as long, or shorter: all that was acknowledged by then. It
// never hands out a timestamp again that it had handed out by then.
func TestCutLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "tikvserver")
		require.NoError(t, err)
		defer os.RemoveAll(dir)
		const epoch = 1_000_000
		h := &history{t: t, nowMS: epoch, log: filepath.Join(dir, "log")}
		cfg := Config{Log: h.log, Now: func() time.Time { return time.UnixMilli(h.nowMS) }}
		h.server, _, err = New(cfg)
		require.NoError(t, err)
		h.look(0)
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			h.step()
		}
		require.NoError(t, h.server.Close())

		last := len(h.moments) - 1
		cut := rapid.Int64Range(0, h.moments[last].size).Draw(t, "cut")
		require.NoError(t, os.Truncate(h.log, cut))
		for h.moments[last].size > cut {
			last--
		}
		h.nowMS = epoch // its clock is wrong, too
		again, dropped, err := New(cfg)
		require.NoError(t, err)
		defer again.Close()
		require.Equal(t, cut-h.moments[last].size, dropped)
		require.Equal(t, h.moments[last].state, stateOf(again))
		ts, err := again.timestamps(1)
		require.NoError(t, err)
		require.Greater(t, ts, h.moments[last].newest)
	})
}

// TestRecords: what is written is read, and nothing else.
func TestRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		req := &tikv.Request{
			Kind:    rapid.SampledFrom([]tikv.Kind{tikv.KindPrewrite, tikv.KindCommit, tikv.KindRollback, tikv.KindCheckTxn, tikv.KindResolve}).Draw(t, "kind"),
			StartTS: rapid.Uint64().Draw(t, "start"), CommitTS: rapid.Uint64().Draw(t, "commit"),
			CurrentTS: rapid.Uint64().Draw(t, "current"), CallerTS: rapid.Uint64().Draw(t, "caller"), TTLMS: rapid.Uint64().Draw(t, "ttl"),
			MinCommitTS: rapid.Uint64().Draw(t, "minimum"),
			Primary:     rapid.String().Draw(t, "primary"), RollbackIfMissing: rapid.Bool().Draw(t, "if missing"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "keys") {
			req.Keys = append(req.Keys, rapid.String().Draw(t, "key"))
			req.Mutations = append(req.Mutations, tikv.Mutation{
				Op: tikv.OpPut, Key: rapid.String().Draw(t, "key"), Value: rapid.SliceOfN(rapid.Byte(), 1, 9).Draw(t, "value"),
			})
		}
		record := encodeRequest(req)
		got, _, err := decode(record)
		require.NoError(t, err)
		require.Equal(t, req, got)

		limit := rapid.Int64Range(0, math.MaxInt64).Draw(t, "limit")
		_, gotLimit, err := decode(encodeLimit(limit))
		require.NoError(t, err)
		require.Equal(t, limit, gotLimit)

		_, _, err = decode(record[:rapid.IntRange(0, len(record)-1).Draw(t, "cut")])
		require.Error(t, err)
		_, _, err = decode(append(record, 0))
		require.ErrorIs(t, err, wal.ErrRecord)
	})
}
