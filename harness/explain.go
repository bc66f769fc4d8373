package harness

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/explain"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
	"github.com/gauntlet-dst/gauntlet/sim/relocate"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// Reduction is how many universes the reduction of a failure may take at most;
// a bound on events mostly ends it before.
const Reduction = 2000

// Commands are what a report tells to paste.
type Commands = explain.Commands

// Explain reduces a failing run, unless runs is 0, and returns its report with the
// commands to paste.
func (s *Suite) Explain(target sim.Target, failing *sim.Result, runs int, patience time.Duration, paste Commands) (*explain.Report, error) {
	return watched(s, target, failing.Seed, patience, paste, func(target sim.Target) (*explain.Report, *explain.Report, error) {
		report, err := explain.Failure(target, failing, runs)
		return report, report, err
	})
}

// Explanation is Explain with all that can be found out about the failure by
// running its plan again with something changed.
func (s *Suite) Explanation(target sim.Target, failing *sim.Result, runs int, patience time.Duration, paste Commands) (*explain.Explanation, error) {
	return watched(s, target, failing.Seed, patience, paste, func(target sim.Target) (*explain.Explanation, *explain.Report, error) {
		x, err := explain.Explain(target, failing, runs)
		if err != nil {
			return nil, nil, err
		}
		return x, x.Report, nil
	})
}

// watched explains a failure under watch, and adds what only the harness knows.
func watched[T any](s *Suite, target sim.Target, seed uint64, patience time.Duration, paste Commands, do func(sim.Target) (T, *explain.Report, error)) (none T, err error) {
	var explained T
	var report *explain.Report
	stuck := sweep.Watch(target, seed, patience, func(watched sim.Target) {
		explained, report, err = do(watched)
	})
	if stuck != nil {
		return none, stuck // what the goroutine left behind may still write is not looked at
	}
	if err != nil {
		return none, err
	}
	report.Commit, report.GoVersion = commit(), runtime.Version()
	report.Commands = paste
	if rule, ok := s.rules()[report.Reduced.Result.Violation.Rule]; ok {
		report.Rule = &rule
	}
	return explained, nil
}

// Replay runs a plan twice, under watch. Faults whose calls are made under another
// name now move there, and a failure that the plan holds without is searched for
// nearby: see package relocate. The error is the plan's, a *sweep.Stuck or a
// *sim.Nondeterminism.
func Replay(target sim.Target, p *plan.Plan, patience time.Duration) (*relocate.Replayed, error) {
	var first *relocate.Replayed
	var second *sim.Result
	var err error
	stuck := sweep.Watch(target, p.Seed, patience, func(watched sim.Target) {
		if first, err = relocate.Replay(watched, p); err == nil {
			second, err = sim.Replay(watched, first.Result.Plan)
		}
	})
	if stuck != nil {
		return nil, stuck
	}
	if err != nil {
		return nil, err
	}
	if first.Result.Hash != second.Hash {
		n := &sim.Nondeterminism{Seed: p.Seed, First: first.Result.Hash, Second: second.Hash}
		return nil, n.LocateReplay(target, first.Result.Plan)
	}
	return first, nil
}

// Keep writes a report's reduced plan to a folder and returns the file's name.
// It never writes over another plan.
func Keep(folder string, report *explain.Report) (string, error) {
	violation := report.Reduced.Result.Violation
	reduced := *report.Reduced.Plan
	reduced.Why = []string{violation.Error()}
	name := filepath.Join(folder, fmt.Sprintf("%s-%016x.plan", violation.Invariant, report.Seed))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("%s is there already: a kept plan is never overwritten", name)
	}
	if err != nil {
		return "", err
	}
	if _, err = file.WriteString(reduced.String()); err != nil {
		return "", errors.Join(err, file.Close())
	}
	return name, file.Close()
}

// Keep writes a report's reduced plan to the suite's folder and returns the
// file's name from the module's root on.
func (s *Suite) Keep(report *explain.Report) (string, error) {
	root := Root()
	name, err := Keep(filepath.Join(root, s.folder()), report)
	if err != nil {
		return "", err
	}
	return filepath.Rel(root, name)
}

// commit names what is being run, with a plus if there are changes on top.
func commit() string {
	head, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	name := strings.TrimSpace(string(head))
	if changed, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no").Output(); err != nil || len(changed) > 0 {
		name += "+changes"
	}
	return name
}
