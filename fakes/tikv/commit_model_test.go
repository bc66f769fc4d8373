package tikv_test

import (
	"math"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// TestCommitModel drives the engine with transactions that commit in every way,
// readers that resolve what they meet, and requests that arrive again. The ledger
// is then the truth: every read saw the newest commit at or before its snapshot,
// two commits of one key never overlapped, and no commit came at or below what
// was said to be the low water.
func TestCommitModel(t *testing.T) {
	seen := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		m := &commitModel{t: t, engine: tikv.New(tikv.Options{RecordReads: true, AsyncCommit: true}), seen: seen}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			m.step()
			m.observe()
		}
		m.finish()
	})
	for _, what := range []string{"two-phase", "async", "one-pc", "pessimistic", "async resolved", "fallen back", "repeated", "read", "rolled back"} {
		require.NotZero(t, seen[what], "%s never happened: %v", what, seen)
	}
}

// commitModel is a store with its clients.
type commitModel struct {
	t      *rapid.T
	engine *tikv.Engine
	ms     int64
	txns   []*modelTxn
	sent   []tikv.Request
	lows   []lowWater
	seen   map[string]int
}

// lowWater is what LowWater said after so many commits.
type lowWater struct {
	commits int
	ts      uint64
}

type modelTxn struct {
	tikv.Request // the prewrite of all keys
	keys         []string
	batches      [][]tikv.Mutation // still to be prewritten
	done         bool
	twoPhase     bool
	minCommitTS  uint64
	commitTS     uint64
	toCommit     []string
}

func (m *commitModel) send(req tikv.Request) (resp tikv.Response) {
	m.engine.Handle(&req, &resp)
	m.sent = append(m.sent, req)
	return resp
}

func (m *commitModel) timestamp() uint64 {
	m.ms += int64(rapid.IntRange(0, 2).Draw(m.t, "passes"))
	return m.send(tikv.Request{Kind: tikv.KindTSO, PhysicalMS: m.ms}).TS
}

var modelKeys = []string{"a", "b", "c", "d"}

func (m *commitModel) step() {
	switch rapid.IntRange(0, 9).Draw(m.t, "step") {
	case 0, 1:
		m.begin()
	case 2, 3, 4, 5:
		if len(m.txns) > 0 {
			m.advance(rapid.SampledFrom(m.txns).Draw(m.t, "transaction"))
		}
	case 6, 7:
		m.read(m.timestamp(), rapid.SampledFrom(modelKeys).Draw(m.t, "key"))
	case 8:
		if len(m.sent) > 0 {
			m.seen["repeated"]++
			req := rapid.SampledFrom(m.sent).Draw(m.t, "arrives again")
			if req.Kind != tikv.KindTSO {
				var resp tikv.Response
				m.engine.Handle(&req, &resp)
			}
		}
	case 9:
		m.engine.SyncMaxTS()
	}
}

func (m *commitModel) begin() {
	x := &modelTxn{keys: rapid.SliceOfNDistinct(rapid.SampledFrom(modelKeys), 1, 3, rapid.ID).Draw(m.t, "keys")}
	x.Kind, x.StartTS, x.TTLMS, x.Primary = tikv.KindPrewrite, m.timestamp(), 3, x.keys[0]
	x.MinCommitTS = x.StartTS + 1
	for _, key := range x.keys {
		mutation := tikv.Mutation{Op: rapid.SampledFrom([]tikv.Op{tikv.OpPut, tikv.OpDelete, tikv.OpLock}).Draw(m.t, "op"), Key: key}
		if mutation.Op == tikv.OpPut {
			mutation.Value = []byte(strconv.FormatUint(x.StartTS, 36))
		}
		x.Mutations = append(x.Mutations, mutation)
	}
	switch rapid.IntRange(0, 3).Draw(m.t, "way") {
	case 0:
		x.twoPhase = true
	case 1, 2:
		x.UseAsyncCommit = true
	case 3:
		x.TryOnePC = true
		x.UseAsyncCommit = rapid.Bool().Draw(m.t, "async as well")
	}
	if !x.twoPhase && rapid.Bool().Draw(m.t, "bounded") {
		x.MaxCommitTS = x.StartTS + uint64(rapid.IntRange(1, 1<<19).Draw(m.t, "bound"))
	}
	if rapid.IntRange(0, 3).Draw(m.t, "pessimistic") == 0 && !m.lockFirst(x) {
		return
	}
	if x.TryOnePC {
		x.batches = [][]tikv.Mutation{x.Mutations}
	} else {
		for i := range x.Mutations {
			x.batches = append(x.batches, x.Mutations[i:i+1:i+1])
		}
		x.batches = rapid.Permutation(x.batches).Draw(m.t, "order")
	}
	m.txns = append(m.txns, x)
}

