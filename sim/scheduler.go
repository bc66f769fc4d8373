package sim

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

// scheduler decides what happens next, and when that is: letting time pass is
// one of its decisions. Under the narrow arm every message has a latency and
// the earliest event is next. Under the elastic one the order is drawn. Under the
// default one nothing is.
type scheduler struct {
	now      int64 // virtual nanoseconds since the universe began
	order    int64 // elastic: position in the order of picks
	messages queue
	timers   queue
	// timerHead is the earliest timer as a candidate of the elastic arm, and
	// timerOrder its place in the order.
	timerHead  *event
	timerOrder int64

	config  *Config
	elastic bool
	steady  bool   // messages come in the order in which they are sent
	fixed   bool   // under the default arm, which is steady
	pushed  uint64 // messages, and under the default arm timers, so far
}

// latency draws a message's way from its identity.
func (s *scheduler) latency(id uint64) int64 {
	lo, hi := int64(s.config.LatencyMin), int64(s.config.LatencyMax)
	if s.fixed {
		return lo
	}
	l := lo + int64(keyed.Below(keyed.Mix(id, keyed.ForPick), uint64(hi-lo+1)))
	if q := int64(s.config.Quantum); q > 0 {
		l = (l + q - 1) / q * q
	}
	return l
}

// send schedules a message, which takes its latency to arrive.
func (s *scheduler) send(e *event) {
	if s.elastic {
		s.push(e, 0)
		return
	}
	s.push(e, s.latency(e.id))
}

// push schedules a message or a wake-up. Under the narrow arm it happens after
// that time; under the elastic one its place in the order is drawn: an
// exponential race among the pending is a uniform random walk, and each
// contender's draw depends on its own identity only.
func (s *scheduler) push(e *event, after int64) {
	if s.steady {
		s.pushed++
		e.tie = s.pushed
	}
	if s.elastic {
		e.when = s.order + keyed.Exponential(keyed.Mix(e.id, keyed.ForPick))
	} else {
		e.when = s.now + after
	}
	s.messages.push(e)
}

// tie orders an event among others of its instant: by its identity, under the
// default arm by which came into being first.
func (s *scheduler) tie(id uint64) uint64 {
	if !s.fixed {
		return keyed.Mix(id, keyed.ForTie)
	}
	s.pushed++
	return s.pushed
}

// pick takes the next event out of the queues and moves time; nil if there is
// none.
func (s *scheduler) pick() *event {
	m, t := s.messages.head(), s.timers.head()
	switch {
	case m == nil && t == nil:
		return nil
	case s.elastic:
		return s.walk(m, t)
	case t == nil || m != nil && before(m, t):
		s.now = max(s.now, m.when)
		return s.messages.pop()
	}
	s.now = max(s.now, t.when)
	return s.timers.pop()
}

// walk is pick under the elastic arm: the earliest timer is one candidate
// beside every message in flight.
func (s *scheduler) walk(m, t *event) *event {
	if t != nil && t != s.timerHead {
		// Memorylessness allows a new draw whenever another timer comes first.
		s.timerHead = t
		s.timerOrder = s.order + keyed.Exponential(keyed.Mix(t.id, keyed.ForTimer))*1000/int64(s.config.TimerWeight)
	}
	if t == nil || m != nil && m.when <= s.timerOrder {
		s.order = max(s.order, m.when)
		if m.kind != evResume {
			s.now += s.latency(m.id)
		}
		return s.messages.pop()
	}
	if m != nil {
		s.order = max(s.order, s.timerOrder)
	}
	s.timerHead = nil
	s.now = max(s.now, t.when)
	return s.timers.pop()
}

// due reports whether something happens no later than at, under the narrow
// arm.
func (s *scheduler) due(at time.Duration) bool {
	m, t := s.messages.head(), s.timers.head()
	return m != nil && m.when <= int64(at) || t != nil && t.when <= int64(at)
}

// idleUntil reports whether nothing can happen before that time: no message is
// in flight, and the first timer fires later.
func (s *scheduler) idleUntil(at time.Duration) bool {
	t := s.timers.head()
	return s.messages.head() == nil && t != nil && t.when > int64(at)
}
