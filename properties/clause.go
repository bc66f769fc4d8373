package properties

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// sentence is what an invariant says: its name, and the clauses by which it can
// break. Both are the same for ever; kept plans and mutants name them.
type sentence struct {
	name    string
	clauses []*clause
}

func say(name string) *sentence { return &sentence{name: name} }

// clause is one way in which an invariant breaks. It is declared once, at the
// top of the invariant's file, and a violation cannot be made but by one.
type clause struct {
	of   *sentence
	rule string // of the protocol: "R11"; "" if the harness itself is at fault
	// shape is what broke, in a few words. With the step that broke it, it is
	// the violation's identity.
	shape string
}

// clause declares a clause of the sentence.
func (s *sentence) clause(rule, shape string) *clause {
	c := &clause{of: s, rule: rule, shape: shape}
	s.clauses = append(s.clauses, c)
	return c
}

// breach is the violation that e is the last event of. what completes
// "<process> ...", the text is a sentence.
func (c *clause) breach(e *sim.Effect, subject string, first sim.EventRef, what, format string, args ...any) error {
	second := e.Moment()
	v := c.violation(subject, first, format, args)
	v.Second = second.Ref(what)
	if e.Step != "" {
		v.Shape += " (" + e.Step + ")"
	}
	return v
}

// breachOfCall is the violation that a request is, whether it had an effect or not.
func (c *clause) breachOfCall(call *sim.Call, first sim.EventRef, what, format string, args ...any) error {
	v := c.violation(call.Key, first, format, args)
	v.Second = sim.EventRef{Event: call.Event, At: call.At, What: who(call) + " " + what}
	v.Shape += " (" + call.Step + ")"
	return v
}

// breachAtRest is a violation that shows in what is left, or in what has not
// happened by now.
func (c *clause) breachAtRest(subject string, first sim.EventRef, format string, args ...any) error {
	return c.violation(subject, first, format, args)
}

// breachOverdue is a violation by what has not happened in time: it says what
// everybody waits for in place of it, and what anybody has asked about the subject
// since.
func (c *clause) breachOverdue(w *sim.World, subject string, first sim.EventRef, format string, args ...any) error {
	v := c.violation(subject, first, format, args)
	w.Overdue(v)
	v.Expected = &sim.Expected{About: subject}
	return v
}

// telling adds to a violation what its clause does not know: whose story belongs to it,
// or of whom what was expected.
func telling(violation error, add func(v *sim.Violation)) error {
	add(violation.(*sim.Violation))
	return violation
}

// expecting adds that a process should have gone on with something.
func expecting(violation error, process, step, about string) error {
	return telling(violation, func(v *sim.Violation) {
		v.Expected = &sim.Expected{Process: process, Step: step, About: about}
	})
}

func (c *clause) violation(subject string, first sim.EventRef, format string, args []any) *sim.Violation {
	v := &sim.Violation{
		Invariant: c.of.name, Rule: c.rule, Shape: c.shape, Subject: subject, First: first, Text: fmt.Sprintf(format, args...),
	}
	if name, _, ok := schema.SplitBatchID(subject); ok { // whose row has another key
		v.Also = append(v.Also, schema.BatchTable.Key(name))
	}
	return v
}

// Clauses returns the rules of the clauses by which an invariant of this package
// can break, by shape. It panics if a shape is declared twice.
func Clauses(inv sim.Invariant) map[string]string {
	all := map[string]string{}
	for _, c := range inv.(interface{ sentence() *sentence }).sentence().clauses {
		if _, twice := all[c.shape]; twice {
			panic("declared twice: " + c.shape)
		}
		all[c.shape] = c.rule
	}
	return all
}
