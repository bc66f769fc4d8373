package executor_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/conformance/executor"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

var (
	plans   = flag.Int("plans", 55, "how many drawn plans TestAgreement compares")
	failing = flag.Bool("failing", false, "TestAgreement compares only plans that fail in the simulator, for a planted bug")
	scan    = flag.Uint64("scan", 4000, "how many universes TestAgreement draws plans from, at most")
)

// small is the conversion in small: universes of few processes and little work,
// with one to three faults.
func small() sim.Target {
	t := target()
	t.Vary = func(c *sim.Config, a sim.Assembly) {
		asHere(c)
		k := a.(*conversion.Config)
		k.Workers, k.Batches, k.LeakCheck = 2, 1, false
		k.Sources, k.Recordings, k.Frames = min(k.Sources, 2), min(k.Recordings, 2), min(k.Frames, 24)
	}
	t.Search.Budget = 3
	return t
}

// most is how many faults a plan has at most.
const most = 3

// draft draws the universe of a seed in the simulator, and writes down the faults
// that fired in it. It reports false if these are none, or too many.
func draft(t *testing.T, seed uint64) (*plan.Plan, bool) {
	r, err := sim.Run(small(), seed)
	require.NoError(t, err)
	p := sim.Unfold(r)
	p.Faults = nil
	for _, f := range r.Fired {
		single := f.Again()
		single.Ambient = false
		p.Faults = append(p.Faults, single)
	}
	return p, len(p.Faults) > 0 && len(p.Faults) <= most && !r.Inconclusive
}

// outcome is what a plan came to in one executor.
type outcome struct {
	verdict   executor.Verdict
	invariant string
	fired     bool // every fault of the plan was
	text      string
}

func (o outcome) String() string {
	if o.verdict == executor.Violated {
		return o.verdict.String() + ":" + o.invariant
	}
	return o.verdict.String()
}

func outcomeOf(p *plan.Plan, r *sim.Result) outcome {
	o := outcome{verdict: executor.VerdictOf(r), fired: len(r.Fired) == len(p.Faults)}
	if r.Violation != nil {
		o.invariant, o.text = r.Violation.Invariant, r.Violation.Text
	}
	return o
}

// simulated replays a plan in the simulator, executed in the second executor.
func simulated(t *testing.T, p *plan.Plan) outcome {
	r, err := sim.Replay(target(), p)
	require.NoError(t, err)
	return outcomeOf(p, r)
}

func executed(t *testing.T, p *plan.Plan) outcome {
	court, err := sim.NewCourt(target(), p)
	require.NoError(t, err)
	return outcomeOf(p, run(t, court))
}

// otherSeeds is in how many other orders a plan is tried whose verdicts differ.
const otherSeeds = 20

// ordered explains a disagreement by the order of events, if that is what it is: a
// plan sets the configuration and the faults, its seed the latencies. The verdict
// that the second executor gives is one that the simulator gives, too, if it
// replays the plan with other latencies (or the other way round).
func ordered(t *testing.T, p *plan.Plan, one, two outcome) string {
	same := 0
	for n := uint64(1); n <= otherSeeds; n++ {
		other := p.Clone()
		other.Seed += n << 32
		if simulated(t, other).verdict == two.verdict {
			same++
		}
	}
	if same > 0 {
		return fmt.Sprintf("order: with other latencies the simulator says %s, too, in %d of %d runs", two.verdict, same, otherSeeds)
	}
	for n := uint64(1); n <= otherSeeds/2; n++ {
		other := p.Clone()
		other.Seed += n << 32
		if o := executed(t, other); o.verdict == one.verdict {
			return fmt.Sprintf("order: with other latencies the executor says %s, too, in run %d of up to %d", one.verdict, n, otherSeeds/2)
		}
	}
	return ""
}

// agreement counts what a comparison came to.
type agreement struct {
	plans, fired, agreed, failed, sameInvariant, explained int
	kinds                                                  map[string]int
	unexplained                                            []string
}

// compare runs a plan in both executors.
func (a *agreement) compare(t *testing.T, name string, p *plan.Plan, one outcome) {
	a.plans++
	two := executed(t, p)
	if !one.fired || !two.fired {
		return
	}
	a.fired++
	for _, f := range p.Faults {
		a.kinds[f.Name()]++
	}
	if one.verdict == executor.Violated {
		a.failed++
	}
	if one.verdict == two.verdict {
		a.agreed++
		if one.verdict == executor.Violated && one.invariant == two.invariant {
			a.sameInvariant++
		}
		return
	}
	why := ordered(t, p, one, two)
	fmt.Printf("disagreement\t%s\t%s\t%s\t%s\t%s\n", name, one, two, faultsOf(p), why)
	if why != "" {
		a.explained++
		return
	}
	a.unexplained = append(a.unexplained, fmt.Sprintf("%s: simulator %s, executor %s (%s%s)\n%s", name, one, two, one.text, two.text, p))
}

func faultsOf(p *plan.Plan) string {
	var lines []string
	for _, f := range p.Faults {
		lines = append(lines, f.String())
	}
	return strings.Join(lines, "; ")
}

// TestAgreement: over plans whose every fault fired in both executors, they give
// the same verdict, or the order of events is the reason why not.
func TestAgreement(t *testing.T) {
	a := &agreement{kinds: map[string]int{}}
	if !*failing {
		kept, err := filepath.Glob("../../seeds/*.plan")
		require.NoError(t, err)
		require.NotEmpty(t, kept)
		for _, file := range kept {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			p, err := plan.Parse(filepath.Base(file), text)
			require.NoError(t, err)
			a.compare(t, filepath.Base(file), p, simulated(t, p))
		}
	}
	drawn := 0
	for seed := *first; seed < *first+*scan && drawn < *plans; seed++ {
		p, ok := draft(t, seed)
		if !ok {
			continue
		}
		one := simulated(t, p)
		if *failing && one.verdict != executor.Violated {
			continue
		}
		drawn++
		a.compare(t, fmt.Sprint(seed), p, one)
	}
	fmt.Printf("agreement: plans=%d fired_in_both=%d agree=%d (failing %d, by the same invariant %d) explained=%d unexplained=%d kinds=%v\n",
		a.plans, a.fired, a.agreed, a.failed, a.sameInvariant, a.explained, len(a.unexplained), a.kinds)
	require.Empty(t, a.unexplained, strings.Join(a.unexplained, "\n"))
	if !*failing {
		require.Greater(t, a.fired, a.plans/3, "too few plans mean the same in both")
		require.Greater(t, len(a.kinds), min(8, len(fault.Kinds())))
	}
}
