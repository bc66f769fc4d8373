package command

import (
	"fmt"
	"strings"

	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/explain"
	"github.com/gauntlet-dst/gauntlet/sim/risk"
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
		o["violation"] = object{"invariant": v.Invariant, "rule": v.Rule, "blame": v.Blame.String(), "shape": v.Shape, "text": v.Text}
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
		"events": out.Events, "virtual_s": out.VirtualSeconds, "cpu_s": out.CPU, "states": out.States.Len(), "shapes": out.Shapes.Len(), "hashes": len(out.Hashes),
		"fired": out.Fired, "marks": out.Marks, "shard": shard, "residual": residual(out),
	}
}

// residual is how likely the next universe shows something new, as estimated and
// bounded with a confidence of 95 %.
func residual(out *harness.Outcome) object {
	of := func(s *risk.Species) object { return object{"estimate": s.Next(), "at_most": s.AtMost()} }
	return object{"state": of(&out.States), "shape": of(&out.Shapes), "failure": object{"at_most": out.Failing()}}
}

// explanation is what was found out about a failure.
func explanation(x *explain.Explanation) object {
	rows, neighbours, futures := []object{}, []object{}, []object{}
	for _, r := range x.Rows {
		rows = append(rows, object{"event": r.Event, "at_s": r.At.Seconds(), "process": r.Process, "what": r.What, "store": r.Store, "deviation": r.Deviation, "violation": r.Violation})
	}
	for _, n := range x.Neighbours {
		bounds := []object{}
		for _, b := range n.Bounds {
			bounds = append(bounds, object{"option": b.Name, "is_s": b.Is.Seconds(), "passes_s": b.Passes.Seconds(), "breaks": b.Breaks, "fails_s": b.Fails.Seconds(), "crossed": b.Crossed})
		}
		neighbours = append(neighbours, object{"fault": n.Fault, "passes_without": n.Without && n.WithoutBreaks == "", "without_breaks": n.WithoutBreaks, "milder": n.Milder, "milder_fail": n.MilderFail, "milder_break": n.MilderBreak, "bounds": bounds})
	}
	for _, f := range x.Futures {
		futures = append(futures, object{"event": f.Event, "at_s": f.At.Seconds(), "who": f.Who, "what": f.What, "fails": f.Fails, "tried": f.Tried})
	}
	o := object{
		"type": "explanation", "seed": hex(x.Seed), "blame": x.Reduced.Result.Violation.Blame.String(), "columns": x.Columns, "rows": rows,
		"edge": nil, "neighbours": neighbours, "futures": futures, "runs": x.Runs, "text": x.String(),
	}
	if e := x.Edge; e != nil {
		o["edge"] = object{"first": transaction(&e.First), "second": transaction(&e.Second), "key": e.Key, "missing": e.Missing}
	}
	return o
}

func transaction(t *explain.Transaction) object {
	return object{"who": t.Who.Process + "/" + t.Who.Incarnation + " " + t.Who.Step, "start_ts": t.Start, "commit_ts": t.Commit, "read": t.Read, "locked": t.Locked, "wrote": t.Wrote}
}

// trim takes the last line break away, which printing adds again.
func trim(text string) string { return strings.TrimSuffix(text, "\n") }
