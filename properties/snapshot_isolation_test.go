package properties_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/properties"
	"github.com/gauntlet-dst/gauntlet/sim"
)

// isolation judges the ledger of an engine: its commits in the order of their
// timestamps, then its reads.
func isolation(ledger *tikv.Ledger) error {
	all := properties.All(config())
	at := slices.IndexFunc(all, func(inv sim.Invariant) bool { return inv.Name() == "snapshot-isolation" })
	w := sim.NewTestWorld(all[0], all[at])
	commits := slices.Clone(ledger.Commits)
	slices.SortStableFunc(commits, func(a, b tikv.Commit) int { return int(int64(a.CommitTS - b.CommitTS)) })
	for i, c := range commits {
		if err := w.Show(sim.Effect{Kind: sim.EffectCommit, Event: uint64(i + 1), TS: c.CommitTS, Commit: c}); err != nil {
			return err
		}
	}
	for r := range ledger.Reads.All() {
		w.Read(*r)
	}
	for s := range ledger.Scans.All() {
		w.Scan(*s)
	}
	return w.Settle(0)
}

func wrote(start, commit uint64, computed bool, key string) tikv.Commit {
	return tikv.Commit{
		StartTS: start, CommitTS: commit, Computed: computed, Primary: key,
		Writes: []tikv.Mutation{{Op: tikv.OpPut, Key: key, Value: []byte("v")}},
	}
}

// TestComputedTimestamps: a timestamp that the oracle did not give may be shared,
// by commits of different keys and with snapshots, and no other.
func TestComputedTimestamps(t *testing.T) {
	for _, c := range []struct {
		name  string
		wrong string
		are   []tikv.Commit
		read  tikv.Read
	}{
		{name: "two computed", are: []tikv.Commit{wrote(1, 9, true, "a"), wrote(2, 9, true, "b")}},
		{name: "three, one of them the oracle's", are: []tikv.Commit{wrote(1, 9, true, "a"), wrote(2, 9, false, "b"), wrote(3, 9, true, "c")}},
		{name: "two of the oracle", wrong: "committed at 9, after", are: []tikv.Commit{wrote(1, 9, false, "a"), wrote(2, 9, false, "b")}},
		{name: "two of the oracle, one computed", wrong: "committed at 9, after", are: []tikv.Commit{wrote(1, 9, false, "a"), wrote(2, 9, true, "b"), wrote(3, 9, false, "c")}},
		{name: "two computed, of one key", wrong: "overlapped", are: []tikv.Commit{wrote(1, 9, true, "a"), wrote(2, 9, true, "a")}},
		{name: "computed before it began", wrong: "committed at 9, after", are: []tikv.Commit{wrote(9, 9, true, "a")}},
		{name: "began at a computed one", are: []tikv.Commit{wrote(1, 9, true, "a"), wrote(9, 12, false, "a")}, read: tikv.Read{StartTS: 9, Key: "a", Version: 9}},
		{name: "began at one of the oracle", wrong: "overlapped", are: []tikv.Commit{wrote(1, 9, false, "a"), wrote(9, 12, false, "a")}},
		{name: "reads past a computed one", wrong: "saw the version", are: []tikv.Commit{wrote(1, 9, true, "a")}, read: tikv.Read{StartTS: 9, Key: "a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ledger := &tikv.Ledger{Commits: c.are}
			if c.read.StartTS != 0 {
				ledger.Reads.Add(c.read)
			}
			if c.wrong == "" {
				require.NoError(t, isolation(ledger))
				return
			}
			require.ErrorContains(t, isolation(ledger), c.wrong)
		})
	}
}

// TestEveryKindOfCommitIsIsolated: histories of transactions that commit in two
// phases, asynchronously and at once break nothing, and share timestamps.
func TestEveryKindOfCommitIsIsolated(t *testing.T) {
	shared := 0
	rapid.Check(t, func(t *rapid.T) {
		e := tikv.New(tikv.Options{RecordReads: true, AsyncCommit: true})
		ask := func(req tikv.Request) (resp tikv.Response) {
			e.Handle(&req, &resp)
			return resp
		}
		now := func() uint64 { return ask(tikv.Request{Kind: tikv.KindTSO, PhysicalMS: 1}).TS }
		key := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		var open []uint64
		for range rapid.IntRange(2, 30).Draw(t, "steps") {
			if len(open) == 0 || rapid.IntRange(0, 2).Draw(t, "begin") == 0 {
				open = append(open, now())
				continue
			}
			i := rapid.IntRange(0, len(open)-1).Draw(t, "who")
			start := open[i]
			if rapid.Bool().Draw(t, "read") {
				ask(tikv.Request{Kind: tikv.KindGet, StartTS: start, Key: key.Draw(t, "key")})
				ask(tikv.Request{Kind: tikv.KindScan, StartTS: start, Limit: 3})
				continue
			}
			open = slices.Delete(open, i, i+1)
			commitIn(t, ask, now, start, key)
		}
		if err := isolation(e.Ledger()); err != nil {
			t.Fatal(err)
		}
		seen := map[uint64]bool{}
		for _, c := range e.Ledger().Commits {
			if seen[c.CommitTS] {
				shared++
			}
			seen[c.CommitTS] = true
		}
	})
	require.Positive(t, shared, "no two transactions committed at one timestamp")
}

// commitIn commits a write of one or two keys in one of the three ways, or rolls
// back.
func commitIn(t *rapid.T, ask func(tikv.Request) tikv.Response, now func() uint64, start uint64, key *rapid.Generator[string]) {
	keys := rapid.SliceOfNDistinct(key, 1, 2, rapid.ID[string]).Draw(t, "keys")
	slices.Sort(keys)
	req := tikv.Request{Kind: tikv.KindPrewrite, StartTS: start, MinCommitTS: start + 1, Primary: keys[0], TTLMS: 3000}
	for _, k := range keys {
		req.Mutations = append(req.Mutations, tikv.Mutation{Op: tikv.OpPut, Key: k, Value: []byte("v")})
	}
	switch rapid.SampledFrom([]string{"two phases", "async", "at once"}).Draw(t, "way") {
	case "async":
		req.UseAsyncCommit, req.Secondaries = true, keys[1:]
	case "at once":
		req.TryOnePC = true
	}
	resp := ask(req)
	switch {
	case resp.Status != tikv.StatusOK:
		ask(tikv.Request{Kind: tikv.KindRollback, StartTS: start, Keys: keys})
	case req.TryOnePC:
	case req.UseAsyncCommit:
		ask(tikv.Request{Kind: tikv.KindCommit, StartTS: start, CommitTS: resp.MinCommitTS, Keys: keys})
	default:
		ask(tikv.Request{Kind: tikv.KindCommit, StartTS: start, CommitTS: now(), Keys: keys})
	}
}