// lockFirst makes x a pessimistic transaction that holds some of its keys.
func (m *commitModel) lockFirst(x *modelTxn) bool {
	x.ForUpdateTS = m.timestamp()
	for i := range x.Mutations {
		if i > 0 && rapid.Bool().Draw(m.t, "not locked") {
			x.Mutations[i].Pessimistic = tikv.DoConstraintCheck
			continue
		}
		resp := m.send(tikv.Request{
			Kind: tikv.KindPessimisticLock, StartTS: x.StartTS, ForUpdateTS: x.ForUpdateTS, Primary: x.Primary, TTLMS: x.TTLMS,
			Mutations: []tikv.Mutation{{Op: tikv.OpPessimisticLock, Key: x.keys[i]}},
		})
		if resp.Status != tikv.StatusOK {
			return false // its locks are left behind
		}
		x.Mutations[i].Pessimistic = tikv.DoPessimisticCheck
	}
	m.seen["pessimistic"]++
	return true
}

// advance lets a transaction do its next step.
func (m *commitModel) advance(x *modelTxn) {
	switch {
	case x.done:
	case len(x.batches) > 0:
		m.prewrite(x)
	case x.commitTS == 0:
		if x.commitTS = x.minCommitTS; x.twoPhase {
			x.commitTS = m.timestamp()
		}
		x.toCommit = x.keys
		fallthrough
	default:
		resp := m.send(tikv.Request{Kind: tikv.KindCommit, StartTS: x.StartTS, CommitTS: x.commitTS, Keys: x.toCommit[:1]})
		if resp.Status == tikv.StatusCommitTSExpired && x.twoPhase {
			x.commitTS = 0
			return
		}
		if resp.Status != tikv.StatusOK {
			require.True(m.t, x.twoPhase, "an async commit was lost: %v", resp.Status)
			x.done = true
			return
		}
		x.toCommit = x.toCommit[1:]
		x.done = len(x.toCommit) == 0
	}
}

func (m *commitModel) prewrite(x *modelTxn) {
	req := x.Request
	req.Mutations = x.batches[0]
	if req.Mutations[0].Key == x.Primary || x.TryOnePC {
		req.Secondaries = x.keys[1:]
	}
	resp := m.send(req)
	switch resp.Status {
	case tikv.StatusOK:
	case tikv.StatusLocked:
		m.resolve(&resp.Locks[0], 0)
		return
	default:
		m.seen["rolled back"]++
		m.send(tikv.Request{Kind: tikv.KindRollback, StartTS: x.StartTS, Keys: x.keys})
		x.done = true
		return
	}
	x.batches = x.batches[1:]
	x.minCommitTS = max(x.minCommitTS, resp.MinCommitTS)
	switch {
	case x.twoPhase:
		m.seen["two-phase"]++
	case x.TryOnePC && resp.CommitTS != 0:
		m.seen["one-pc"]++
		x.done = true
	case resp.MinCommitTS == 0:
		m.seen["fallen back"]++
		x.twoPhase = true
		x.UseAsyncCommit, x.TryOnePC = false, false
	default:
		m.seen["async"]++
	}
}

// read reads one key, and resolves what is in the way.
func (m *commitModel) read(ts uint64, key string) {
	req := tikv.Request{Kind: tikv.KindGet, StartTS: ts, Key: key}
	for {
		resp := m.send(req)
		if resp.Status == tikv.StatusOK {
			m.seen["read"]++
			return
		}
		if !m.resolve(&resp.Locks[0], ts) {
			req.Resolved = append(req.Resolved, resp.Locks[0].StartTS)
		}
		m.ms++
	}
}

