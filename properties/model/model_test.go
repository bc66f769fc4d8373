package model_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/properties/model"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

const (
	name     = "lab/data"
	bid      = "lab/data/00000001"
	uid      = "00000000000000aa"
	id       = bid + "/" + uid
	leaseKey = "lease/w0/1/" + id
	staged   = "out/staging/00000001/" + uid + "/e00000001/episode"
	manifest = "out/g00000001-00000001/manifest.json"
)

// life is one unit's batch, told to a model one transaction after another.
type life struct {
	*model.Model
	batch   schema.Batch
	unit    schema.Unit
	shard   schema.Shard
	merge   schema.Merge
	refused *model.Refusal // the first
}

func (l *life) do(worker, step string, rows func()) *life {
	l.Begin(model.Actor{Worker: worker, Incarnation: "1", Step: step})
	rows()
	if r := l.End(); l.refused == nil {
		l.refused = r
	}
	return l
}

func (l *life) putBatch(phase string) {
	l.batch.Phase = phase
	l.Batch(name, &l.batch)
}

// putUnit writes the unit with its shard.
func (l *life) putUnit(change func(u *schema.Unit)) {
	was := l.unit
	change(&l.unit)
	for _, side := range []struct {
		u *schema.Unit
		n int64
	}{{&was, -1}, {&l.unit, +1}} {
		if s := side.u.State; s != schema.Pending && s != schema.None {
			l.shard.Counts[s] += side.n
		}
		if s := side.u.State; s != schema.Processing && s != schema.Complete && s != schema.None {
			l.shard.Failures += side.n * side.u.Attempts
		}
		if side.u.State == schema.Complete {
			l.shard.Frames += side.n * side.u.Frames
		}
	}
	l.Unit(id, &l.unit)
	l.Shard(bid, 0, &l.shard)
}

// begin asks for a batch of one source.
func begin() *life {
	l := &life{Model: model.New(), batch: schema.Batch{Gen: 1, Sources: "in/", MaxAttempts: 2, BackoffLimit: 1, Shards: 1, Priority: 1, Output: "out", Chunk: 2, TTLMS: 5}}
	return l.do("client", "submit", func() { l.putBatch("pending"); l.Active(name, &schema.Active{Gen: 1, Priority: 1}) })
}

func (l *life) running() *life {
	l.do("w0", "lead", func() { l.Leader(&schema.Leader{Epoch: 1, Worker: "w0", Incarnation: "1", Beat: 1}) })
	l.do("w0", "discover", func() { l.putBatch("discovering") })
	l.do("w0", "discover", func() {
		l.unit = schema.Unit{State: schema.Pending, URL: "in/a"}
		l.Unit(id, &l.unit)
		l.Queued(id, 998, &schema.Queue{})
		l.Discovery(bid, 0, &schema.Discovery{Done: true, Found: 1})
	})
	return l.do("w0", "discover", func() { l.batch.Units = 1; l.putBatch("running") })
}

func (l *life) claim() *life {
	return l.do("w0", "claim_unit", func() {
		l.putUnit(func(u *schema.Unit) {
			u.State, u.Worker, u.Incarnation = schema.Processing, "w0", "1"
			u.Epoch++
			u.Attempts++
		})
		l.Queued(id, 998, nil)
		l.Lease(leaseKey, "w0", "1", id, &schema.Lease{Epoch: l.unit.Epoch, Beat: 1})
	})
}

// leave ends the attempt.
func (l *life) leave(by, step string, to schema.State, text string) *life {
	return l.do(by, step, func() {
		l.putUnit(func(u *schema.Unit) { u.State, u.Error = to, text })
		l.Lease(leaseKey, "w0", "1", id, nil)
		if to == schema.Pending {
			l.Queued(id, 998, &schema.Queue{Epoch: l.unit.Epoch})
		}
		if to == schema.Failed || to == schema.Dead {
			l.Failed(id, to == schema.Dead, true)
		}
	})
}

