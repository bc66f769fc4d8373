package simtest

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// fewSeeds is in how many universes a scenario is played under -short.
const fewSeeds = 5

// How many of a sweep's failures are reduced and reported, and how many with
// -keep.
const (
	maxReports = 3
	maxKept    = 20
)

// Universes runs the universe of -seed, the -seeds from there on, or the usual
// number. It fails for each violation, and if the outcomes refute what the suite
// expects. One universe alone tells its story.
func Universes(t *testing.T) {
	s := start(t)
	target := s.chaos.Under(s.suite.Target)
	limit, reports := maxReports, 0
	if *keepFlag {
		limit = maxKept
	}
	var only *sim.Result
	q := s.request()
	if err := harness.CheckStop(target, q, "-"); err != nil {
		t.Fatal(err)
	}
	q.Progress = s.out.progress(q.Count)
	out, err := s.suite.Sweep(target, q, func(r *sim.Result) {
		only = r
		if *stopFlag == "" && (testing.Verbose() || s.asked && s.count == 1) {
			s.say(r.Line())
		}
		if r.Violation == nil {
			return
		}
		t.Fail()
		if reports < limit && (*stopFlag == "" || q.Stops(r.Violation.Invariant)) {
			reports++
			s.explain(t, target, r, harness.Reduction, s.again(t.Name(), r.Seed))
		}
	})
	if s.count > 1 {
		s.sum(t, out)
	}
	for _, unmet := range out.Unmet {
		t.Error(unmet)
	}
	if err != nil {
		t.Fatal(err)
	}
	if s.count == 1 && only.Violation == nil && (testing.Verbose() || s.asked) {
		s.tell(t, target, only)
		s.closeRaces(t, target, only)
	}
}

// sum prints a sweep's totals.
func (s *session) sum(t *testing.T, out *harness.Outcome) {
	s.say(out.Line())
	if testing.Verbose() {
		s.say(out.Details()...)
	}
	if line := out.Violations(); line != "" {
		s.say(line)
	}
	injected, err := s.chaos.Injected(out.Totals)
	s.say(append(injected, out.Residual()...)...)
	if err != nil {
		t.Error(err)
	}
}

// tell prints the story of a universe that held.
func (s *session) tell(t *testing.T, target sim.Target, r *sim.Result) {
	lines, err := harness.Story(target, r)
	if err != nil {
		t.Fatal(err)
	}
	s.say(lines...)
}

// closeRaces tells the races that came close in a universe that held, and fails for
// the schedule that makes one of them happen and breaks something.
func (s *session) closeRaces(t *testing.T, target sim.Target, r *sim.Result) {
	if target.Calm {
		return
	}
	lines, failing, err := harness.Races(target, r)
	if err != nil {
		t.Fatal(err)
	}
	s.say(lines...)
	if failing != nil {
		paste := s.again(t.Name(), r.Seed)
		paste.Explain = "" // the universe itself has held
		s.explain(t, target, failing, harness.Reduction, paste)
	}
}

// Seeds replays the kept plans, or the one of -case: each must behave as its
// expect line says, which for a bug that was mended is "none". A kept plan's
// faults must all strike still.
func Seeds(t *testing.T) {
	s := start(t)
	if s.plan != nil {
		if r := s.replay(t, *caseFlag, s.plan); r.Violation == nil && (testing.Verbose() || s.asked) {
			s.tell(t, s.suite.Target, r)
		}
		return
	}
	files, err := s.suite.Kept()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("no plan is kept yet: a failing seed's lands there with -keep")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			name, err := filepath.Rel(harness.Root(), file)
			if err != nil {
				t.Fatal(err)
			}
			p, err := harness.Plan(file)
			if err != nil {
				t.Fatal(err)
			}
			r := s.replay(t, name, p)
			if fired := fired(r); r.Violation == nil && fired != len(p.Faults) {
				t.Errorf("%d of the plan's %d faults strike: it has lost its story", fired, len(p.Faults))
			}
		})
	}
}

// fired is how many of a plan's own faults changed anything, in a run of it.
func fired(r *sim.Result) (n int) {
	for _, f := range r.Fired {
		if !f.Ambient {
			n++
		}
	}
	return n
}

// replay runs a plan and holds it to its expect line.
func (s *session) replay(t *testing.T, name string, p *plan.Plan) *sim.Result {
	replayed, err := harness.Replay(s.suite.Target, p, *patienceFlag)
	if err != nil {
		t.Fatal(err)
	}
	r := replayed.Result
	for _, m := range replayed.Moves {
		s.say("sim: moved: " + m.String())
	}
	if replayed.Nearby > 0 {
		s.say(replayed.Advice())
	}
	s.say(r.Line())
	switch {
	case r.Violation != nil:
		s.explain(t, s.suite.Target, r, 0, harness.Commands{Replay: command(seedsTest, "-case="+name), Explain: s.explainLine(name)})
	case p.Expect != "" && p.Expect != "none":
		t.Errorf("%s holds now; it was kept for breaking %s: if that is mended, let the plan say `expect none`", name, p.Expect)
	}
	return r
}

// Scenarios plays each of the suite's scenarios, a subtest each, in 200
// universes or in the -seeds; under -short in 5, which need not show all. It
// fails if anything is violated, if a fault that the scenario injects never
// struck, or if a fact that it is about was never observed.
func Scenarios(t *testing.T) {
	s := start(t)
	if len(s.suite.Scenarios) == 0 {
		t.Fatal("the suite has no scenarios")
	}
	for _, scenario := range s.suite.Scenarios {
		t.Run(scenario.Name, func(t *testing.T) { s.play(t, scenario) })
	}
}

func (s *session) play(t *testing.T, scenario chaos.Scenario) {
	q := s.request()
	q.Count = max(q.Count, harness.ScenarioSeeds)
	if testing.Short() && !s.asked {
		q.Count = fewSeeds
	}
	p, err := s.suite.Play(scenario, q)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Failures) > 0 {
		r := p.Failures[0].First
		s.explain(t, p.Target, r, harness.Reduction, s.again(t.Name(), r.Seed))
		return
	}
	s.say(fmt.Sprintf("scenario %s: %s", scenario.Name, strings.TrimPrefix(p.Line(), "sim: total ")))
	for _, line := range p.Lines {
		s.say("  " + line)
	}
	if q.Count < harness.ScenarioSeeds {
		p.Missing = nil // so few need not show everything
	}
	for _, failed := range append(p.Missing, p.Unmet...) {
		t.Error(failed)
	}
	if len(p.Story) > 0 {
		s.say(fmt.Sprintf("  in seed 0x%016x, for one:\n    %s", p.Best, strings.Join(p.Story, "\n    ")))
	}
}
