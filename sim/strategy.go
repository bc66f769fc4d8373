package sim

import (
	"slices"

	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

// strategy is how an arm orders events. One belongs to each scheduler.
type strategy interface {
	// delay is how long, by the virtual clock, a message is under way that is sent
	// now: 0 where the order is drawn, and time passes when the message arrives.
	delay(id uint64) int64
	// place is where among the pending messages an event comes that is to happen
	// that long after now. The queue of messages is sorted by it.
	place(e *event, after int64) int64
	// next takes the event that happens next out of its queue, and moves time. At
	// least one is pending.
	next() *event
}

// arm is one way to explore: a strategy, and for which share of the seeds.
type arm struct {
	name string
	// share is the permille of the seeds that draw it; 0 for those that plans and
	// [Target.Arm] name.
	share int
	// timely arms let no timer overtake a message in flight, and no message
	// take longer than Config.LatencyMax: without a fault, nothing times out.
	timely bool
	start  func(*scheduler, armSetup) strategy
}

// armSetup is what strategies are made for.
type armSetup struct {
	seed   uint64
	bounds *Bounds
}

// DefaultArm is the arm that draws nothing. No seed draws it: failures are reduced
// to it, so that what its order of events owes to chance is named.
const DefaultArm = "default"

// The arms whose settings or traits others refer to.
const (
	narrowArm    = "narrow"
	quantisedArm = "quantised"
	elasticArm   = "elastic"
)

// arms are all arms, in the order in which their shares divide the draw of a seed.
// What each is worth is measured (docs/POWER.md, "Arms"): of those that let no timer
// overtake, which nine oracles need, and of those that do, one each is needed, and
// quantised pays best. Without pos, with 8 % of the seeds, nothing was found later;
// pct is there to compare with.
var arms = []arm{
	{narrowArm, 250, true, newNarrow},
	{quantisedArm, 350, true, newNarrow},
	{"mixture", 60, false, newMixture},
	{"surw", 40, false, newSURW},
	{"ta-pct", 20, false, newTraceAwarePCT},
	{elasticArm, 280, false, newWalk},
	{"pos", 0, false, newPOS},
	{"pct", 0, false, newPCT},
	{DefaultArm, 0, true, newDefault},
}

// Arms returns the names of all arms, those first that seeds draw. The caller owns
// the slice.
func Arms() []string {
	var names []string
	for i := range arms {
		names = append(names, arms[i].name)
	}
	return names
}

// ArmShare is the permille of the seeds that draw an arm; 0 for one that only plans
// and [Target.Arm] name.
func ArmShare(name string) int {
	if a := armNamed(name); a != nil {
		return a.share
	}
	return 0
}

// armNamed returns the arm of that name, or nil.
func armNamed(name string) *arm {
	if i := slices.IndexFunc(arms, func(a arm) bool { return a.name == name }); i >= 0 {
		return &arms[i]
	}
	return nil
}

// drawArm chooses among the arms by their shares.
func drawArm(d keyed.Draw) string {
	n := d.Intn("narrow", 1000)
	for i := range arms {
		if n < arms[i].share {
			return arms[i].name
		}
		n -= arms[i].share
	}
	return elasticArm // not reached: TestArms adds the shares up
}

// chain is what a strategy remembers of a task.
type chain struct {
	turn    int64 // surw: where its next interesting event comes
	done    int64 // surw: how many interesting events it has had
	demoted int   // pct: how often
}

// chainOf is whose event it is.
func chainOf(e *event) *task {
	if e.task == nil {
		return e.msg.task
	}
	return e.task
}
