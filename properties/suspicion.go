package properties

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/sim/fault"
)

// suspicion is a violation that a fault may excuse, also one that becomes known
// only later: what holds a message back tells of itself when it arrives. So it
// is judged at the end.
type suspicion struct {
	process     string        // that it is about
	from, until time.Duration // when a fault would excuse it
	violation   error
}

// unexcused returns the violation of the first suspicion that no fault excuses,
// or nil. A fault that ignore accepts excuses nothing.
func (v *view) unexcused(list []suspicion, ignore func(s *suspicion, f *strike) bool) error {
	for n := range list {
		if s := &list[n]; !v.excused(s, ignore) {
			return s.violation
		}
	}
	return nil
}

func (v *view) excused(s *suspicion, ignore func(s *suspicion, f *strike) bool) bool {
	for n := range v.faults {
		if f := &v.faults[n]; v.nearby(f, s.from, s.until) && (ignore == nil || !ignore(s, f)) {
			return true
		}
	}
	return false
}

// nearby reports whether a fault may have had an effect in that time.
func (v *view) nearby(f *strike, from, until time.Duration) bool {
	lasts := f.fault.Kind.Lasts()
	return f.at-lasts <= until && f.at+lasts+v.cfg.slack() >= from
}

// struckBetween reports whether any fault may have.
func (v *view) struckBetween(from, until time.Duration) bool {
	return v.excused(&suspicion{from: from, until: until}, nil)
}

// refuses reports whether a fault makes a store unavailable, which it says.
func refuses(_ *suspicion, f *strike) bool {
	return fault.Is[*fault.Refuse](f.fault) || fault.Is[*fault.Outage](f.fault)
}

// enough reports whether a fault asks a process to stop and leaves it the time.
func (v *view) enough(s *suspicion, f *strike) bool {
	stop, ok := f.fault.Kind.(*fault.Terminate)
	return ok && (f.fault.At.Process == s.process || stop.Grace >= v.cfg.DrainTimeout)
}

// anothers reports whether a fault befell a request of another process, and can have left
// nothing behind: the request was refused, or has no effect.
func anothers(s *suspicion, f *strike) bool {
	if f.fault.At.Process == s.process {
		return false
	}
	switch f.fault.Kind.(type) {
	case *fault.Refuse, *fault.RegionError, *fault.Truncate:
		return true
	case *fault.LoseRequest, *fault.LoseReply, *fault.Delay, *fault.DelayReply:
		return !f.fault.At.Op.HasEffect()
	}
	return false
}
