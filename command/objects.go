package command

import (
	"fmt"
	"strings"

	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/sim"
)

// The lines of --json: their keys are documented with the package.

func hex(seed uint64) string { return fmt.Sprintf("0x%016x", seed) }

func universe(r *sim.Result) object {
	fields := map[string]string{}
	for _, f := range r.Summary.Fields {
		fields[f.Name] = f.Value
	}
	o := object{
		"type": "universe", "seed": hex(r.Seed), "arm": r.Arm, "fields": fields, "events": r.Events, "virtual_s": r.Virtual.Seconds(),
		"faults": len(r.Fired), "outcome": r.Summary.Outcome, "inconclusive": r.Inconclusive, "hash": fmt.Sprintf("%016x", r.Hash), "violation": nil,
	}
	if v := r.Violation; v != nil {
		o["violation"] = object{"invariant": v.Invariant, "rule": v.Rule, "shape": v.Shape, "text": v.Text}
	}
	return o
}

func total(out *harness.Outcome, shard string) object {
	outcomes := map[string]int{}
	for _, o := range out.Outcomes {
		outcomes[o.Name] = o.N
	}
	return object{
		"type": "total", "seeds": out.Seeds, "outcomes": outcomes, "violations": out.Totals.Violations, "inconclusive": out.Inconclusive,
		"events": out.Events, "virtual_s": out.VirtualSeconds, "cpu_s": out.CPU, "states": len(out.States), "hashes": len(out.Hashes),
		"fired": out.Fired, "marks": out.Marks, "shard": shard,
	}
}

// trim takes the last line break away, which printing adds again.
func trim(text string) string { return strings.TrimSuffix(text, "\n") }