func (l *life) complete() *life {
	return l.do("w0", "complete_unit", func() {
		l.putUnit(func(u *schema.Unit) {
			u.State, u.Staged, u.Digest, u.Frames, u.Error = schema.Complete, staged, "d", 3, ""
		})
		l.Lease(leaseKey, "w0", "1", id, nil)
		l.Checkpoint(id, nil)
	})
}

func (l *life) claimMerge(by string) *life {
	return l.do(by, "try_claim_merge", func() {
		l.putBatch("merging")
		l.merge = schema.Merge{Gen: l.merge.Gen + 1, State: "claimed", Worker: by, Incarnation: "1", Beat: 1, Units: 1, Digest: fmt.Sprintf("%016x", 0)}
		l.Merge(bid, &l.merge)
	})
}

func (l *life) publish(by string) *life {
	return l.do(by, "flip", func() {
		l.batch.MergeGen, l.batch.Manifest, l.batch.FinishedMS = l.merge.Gen, manifest, 2
		l.putBatch("complete")
		l.merge.State = "published"
		l.Merge(bid, &l.merge)
		l.Active(name, nil)
		l.note("settle")
	})
}

func (l *life) settle() *life {
	return l.do("w0", "control", func() {
		l.putUnit(func(u *schema.Unit) { u.Staged = "" })
		l.Checkpoint(id, nil)
	})
}

func (l *life) passOn() *life {
	return l.do("w0", "control", func() { l.note("collect") })
}

// note writes what is left of the batch.
func (l *life) note(state string, spoil ...func(s *schema.Sweep)) {
	b := &l.batch
	s := schema.Sweep{State: state, Output: b.Output, Priority: b.Priority, MergeGen: b.MergeGen, Chunk: b.Chunk, TTLMS: b.TTLMS}
	for _, change := range spoil {
		change(&s)
	}
	l.Sweep(bid, &s)
}

// end cancels the batch, with a note that is spoilt.
func (l *life) end(spoil func(s *schema.Sweep)) *life {
	return l.do("client", "cancel", func() {
		l.putBatch("cancelled")
		l.Active(name, nil)
		l.note("settle", spoil)
	})
}

// collect counts the age of the batch, or writes something else.
func (l *life) collect(spoil func(s *schema.Sweep)) *life {
	return l.do("w0", "collect", func() { l.note("collect", spoil) })
}

// announce says what the batch is about to become.
func (l *life) announce(by, step string) *life {
	return l.do(by, step, func() {
		l.batch.Closing, l.batch.Error = "failed", "broken"
		l.putBatch(l.batch.Phase)
	})
}

func (l *life) discovering() *life {
	l.do("w0", "lead", func() { l.Leader(&schema.Leader{Epoch: 1, Worker: "w0", Incarnation: "1", Beat: 1}) })
	return l.do("w0", "discover", func() { l.putBatch("discovering") })
}

func TestLives(t *testing.T) {
	for name, l := range map[string]*life{
		"published": begin().running().claim().complete().claimMerge("w1").publish("w1").settle().passOn().
			collect(func(s *schema.Sweep) { s.AgeMS = 7 }).collect(func(s *schema.Sweep) { s.AgeMS = 9 }),
		"announced": begin().discovering().announce("w0", "discover"),
		"saved, reaped, claimed again": begin().running().claim().
			leave("w1", "reap", schema.Pending, "stale").claim().leave("w1", "reap", schema.Dead, "stale"),
		"failed": begin().running().claim().leave("w0", "fail_unit", schema.Failed, "broken"),
	} {
		require.Nil(t, l.refused, name)
	}
}

