package properties

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim"
)

// What the system was told: between the store and the system stands a client, which
// passes locks, repeats and remembers.

var (
	readToldAnotherValue   = snapshotIsolationSays.clause("", "read told another value")
	scanToldAnotherPage    = snapshotIsolationSays.clause("", "scan told another page")
	startedTwice           = snapshotIsolationSays.clause("", "two commits of one start timestamp")
	toldCommittedAndIsNot  = snapshotIsolationSays.clause("", "told of a commit that never was")
	toldFailedAndCommitted = snapshotIsolationSays.clause("", "told of a failure that was a commit")
	committedOtherWrites   = snapshotIsolationSays.clause("", "committed other writes than asked")
)

// told checks what the system was told, once all commits are known. ordered are the
// keys in their order.
func (i *snapshotIsolation) told(told *sim.Told, ordered []*versions) error {
	for r := range told.Reads.All() {
		var want []byte
		if k := i.keys[r.Key]; k != nil {
			want = k.at(r.StartTS).value
		}
		if !same(r.Value, want) {
			return readToldAnotherValue.breachAtRest(r.Key, sim.EventRef{},
				"a transaction that began at %s was told %q of %s; there was %q", sim.Timestamp(r.StartTS), r.Value, r.Key, want)
		}
	}
	for s := range told.Scans.All() {
		if err := checkPage(ordered, s); err != nil {
			return err
		}
	}
	return i.toldOfCommits(&told.Commits)
}

// same reports whether two values are equal, or both are none.
func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// checkPage compares a page with the snapshot and the transaction's own writes.
func checkPage(ordered []*versions, s *sim.TxnScan) error {
	n := 0 // pairs of the page that are right
	wrong := func(key string, want []byte) error {
		told := "nothing"
		if n < len(s.Pairs) {
			told = s.Pairs[n].Key
		}
		return scanToldAnotherPage.breachAtRest(key, sim.EventRef{},
			"a transaction that began at %s was told of %s by a scan of [%s, %s), as its pair %d; there was %s with %q",
			sim.Timestamp(s.StartTS), told, s.From, s.To, n+1, key, want)
	}
	at, _ := slices.BinarySearchFunc(ordered, s.From, func(k *versions, from string) int { return strings.Compare(k.key, from) })
	own := ownIn(s)
	for n < s.Limit {
		key, value, more := nextOf(s, ordered, &at, &own)
		if !more {
			break
		}
		if value == nil {
			continue
		}
		if n == len(s.Pairs) || s.Pairs[n].Key != key || !same(s.Pairs[n].Value, value) {
			return wrong(key, value)
		}
		n++
	}
	if n < len(s.Pairs) {
		return wrong("nothing", nil)
	}
	return nil
}

// nextOf returns the next key of the page with its value, nil for none: the
// transaction's own, if it has written the key.
func nextOf(s *sim.TxnScan, ordered []*versions, at *int, own *[]tikv.Mutation) (key string, value []byte, more bool) {
	var k *versions
	if *at < len(ordered) && (s.To == "" || ordered[*at].key < s.To) {
		k = ordered[*at]
	}
	if len(*own) > 0 && (k == nil || (*own)[0].Key <= k.key) {
		m := (*own)[0]
		*own = (*own)[1:]
		if k != nil && k.key == m.Key {
			*at++
		}
		if m.Op == tikv.OpDelete {
			return m.Key, nil, true
		}
		return m.Key, m.Value, true
	}
	if k == nil {
		return "", nil, false
	}
	*at++
	return k.key, k.at(s.StartTS).value, true
}

// ownIn returns what the transaction had written in the page's range, by key.
func ownIn(s *sim.TxnScan) []tikv.Mutation {
	var own []tikv.Mutation
	for _, m := range net(s.Own) {
		if m.Op != tikv.OpLock && m.Key >= s.From && (s.To == "" || m.Key < s.To) {
			own = append(own, m)
		}
	}
	return own
}

// net returns what a transaction's calls come to, by key: a write counts more than a
// lock, a later one more than an earlier.
func net(calls []tikv.Mutation) []tikv.Mutation {
	if len(calls) == 0 {
		return nil
	}
	kept := slices.Clone(calls)
	slices.SortStableFunc(kept, byKey)
	n := 0
	for _, m := range kept {
		switch {
		case n == 0 || kept[n-1].Key != m.Key:
			kept[n] = m
			n++
		case m.Op != tikv.OpLock:
			kept[n-1] = m
		}
	}
	return kept[:n]
}

func byKey(a, b tikv.Mutation) int { return strings.Compare(a.Key, b.Key) }

// toldOfCommits compares how commits ended with the commits that there are.
func (i *snapshotIsolation) toldOfCommits(told *tikv.List[sim.TxnCommit]) error {
	slices.SortFunc(i.commits, func(a, b tikv.Commit) int { return cmp.Compare(a.StartTS, b.StartTS) })
	for n := 1; n < len(i.commits); n++ {
		if c := &i.commits[n]; c.StartTS == i.commits[n-1].StartTS {
			return startedTwice.breachAtRest(c.Primary, sim.EventRef{},
				"two transactions committed that began at %s: at %s and at %s", sim.Timestamp(c.StartTS), sim.Timestamp(i.commits[n-1].CommitTS), sim.Timestamp(c.CommitTS))
		}
	}
	for t := range told.All() {
		at, committed := slices.BinarySearchFunc(i.commits, t.StartTS, func(c tikv.Commit, start uint64) int { return cmp.Compare(c.StartTS, start) })
		key := t.Writes[0].Key
		switch {
		case !committed && t.Class == env.ClassNone:
			return toldCommittedAndIsNot.breachAtRest(key, sim.EventRef{},
				"the transaction that began at %s, on %s, was told that it is committed; it is not", sim.Timestamp(t.StartTS), key)
		case !committed:
			continue
		case t.Class != env.ClassNone && t.Class != env.ClassUndetermined:
			return toldFailedAndCommitted.breachAtRest(key, sim.EventRef{},
				"the transaction that began at %s, on %s, was told that it is not committed (%s); it is, at %s", sim.Timestamp(t.StartTS), key, t.Class, sim.Timestamp(i.commits[at].CommitTS))
		}
		if odd, ok := otherWrites(t.Writes, i.commits[at].Writes); ok {
			return committedOtherWrites.breachAtRest(odd, sim.EventRef{},
				"the transaction that began at %s was to write or lock %s, or to leave it alone; at %s it did not", sim.Timestamp(t.StartTS), odd, sim.Timestamp(i.commits[at].CommitTS))
		}
	}
	return nil
}

// otherWrites returns a key with which what was committed differs from what was
// asked for.
func otherWrites(asked, committed []tikv.Mutation) (key string, differ bool) {
	want, got := net(asked), net(committed)
	for n := range max(len(want), len(got)) {
		switch {
		case n == len(want):
			return got[n].Key, true
		case n == len(got) || want[n].Key != got[n].Key || want[n].Op != got[n].Op || !bytes.Equal(want[n].Value, got[n].Value):
			return want[n].Key, true
		}
	}
	return "", false
}
