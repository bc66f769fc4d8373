package sim

// Deviations is what a chaos scenario or a chaos configuration injects into one
// universe: see [ScenarioDeviations] and [ConfigDeviations]. Each is written
// down as a fault at an anchor, so the plan of such a run replays it without
// the scenario or the configuration.
type Deviations interface {
	// pick appends the faults that a call of a task meets. m is nil for a call
	// that is no request.
	pick(u *Universe, t *task, c *simCtx, cl call, m *message, faults []*Fault) []*Fault
}

// InjectedMark begins the names of the marks that count the faults of one entry
// of a scenario or a configuration: those that changed the outcome or the order
// of a call.
const InjectedMark = "injected: "

// inject writes a fault down as one of the universe's.
func (u *Universe) inject(f Fault, source string, t *task, cl call) *Fault {
	f.At, f.source = u.anchor(t, cl), source
	u.faults = append(u.faults, &f)
	return &f
}

// opOf returns the operation behind the name of a call in the vocabulary of
// package chaos.
func opOf(call string) (Op, bool) {
	switch call {
	case "":
		return opStep, true
	case "work":
		return opWork, true
	case "kv.begin":
		return opTSO, true
	}
	return OpNamed(call)
}
