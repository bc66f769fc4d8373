package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/leaserace"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// predict runs universes of the conversion that this program was built with, and
// tries one schedule of each that held.
func (p *program) predict() error {
	target := suite.Conversion().Target
	r := Result{Universes: p.universes}
	before := harness.CPUSeconds()
	err := sweep.Each(p.universes, 0, func(i int) (*sim.Result, error) { return leaserace.Predict(target, p.base+uint64(i)) }, func(u *sim.Result) bool {
		r.Tried += u.Marks[leaserace.MarkTried]
		r.Failed += u.Marks[leaserace.MarkFailed]
		if u.Violation != nil && u.Marks[leaserace.MarkTried] == 0 {
			r.Drawn++
		}
		return true
	})
	if err != nil {
		return err
	}
	r.CPU = harness.CPUSeconds() - before
	return json.NewEncoder(os.Stdout).Encode(r)
}

// races shows what schedules find that were predicted beside what draws find.
func races(results []Result) string {
	var b strings.Builder
	b.WriteString("| mutant | by draw | by prediction | sweep without | with | CPU-s |\n|---|---|---|---|---|---|\n")
	for _, r := range results {
		drawn, predicted := 1000*float64(r.Drawn)/float64(r.Universes), 1000*float64(r.Failed)/float64(max(r.Tried, 1))
		fmt.Fprintf(&b, "| %s | %.1f (%d of %d) | %.1f (%d of %d) | %.1f | %.1f | %.0f |\n",
			r.Mutant, drawn, r.Drawn, r.Universes, predicted, r.Failed, r.Tried, drawn, drawn+predicted/20, r.CPU)
	}
	return b.String()
}
