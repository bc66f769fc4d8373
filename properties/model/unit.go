package model

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// edge is a transition of a unit.
type edge struct {
	name, step string
	from, to   schema.State
	// enabled is its guard, nil for always.
	enabled func(m *Model, u *unit) bool
	// effect is what it does to the row beyond the state, and copies what is free.
	effect func(by Actor, want, now *schema.Unit)
}

var edges = [...]edge{
	{"create", "discover", schema.None, schema.Pending, mayCreate, create},
	{"claim", "claim_unit", schema.Pending, schema.Processing, mayClaim, claim},
	{"complete", "complete_unit", schema.Processing, schema.Complete, mayComplete, complete},
	{"fail", "fail_unit", schema.Processing, schema.Failed, mayFail, end},
	{"fail for good", "fail_unit", schema.Processing, schema.Dead, owned, end},
	{"release", "release_unit", schema.Processing, schema.Pending, mayRelease, release},
	{"reap", "reap", schema.Processing, schema.Pending, mayReap, end},
	{"reap for good", "reap", schema.Processing, schema.Dead, exhausted, end},
	{"reap after the end", "reap", schema.Processing, schema.Cancelled, over, end},
	{"requeue", "control", schema.Failed, schema.Pending, starts, nil},
	{"retry", "retry", schema.Dead, schema.Pending, starts, retry},
	{"settle", "control", schema.Pending, schema.Cancelled, over, settle},
	{"settle", "control", schema.Processing, schema.Cancelled, over, settle},
	{"settle", "control", schema.Failed, schema.Cancelled, over, settle},
	{"settle", "control", schema.Complete, schema.Complete, over, settle},
	{"settle", "control", schema.Dead, schema.Dead, over, settle},
	{"settle", "control", schema.Cancelled, schema.Cancelled, over, settle},
}

// starts: units of the batch may start and complete. What the row says that it is
// about to become is advice: it is not locked.
func starts(m *Model, u *unit) bool {
	b := u.batch
	return m.newest[b.name] == b && (b.now.Phase == "discovering" || b.now.Phase == "running")
}

// over: the batch has ended, or a newer one has its name.
func over(m *Model, u *unit) bool {
	return schema.Terminal(u.batch.now.Phase) || m.newest[u.batch.name] != u.batch
}

func owned(m *Model, u *unit) bool { return m.by.is(u.was.Worker, u.was.Incarnation) }

// limit is how many attempts the unit may have.
func (u *unit) limit() int64 { return u.batch.now.MaxAttempts * (1 + u.was.Retries) }

func mayCreate(m *Model, u *unit) bool {
	b := u.batch
	return m.leads() && m.newest[b.name] == b && b.now.Phase == "discovering" && b.now.Closing == "" &&
		u.highest == 0 && u.now.Shard >= 0 && u.now.Shard < b.now.Shards && m.creates(u)
}

// creates counts a new unit for its source, whose progress the transaction writes.
func (m *Model) creates(u *unit) bool {
	for _, d := range m.discoveries {
		if d.batch == u.batch && d.source == u.now.Source {
			d.created++
			return true
		}
	}
	return false
}

func create(_ Actor, want, now *schema.Unit) {
	want.Shard, want.Source, want.URL, want.Size, want.ETag = now.Shard, now.Source, now.URL, now.Size, now.ETag
}

func mayClaim(m *Model, u *unit) bool {
	b := &u.batch.now
	if !starts(m, u) || u.was.Attempts >= u.limit() {
		return false
	}
	if b.Parallelism == 0 {
		return u.now.Slot == 0
	}
	at := u.now.Slot - 1
	if at < 0 || at >= b.Shards {
		return false
	}
	return m.shardOf(u.batch, at).want.Taken <= share(b, at)
}

// share is how many slots a shard has, of a batch that has a limit.
func share(b *schema.Batch, shard int64) int64 {
	n := b.Parallelism / b.Shards
	if shard < b.Parallelism%b.Shards {
		n++
	}
	return n
}

func claim(by Actor, want, now *schema.Unit) {
	want.Epoch++
	want.Attempts++
	want.Worker, want.Incarnation, want.Slot = by.Worker, by.Incarnation, now.Slot
}

// mayComplete: what is staged is of an epoch that the unit has had.
func mayComplete(m *Model, u *unit) bool {
	k := schema.SplitObjectKey(u.now.Staged)
	return owned(m, u) && starts(m, u) && k.Area == schema.Staging && k.UID == u.uid && k.Epoch <= u.was.Epoch && u.now.Digest != ""
}

func complete(_ Actor, want, now *schema.Unit) {
	want.Slot, want.Error = 0, ""
	want.Staged, want.StagedSize, want.StagedETag, want.Digest, want.Frames = now.Staged, now.StagedSize, now.StagedETag, now.Digest, now.Frames
}

