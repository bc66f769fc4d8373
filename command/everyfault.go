package command

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/explain"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
	"github.com/gauntlet-dst/gauntlet/sim/systematic"
)

// placing is what the flags of every-fault say.
type placing struct {
	schedules, limit int
	pairs            bool
	stop, folder     string
	place            []string
}

func (c *command) everyFaultCommand() *cobra.Command {
	var p placing
	cmd := &cobra.Command{
		Use: "every-fault", Short: "Place every fault, in every form, at every call of a few small universes", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return c.everyFault(&p) },
	}
	c.seed = 1
	flags := cmd.Flags()
	flags.Var(&c.seed, "seed", "the first schedule: decimal, 0x hex, or a commit's 40 hex digits")
	flags.IntVar(&p.schedules, "schedules", harness.Schedules, "how many schedules")
	flags.BoolVar(&p.pairs, "pairs", false, "place pairs of faults at semantic points, too")
	flags.IntVar(&p.limit, "limit", 0, "try at most so many placements of one fault, and as many of pairs; 0 for all")
	flags.StringVar(&p.stop, "stop", "", "end at the first violation of this invariant, or of \"any\"")
	flags.StringVar(&p.folder, "out", "", "write the reduced plan of each kind of failure to this folder")
	flags.StringArrayVar(&p.place, "place", nil, "place this fault, as a plan's line has it, and no other; once for each")
	return cmd
}

// maxSchedules bounds how many schedules there are.
const maxSchedules = 10_000

func (c *command) everyFault(p *placing) error {
	if p.schedules < 1 || p.schedules > maxSchedules {
		return fmt.Errorf("--schedules=%d: want a whole number from 1 to %d", p.schedules, maxSchedules)
	}
	if p.limit < 0 {
		return fmt.Errorf("--limit=%d: want 0 (all) or more", p.limit)
	}
	if err := keepable("out", p.folder); err != nil {
		return err
	}
	q := harness.Placing{Singles: systematic.All}
	if p.limit > 0 {
		q.Singles = p.limit
	}
	if p.pairs {
		q.Pairs = q.Singles
	}
	q.Request = harness.Request{Base: uint64(c.seed), Count: p.schedules, Stop: p.stop, Patience: c.patience}
	if err := harness.CheckStop(c.suite.Target, q.Request, "--"); err != nil {
		return err
	}
	if len(p.place) > 0 {
		return c.place(q.Request, p.place)
	}
	_, err := c.placed(q, p.folder)
	return err
}

// place runs one placement and shows it.
func (c *command) place(q harness.Request, faults []string) error {
	r, err := c.suite.Place(q, faults)
	if err != nil {
		return err
	}
	_, err = c.show(c.suite.Target, r, harness.Reduction, c.placeLine(r))
	return err
}

// placeLine runs the placement of r again.
func (c *command) placeLine(r *sim.Result) explain.Commands {
	var b strings.Builder
	fmt.Fprintf(&b, "%s every-fault --seed 0x%016x", c.name, r.Seed)
	for _, f := range r.Plan.Faults {
		fmt.Fprintf(&b, " --place '%s'", f)
	}
	if len(r.Plan.Faults) == 0 {
		b.WriteString(" --schedules 1 --limit 1")
	}
	return explain.Commands{Replay: b.String()}
}

// placed places faults, explains what failed and says what was tried.
func (c *command) placed(q harness.Placing, folder string) (*harness.Placed, error) {
	q.Progress = c.progress(0)
	out, err := c.suite.EveryFault(q)
	if err != nil {
		return out, err
	}
	if err := c.failures(c.suite.Target, out.Failures, folder, c.placeLine); err != nil {
		return out, err
	}
	lines := []string{out.Line()}
	if len(out.Fired) > 0 {
		lines = append(lines, "sim: faults "+sweep.Counts(out.Fired))
	}
	c.say(placements(out), append(lines, "sim: every-fault: "+out.String())...)
	if len(out.Failures) > 0 {
		c.worse(exitViolated)
	}
	return out, nil
}

// placements is an object about what was tried.
func placements(out *harness.Placed) object {
	count := func(c systematic.Count) object {
		return object{"tried": c.Tried, "of": c.Of, "unchanged": c.Unchanged, "repeated": c.Repeated, "violations": c.Violations, "inconclusive": c.Inconclusive}
	}
	return object{
		"type": "placements", "schedules": out.Schedules, "failing": out.Failing, "singles": count(out.Singles), "pairs": count(out.Pairs),
		"events": out.Events, "fired": out.Fired, "cpu_s": out.CPU, "sentence": out.String(),
	}
}
