package properties_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/explain"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// place is a fault before it is put into a plan: rapid draws a slice of these,
// so that its own shrinking removes whole faults.
type place struct {
	At      int // per mille of the run's calls
	Kind    string
	Options uint64 // keys the options that are not durations
	Seconds int
}

// order is an ordering before it is put into a plan.
type order struct{ Hold, After int } // per mille of the run's moments

// TestUniversesHold draws a workload, a configuration and a plan of faults and
// orderings, and demands that every invariant holds.
func TestUniversesHold(t *testing.T) {
	cases, faults, fired, ordered := 0, 0, 0, 0
	target := suite.Target()
	var failed *sim.Result // the last one: rapid runs the smallest that it has found once more
	t.Cleanup(func() { tell(t, target, failed) })
	rapid.Check(t, func(t *rapid.T) {
		cases++
		r := universe(t, target)
		if r.Violation != nil {
			failed = r
			t.Fatal(r.Violation)
		}
		faults += len(r.Plan.Faults)
		fired += len(r.Fired)
		ordered += len(r.Ordered)
	})
	require.Positive(t, cases)
	require.Positive(t, fired, "no fault of any plan ever fired")
	require.Positive(t, ordered, "no ordering of any plan ever held anything")
	fmt.Printf("rapid: %d cases, %d faults planned, %d fired, %d orderings held something\n", cases, faults, fired, ordered)
}

// tell reports a failure like any other one: reduced, with its plan to keep.
func tell(t *testing.T, target sim.Target, failed *sim.Result) {
	if failed == nil {
		return
	}
	conversion := suite.Conversion()
	report, err := conversion.Explain(target, failed, harness.Reduction, harness.Patience, explain.Commands{Replay: "keep the plan below as a file, and: go test ./sim -case=FILE"})
	require.NoError(t, err)
	t.Logf("\n%s\n\n%s", report, report.Reduced.Plan)
}

// FuzzUniversesHold is the same under go's fuzzing, which steers rapid's draws
// by what code they reach.
func FuzzUniversesHold(f *testing.F) {
	target := suite.Target()
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		if r := universe(t, target); r.Violation != nil {
			t.Fatalf("%s\n%s", r.Violation, r.Plan)
		}
	}))
}

// universe draws one and runs it.
func universe(t *rapid.T, target sim.Target) *sim.Result {
	plan, err := sim.Draft(target, rapid.Uint64().Draw(t, "seed"))
	require.NoError(t, err)
	configure(t, plan)
	anchors, err := sim.Anchors(target, plan)
	require.NoError(t, err)
	for _, p := range rapid.SliceOfN(drawPlace(), 0, 4).Draw(t, "faults") {
		if f := p.fault(anchors); f != nil {
			plan.Faults = append(plan.Faults, f)
		}
	}
	if orders := rapid.SliceOfN(drawOrder(), 0, 3).Draw(t, "orders"); len(orders) > 0 {
		moments, _, err := sim.Moments(target, plan)
		require.NoError(t, err)
		for _, o := range orders {
			if len(moments) == 0 { // faults were the first to happen, and all that did
				break
			}
			hold, after := moments[len(moments)*o.Hold/1000], moments[len(moments)*o.After/1000]
			if hold.Moment != after.Moment {
				plan.Orders = append(plan.Orders, &fault.Ordering{Hold: hold.Moment, After: after.Moment})
			}
		}
	}
	r, err := sim.Replay(target, plan)
	require.NoError(t, err)
	return r
}

// configure draws the settings that matter most on top of the seed's own. A unit
// that has more frames than the seed's still gets done within its time-out.
func configure(t *rapid.T, plan *plan.Plan) {
	setting := func(name string) *string {
		for i := range plan.Settings {
			if plan.Settings[i].Name == name {
				return &plan.Settings[i].Value
			}
		}
		t.Fatalf("no setting %s", name)
		return nil
	}
	duration := func(name string) time.Duration {
		d, err := time.ParseDuration(*setting(name))
		require.NoError(t, err)
		return d
	}
	number := func(name string, lo, hi int) int {
		n := rapid.IntRange(lo, hi).Draw(t, name)
		*setting(name) = fmt.Sprint(n)
		return n
	}
	number("workers", 1, 4)
	number("batches", 1, 2)
	number("recordings", 1, 3)
	frames := number("frames", 1, 30)
	*setting("sim.work_time") = min(duration("sim.work_time"), duration("core.unit_timeout")/time.Duration(3*frames)).String()
	number("regions", 1, 4)
	*setting("sim.arm") = rapid.SampledFrom(sim.Arms()).Draw(t, "arm")
}

func drawPlace() *rapid.Generator[place] {
	return rapid.Custom(func(t *rapid.T) place {
		return place{
			At:      rapid.IntRange(0, 999).Draw(t, "at"),
			Kind:    rapid.SampledFrom(fault.Names()).Draw(t, "kind"),
			Options: rapid.Uint64().Draw(t, "options"),
			Seconds: rapid.IntRange(1, 400).Draw(t, "seconds"),
		}
	})
}

func drawOrder() *rapid.Generator[order] {
	return rapid.Custom(func(t *rapid.T) order {
		return order{Hold: rapid.IntRange(0, 999).Draw(t, "hold"), After: rapid.IntRange(0, 999).Draw(t, "after")}
	})
}

// fault puts the place at the next call of the run that its kind can strike; it
// is nil if there is none.
func (p place) fault(anchors []fault.Anchor) *fault.Fault {
	kind, _ := fault.Named(p.Kind)
	length := []time.Duration{time.Duration(p.Seconds) * time.Second}
	scale := fault.Scale{Magnitudes: length, Leases: length, MaxInFlight: time.Hour, GiveUp: time.Minute, LongWork: time.Hour}
	for _, at := range anchors[len(anchors)*p.At/1000:] {
		if !kind.Strikes(at.Op) || strings.HasPrefix(at.Process, "client") {
			continue
		}
		site := fault.Site{Process: at.Process, Task: at.Task, Step: at.Step, Op: at.Op, Class: at.Class}
		return fault.Draw(kind, keyed.Of(p.Options), &scale, &fault.Crossing{Site: &site, Nth: at.Nth})
	}
	return nil
}