func mayFail(m *Model, u *unit) bool { return owned(m, u) && u.was.Attempts < u.limit() }

// end ends an attempt that has come to nothing, and says why.
func end(_ Actor, want, now *schema.Unit) {
	want.Slot, want.Error = 0, now.Error
	if now.Error == "" {
		want.Error = "a reason"
	}
}

func mayRelease(m *Model, u *unit) bool { return owned(m, u) && starts(m, u) }

func release(_ Actor, want, _ *schema.Unit) {
	want.Slot = 0
	want.Attempts--
	want.Releases++
}

func mayReap(m *Model, u *unit) bool { return !over(m, u) && u.was.Attempts < u.limit() }

func exhausted(m *Model, u *unit) bool { return !over(m, u) && u.was.Attempts >= u.limit() }

func retry(_ Actor, want, _ *schema.Unit) { want.Retries++ }

// settle leaves no pointer to what is staged.
func settle(_ Actor, want, _ *schema.Unit) {
	want.Slot, want.Staged, want.StagedSize, want.StagedETag = 0, "", 0, ""
}

// judgeUnit finds the transition of a unit whose row was written.
func (m *Model) judgeUnit(u *unit) *Refusal {
	what := "move"
	for n := range edges {
		e := &edges[n]
		if e.from != u.was.State || e.to != u.now.State || e.step != m.by.Step {
			continue
		}
		what = e.name
		if e.enabled != nil && !e.enabled(m, u) {
			return m.refuse(NotEnabled, u.uid, what, "%s may not %s unit %s: %s", m.step(), what, u.uid, m.stateOf(u))
		}
		want := u.was
		want.State = e.to
		if e.effect != nil {
			e.effect(m.by, &want, &u.now)
		}
		if want != u.now {
			return m.refuse(OtherEffect, u.uid, what, "%s is to %s unit %s and wrote another row: %s", m.step(), what, u.uid, differ(&want, &u.now))
		}
		return nil
	}
	if u.now.State == schema.None && m.by.Step == "collect" {
		return m.forgotten(u.batch, u.uid)
	}
	return m.refuse(NoTransition, u.uid, what, "%s has no transition of a unit from %s to %s: %s", m.step(), u.was.State, u.now.State, m.stateOf(u))
}

// forgotten: rows of a batch go when it has expired, or another has its name.
func (m *Model) forgotten(b *batch, subject string) *Refusal {
	if m.by.Step != "collect" {
		return m.refuse(NoTransition, subject, "forget", "%s may not delete what is kept of %s", m.step(), b.id).under("R15")
	}
	if b.now.Phase != "expired" && (m.newest[b.name] == b || !schema.Terminal(b.now.Phase)) {
		return m.refuse(NotEnabled, subject, "forget", "%s may not yet forget %s, which is %s", m.step(), b.id, b.now.Phase).under("R15")
	}
	return nil
}

// stateOf is what guards look at.
func (m *Model) stateOf(u *unit) string {
	owner := ""
	if u.was.Worker != "" {
		owner = " by " + u.was.Worker + "/" + u.was.Incarnation
	}
	return fmt.Sprintf("it was %s at epoch %d%s, attempt %d of %d%s; %s is %s%s",
		u.was.State, u.was.Epoch, owner, u.was.Attempts, u.limit(), m.slotOf(u), u.batch.id, u.batch.now.Phase, m.superseded(u.batch))
}

// slotOf tells of the slot that a unit takes, and of its shard's others.
func (m *Model) slotOf(u *unit) string {
	b, at := &u.batch.now, u.now.Slot-1
	switch {
	case b.Parallelism == 0 && at < 0:
		return ""
	case at < 0:
		return ", and has no slot"
	case at >= b.Shards:
		return fmt.Sprintf(", and takes a slot of shard %d, which there is not", at)
	}
	return fmt.Sprintf(", and takes a slot of shard %d, which would have %d taken of %d", at, m.shardOf(u.batch, at).want.Taken, share(b, at))
}

func (m *Model) superseded(b *batch) string {
	if m.newest[b.name] == b {
		return ""
	}
	return ", superseded"
}

// differ names what two rows differ by, as far as the model looks at it.
func differ(want, now *schema.Unit) string {
	return fmt.Sprintf("epoch %d attempts %d releases %d retries %d slot %d owner %s/%s staged %q error %q; want epoch %d attempts %d releases %d retries %d slot %d owner %s/%s staged %q error %q",
		now.Epoch, now.Attempts, now.Releases, now.Retries, now.Slot, now.Worker, now.Incarnation, now.Staged, now.Error,
		want.Epoch, want.Attempts, want.Releases, want.Retries, want.Slot, want.Worker, want.Incarnation, want.Staged, want.Error)
}

