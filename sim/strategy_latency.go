package sim

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

// byLatency lets every message arrive after a latency of its own, and the
// earliest event is next.
type byLatency struct {
	*scheduler
	fixed  bool    // every latency is the shortest
	far    uint64  // of a million messages, that many are late
	bounds *Bounds // the times past which they are
}

// newNarrow draws latencies between the shortest and the longest. Rounded up to
// the quantum they tie, and only ties tell > from >=.
func newNarrow(s *scheduler, _ armSetup) strategy { return &byLatency{scheduler: s} }

func newDefault(s *scheduler, _ armSetup) strategy { return &byLatency{scheduler: s, fixed: true} }

// newMixture draws most latencies as the narrow arm does. The others lie just past
// what somebody waits for: the client's time-out, a live lease, twice a lease,
// each of the three as likely. With narrow latencies alone no timer ever
// meets a message that is late, except by a fault.
func newMixture(s *scheduler, a armSetup) strategy {
	return &byLatency{scheduler: s, far: uint64(s.config.TimerWeight) * 1000 / mixtureShare, bounds: a.bounds}
}

// mixtureShare is how many times rarer a late message is under the mixture than
// a timer's turn is under the elastic clock, by the same setting: at 400 permille,
// the highest weight that seeds draw, one message in ten is late.
const mixtureShare = 4

func (l *byLatency) delay(id uint64) int64 {
	if l.fixed {
		return int64(l.config.LatencyMin)
	}
	if h := keyed.Mix(id, keyed.ForFar); l.far > 0 && keyed.Below(h, 1e6) < l.far {
		return l.quantised(l.bounds.past(keyed.Of(h)))
	}
	return l.drawn(id)
}

// past draws a time just past one that somebody waits for, as long as a request
// may be under way.
func (b *Bounds) past(d keyed.Draw) int64 {
	deadline := []time.Duration{b.RPCTimeout, b.ObjectTimeout}[d.Intn("time-out", 2)]
	lease := b.Leases[d.Intn("lease", len(b.Leases))]
	switch d.Intn("deadline", 3) {
	case 1:
		deadline = lease
	case 2:
		deadline = 2 * lease
	}
	return min(int64(deadline)+d.Between("past", 1, int64(deadline)/8+1), int64(b.MaxInFlight)-1)
}

func (l *byLatency) place(_ *event, after int64) int64 { return l.now + after }

func (l *byLatency) next() *event {
	m, t := l.messages.head(), l.timers.head()
	if t == nil || m != nil && before(m, t) {
		l.now = max(l.now, m.when)
		return l.messages.pop()
	}
	return l.fire()
}
