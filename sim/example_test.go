package sim_test

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/counter"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// Any system written against env can be simulated: here, workers that raise a
// shared counter, and what must hold of it. The violation names two events of the
// run, and the plan beside it replays them.
func ExampleRun() {
	for seed := uint64(1); ; seed++ {
		result, err := sim.Run(counter.Target(true), seed)
		if err != nil {
			fmt.Println(err)
			return
		}
		if v := result.Violation; v != nil {
			fmt.Println(v.Invariant+":", v.Text)
			return
		}
	}
	// Output: counters-agree: the counter is 4 after 5 raises
}

// A plan is a run as text. It says all of its universe: the configuration, and
// every fault by the call that it strikes.
func ExampleReplay() {
	text := `gauntlet-plan 1
# A worker freezes with a commit in hand.
seed 42
system counter
set sim.arm = narrow
set sim.latency_min = 1ms
set sim.latency_max = 2ms
set sim.quantum = 0s
set sim.timer_weight = 100
set sim.frame_time = 100ms
set sim.max_in_flight = 1m
set sim.lock_gc = 10m
set sim.chaos_for = 1h
set sim.chaos_events = 60000
set counter.workers = 2
set counter.target = 10
set counter.careless = false
fault pause at w1/main raise kv.commit counter #2 phase=before for=30s
`
	p, err := plan.Parse("example.plan", []byte(text))
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := sim.Replay(counter.Target(false), p)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("outcome:", result.Summary.Outcome, "violation:", result.Violation)
	for _, f := range result.Fired {
		fmt.Println("struck:", f)
	}
	// Output:
	// outcome: raised violation: <nil>
	// struck: pause at w1/main raise kv.commit counter #2 phase=before for=30s
}
