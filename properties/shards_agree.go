package properties

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// shardsAgree: every commit that moves units moves their shards' counts by just
// as much, and nothing else moves them; a unit stays in its shard, and takes a
// slot exactly while it is processed and its batch has a limit. So the sums are
// at every instant those of the unit rows. A batch has as many shards as are configured,
// and no more than it may have units at work, so that each has a share of that.
//
// A batch is failed, merged and told of by its shards alone: a count that is off
// by one publishes a dataset that lacks an episode, or waits for ever.
type shardsAgree struct {
	watch
	sub  *submission            // whose units the commit moves
	want map[int64]schema.Shard // what it should have added, by shard
}

var (
	shardsAgreeSays = say("shards-agree")

	unitMovedWithoutItsShard    = shardsAgreeSays.clause("R13", "unit moved without its shard")
	shardCountsWhatIsNotSo      = shardsAgreeSays.clause("R13", "shard counts what is not so")
	shardDigestWithoutAResult   = shardsAgreeSays.clause("R10", "shard digest changed without a result")
	shardDeletedWhileBatchLives = shardsAgreeSays.clause("R13", "shard deleted while the batch lives")
	unitChangedItsShard         = shardsAgreeSays.clause("R13", "unit changed its shard")
	unitOfNoShard               = shardsAgreeSays.clause("R13", "unit of no shard")
	slotOfNoAttempt             = shardsAgreeSays.clause("R13", "slot of no attempt")
	batchOfOtherShards          = shardsAgreeSays.clause("R13", "batch of other shards than configured")
)

func newShardsAgree(v *view) sim.Invariant {
	i := &shardsAgree{want: map[int64]schema.Shard{}}
	i.watch = v.watch(shardsAgreeSays, on{unit: i.checkUnit, batch: i.checkBatch, shard: func(*shardChange) error { return nil }, commit: i.checkCommit})
	return i
}

// checkBatch judges into how many shards a new submission's units are divided.
func (i *shardsAgree) checkBatch(c *batchChange) error {
	s := c.sub
	if c.deleted || c.prior == s || i.cfg.Shards == 0 {
		return nil
	}
	want := int64(i.cfg.Shards)
	if s.now.Parallelism > 0 {
		want = min(want, s.now.Parallelism)
	}
	if s.now.Shards == want {
		return nil
	}
	return batchOfOtherShards.breach(c.by, s.bid, sim.EventRef{}, "submitted it",
		"%s has %d shards: %d are configured, and its parallelism is %d", s.bid, s.now.Shards, i.cfg.Shards, s.now.Parallelism)
}

// checkUnit judges a unit, and adds what its change should add to the shards.
func (i *shardsAgree) checkUnit(c *unitChange) error {
	if c.deleted {
		return nil
	}
	u := c.unit
	i.sub = u.sub
	batch := &u.sub.now
	switch {
	case !c.created() && u.now.Shard != c.before.Shard:
		return c.breaks(unitChangedItsShard, "unit %s went from shard %d to shard %d", u.uid, c.before.Shard, u.now.Shard)
	case batch.Shards > 0 && (u.now.Shard < 0 || u.now.Shard >= batch.Shards):
		return c.breaks(unitOfNoShard, "unit %s is of shard %d; %s has %d", u.uid, u.now.Shard, u.sub.bid, batch.Shards)
	case c.claimed() && (u.now.Slot != 0) != (batch.Parallelism != 0), u.now.State != schema.Processing && u.now.Slot != 0:
		return c.breaks(slotOfNoAttempt, "unit %s is %s with slot %d; the parallelism of %s is %d", u.uid, u.now.State, u.now.Slot, u.sub.bid, batch.Parallelism)
	}
	i.add(&c.before, -1)
	i.add(&u.now, +1)
	return nil
}

// add adds n units that are like u.
func (i *shardsAgree) add(u *schema.Unit, n int64) {
	if u.State == schema.None {
		return
	}
	s := i.want[u.Shard]
	if u.State != schema.Pending {
		s.Counts[u.State] += n
	}
	if u.State != schema.Processing && u.State != schema.Complete {
		s.Failures += n * u.Attempts
	}
	if u.State == schema.Complete {
		s.Frames += n * u.Frames
	}
	i.want[u.Shard] = s
	if u.Slot != 0 {
		s := i.want[u.Slot-1]
		s.Taken += n
		i.want[u.Slot-1] = s
	}
}

// checkCommit compares the shards that a commit wrote with the units that it
// moved, which are of one batch.
func (i *shardsAgree) checkCommit(e *sim.Effect) error {
	if !i.changed(unitRows | shardRows) {
		return nil
	}
	sub := i.sub
	i.sub = nil
	defer clear(i.want)
	for _, change := range i.changes {
		c, ok := change.(*shardChange)
		if !ok {
			continue
		}
		if err := i.checkShard(c); err != nil {
			return err
		}
		delete(i.want, c.shard.number)
	}
	if sub == nil {
		return nil
	}
	for number := range sub.now.Shards {
		if want := i.want[number]; want != (schema.Shard{}) {
			return telling(unitMovedWithoutItsShard.breach(e, schema.ShardTable.Key(fmt.Sprintf("%s/%04d", sub.bid, number)), sim.EventRef{}, "moved units",
				"shard %d of %s should have changed by %s, and was not written", number, sub.bid, shardText(&want)), i.tellUnits)
		}
	}
	return nil
}

func (i *shardsAgree) checkShard(c *shardChange) error {
	s := c.shard
	if c.deleted {
		if s.sub.terminal() || !s.sub.current(i.view) {
			return nil // its time to live is over
		}
		return shardDeletedWhileBatchLives.breach(c.by, c.key, sim.EventRef{}, "deleted the shard", "%s was deleted while %s is %s", c.key, s.sub.bid, s.sub.now.Phase)
	}
	got := s.now
	for state := range got.Counts {
		got.Counts[state] -= c.before.Counts[state]
	}
	got.Failures -= c.before.Failures
	got.Taken -= c.before.Taken
	got.Frames -= c.before.Frames
	got.Digest = 0
	if want := i.want[s.number]; got != want {
		return telling(shardCountsWhatIsNotSo.breach(c.by, c.key, sim.EventRef{}, "wrote the shard", "%s changed by %s; the units of the same commit by %s", c.key, shardText(&got), shardText(&want)), i.tellUnits)
	}
	if s.now.Digest != c.before.Digest && got.Counts[schema.Complete] == 0 {
		return shardDigestWithoutAResult.breach(c.by, c.key, sim.EventRef{}, "wrote the shard", "%s has another digest, and no unit of it was completed", c.key)
	}
	return nil
}

// tellUnits adds the units that the commit changed to the story of a violation.
func (i *shardsAgree) tellUnits(v *sim.Violation) {
	for _, change := range i.changes {
		if c, ok := change.(*unitChange); ok {
			v.Also = append(v.Also, c.unit.uid)
		}
	}
}

func shardText(s *schema.Shard) string {
	text := ""
	for _, state := range schema.States() {
		if n := s.Counts[state]; n != 0 {
			text += fmt.Sprintf("%+d %s, ", n, state)
		}
	}
	return text + fmt.Sprintf("%+d failures, %+d taken, %+d frames", s.Failures, s.Taken, s.Frames)
}