// TestRefusals: each of these is no transition, and the model says in which way.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		reason model.Reason
		what   string
		is     *life
	}{
		{model.NoTransition, "move", begin().running().claim().leave("w0", "heartbeat", schema.Complete, "")},
		{model.NotEnabled, "begin discovery", func() *life { l := begin(); return l.do("w0", "discover", func() { l.putBatch("discovering") }) }()},
		{model.NotEnabled, "complete", begin().running().claim().leave("w1", "reap", schema.Pending, "stale").claim().leave("w1", "complete_unit", schema.Complete, "")},
		{model.NotEnabled, "reap for good", begin().running().claim().leave("w1", "reap", schema.Dead, "stale")},
		{model.OtherEffect, "reap", begin().running().claim().leave("w1", "reap", schema.Pending, "")},
		{model.NotEnabled, "claim the merge", begin().running().claim().claimMerge("w1")},
		{model.NotEnabled, "publish", begin().running().claim().complete().claimMerge("w1").publish("w0")},
		{model.OtherEffect, "end", begin().end(func(s *schema.Sweep) { s.Chunk = 0 })},
		{model.OtherEffect, "end", begin().end(func(s *schema.Sweep) { s.Priority = 0 })},
		{model.OtherEffect, "end", begin().end(func(s *schema.Sweep) { s.TTLMS = 0 })},
		{model.OtherEffect, "end", begin().end(func(s *schema.Sweep) { s.Output = "" })},
		{model.OtherEffect, "end", begin().end(func(s *schema.Sweep) { s.MergeGen = 1 })},
		{model.OtherEffect, "index of the living", func() *life {
			l := &life{Model: model.New(), batch: begin().batch}
			return l.do("client", "submit", func() { l.putBatch("pending"); l.Active(name, &schema.Active{Gen: 1}) })
		}()},
		{model.NoTransition, "note", begin().running().claim().complete().claimMerge("w1").publish("w1").settle().passOn().collect(func(s *schema.Sweep) { s.TTLMS++ })},
		{model.NoTransition, "note", begin().running().claim().complete().claimMerge("w1").publish("w1").settle().passOn().
			collect(func(s *schema.Sweep) { s.AgeMS = 7 }).collect(func(s *schema.Sweep) { s.AgeMS = 6 })},
		{model.NotEnabled, "announce", begin().discovering().announce("w1", "discover")},
		{model.NotEnabled, "pass on", begin().running().claim().complete().claimMerge("w1").publish("w1").passOn()},
	} {
		require.NotNil(t, c.is.refused, c.what)
		require.Equal(t, c.reason, c.is.refused.Reason, c.is.refused.Text)
		require.Contains(t, c.is.refused.What, c.what)
		require.NotEmpty(t, c.is.refused.Subject)
		require.NotContains(t, c.is.refused.Text, "%!")
	}
}

// TestRulesOfRows: what is refused of a row stands under the rule of such rows, so that a
// report does not cite another. Units and batches stand under none in particular.
func TestRulesOfRows(t *testing.T) {
	row := func(step string, write func(l *life)) *life {
		l := begin().running().claim()
		return l.do("w0", step, func() { write(l) })
	}
	lease := func(epoch, beat uint64) func(l *life) {
		return func(l *life) { l.Lease(leaseKey, "w0", "1", id, &schema.Lease{Epoch: epoch, Beat: beat}) }
	}
	for _, c := range []struct {
		rule, what string
		is         *life
	}{
		{"R9", "lease", row("checkpoint", lease(1, 2))},
		{"R9", "beat for", row("heartbeat", lease(2, 2))},
		{"R11", "merge", row("heartbeat", func(l *life) { l.Merge(bid, &schema.Merge{Gen: 1, State: "published"}) })},
		{"R15", "note", row("heartbeat", func(l *life) { l.note("settle") })},
		{"R20", "lead", row("heartbeat", func(l *life) { l.Leader(&schema.Leader{Epoch: 1, Worker: "w0", Incarnation: "1", Beat: 1}) })},
		{"", "move", begin().running().claim().leave("w0", "heartbeat", schema.Complete, "")},
	} {
		require.NotNil(t, c.is.refused, c.what)
		require.Equal(t, c.rule, c.is.refused.Rule, c.is.refused.Text)
		require.Equal(t, c.what, c.is.refused.What)
	}
}
