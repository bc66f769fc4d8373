package sim

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

// scheduler decides what happens next, and when that is: letting time pass is
// one of its decisions. How it decides is its strategy.
type scheduler struct {
	strategy
	now      int64 // virtual nanoseconds since the universe began
	messages queue // also wake-ups
	timers   queue // also messages that a fault holds back until some time

	config *Config
	steady bool   // messages come in the order in which they are sent
	fixed  bool   // under the default arm, which is steady
	pushed uint64 // messages, and under the default arm timers, so far
}

// drawn draws a message's way from its identity: between the shortest and the
// longest.
func (s *scheduler) drawn(id uint64) int64 {
	lo, hi := int64(s.config.LatencyMin), int64(s.config.LatencyMax)
	return s.quantised(lo + int64(keyed.Below(keyed.Mix(id, keyed.ForPick), uint64(hi-lo+1))))
}

// quantised rounds a time up to the configured quantum.
func (s *scheduler) quantised(d int64) int64 {
	if q := int64(s.config.Quantum); q > 0 {
		return (d + q - 1) / q * q
	}
	return d
}

// send schedules a message that sets out now.
func (s *scheduler) send(e *event) { s.push(e, s.delay(e.id)) }

// push schedules a message or a wake-up that comes no sooner than after that
// time.
func (s *scheduler) push(e *event, after int64) {
	if s.steady {
		s.pushed++
		e.tie = s.pushed
	}
	e.when = s.place(e, after)
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
	if s.messages.len() == 0 && s.timers.len() == 0 {
		return nil
	}
	return s.next()
}

// fire takes out the first timer. Timers may fire late, never early.
func (s *scheduler) fire() *event {
	t := s.timers.pop()
	s.now = max(s.now, t.when)
	return t
}

// arrive takes out a message whose turn was chosen. Time passes for its way.
func (s *scheduler) arrive(m *event) *event {
	s.messages.remove(m)
	if m.kind != evResume {
		s.now += s.drawn(m.id)
	}
	return m
}

// due reports whether something happens no later than at, under a timely arm.
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
