package tikv_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// regionCommand executes a command of a transcript that changes the regions. It
// reports false if the command is another.
func regionCommand(t *testing.T, e *tikv.Engine, d *datadriven.TestData, out *strings.Builder) bool {
	arg := func(i int) string { return d.CmdArgs[i].Key }
	s := e.Regions()
	switch d.Cmd {
	case "regions":
		printRegions(out, s.All())
	case "split":
		fmt.Fprintf(out, "%d\n", s.Split(arg(0)))
	case "merge":
		fmt.Fprintf(out, "%v\n", s.Merge(arg(0)))
	case "place":
		stores := []uint64{}
		for i := range d.CmdArgs[1:] {
			stores = append(stores, number(t, arg(i+1)))
		}
		s.Place(number(t, arg(0)), stores...)
	case "transfer-leader":
		s.TransferLeader(number(t, arg(0)), number(t, arg(1)))
	case "busy":
		s.SetServerIsBusy(number(t, arg(0)), arg(1) == "on")
	case "disk":
		usages := map[string]tikv.DiskUsage{"normal": tikv.DiskNormal, "almost-full": tikv.DiskAlmostFull, "already-full": tikv.DiskAlreadyFull}
		s.SetDiskUsage(number(t, arg(0)), usages[arg(1)])
	case "stale":
		s.SetStaleCommand(number(t, arg(0)), arg(1) == "on")
	case "undetermined":
		modes := map[string]tikv.Undetermined{"off": tikv.UndeterminedOff, "applied": tikv.UndeterminedApplied, "dropped": tikv.UndeterminedDropped}
		s.SetUndetermined(number(t, arg(0)), modes[arg(1)])
	default:
		return false
	}
	return true
}

// TestRegions: whatever splits, merges and moves, the regions cover all keys, their
// epochs only grow, and who knows where a key is now is served.
func TestRegions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := tikv.New(tikv.Options{})
		s := e.Regions()
		known := map[uint64]tikv.Region{}
		keys := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"})
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			key := keys.Draw(t, "key")
			at := s.Locate(key)
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				s.Split(key)
			case 1:
				s.Merge(key)
			case 2:
				s.TransferLeader(at.ID, rapid.Uint64Range(0, 2).Draw(t, "store"))
			case 3:
				s.Place(at.ID, rapid.Permutation([]uint64{1, 2, 3}).Draw(t, "stores")[:2]...)
			}
			all := s.All()
			for i, r := range all {
				require.Equal(t, i+1 == len(all), r.End == "")
				require.True(t, i == 0 && r.Start == "" || i > 0 && r.Start == all[i-1].End && r.Start != "")
				before := known[r.ID]
				require.GreaterOrEqual(t, r.Version, before.Version)
				require.GreaterOrEqual(t, r.ConfVer, before.ConfVer)
				if r.Version == before.Version {
					require.Equal(t, [2]string{before.Start, before.End}, [2]string{r.Start, r.End})
				}
				known[r.ID] = r
			}
			r := s.Locate(key)
			req := tikv.Request{Kind: tikv.KindGet, StartTS: 1, Key: key, Region: &tikv.RegionContext{ID: r.ID, Version: r.Version, PeerStore: r.Leader}}
			var resp tikv.Response
			e.Handle(&req, &resp)
			if r.Leader != 0 && slices.Contains(r.Stores, r.Leader) {
				require.Equal(t, tikv.RegionOK, resp.Region)
			} else {
				require.Equal(t, tikv.RegionNotFound, resp.Region)
			}
		}
	})
}

var regionErrors = map[tikv.RegionError]string{
	tikv.RegionNotLeader: "not leader", tikv.RegionEpochNotMatch: "epoch not match", tikv.RegionNotFound: "region not found",
	tikv.RegionStaleCommand: "stale command", tikv.RegionServerIsBusy: "server is busy", tikv.RegionDiskFull: "disk full",
	tikv.RegionMaxTSNotSynced: "max timestamp not synced", tikv.RegionUndetermined: "undetermined result",
	tikv.RegionRaftEntryTooLarge: "raft entry too large", tikv.RegionStoreNotMatch: "store not match", tikv.RegionKeyNotInRegion: "key not in region",
}

func printRegions(out *strings.Builder, regions []tikv.Region) {
	for _, r := range regions {
		fmt.Fprintf(out, "region %d [%s, %s) epoch %d.%d on %v, leader %d\n", r.ID, r.Start, r.End, r.ConfVer, r.Version, r.Stores, r.Leader)
	}
}
