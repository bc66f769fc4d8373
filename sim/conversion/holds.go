package conversion

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// Holds tells leases of units, claims of merges and the scanner's leadership by
// their rows. Each protects its holder for as long as an observer must see its
// beat unchanged.
func (s *System) Holds(key string, value []byte) (h sim.Hold, ok bool) {
	table, rest := schema.Split(key)
	switch table {
	case schema.LeaseTable:
		var row schema.Lease
		err := row.Decode(string(value))
		worker, incarnation, unit, named := schema.SplitLeaseKey(rest)
		return sim.Hold{
			Process: worker, Incarnation: incarnation, Kind: "lease",
			Of: fmt.Sprintf("unit %s, epoch %d", unit, row.Epoch), Resource: "unit " + unit, For: s.config.Core.StaleAfter,
		}, named && err == nil
	case schema.MergeTable:
		var row schema.Merge
		err := row.Decode(string(value))
		return sim.Hold{
			Process: row.Worker, Incarnation: row.Incarnation, Kind: "claim",
			Of: fmt.Sprintf("merge %s, generation %d", rest, row.Gen), Resource: "merge " + rest, For: s.config.Core.StaleAfter,
		}, err == nil && row.State == "claimed"
	case schema.LeaderTable:
		var row schema.Leader
		err := row.Decode(string(value))
		return sim.Hold{
			Process: row.Worker, Incarnation: row.Incarnation, Kind: "leadership",
			Of: fmt.Sprintf("%s, epoch %d", rest, row.Epoch), Resource: rest, For: s.config.Core.ScannerLease,
		}, err == nil && row.Worker != ""
	}
	return h, false
}
