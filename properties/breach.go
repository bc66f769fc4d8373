package properties

import "github.com/gauntlet-dst/gauntlet/sim"

// breach is the violation that e is the last event of. clause says which part
// of the invariant broke, the same for ever; with the step that broke it, it is
// the violation's identity. what completes "<process> ...", text is a sentence.
func breach(rule, clause, subject string, first sim.EventRef, e *sim.Effect, what, text string) error {
	second := momentOf(e)
	shape := clause
	if e.Step != "" {
		shape += " (" + e.Step + ")"
	}
	return &sim.Violation{Rule: rule, Shape: shape, Subject: subject, First: first, Second: second.ref(what), Text: text}
}

// settledBreach is a violation that shows at the end.
func settledBreach(rule, clause, subject string, first sim.EventRef, text string) error {
	return &sim.Violation{Rule: rule, Shape: clause, Subject: subject, First: first, Text: text}
}
