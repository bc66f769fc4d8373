package sim

import "github.com/gauntlet-dst/gauntlet/sim/keyed"

// elasticClock is the earliest timer as one more candidate beside the messages in
// flight: letting time pass is a scheduling decision. Timers may fire late, never
// early.
type elasticClock struct {
	head  *event
	place int64
}

// at is where the timer comes among the candidates, whose places are drawn from
// that one on: an exponential variate, as theirs are, over its weight. It is drawn
// once for each timer that becomes the earliest.
func (c *elasticClock) at(s *scheduler, t *event, from int64) int64 {
	if t != c.head {
		c.head = t
		c.place = from + keyed.Exponential(keyed.Mix(t.id, keyed.ForTimer))*1000/int64(s.config.TimerWeight)
	}
	return c.place
}

// walk is a uniform random walk: each pending message is as likely to be next as
// another. It is run as a race of exponential variates, which is the same since
// they have no memory, and lets each contender's draw depend on its own identity
// only.
type walk struct {
	*scheduler
	clock elasticClock
	order int64 // place of the event that came last
}

func newWalk(s *scheduler, _ armSetup) strategy { return &walk{scheduler: s} }

func (w *walk) delay(uint64) int64 { return 0 }

func (w *walk) place(e *event, _ int64) int64 {
	return w.order + keyed.Exponential(keyed.Mix(e.id, keyed.ForPick))
}

func (w *walk) next() *event {
	m, t := w.messages.head(), w.timers.head()
	if t == nil || m != nil && m.when <= w.clock.at(w.scheduler, t, w.order) {
		w.order = max(w.order, m.when)
		return w.arrive(m)
	}
	if m != nil {
		w.order = max(w.order, w.clock.place)
	}
	w.clock.head = nil
	return w.fire()
}
