package tikv_test

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// TestSnapshotIsolation interleaves the RPCs of several clients at random,
// loses, repeats and delays them, kills clients between any two, and then
// judges what was read and acknowledged by the ledger's known timestamps.
func TestSnapshotIsolation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := &universe{t: t, engine: tikv.New(tikv.Options{RecordReads: true}), now: time.Hour, low: map[int]uint64{}}
		for i := range rapid.IntRange(2, 4).Draw(t, "actors") {
			u.start(i)
		}
		for u.step() {
		}
		for len(u.late) > 0 {
			u.deliverLate(len(u.late) - 1)
		}
		u.settle()
		u.judge()
	})
}

// universe runs actors one RPC at a time.
type universe struct {
	t      *rapid.T
	engine *tikv.Engine
	now    time.Duration
	actors []*actor
	late   []tikv.Request
	values int
	txns   []*outcome
	low    map[int]uint64 // by number of commits: nothing later may be at or below
}

// actor is a coroutine that is parked in a call until next is called.
type actor struct {
	u       *universe
	next    func() (struct{}, bool)
	stop    func()
	yield   func(struct{}) bool
	dead    bool
	request *tikv.Request // of the call under way, nil while it sleeps
	reply   *tikv.Response
	err     error
	wake    time.Duration
}

// outcome is one transaction as its client saw it.
type outcome struct {
	start  uint64
	reads  map[string]string // "" for nothing
	writes map[string]string // "" for deletion or lock
	ended  bool
	err    error
}

var keys = []string{"a", "b", "c", "d", "e"}

func (u *universe) start(i int) {
	a := &actor{u: u}
	u.actors = append(u.actors, a)
	cfg := tikv.ClientConfig{
		WriteBudget: time.Second, ReadBudget: time.Second, TSOBudget: time.Second,
		LockTTL: 20 * time.Millisecond, RPCTimeout: 10 * time.Millisecond,
	}
	if rapid.Bool().Draw(u.t, "regions") {
		cfg.Region = func(key string) int { return int(key[0]-'a') / 2 }
	}
	client := tikv.NewClient(a, a, a, cfg)
	count := rapid.IntRange(1, 3).Draw(u.t, "transactions")
	a.next, a.stop = iter.Pull(func(yield func(struct{}) bool) {
		a.yield = yield
		if !yield(struct{}{}) {
			return
		}
		for range count {
			u.transact(client)
		}
	})
	a.next()
}

// transact runs one random transaction.
func (u *universe) transact(client *tikv.Client) {
	ctx := context.Background()
	tx, err := client.Begin(ctx)
	if err != nil {
		return
	}
	o := &outcome{start: tx.StartTS(), reads: map[string]string{}, writes: map[string]string{}}
	u.txns = append(u.txns, o)
	for range rapid.IntRange(1, 5).Draw(u.t, "operations") {
		key := rapid.SampledFrom(keys).Draw(u.t, "key")
		_, written := o.writes[key]
		switch rapid.IntRange(0, 4).Draw(u.t, "operation") {
		case 0:
			value, err := tx.Get(ctx, key)
			if !written && (err == nil || env.ClassOf(err) == env.ClassNotFound) {
				o.reads[key] = string(value)
			}
		case 1:
			u.scan(ctx, tx, o)
		case 2:
			u.values++
			o.writes[key] = strconv.Itoa(u.values)
			tx.Put(key, []byte(o.writes[key]))
		case 3:
			o.writes[key] = ""
			tx.Delete(key)
		case 4:
			tx.Lock(key)
		}
	}
	o.err = tx.Commit(ctx)
	o.ended = true
}

func (u *universe) scan(ctx context.Context, tx env.Txn, o *outcome) {
	seen := map[string]string{}
	from, limit := "", rapid.IntRange(1, 4).Draw(u.t, "limit")
	for {
		page, err := tx.Scan(ctx, from, "", limit)
		if err != nil {
			return
		}
		for _, p := range page {
			seen[p.Key] = string(p.Value)
		}
		if len(page) < limit {
			break
		}
		from = page[limit-1].Key + "\x00"
	}
	for _, key := range keys {
		value, written := o.writes[key]
		if !written {
			o.reads[key] = seen[key]
		} else if value != seen[key] {
			u.t.Fatalf("scan does not see own write of %s: %q, not %q", key, seen[key], value)
		}
	}
}

