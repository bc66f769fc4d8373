package properties

import (
	"maps"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim"
)

// snapshotIsolation: every read and every page of a scan saw exactly the newest
// commit at or before its snapshot, and of two transactions that overlapped and
// wrote or locked the same key one was refused. That is what the system was told,
// too, and a commit of which it was told that it succeeded, or failed, did.
//
// The oracle gives every timestamp once. Async and one-phase commits compute theirs
// instead: two on different keys may be the same, and one may be that of a snapshot,
// which sees the commit.
//
// It judges the store and its client, not the system: when it breaks, the fault is in the
// harness, and nothing that the others say of this run counts.
type snapshotIsolation struct {
	watch
	newest   uint64 // the last commit timestamp
	computed bool   // none of the commits at it has it from the oracle
	keys     map[string]*versions
	commits  []tikv.Commit
}

// versions is what one key went through.
type versions struct {
	key   string
	last  commitRef // the last commit that wrote or locked the key
	write []version // puts and deletes, in commit order
}

type version struct {
	commitTS uint64
	value    []byte // nil: deleted
}

type commitRef struct {
	sim.Moment
	commitTS uint64
	computed bool
}

// overlaps reports whether the commit is not in the snapshot of a transaction that
// began at ts. Nobody may begin at a timestamp that the oracle gave to a commit.
func (c *commitRef) overlaps(ts uint64) bool {
	return c.commitTS > ts || c.commitTS == ts && !c.computed
}

var (
	snapshotIsolationSays = say("snapshot-isolation")

	commitTimestampsOutOfOrder = snapshotIsolationSays.clause("", "commit timestamps out of order")
	overlappingCommitsOfOneKey = snapshotIsolationSays.clause("", "overlapping commits of one key")
	readSawAnotherVersion      = snapshotIsolationSays.clause("", "read saw another version")
	scanSawAnotherState        = snapshotIsolationSays.clause("", "scan saw another state")
)

func newSnapshotIsolation(v *view) sim.Invariant {
	i := &snapshotIsolation{keys: map[string]*versions{}}
	i.watch = v.watch(snapshotIsolationSays, on{commit: i.check})
	return i
}

// Blames the store: the sentence is about nothing else.
func (i *snapshotIsolation) Blames() sim.Blame { return sim.BlameFake }

// Audit judges the log as far as it goes.
func (i *snapshotIsolation) Audit(w *sim.World, rest []sim.Effect) error {
	for n := range rest {
		if rest[n].Kind != sim.EffectCommit {
			continue
		}
		if err := i.check(&rest[n]); err != nil {
			return err
		}
	}
	return i.Settled(w)
}

func (i *snapshotIsolation) check(e *sim.Effect) error {
	c := &e.Commit
	if c.CommitTS <= c.StartTS || c.CommitTS < i.newest || c.CommitTS == i.newest && !c.Computed && !i.computed {
		return commitTimestampsOutOfOrder.breach(e, c.Primary, sim.EventRef{}, "committed",
			"a transaction that began at %s committed at %s, after %s", sim.Timestamp(c.StartTS), sim.Timestamp(c.CommitTS), sim.Timestamp(i.newest))
	}
	i.computed = c.Computed && (i.computed || c.CommitTS > i.newest)
	i.newest = c.CommitTS
	i.commits = append(i.commits, *c)
	for n := range c.Writes {
		m := &c.Writes[n]
		k := i.keys[m.Key]
		if k == nil {
			k = &versions{key: m.Key}
			i.keys[m.Key] = k
		}
		if k.last.overlaps(c.StartTS) {
			return overlappingCommitsOfOneKey.breach(e, m.Key, k.last.Ref("committed"), "committed",
				"two transactions overlapped and both committed %s: one at %s, one from %s to %s", m.Key, sim.Timestamp(k.last.commitTS), sim.Timestamp(c.StartTS), sim.Timestamp(c.CommitTS))
		}
		k.last = commitRef{e.Moment(), c.CommitTS, c.Computed}
		switch m.Op {
		case tikv.OpPut:
			k.write = append(k.write, version{c.CommitTS, m.Value})
		case tikv.OpDelete:
			k.write = append(k.write, version{commitTS: c.CommitTS})
		}
	}
	return nil
}

// at returns the version that a snapshot sees; its commitTS is 0 if none.
func (k *versions) at(ts uint64) version {
	n, end := 0, len(k.write) // the first that is newer is one of these
	for n < end {
		if mid := (n + end) / 2; k.write[mid].commitTS <= ts {
			n = mid + 1
		} else {
			end = mid
		}
	}
	if n == 0 {
		return version{}
	}
	return k.write[n-1]
}

// Settled checks the reads: only now are all commits known that they had to see.
func (i *snapshotIsolation) Settled(w *sim.World) error {
	for r := range w.Reads().All() {
		want := uint64(0)
		if k := i.keys[r.Key]; k != nil {
			want = k.at(r.StartTS).commitTS
		}
		if r.Version != want {
			return readSawAnotherVersion.breachAtRest(r.Key, sim.EventRef{},
				"a read of %s at %s saw the version of %s; the newest was that of %s", r.Key, sim.Timestamp(r.StartTS), sim.Timestamp(r.Version), sim.Timestamp(want))
		}
	}
	ordered := slices.SortedFunc(maps.Values(i.keys), func(a, b *versions) int { return strings.Compare(a.key, b.key) })
	for s := range w.Scans().All() {
		if err := checkScan(ordered, s); err != nil {
			return err
		}
	}
	return i.told(w.Told(), ordered)
}

// checkScan compares one page with the keys that had a value at its snapshot.
func checkScan(ordered []*versions, s *tikv.ScanRead) error {
	wrong := func(key string, saw, had uint64) error {
		return scanSawAnotherState.breachAtRest(key, sim.EventRef{},
			"a scan of [%s, %s) at %s saw the version of %s of %s; there was that of %s", s.From, s.To, sim.Timestamp(s.StartTS), sim.Timestamp(saw), key, sim.Timestamp(had))
	}
	seen := s.Seen
	at, _ := slices.BinarySearchFunc(ordered, s.From, func(k *versions, from string) int { return strings.Compare(k.key, from) })
	for ; at < len(ordered) && (s.To == "" || ordered[at].key < s.To); at++ {
		k := ordered[at]
		if s.Partial && len(seen) == 0 {
			return nil
		}
		if len(seen) > 0 && seen[0].Key < k.key {
			break
		}
		v := k.at(s.StartTS)
		there := v.value != nil
		listed := len(seen) > 0 && seen[0].Key == k.key
		switch {
		case there && !listed:
			return wrong(k.key, 0, v.commitTS)
		case listed && (!there || seen[0].Version != v.commitTS):
			return wrong(k.key, seen[0].Version, v.commitTS)
		case listed:
			seen = seen[1:]
		}
	}
	if len(seen) > 0 {
		return wrong(seen[0].Key, seen[0].Version, 0)
	}
	return nil
}