// judgeBeside judges the rows that follow from a unit's: its places in the queue and
// in the indexes, its lease, its checkpoint.
func (m *Model) judgeBeside(u *unit) *Refusal {
	if u.saved.txn == m.txn {
		if r := m.judgeCheckpoint(u); r != nil {
			return r
		}
	}
	now, row := &u.now, ""
	processing := now.State == schema.Processing
	switch {
	case u.queued > 1, (u.queued == 1) != (now.State == schema.Pending),
		u.queued == 1 && (u.queueEpoch != now.Epoch || u.queueAt != uint64(topPriority-u.batch.now.Priority)):
		row = "its place in the queue"
	case u.leases > 1, (u.leases == 1) != processing,
		processing && (!u.lease.now || u.lease.worker != now.Worker || u.lease.incarnation != now.Incarnation || u.lease.after.Epoch != now.Epoch):
		row = "its lease"
	case u.failed != (now.State == schema.Failed) && now.State != schema.None: // forgotten table by table
		row = "its place among the failed"
	case u.dead != (now.State == schema.Dead) && now.State != schema.None:
		row = "its place among the dead"
	case u.saved.now && (now.State == schema.Complete || m.by.Step == "control" && over(m, u)): // settled
		row = "its checkpoint"
	default:
		return nil
	}
	return m.refuse(OtherEffect, u.uid, "beside the unit", "%s left unit %s %s at epoch %d, and %s is not that of such a unit", m.step(), u.uid, now.State, now.Epoch, row)
}

// topPriority is what the queue counts priorities down from.
const topPriority = 999

// judgeLease: a claim begins a lease, a heartbeat raises its beat, and what ends the
// attempt ends it.
func (m *Model) judgeLease(l *lease) *Refusal {
	u := l.unit
	if !l.now {
		return nil // judgeBeside
	}
	want := schema.Lease{Epoch: u.now.Epoch, Beat: 1}
	step, what := "claim_unit", "claim"
	if l.was {
		want = schema.Lease{Epoch: l.before.Epoch, Beat: l.before.Beat + 1}
		step, what = "heartbeat", "beat for"
	}
	switch {
	case m.by.Step != step:
		return m.refuse(NoTransition, u.uid, "lease", "%s may not write a lease of unit %s", m.step(), u.uid).under("R9")
	case !m.by.is(l.worker, l.incarnation):
		return m.refuse(NotEnabled, u.uid, what, "%s may not %s unit %s in the name of %s/%s", m.step(), what, u.uid, l.worker, l.incarnation).under("R9")
	case l.after != want:
		return m.refuse(OtherEffect, u.uid, what, "%s is to %s unit %s and wrote epoch %d beat %d; want epoch %d beat %d",
			m.step(), what, u.uid, l.after.Epoch, l.after.Beat, want.Epoch, want.Beat).under("R9")
	}
	return nil
}

// judgeCheckpoint: the owner saves its progress, forward only; it goes with the unit's
// end.
func (m *Model) judgeCheckpoint(u *unit) *Refusal {
	now, was := &u.savedNow, &u.savedWas
	if !u.saved.now {
		if !u.saved.was || m.by.Step == "complete_unit" || m.by.Step == "control" && over(m, u) {
			return nil
		}
		return m.refuse(NoTransition, u.uid, "save", "%s may not delete the checkpoint of unit %s", m.step(), u.uid).under("R1")
	}
	forward := now.Epoch > was.Epoch || now.Epoch == was.Epoch && now.Seq >= was.Seq
	switch {
	case m.by.Step != "checkpoint":
		return m.refuse(NoTransition, u.uid, "save", "%s may not write a checkpoint of unit %s", m.step(), u.uid).under("R1")
	case u.now.State != schema.Processing || !m.by.is(u.now.Worker, u.now.Incarnation) || u.now.Epoch != now.Epoch || u.saved.was && !forward:
		return m.refuse(NotEnabled, u.uid, "save", "%s may not save %d.%d of unit %s: saved is %d.%d, and the unit is %s at epoch %d by %s/%s",
			m.step(), now.Epoch, now.Seq, u.uid, was.Epoch, was.Seq, u.now.State, u.now.Epoch, u.now.Worker, u.now.Incarnation).under("R1")
	}
	return nil
}

// judgeShard: a shard is the sum of its units.
func (m *Model) judgeShard(s *shard) *Refusal {
	if m.by.Step == "collect" && schema.Terminal(s.batch.now.Phase) {
		return nil // forgotten page by page
	}
	want := s.want
	want.Counts[schema.Pending], want.Digest = 0, s.after.Digest
	if want == s.after {
		return nil
	}
	return m.refuse(OtherEffect, s.batch.id, "count", "%s left a shard of %s at %v; its units come to %v", m.step(), s.batch.id, s.after, want)
}