// park hands control back to the scheduler. It reports whether the actor lives.
func (a *actor) park() bool {
	if !a.dead && !a.yield(struct{}{}) {
		a.dead = true
	}
	return !a.dead
}

func (a *actor) Send(_ context.Context, req *tikv.Request, resp *tikv.Response, _ time.Duration) error {
	copied := *req
	a.request, a.reply, a.err = &copied, resp, nil
	if !a.park() {
		return env.ErrUnavailable
	}
	return a.err
}

func (a *actor) Sleep(_ context.Context, d time.Duration) error {
	a.request, a.wake = nil, a.u.now+max(d, 0)
	if !a.park() {
		return context.Canceled
	}
	return nil
}

func (a *actor) Now() time.Time           { return time.Unix(0, 0) }
func (a *actor) Monotonic() time.Duration { return a.u.now }
func (a *actor) Uint64() uint64           { return 1 << 20 }
func (a *actor) WithTimeout(ctx context.Context, _ time.Duration) (context.Context, context.CancelFunc) {
	return ctx, func() {}
}

func (a *actor) WithCancel(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	return context.WithCancelCause(ctx)
}

// step lets one thing happen, and reports whether anything is left to do.
func (u *universe) step() bool {
	if len(u.actors) == 0 {
		return false
	}
	if len(u.late) > 0 && rapid.IntRange(0, 5).Draw(u.t, "late") == 0 {
		u.deliverLate(rapid.IntRange(0, len(u.late)-1).Draw(u.t, "which"))
		return true
	}
	i := rapid.IntRange(0, len(u.actors)-1).Draw(u.t, "actor")
	a := u.actors[i]
	switch fate := rapid.IntRange(0, 39).Draw(u.t, "fate"); {
	case fate == 39:
		a.stop()
		u.actors = slices.Delete(u.actors, i, i+1)
		return true
	case a.request == nil:
		u.now = max(u.now, a.wake)
	case fate < 30:
		u.handle(*a.request, a.reply)
	case fate < 33:
		u.handle(*a.request, &tikv.Response{})
		a.err = errLost
	case fate < 36:
		u.late = append(u.late, *a.request)
		a.err = errLost
	case fate < 38:
		u.handle(*a.request, a.reply)
		u.late = append(u.late, *a.request) // and once more later
	default:
		a.err = env.ErrUnavailable
	}
	if _, alive := a.next(); !alive {
		u.actors = slices.DeleteFunc(u.actors, func(other *actor) bool { return other == a })
	}
	return true
}

func (u *universe) deliverLate(i int) {
	req := u.late[i]
	u.late = slices.Delete(u.late, i, i+1)
	u.handle(req, &tikv.Response{})
}

// handle lets the engine handle a request, and checks that no commit comes
// below a low-water mark given earlier.
func (u *universe) handle(req tikv.Request, resp *tikv.Response) {
	u.now += 100 * time.Microsecond
	req.PhysicalMS = u.now.Milliseconds()
	low := min(u.engine.LowWater(), u.engine.LastTS())
	before := len(u.engine.Ledger().Commits)
	u.low[before] = max(u.low[before], low)
	u.engine.Handle(&req, resp)
}

// settle makes a fresh client touch every key after all locks have expired.
func (u *universe) settle() {
	u.now += time.Hour
	w := newWorld(u.t)
	w.engine, w.now = u.engine, u.now
	w.put(w.client(tikv.ClientConfig{}), "end", keys...)
	require.Empty(u.t, u.engine.Locks())
	require.Equal(u.t, uint64(math.MaxUint64), u.engine.LowWater())
}