// resolve settles a lock as the client does. It reports false if the reader at
// caller may ignore it.
func (m *commitModel) resolve(lock *tikv.Lock, caller uint64) (wait bool) {
	check := tikv.Request{
		Kind: tikv.KindCheckTxn, StartTS: lock.StartTS, Primary: lock.Primary, CallerTS: caller, CurrentTS: m.timestamp(),
		RollbackIfMissing: tikv.PhysicalMS(lock.StartTS)+int64(lock.TTLMS) < m.ms,
	}
	resp := m.send(check)
	if resp.Status != tikv.StatusOK {
		return true
	}
	if len(resp.Locks) > 0 && resp.Locks[0].UseAsyncCommit {
		if tikv.PhysicalMS(lock.StartTS)+int64(lock.TTLMS) >= m.ms {
			return true
		}
		primary := resp.Locks[0]
		others := m.send(tikv.Request{Kind: tikv.KindCheckSecondaryLocks, StartTS: lock.StartTS, Keys: primary.Secondaries})
		commitTS := others.CommitTS
		if len(others.Locks) == len(primary.Secondaries) {
			commitTS = primary.MinCommitTS
			for i := range others.Locks {
				if !others.Locks[i].UseAsyncCommit {
					check.ForceSyncCommit = true
					resp = m.send(check)
					commitTS = resp.CommitTS
					break
				}
				commitTS = max(commitTS, others.Locks[i].MinCommitTS)
			}
		}
		if len(resp.Locks) == 0 || !check.ForceSyncCommit {
			m.seen["async resolved"]++
			m.send(tikv.Request{Kind: tikv.KindResolve, StartTS: lock.StartTS, CommitTS: commitTS})
			return true
		}
	}
	if len(resp.Locks) > 0 {
		return resp.Action != tikv.ActionMinCommitTSPush
	}
	m.send(tikv.Request{Kind: tikv.KindResolve, StartTS: lock.StartTS, CommitTS: resp.CommitTS, Keys: []string{lock.Key}})
	return true
}

// observe compares what is visible with the ledger, and notes the low water.
func (m *commitModel) observe() {
	for _, ts := range []uint64{m.engine.LastTS(), math.MaxUint64} {
		require.Equal(m.t, m.stateAt(ts), stateAt(m.engine, ts))
	}
	m.lows = append(m.lows, lowWater{len(m.engine.Ledger().Commits), m.engine.LowWater()})
}

// finish compares everything with the ledger.
func (m *commitModel) finish() {
	m.engine.CollectLocks(math.MaxUint64)
	require.Empty(m.t, m.engine.Locks())
	ledger := m.engine.Ledger()
	for _, low := range m.lows {
		for _, c := range ledger.Commits[low.commits:] {
			require.True(m.t, low.ts == math.MaxUint64 || c.CommitTS > low.ts, "commit %d came after the low water %d", c.CommitTS, low.ts)
		}
	}
	commits := slices.SortedFunc(slices.Values(ledger.Commits), func(a, b tikv.Commit) int {
		return int(int64(a.CommitTS - b.CommitTS))
	})
	last := map[string]uint64{}
	for _, c := range commits {
		require.Greater(m.t, c.CommitTS, c.StartTS)
		for _, w := range c.Writes {
			require.LessOrEqual(m.t, last[w.Key], c.StartTS, "two commits of %s overlap", w.Key)
			last[w.Key] = c.CommitTS
		}
	}
	m.observe()
	for r := range ledger.Reads.All() {
		require.Equal(m.t, newestVersion(commits, r.Key, r.StartTS), r.Version, "read of %s at %d", r.Key, r.StartTS)
	}
}

// stateAt is what the ledger says was there.
func (m *commitModel) stateAt(ts uint64) map[string]string {
	state := map[string]string{}
	commits := m.engine.Ledger().Commits
	for _, key := range modelKeys {
		version := newestVersion(commits, key, ts)
		for _, c := range commits {
			for _, w := range c.Writes {
				if c.CommitTS == version && w.Key == key && w.Op == tikv.OpPut {
					state[key] = string(w.Value)
				}
			}
		}
	}
	return state
}

// newestVersion is the commit timestamp of what a snapshot has to see.
func newestVersion(commits []tikv.Commit, key string, ts uint64) (version uint64) {
	for _, c := range commits {
		for _, w := range c.Writes {
			if c.CommitTS <= ts && w.Key == key && w.Op != tikv.OpLock {
				version = max(version, c.CommitTS)
			}
		}
	}
	return version
}
