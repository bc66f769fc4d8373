package sim

// Replayable reports what keeps a plan from being replayed, without running it.
func Replayable(target Target, plan *Plan) error {
	_, err := target.replay(plan)
	return err
}

// Printable is printable.
var Printable = printable
