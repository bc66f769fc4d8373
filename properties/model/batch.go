package model

import (
	"fmt"
	"strings"

	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// turn is a transition of a batch.
type turn struct {
	name, step string
	from       string // phases, with spaces between; "" is that of none
	to         string // "" leaves it
	enabled    func(m *Model, b *batch) bool
	effect     func(want, now *schema.Batch)
}

const live = "pending discovering running merging"

var turns = [...]turn{
	{"submit", "submit", "", "pending", maySubmit, submit},
	{"begin discovery", "discover", "pending", "discovering", leads, nil},
	{"end discovery", "discover", "discovering", "running", mayRun, run},
	{"fail discovery", "discover", "discovering", "failed", leads, finish},
	{"give up", "control", "discovering running", "failed", mayGiveUp, finish},
	{"carry out", "control", "discovering running", "cancelled", announced, finish},
	{"cancel", "cancel", live, "cancelled", nil, finish},
	{"announce", "discover", "discovering", "", leadsOpen, announce},
	{"announce", "control", "discovering running", "", open, announce},
	{"announce", "cancel", "discovering running", "", open, announce},
	{"claim the merge", "try_claim_merge", "running merging", "merging", mayMerge, nil},
	{"publish", "flip", "merging", "complete", publishes, publish},
	{"fail the merge", "", "merging", "failed", letsGo, finish},
	{"expire", "collect", "complete failed cancelled", "expired", nil, nil},
}

func (m *Model) leads() bool {
	l := &m.leader.after
	return l.Worker != "" && m.by.is(l.Worker, l.Incarnation)
}

func leads(m *Model, _ *batch) bool     { return m.leads() }
func open(_ *Model, b *batch) bool      { return b.was.Closing == "" }
func leadsOpen(m *Model, b *batch) bool { return m.leads() && open(m, b) }
func announced(_ *Model, b *batch) bool { return b.was.Closing == b.now.Phase }

// maySubmit: the last of the name has ended.
func maySubmit(m *Model, b *batch) bool {
	last := m.newest[b.name]
	if last == nil {
		return b.now.Gen == 1
	}
	return schema.Terminal(last.now.Phase) && b.now.Gen == last.now.Gen+1
}

func submit(want, now *schema.Batch) {
	*want = *now
	want.Closing, want.Units, want.MergeGen, want.Manifest, want.ManifestETag, want.Error, want.FinishedMS = "", 0, 0, "", "", "", 0
}

// mayRun: every source is listed to its end.
func mayRun(m *Model, b *batch) bool {
	if !m.leads() || b.was.Closing != "" || int64(len(b.sources)) != sources(&b.was) {
		return false
	}
	found := int64(0)
	for _, d := range b.sources {
		if !d.after.Done {
			return false
		}
		found += d.after.Found
	}
	return found == b.now.Units && found == b.found()
}

// found is how many units there are.
func (b *batch) found() int64 {
	n := int64(0)
	for _, state := range schema.States() {
		n += b.units[state]
	}
	return n
}

func sources(b *schema.Batch) int64 { return int64(strings.Count(b.Sources, "\n")) + 1 }

func run(want, now *schema.Batch) { want.Units = now.Units }

// mayGiveUp: too many attempts have failed, or nothing is left but the dead.
func mayGiveUp(_ *Model, b *batch) bool {
	failures := int64(0)
	for _, s := range b.shards {
		failures += s.want.Failures
	}
	left := b.units[schema.Pending] + b.units[schema.Processing] + b.units[schema.Failed]
	return b.was.Closing == "failed" || failures > b.was.BackoffLimit ||
		b.was.Phase == "running" && b.units[schema.Dead] > 0 && left == 0
}

// finish ends a batch; its text and its time are free.
func finish(want, now *schema.Batch) {
	want.Closing, want.Error, want.FinishedMS = "", now.Error, now.FinishedMS
}

func announce(want, now *schema.Batch) { want.Closing, want.Error = now.Closing, now.Error }

// mayMerge: every unit is complete, and the merge is claimed by the same transaction.
func mayMerge(m *Model, b *batch) bool {
	return b.was.Closing == "" && b.merge.txn == m.txn && b.units[schema.Complete] == b.was.Units && b.found() == b.was.Units
}

// publishes: the claim is the writer's own, and the same transaction ends it.
func publishes(m *Model, b *batch) bool {
	k := schema.SplitObjectKey(b.now.Manifest)
	return b.merge.txn == m.txn && k.Area == schema.Dataset && k.Gen == b.now.Gen && k.Epoch == b.merge.after.Gen && b.now.MergeGen == b.merge.after.Gen
}

func publish(want, now *schema.Batch) {
	finish(want, now)
	want.Error = ""
	want.MergeGen, want.Manifest, want.ManifestETag = now.MergeGen, now.Manifest, now.ManifestETag
}

func letsGo(m *Model, b *batch) bool { return b.merge.txn == m.txn && b.merge.after.Worker == "" }

// judgeBatch judges the rows of a batch that the transaction wrote.
func (m *Model) judgeBatch(b *batch) *Refusal {
	if b.wrote {
		if r := m.judgeTurn(b); r != nil {
			return r
		}
		if last := m.newest[b.name]; last == nil || last.now.Gen < b.now.Gen {
			m.newest[b.name] = b
		}
	}
	if b.merge.txn == m.txn {
		if r := m.judgeMerge(b); r != nil {
			return r
		}
	}
	living := b.now.Phase != "" && !schema.Terminal(b.now.Phase)
	if m.newest[b.name] == b && (b.active != living || living && b.urgency != b.now.Priority) {
		return m.refuse(OtherEffect, b.id, "index of the living", "%s left %s %s with priority %d, and its place in the index of the living is not that of such a batch", m.step(), b.id, b.now.Phase, b.now.Priority)
	}
	return m.judgeSweep(b)
}

// judgeTurn finds the transition of a batch whose row was written.
func (m *Model) judgeTurn(b *batch) *Refusal {
	for n := range turns {
		t := &turns[n]
		to := t.to
		if to == "" {
			to = b.was.Phase
		}
		if t.step != m.by.Step || to != b.now.Phase || !contains(t.from, b.was.Phase) {
			continue
		}
		current := m.newest[b.name] == b || t.name == "submit"
		if !current || t.enabled != nil && !t.enabled(m, b) {
			return m.refuse(NotEnabled, b.id, t.name, "%s may not %s %s: %s", m.step(), t.name, b.id, m.stateOfBatch(b))
		}
		want := b.was
		want.Phase = to
		if t.effect != nil {
			t.effect(&want, &b.now)
		}
		if want != b.now {
			return m.refuse(OtherEffect, b.id, t.name, "%s is to %s %s and wrote another row: %+v; want %+v", m.step(), t.name, b.id, b.now, want)
		}
		return nil
	}
	return m.refuse(NoTransition, b.id, "move", "%s has no transition of a batch from %q to %q: %s", m.step(), b.was.Phase, b.now.Phase, m.stateOfBatch(b))
}

// contains reports whether a phase is one of a list.
func contains(phases, phase string) bool {
	if phase == "" || phases == "" {
		return phase == phases
	}
	for one := range strings.FieldsSeq(phases) {
		if one == phase {
			return true
		}
	}
	return false
}

func (m *Model) stateOfBatch(b *batch) string {
	return fmt.Sprintf("it was %q%s, closing %q, of %d units %d pending, %d processing, %d complete, %d failed, %d dead, %d cancelled",
		b.was.Phase, m.superseded(b), b.was.Closing, b.was.Units, b.units[schema.Pending], b.units[schema.Processing], b.units[schema.Complete],
		b.units[schema.Failed], b.units[schema.Dead], b.units[schema.Cancelled])
}

// judgeMerge: claimed with the next generation, renewed, published, or let go, by its
// owner; forgotten with the batch.
func (m *Model) judgeMerge(b *batch) *Refusal {
	g := &b.merge
	if !g.now {
		if !g.was {
			return nil
		}
		return m.forgotten(b, b.id)
	}
	want, what := g.before, ""
	enabled := g.before.State == "claimed" && m.by.is(g.before.Worker, g.before.Incarnation)
	switch m.by.Step {
	case "try_claim_merge":
		digest := uint64(0)
		for _, s := range b.shards {
			digest ^= s.after.Digest
		}
		what, enabled = "claim the merge of", b.wrote && g.before.State != "published"
		want = schema.Merge{Gen: g.before.Gen + 1, State: "claimed", Worker: m.by.Worker, Incarnation: m.by.Incarnation, Beat: 1, Units: b.now.Units, Digest: fmt.Sprintf("%016x", digest)}
	case "renew_merge":
		what = "renew the merge of"
		want.Beat++
	case "flip":
		what, want.State = "publish", "published"
		enabled = enabled && b.wrote
	case "":
		what, want.Worker, want.Incarnation = "let go the merge of", "", ""
	default:
		return m.refuse(NoTransition, b.id, "merge", "%s may not write the merge row of %s", m.step(), b.id).under("R11")
	}
	if !enabled {
		return m.refuse(NotEnabled, b.id, what, "%s may not %s %s: its generation %d is %s, by %s/%s", m.step(), what, b.id, g.before.Gen, g.before.State, g.before.Worker, g.before.Incarnation).under("R11")
	}
	if want != g.after {
		return m.refuse(OtherEffect, b.id, what, "%s is to %s %s and wrote %+v; want %+v", m.step(), what, b.id, g.after, want).under("R11")
	}
	return nil
}

// judgeSweep: what ends a batch notes what is left of it, and what of the batch tells
// where that lies; who has settled it passes it on, janitors count its age, and the note
// goes last.
func (m *Model) judgeSweep(b *batch) *Refusal {
	s := &b.sweep
	note := schema.Sweep{State: "settle", Output: b.now.Output, Priority: b.now.Priority, MergeGen: b.now.MergeGen, Chunk: b.now.Chunk, TTLMS: b.now.TTLMS}
	passed, aged := s.before, s.before
	passed.State, aged.AgeMS = "collect", s.after.AgeMS
	ends := b.wrote && schema.Terminal(b.now.Phase) && !schema.Terminal(b.was.Phase)
	written := s.txn == m.txn
	switch {
	case ends && (!written || s.was || s.after != note):
		return m.refuse(OtherEffect, b.id, "end", "%s ended %s with the note %+v of what is left; want %+v", m.step(), b.id, s.after, note).under("R15")
	case ends, !written, s.now == s.was && s.after == aged && aged.AgeMS >= s.before.AgeMS && m.by.Step == "collect":
		return nil
	case s.before.State == "settle" && s.after == passed && m.by.Step == "control":
		if left := b.units[schema.Pending] + b.units[schema.Processing] + b.units[schema.Failed] + b.staged; left > 0 {
			return m.refuse(NotEnabled, b.id, "pass on", "%s may not pass on %s: %s; %d name a staged object", m.step(), b.id, m.stateOfBatch(b), b.staged).under("R15")
		}
		return nil
	case s.before.State == "collect" && !s.now && m.by.Step == "collect":
		if b.now.TTLMS > 0 {
			return m.forgotten(b, b.id)
		}
		return nil
	}
	return m.refuse(NoTransition, b.id, "note", "%s may not change the note of %s from %+v to %+v", m.step(), b.id, s.before, s.after).under("R15")
}

// judgeDiscovery: the leader goes on with a source, from its rows.
func (m *Model) judgeDiscovery(d *discovery) *Refusal {
	b := d.batch
	if !d.now {
		return m.forgotten(b, b.id)
	}
	switch {
	case m.by.Step != "discover":
		return m.refuse(NoTransition, b.id, "discover", "%s may not write how far source %d of %s is", m.step(), d.source, b.id).under("R19")
	case !m.leads() || m.newest[b.name] != b || b.now.Phase != "discovering" || b.now.Closing != "" || d.before.Done || d.source >= sources(&b.now):
		return m.refuse(NotEnabled, b.id, "discover", "%s may not discover source %d of %s, which is %s; %s/%s leads", m.step(), d.source, b.id, b.now.Phase, m.leader.after.Worker, m.leader.after.Incarnation).under("R20")
	case d.after.Found != d.before.Found+d.created:
		return m.refuse(OtherEffect, b.id, "discover", "%s created %d units of source %d of %s and says that %d were found after %d", m.step(), d.created, d.source, b.id, d.after.Found, d.before.Found).under("R19")
	}
	return nil
}

// judgeLeader: taken with the next epoch, renewed, or let go.
func (m *Model) judgeLeader() *Refusal {
	l := &m.leader
	before, after := &l.before, &l.after
	mine := m.by.is(before.Worker, before.Incarnation)
	taken := schema.Leader{Epoch: before.Epoch + 1, Worker: m.by.Worker, Incarnation: m.by.Incarnation, Beat: 1}
	renewed := *before
	renewed.Beat++
	gone := *before
	gone.Worker, gone.Incarnation = "", ""
	switch {
	case m.by.Step == "lead" && (*after == taken || *after == renewed && mine), m.by.Step == "" && *after == gone && mine:
		return nil
	case m.by.Step == "lead" && *after == renewed:
		return m.refuse(NotEnabled, "leader", "renew", "%s may not renew the leadership of %s/%s", m.step(), before.Worker, before.Incarnation).under("R20")
	case m.by.Step == "lead":
		return m.refuse(OtherEffect, "leader", "lead", "%s is to lead and wrote %+v after %+v", m.step(), *after, *before).under("R20")
	}
	return m.refuse(NoTransition, "leader", "lead", "%s may not write the leader row", m.step()).under("R20")
}
