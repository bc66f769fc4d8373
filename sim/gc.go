package sim

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// expectCollection schedules TiKV's garbage collection if transactions have left
// locks: at the next multiple of its period. Without it, a committer that dies
// leaves locks on rows that nobody reads again, and the order of all later
// commits stays open.
func (u *Universe) expectCollection() {
	period := int64(u.config.LockGC)
	if period == 0 || u.collection.pos >= 0 || u.kv.Locked() == 0 {
		return
	}
	id := keyed.Mix(u.seed, uint64(u.sched.now/period))
	u.collection = event{when: (u.sched.now/period + 1) * period, tie: u.sched.tie(id), pos: -1, kind: evWorld, act: u.collectLocks, id: id}
	u.sched.timers.push(&u.collection)
}

// collectLocks resolves the locks of transactions that began a period ago or
// earlier, as the oracle tells the time: none of those is still at work, unless the
// oracle has leapt ahead; then its commit is refused.
func (u *Universe) collectLocks() {
	before := uint64(epoch.UnixMilli()+(u.sched.now+u.oracleAhead()-int64(u.config.LockGC))/1e6) << tikv.LogicalBits
	if n := u.kv.CollectLocks(before); n > 0 {
		u.Mark("locks_collected")
		u.note(nil, Collected, fmt.Sprintf("%d transactions", n))
		u.collectLedger(nil)
	}
	u.expectCollection()
}

// blocking names the transaction that keeps the order of commits open, and so
// all later ones from being judged; "" if nothing waits for one.
func (u *Universe) blocking() string {
	if len(u.judge.pending) == 0 {
		return ""
	}
	locks := u.kv.Locks()
	if len(locks) == 0 {
		return ""
	}
	oldest := slices.MinFunc(locks, func(a, b tikv.Lock) int { return int(int64(a.StartTS - b.StartTS)) })
	return fmt.Sprintf("%d effects wait to be judged for the transaction that began at %s and left a lock on %s (primary %s)",
		len(u.judge.pending), clockText(beganAt(oldest.StartTS)), plan.Printable(oldest.Key), plan.Printable(oldest.Primary))
}

// beganAt is when a transaction began, by its start timestamp.
func beganAt(startTS uint64) time.Duration {
	return time.Duration(tikv.PhysicalMS(startTS)-epoch.UnixMilli()) * time.Millisecond
}

// clockText prints a virtual time in seconds.
func clockText(at time.Duration) string { return fmt.Sprintf("%.3fs", at.Seconds()) }

// Timestamp is one of TiKV's.
type Timestamp uint64

// String prints it as seconds since universes begin, as the oracle had it, with its
// logical part if that is not zero: "80.796+2". That of nothing, 0, is "none", and one from
// before universes a plain number.
func (ts Timestamp) String() string {
	at := beganAt(uint64(ts))
	switch {
	case ts == 0:
		return "none"
	case at < 0:
		return strconv.FormatUint(uint64(ts), 10)
	}
	text := fmt.Sprintf("%.3f", at.Seconds())
	if logical := ts & (1<<tikv.LogicalBits - 1); logical != 0 {
		text += fmt.Sprintf("+%d", uint64(logical))
	}
	return text
}
