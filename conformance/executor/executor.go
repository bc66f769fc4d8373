package executor

import (
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

// Verdict is what a run came to.
type Verdict uint8

const (
	// Pass: everything held.
	Pass Verdict = iota
	// Violated: an invariant was, or the system did not get done in time.
	Violated
	// Inconclusive: there were more events than a run may have.
	Inconclusive
)

var verdicts = [...]string{"pass", "violation", "inconclusive"}

// String returns the verdict as tables print it.
func (v Verdict) String() string { return verdicts[v] }

// VerdictOf is the verdict of a run of either executor.
func VerdictOf(r *sim.Result) Verdict {
	switch {
	case r.Violation != nil:
		return Violated
	case r.Inconclusive:
		return Inconclusive
	}
	return Pass
}

// Run runs the universe of a court, in a bubble of package testing/synctest in
// which nothing else is. The result's Plan has every fault that was injected, and
// its Hash covers every event of the run.
func Run(court *sim.Court) (*sim.Result, error) {
	u, err := newUniverse(court)
	if err != nil {
		return nil, err
	}
	inconclusive := u.run()
	u.mu.Lock()
	r := court.Result()
	r.Inconclusive, r.Virtual = inconclusive, u.now()
	r.Hash = keyed.Fold(keyed.Fold(u.hash, court.KV().Digest()), court.Objects().Digest())
	u.mu.Unlock()
	u.shutdown()
	return r, nil
}
