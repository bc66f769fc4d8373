package relocate_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/counter"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
	"github.com/gauntlet-dst/gauntlet/sim/relocate"
)

// kept is a plan in which a careless worker, who reads in one transaction and
// writes in another, freezes in between. CALL is where.
const kept = `gauntlet-plan 1
seed 42
system counter
expect counters-agree
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
fault pause at CALL phase=after for=20s clock=stops
`

// A call that was given another name is found again, and the failure with it.
func TestMovedCalls(t *testing.T) {
	const now = "w1/main raise kv.get counter #2"
	for name, was := range map[string]string{
		"as it is":         now,
		"the task":         "w1/body raise kv.get counter #2",
		"the step":         "w1/main lift kv.get counter #2",
		"the key class":    "w1/main raise kv.get total #2",
		"the number":       "w1/main raise kv.get counter #200",
		"the class, the #": "w1/main raise kv.get total #3",
	} {
		t.Run(name, func(t *testing.T) {
			p, err := plan.Parse("old.plan", []byte(strings.Replace(kept, "CALL", was, 1)))
			require.NoError(t, err)
			replayed, err := relocate.Replay(counter.Target(true), p)
			require.NoError(t, err)
			r, moves := replayed.Result, replayed.Moves
			if was == now {
				require.Empty(t, moves)
			} else {
				require.Len(t, moves, 1)
				require.Equal(t, was, moves[0].From)
				require.Equal(t, "w1/main raise kv.get counter", moves[0].To[:len(now)-len(" #2")])
				require.Equal(t, was, p.Faults[0].At.String(), "the plan itself was changed")
			}
			if strings.HasSuffix(was, "#2") {
				require.NotNil(t, r.Violation)
				require.Equal(t, "counters-agree", r.Violation.Invariant)
			}
		})
	}
}

// So is what an ordering holds, and what it waits for.
func TestMovedOrderings(t *testing.T) {
	const now = "hold w1/main raise kv.get counter #1 request until after w0/main raise kv.get counter #1 reply"
	for _, was := range []string{
		now,
		"hold w1/body raise kv.get counter #1 request until after w0/main raise kv.get counter #1 reply",
		"hold w1/main raise kv.get counter #1 request until after w0/main lift kv.get counter #1 reply",
		"hold w1/body raise kv.get counter #1 request until after w0/body raise kv.get counter #1 reply",
	} {
		text := regexp.MustCompile("(?m)^fault .*$").ReplaceAllString(kept, "order "+was)
		text = strings.Replace(text, "expect counters-agree", "expect none", 1)
		p, err := plan.Parse("old.plan", []byte(text))
		require.NoError(t, err)
		replayed, err := relocate.Replay(counter.Target(false), p)
		require.NoError(t, err, was)
		r, moves := replayed.Result, replayed.Moves
		require.Len(t, r.Ordered, 1)
		require.Equal(t, now, r.Ordered[0].String())
		require.Len(t, moves, strings.Count(was, "body")+strings.Count(was, "lift"))
	}
}

// idle is the counter with a worker who does nothing.
type idle struct {
	counter.System
	name string
}

func (c *idle) New() (sim.System, error) { return c, nil }

func (c *idle) Programs() []sim.Program {
	programs := c.System.Programs()
	for i := range programs {
		if programs[i].Name == c.name {
			programs[i].Main = func(context.Context, *env.Env) error { return nil }
		}
	}
	return programs
}

// A call that its process does not make any more, and another one of its role does,
// moves there, and the two change their parts in the whole plan.
func TestMovedParts(t *testing.T) {
	target := counter.Target(true)
	target.Assemble = func() sim.Assembly { return &idle{counter.System{}, "w1"} }
	text := strings.Replace(kept, "counter.workers = 2", "counter.workers = 3", 1)
	text = strings.Replace(text, "CALL", "w1/main raise kv.get counter #1", 1)
	p, err := plan.Parse("old.plan", []byte(text+"order hold w0/main raise kv.get counter #2 request until after w1/main raise kv.get counter #1 reply\n"))
	require.NoError(t, err)

	replayed, err := relocate.Replay(target, p)
	require.NoError(t, err)
	require.Equal(t, "[process w1 is now process w2 process w2 is now process w1]", fmt.Sprint(replayed.Moves))
	require.Equal(t, "w2", replayed.Result.Plan.Faults[0].At.Process)
	require.Equal(t, "hold w0/main raise kv.get counter #2 request until after w2/main raise kv.get counter #1 reply", replayed.Result.Plan.Orders[0].String())
	require.NotNil(t, replayed.Result.Violation)
	require.Zero(t, replayed.Nearby)
}

// What has no likeness is lost, and the replay says so instead of passing.
func TestLostCalls(t *testing.T) {
	for name, was := range map[string]string{
		"two names":       "w1/body lift kv.get counter #2",
		"all names":       "w1/body lift kv.get total #2",
		"another request": "w1/main raise kv.scan counter #2",
	} {
		t.Run(name, func(t *testing.T) {
			p, err := plan.Parse("old.plan", []byte(strings.Replace(kept, "CALL", was, 1)))
			require.NoError(t, err)
			_, err = relocate.Replay(counter.Target(true), p)
			require.EqualError(t, err, "old.plan:18: w1 never makes the call "+was+" any more, nor one like it: keep the failure anew, or delete the plan")
		})
	}
}
