package tikv_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

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