// judge compares everything with the history that the ledger tells.
func (u *universe) judge() {
	ledger := u.engine.Ledger()
	for i, c := range ledger.Commits {
		for claimed, low := range u.low {
			require.False(u.t, claimed <= i && c.CommitTS <= low, "commit %d came below the low water %d", c.CommitTS, low)
		}
	}
	commits := slices.Clone(ledger.Commits)
	slices.SortFunc(commits, func(a, b tikv.Commit) int { return int(int64(a.CommitTS - b.CommitTS)) })
	byStart := map[uint64]tikv.Commit{}
	newest := map[string]uint64{}
	for _, c := range commits {
		require.NotContains(u.t, byStart, c.StartTS, "committed twice")
		require.NotContains(u.t, ledger.Rollbacks, c.StartTS, "committed and rolled back")
		byStart[c.StartTS] = c
		for _, m := range c.Writes {
			require.Less(u.t, newest[m.Key], c.StartTS, "%s: a write between snapshot and commit of %d", m.Key, c.StartTS)
			newest[m.Key] = c.CommitTS
		}
	}
	for _, o := range u.txns {
		u.judgeOutcome(o, byStart, commits)
	}
	for r := range ledger.Reads.All() {
		version, _ := lookup(commits, r.Key, r.StartTS)
		require.Equal(u.t, version, r.Version, "%s at %d", r.Key, r.StartTS)
	}
	for s := range ledger.Scans.All() {
		u.judgeScan(*s, commits)
	}
	u.judgeState(commits)
}

func (u *universe) judgeOutcome(o *outcome, byStart map[uint64]tikv.Commit, commits []tikv.Commit) {
	c, committed := byStart[o.start]
	switch env.ClassOf(o.err) {
	case env.ClassNone:
		require.True(u.t, committed || !o.ended || len(o.writes) == 0, "%d: acknowledged but lost", o.start)
	case env.ClassUndetermined:
	default:
		require.False(u.t, committed, "%d: committed in spite of %v", o.start, o.err)
	}
	if committed {
		written := map[string]string{}
		for _, m := range c.Writes {
			if m.Op != tikv.OpLock {
				written[m.Key] = string(m.Value)
			}
		}
		require.Equal(u.t, o.writes, written, "%d: not the whole write set", o.start)
	}
	for key, value := range o.reads {
		_, want := lookup(commits, key, o.start)
		require.Equal(u.t, want, value, "%s read at %d", key, o.start)
	}
}

func (u *universe) judgeScan(s tikv.ScanRead, commits []tikv.Commit) {
	seen := map[string]uint64{}
	end := s.To
	for _, r := range s.Seen {
		seen[r.Key] = r.Version
		if s.Partial {
			end = r.Key + "\x00"
		}
	}
	for _, key := range keys {
		if key < s.From || end != "" && key >= end || s.Partial && len(s.Seen) == 0 {
			continue
		}
		version, value := lookup(commits, key, s.StartTS)
		if value == "" {
			version = 0
		}
		require.Equal(u.t, version, seen[key], "%s scanned at %d", key, s.StartTS)
	}
}

// judgeState compares the stored state at every commit with the history.
func (u *universe) judgeState(commits []tikv.Commit) {
	for _, c := range commits {
		got := map[string]string{}
		for key, value := range u.engine.SnapshotAt(c.CommitTS) {
			got[key] = string(value)
		}
		for _, key := range keys {
			_, want := lookup(commits, key, c.CommitTS)
			require.Equal(u.t, want, got[key], fmt.Sprint(key, " at ", c.CommitTS))
		}
	}
}

// lookup returns the commit timestamp and value of key's newest put or delete
// at ts, 0 and "" if there is none.
func lookup(commits []tikv.Commit, key string, ts uint64) (version uint64, value string) {
	for _, c := range commits {
		if c.CommitTS > ts {
			break
		}
		for _, m := range c.Writes {
			if m.Key == key && m.Op != tikv.OpLock {
				version, value = c.CommitTS, string(m.Value)
			}
		}
	}
	return version, value
}
