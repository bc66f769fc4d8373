package explain_test

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/counter"
	"github.com/gauntlet-dst/gauntlet/sim/explain"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// failing is a plan in which a careless worker, who reads in one transaction and
// writes in another, freezes in between.
const failing = `gauntlet-plan 1
seed 42
system counter
set sim.arm = narrow
set sim.latency_min = 1ms
set sim.latency_max = 2ms
set sim.quantum = 0s
set sim.timer_weight = 100
set sim.frame_time = 0s
set sim.max_in_flight = 1m
set sim.lock_gc = 10m
set sim.chaos_for = 1h
set sim.chaos_events = 60000
set counter.workers = 2
set counter.target = 5
set counter.careless = true
fault skew at w0/main raise pd.tso - #1 by=1h
fault pause at w1/main raise kv.get counter #2 phase=after for=20s clock=stops
`

func replay() *sim.Result {
	p, err := plan.Parse("example.plan", []byte(failing))
	if err != nil {
		panic(err)
	}
	result, err := sim.Replay(counter.Target(true), p)
	if err != nil {
		panic(err)
	}
	return result
}

// A failure is reduced and then explained in at most 30 lines.
func ExampleFailure() {
	report, err := explain.Failure(counter.Target(true), replay(), 100)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report)
	// Output:
	// FAIL counters-agree: the counter is 2 after 6 raises
	//   seed 0x000000000000002a  arm=narrow  workers=2
	//   faults: 1 of the 1 that fired (needed: without it the run passes):
	//     pause at w1/main raise kv.get counter #2 phase=after for=600ms
	//   second: event 96 at 0.446s: w1 raised the counter to 2
	//   the steps that matter (virtual time):
	//       0.012s  w0/main          raise kv.prewrite counter raised/w0/1/1: locked
	//       0.018s  w1/main          raise kv.commit counter raised/w1/1/1
	//       0.064s  w1/main          -- fault: pause phase=after for=600ms
	//       0.064s  w1               -- pause: 600ms
	//       0.117s  w0/main          raise kv.prewrite counter raised/w0/1/1: write conflict
	//       0.201s  w0/main          raise kv.commit counter raised/w0/1/2
	//       0.292s  w0/main          raise kv.commit counter raised/w0/1/3
	//       0.368s  w0/main          raise kv.commit counter raised/w0/1/4
	//       0.435s  w0/main          raise kv.commit counter raised/w0/1/5
	//       0.435s                   -- heal
	//       0.435s  w1               -- resume
	//       0.446s  w1/main          raise kv.commit counter raised/w1/1/2   <- violation
}

// Reduction takes away what the failure does not need, and weakens what it does.
func ExampleReduce() {
	result := replay()
	reduced, err := explain.Reduce(counter.Target(true), result, 100)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("faults before:", len(result.Plan.Faults))
	fmt.Println("faults left:", len(reduced.Plan.Faults), "minimal:", reduced.Minimal)
	fmt.Println(reduced.Result.Violation)
	// Output:
	// faults before: 2
	// faults left: 1 minimal: true
	// counters-agree: the counter is 2 after 6 raises
}
