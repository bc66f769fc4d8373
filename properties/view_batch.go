package properties

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
)

// submission is one generation of a batch.
type submission struct {
	bid, name, key string
	gen            uint64
	now            schema.Batch // of this generation
	exists         bool         // its row was seen
	born           sim.Moment
	running        sim.Moment // when it left discovering towards running
	published      sim.Moment // when its row first named a manifest
	ended          sim.Moment // when it became terminal
	closing        sim.Moment // when its row first said what it is about to become
	units          []*unit
	discoveries    []*discovery
	shards         []*shard
	merge          merge
	room           time.Duration   // when an attempt last ended
	wanted         *workload.Batch // what was asked for; nil if nobody knows
	last           batchChange
}

// batchChange is a batch row written or deleted.
type batchChange struct {
	rowChange
	sub    *submission  // whose row it is; nil if deleted
	before schema.Batch // of the same generation
	prior  *submission  // whose row it was
}

func (c *batchChange) show(on *on) error { return handle(on.batch, c) }

// entered reports whether the change brought the batch into another phase.
func (c *batchChange) entered() bool { return !c.deleted && c.before.Phase != c.sub.now.Phase }

// published reports whether the change was the flip.
func (c *batchChange) published() bool {
	return !c.deleted && c.sub.now.Manifest != "" && c.before.Manifest == ""
}

func (s *submission) terminal() bool { return schema.Terminal(s.now.Phase) }

// current reports whether no newer submission has taken the name.
func (s *submission) current(v *view) bool { return v.batches[s.key] == s }

// startsUnits reports whether units of the submission may be claimed: it is at
// that point, and nobody has said that it is about to end.
func (s *submission) startsUnits(v *view) bool {
	return s.current(v) && s.now.Closing == "" && (s.now.Phase == "discovering" || s.now.Phase == "running")
}

// counts counts the unit rows that there are, by state.
func (s *submission) counts() (counts schema.Counts, units int64) {
	for _, u := range s.units {
		if u.exists() {
			counts[u.now.State]++
			units++
		}
	}
	return counts, units
}

// frames is how many of the batch's frames are converted: those of its complete units, and
// while it lives those that are checkpointed. Of one that has expired no row tells any more.
func (s *submission) frames() int64 {
	if s.now.Phase == "expired" {
		return 0
	}
	n := int64(0)
	for _, u := range s.units {
		switch {
		case u.now.State == schema.Complete:
			n += u.now.Frames
		case u.checkpoint.exists && !s.terminal():
			n += u.checkpoint.now.Frames
		}
	}
	return n
}

// failures is how many attempts have failed of units that have not recovered.
func (s *submission) failures() int64 {
	n := int64(0)
	for _, u := range s.units {
		n += failures(&u.now)
	}
	return n
}

// failures are the attempts of a unit that count against its batch's limit: once it has
// recovered there are none (R12).
func failures(u *schema.Unit) int64 {
	if u.State == schema.Processing || u.State == schema.Complete {
		return 0
	}
	return u.Attempts
}

// processing is how many units are being executed.
func (s *submission) processing() int64 {
	n := int64(0)
	for _, u := range s.units {
		if u.now.State == schema.Processing {
			n++
		}
	}
	return n
}

// newest returns the newest submission of "<ns>/<name>", or nil.
func (v *view) newest(name string) *submission { return v.batches[schema.BatchTable.Key(name)] }

// submission returns the submission of a bid, which is well-formed. One whose
// batch row was never seen does not exist yet.
func (v *view) submission(bid string) *submission {
	s := v.submissions[bid]
	if s == nil {
		name, gen, _ := schema.SplitBatchID(bid)
		s = &submission{bid: bid, name: name, key: schema.BatchTable.Key(name), gen: gen}
		v.submissions[bid] = s
		v.order = append(v.order, s)
	}
	return s
}

// wantedBy is the version of a batch that a row which begins a submission holds: the newest
// that was asked for, unless it is of an earlier one.
func (v *view) wantedBy(name string, row *schema.Batch) *workload.Batch {
	b := v.wanted[name]
	if b == nil {
		return nil
	}
	asked := v.asked[name]
	for n := asked; n >= 0; n-- {
		if version := b.Version(n); v.differs(row, version) == "" {
			return version
		}
	}
	return b.Version(asked)
}

// differs says which field of a submission is the first that is not the workload's, what it
// is and what was asked for: "" if none.
func (v *view) differs(row *schema.Batch, b *workload.Batch) string {
	attempts := b.MaxAttempts
	if attempts == 0 {
		attempts = v.cfg.MaxAttempts
	}
	for _, n := range []struct {
		what       string
		has, asked int64
	}{
		{"chunk size", row.Chunk, int64(b.ChunkSize)},
		{"number of attempts", row.MaxAttempts, int64(attempts)},
		{"priority", row.Priority, int64(b.Priority)},
		{"parallelism", row.Parallelism, int64(b.Parallelism)},
		{"back-off limit", row.BackoffLimit, int64(cmp.Or(b.BackoffLimit, v.cfg.BackoffLimit))},
		{"time to live, in milliseconds,", row.TTLMS, v.cfg.TTL.Milliseconds()},
	} {
		if n.has != n.asked {
			return fmt.Sprintf("%s than asked for: %d, not %d", n.what, n.has, n.asked)
		}
	}
	if output := strings.TrimSuffix(b.Output, "/"); row.Output != output {
		return fmt.Sprintf("output than asked for: %s, not %s", row.Output, output)
	}
	var sources []string
	for i := range b.Sources {
		source := b.Sources[i].Prefix
		if filter := b.Sources[i].Filter; filter != "" {
			source += "\t" + filter
		}
		sources = append(sources, source)
	}
	if asked := strings.Join(sources, "\n"); row.Sources != asked {
		return fmt.Sprintf("list of sources than asked for: %q, not %q", row.Sources, asked)
	}
	return ""
}

func takeBatch(v *view, c rowChange, rest, row string) error {
	prior := v.batches[c.key]
	if c.deleted {
		v.changes = append(v.changes, &batchChange{rowChange: c, prior: prior})
		return nil
	}
	if strings.Count(rest, "/") != 1 {
		return errKey
	}
	var b schema.Batch
	if err := b.Decode(row); err != nil {
		return err
	}
	s := v.submission(schema.BatchID(rest, b.Gen))
	s.last = batchChange{rowChange: c, sub: s, prior: prior, before: s.now}
	v.changes = append(v.changes, &s.last)
	s.now = b
	v.batches[c.key] = s
	if !s.exists {
		s.exists, s.born, s.wanted = true, c.by.Moment(), v.wantedBy(rest, &b)
	}
	if s.last.published() && s.published.Event == 0 {
		s.published = c.by.Moment()
	}
	if b.Closing != "" && s.last.before.Closing == "" {
		s.closing = c.by.Moment()
	}
	if !s.last.entered() {
		return nil
	}
	if s.terminal() && !schema.Terminal(s.last.before.Phase) {
		s.ended = c.by.Moment()
	}
	if b.Phase == "running" {
		s.running = c.by.Moment()
	}
	return nil
}
