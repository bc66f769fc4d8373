package sim

import (
	"fmt"
	"runtime/debug"

	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// Blame says whose bug a violation is, as far as the run itself can tell.
type Blame uint8

const (
	// BlameSystem: the system under test breaks what must hold of it.
	BlameSystem Blame = iota
	// BlameFake: an in-memory store has not behaved as its kind does. What the other
	// invariants say of the run counts for nothing.
	BlameFake
	// BlameHarness: the simulator is wrong, or the run is not a function of its plan.
	BlameHarness
	// BlameOracle: an invariant is wrong: it panicked, or another that judges the same
	// contradicts it.
	BlameOracle
)

var blames = [...]string{"system", "fake", "harness", "oracle"}

// String returns the blame as reports print it.
func (b Blame) String() string { return blames[b] }

// Blamer is an Invariant that does not judge the system, but what stands around it.
type Blamer interface {
	Invariant
	// Blames says whose bug it is if the invariant breaks.
	Blames() Blame
	// Audit is its last word in a run that ends by another violation. rest are the
	// effects that have happened and that it was not shown, in their order. An error
	// says that the other violation may be a consequence.
	Audit(w *World, rest []Effect) error
}

// audit asks those who judge what stands around the system before the system is
// blamed for a violation.
func (j *judge) audit(v *Violation) {
	if v.Blame != BlameSystem {
		return
	}
	for i, inv := range j.invariants {
		blamer, ok := inv.(Blamer)
		if !ok {
			continue
		}
		seen := j.shown
		if seen > 0 && i > j.position { // its turn had not come
			seen--
		}
		if err := blamer.Audit(j.world, j.pending[seen:]); err != nil {
			v.Blame = blamer.Blames()
			v.Text += "; but " + plan.Printable(inv.Name()+" is broken, too: "+err.Error())
			return
		}
	}
}

// Seconder is an Invariant that judges in its own way what some others judge, too.
type Seconder interface {
	Invariant
	// Contradicts says why nothing is wrong with an effect that it has not been shown
	// yet, and by which another invariant is broken, as v says. "" is that it agrees, or
	// has no opinion.
	Contradicts(w *World, e *Effect, v *Violation) string
}

// second asks those who judge the same before the system is blamed for a violation by
// an effect. They come later among the invariants than those whom they second.
func (j *judge) second(v *Violation) {
	if v.Blame != BlameSystem || j.effect == nil {
		return
	}
	for _, inv := range j.invariants[j.position+1:] {
		seconder, ok := inv.(Seconder)
		if !ok {
			continue
		}
		if why := seconder.Contradicts(j.world, j.effect, v); why != "" {
			v.Blame = BlameOracle
			v.Text += "; but " + plan.Printable(inv.Name()+" contradicts: "+why)
			return
		}
	}
}

// caught turns a panic on the scheduler's own stack into the run's violation: it
// is the invariant's that was asked, or else the simulator's.
func (u *Universe) caught(p *plan.Plan, what any) *Result {
	u.judge.fail(u.judge.panicked("", what, debug.Stack()))
	r := u.result(p)
	u.shutdown()
	return r
}

// panicked is the violation that a panic is; by is the task whose panic it was.
func (j *judge) panicked(by string, what any, stack []byte) *Violation {
	v := &Violation{Invariant: noPanic, Shape: "panic", Text: fmt.Sprintf("%s panicked: %v", by, what), Stack: string(stack)}
	switch asked := j.asked.(type) {
	case Invariant:
		v.Blame, v.Shape = BlameOracle, "panic of "+asked.Name()
		v.Text = fmt.Sprintf("the invariant %s panicked: %v", asked.Name(), what)
	case nil:
		if by == "" {
			v.Blame, v.Text = BlameHarness, fmt.Sprintf("the simulator panicked: %v", what)
		}
	}
	return v
}
