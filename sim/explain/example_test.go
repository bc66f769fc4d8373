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
	report, err := explain.Failure(counter.Target(true), replay(), 400)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report)
	// Output:
	// FAIL counters-agree, system: the counter is 2 after 4 raises
	//   seed 0x000000000000002a  arm=default  workers=2
	//   needed: 1 of the 1 faults that fired (1-minimal: without it it does not fail this way; 232 runs, 42200 events)
	//     delay-reply at w0/main raise kv.get counter #2 for=65ms
	//   second: event 69 at 0.162s: w0 raised the counter to 2
	//   between: counter, which w1/1's raise wrote at 0.155s: w0/1's raise writes what follows from a read in an earlier transaction (start 0.098), before that: it should have read it in its own
	//   the steps that matter (virtual time):
	//       0.007s  w1/main          raise kv.prewrite counter raised/w1/1/1: locked
	//       0.011s  w0/main          raise kv.commit counter raised/w0/1/1
	//       0.075s  w1/main          raise kv.prewrite counter raised/w1/1/1: write conflict
	//       0.124s  w1/main          raise kv.commit counter raised/w1/1/2
	//       0.155s  w1/main          raise kv.commit counter raised/w1/1/3
	//       0.155s                   -- heal
	//       0.162s  w0/main          raise kv.commit counter raised/w0/1/2   <- violation
}
