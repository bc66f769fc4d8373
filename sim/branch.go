package sim

import (
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// branchSpread is how many times as long as the shortest way of a message its longest
// is in a future of a run under the default arm: as far as the narrow arm draws.
const branchSpread = 10

// Branch replays a plan up to and including the given event. From then on every
// choice that is left to chance (latencies, the order of events, jitter) is drawn
// anew, from the given key: another key is another future. The plan's faults that
// strike later stay. A run that ends before the event is the plan's own.
func Branch(target Target, p *plan.Plan, event, key uint64) (*Result, error) {
	u, err := target.replay(p)
	if err != nil {
		return nil, err
	}
	u.branchAt, u.branchKey = event, key
	return u.run(p.Clone()), nil
}

// BranchRecorded is Branch with every event recorded, as ReplayRecorded does. At event
// 0 the run is the plan's own.
func BranchRecorded(target Target, p *plan.Plan, event, key uint64) (*Result, error) {
	u, err := target.replay(p)
	if err != nil {
		return nil, err
	}
	u.branchAt, u.branchKey = event, key
	u.recorder, u.history = &recorder{}, newHistorian(u)
	return u.run(p.Clone()), nil
}

// branch draws what is to come anew. It is called before the event after branchAt.
func (u *Universe) branch() {
	if u.branchAt == 0 {
		return
	}
	u.branchAt = 0
	if u.sched.fixed { // the default arm draws nothing: from here on it is the narrow one
		u.sched.fixed, u.sched.steady, u.sched.strategy = false, false, newNarrow(&u.sched, armSetup{})
		u.config.LatencyMax = max(u.config.LatencyMax, branchSpread*u.config.LatencyMin)
	}
	u.seed = keyed.Mix(u.seed, u.branchKey)
	for _, p := range u.everybody() {
		for _, t := range p.tasks {
			t.key = keyed.Mix(t.key, u.branchKey)
		}
	}
}
