package properties

import "github.com/gauntlet-dst/gauntlet/sim/conversion/schema"

// shard counts what has become of a part of a batch's units.
type shard struct {
	sub    *submission
	number int64
	now    schema.Shard
	exists bool
	last   shardChange
}

// shardChange is a shard's row written or deleted.
type shardChange struct {
	rowChange
	shard  *shard
	before schema.Shard
}

func (c *shardChange) show(on *on) error { return handle(on.shard, c) }

func takeShard(v *view, c rowChange, rest, row string) error {
	s := v.shards[c.key]
	if s == nil {
		bid, number, ok := schema.SplitShardKey(rest)
		if !ok {
			return errKey
		}
		s = &shard{sub: v.submission(bid), number: int64(number)}
		s.sub.shards = append(s.sub.shards, s)
		v.shards[c.key] = s
	}
	s.last = shardChange{rowChange: c, shard: s, before: s.now}
	v.changes = append(v.changes, &s.last)
	s.exists = !c.deleted
	if c.deleted {
		s.now = schema.Shard{}
		return nil
	}
	return s.now.Decode(row)
}
