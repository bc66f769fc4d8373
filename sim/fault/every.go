package fault

import (
	"slices"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// The forms of the kinds, for placing faults without a draw: each moment of a
// call, and each length that a deadline of the system tells apart. A length just
// past a deadline stands for all up to the next one.

// Forms lists the forms in which faults of a kind may strike a call; none if the
// world could not do that to it. The decisive ones stand for what a protocol must
// tell apart: the caller is gone, draining or asleep past a lease, the call is
// refused, late, repeated or undetermined. The others differ in how long, and in
// what exactly is seen. No two are equal.
func Forms(info *Info, s *Scale, c *Crossing) (decisive, others []Kind) {
	switch {
	case !info.Strikes(c.Op) || c.Client && info.SparesClients:
		return nil, nil
	case len(info.New().options()) == 0:
		return []Kind{info.New()}, nil
	}
	seen := map[string]bool{}
	distinct := func(kinds []Kind) []Kind {
		return slices.DeleteFunc(kinds, func(k Kind) bool {
			text := Options(k)
			again := seen[text]
			seen[text] = true
			return again
		})
	}
	decisive, others = info.New().every(s, c)
	return distinct(decisive), distinct(others)
}

// soon is how long a supervisor takes to restart a process: less than any lease.
const soon = 100 * time.Millisecond

// Graces: one that no drain can use, and one longer than Kubernetes' 30 s.
const (
	noGrace   = 100 * time.Millisecond
	longGrace = 40 * time.Second
)

// past is a little more than a deadline: a sixteenth, so that whoever waits for it
// notices first.
func past(deadline time.Duration) time.Duration { return deadline + deadline/16 }

// timeout is just past the shortest of the times at which something happens,
// which mostly is a client's time-out for one reply.
func (s *Scale) timeout() time.Duration { return past(slices.Min(s.Magnitudes)) }

// lease is just past the shortest lease, longest just past the longest, and
// beyond is more than twice that.
func (s *Scale) lease() time.Duration   { return past(slices.Min(s.Leases)) }
func (s *Scale) longest() time.Duration { return past(slices.Max(s.Leases)) }
func (s *Scale) beyond() time.Duration  { return 2*s.longest() + time.Second }

// inFlight bounds lengths by how long a request may be under way.
func (s *Scale) inFlight(lengths ...time.Duration) []time.Duration {
	for i := range lengths {
		lengths[i] = min(lengths[i], s.MaxInFlight)
	}
	return lengths
}

// phases are the moments of a call at which a process may be struck. Where a
// request changes nothing, whether it was handled just before is no moment of its
// own.
func phases(c *Crossing) []Phase {
	switch {
	case !c.Op.IsRequest():
		return []Phase{Before}
	case c.Op.HasEffect():
		return []Phase{Before, Applied, After}
	}
	return []Phase{Before, After}
}

// each makes a kind of every value.
func each[T any, K Kind](values []T, form func(T) K) []Kind {
	kinds := make([]Kind, len(values))
	for i, v := range values {
		kinds[i] = form(v)
	}
	return kinds
}

// every of a process that ends: it is back before any lease is over, or after all
// of them and without its files, or never.
func (*Crash) every(s *Scale, c *Crossing) (decisive, others []Kind) {
	for _, at := range phases(c) {
		decisive = append(decisive, &Crash{Phase: at, Restart: soon})
		others = append(others, &Crash{Phase: at, Restart: s.longest(), TempLost: true})
		if s.MayDie && c.Expendable {
			others = append(others, &Crash{Phase: at, Never: true})
		}
	}
	return decisive, others
}

// every of a process that is asked to stop: it can bring its work to an end, or
// cannot.
func (*Terminate) every(_ *Scale, c *Crossing) (decisive, others []Kind) {
	for _, at := range phases(c) {
		decisive = append(decisive, &Terminate{Phase: at, Grace: longGrace})
		others = append(others, &Terminate{Phase: at, Grace: noGrace})
	}
	return decisive, others
}

// every of a process that sleeps: it can see for how long, or cannot; it wakes up
// before others take over, just after, while its successor is at the same work or
// at what came before, or when all is over.
func (*Pause) every(s *Scale, c *Crossing) (decisive, others []Kind) {
	for _, at := range phases(c) {
		decisive = append(decisive,
			&Pause{Phase: at, For: s.lease(), Stops: true},
			&Pause{Phase: at, For: 2 * s.longest(), Stops: true, Until: UntilHeir})
		others = append(others,
			&Pause{Phase: at, For: past(s.GiveUp)},
			&Pause{Phase: at, For: s.lease()},
			&Pause{Phase: at, For: 2 * s.lease(), Stops: true, Until: UntilRival},
			&Pause{Phase: at, For: 2 * s.lease(), Stops: true, Until: UntilHeir},
			&Pause{Phase: at, For: s.beyond(), Stops: true})
	}
	return decisive, others
}

// every of slow work: slower than its peers, and slower than all patience.
func (*Slow) every(s *Scale, _ *Crossing) (decisive, others []Kind) {
	return []Kind{&Slow{Factor: 1000, For: s.LongWork + s.longest()}}, []Kind{&Slow{Factor: 10, For: s.beyond()}}
}

// every of a partition: what arrives and what is heard, for as long as callers try
// and for longer than any lease.
func (*Partition) every(s *Scale, c *Crossing) (decisive, others []Kind) {
	cut := func(direction Direction, lasts time.Duration) Kind {
		return &Partition{Service: c.Op.Service(), Direction: direction, For: lasts}
	}
	others = []Kind{cut(Requests, past(s.GiveUp)), cut(Replies, s.longest()), cut(Both, s.longest())}
	return []Kind{cut(Replies, past(s.GiveUp))}, append(others, &Partition{Service: ops.Every, For: s.lease()})
}

func (*LoseRequest) every(*Scale, *Crossing) (_, others []Kind) {
	return nil, []Kind{&LoseRequest{}, &LoseRequest{Reset: true}}
}

func (*LoseReply) every(*Scale, *Crossing) (decisive, others []Kind) {
	return []Kind{&LoseReply{}}, []Kind{&LoseReply{Reset: true}}
}

func (*Delay) every(s *Scale, _ *Crossing) (decisive, others []Kind) {
	lengths := s.inFlight(s.timeout(), past(s.GiveUp), s.lease(), s.longest())
	all := each(lengths, func(d time.Duration) *Delay { return &Delay{For: d} })
	return all[len(all)-1:], all[:len(all)-1]
}

func (*DelayReply) every(s *Scale, _ *Crossing) (_, others []Kind) {
	lengths := []time.Duration{s.timeout(), past(s.GiveUp), s.lease()}
	return nil, each(lengths, func(d time.Duration) *DelayReply { return &DelayReply{For: d} })
}

// every of a copy: at once, as a retransmission comes, and as late as requests are
// delayed.
func (*DuplicateRequest) every(s *Scale, _ *Crossing) (decisive, others []Kind) {
	lengths := s.inFlight(time.Millisecond, s.timeout(), s.lease(), s.longest())
	all := each(lengths, func(d time.Duration) *DuplicateRequest { return &DuplicateRequest{After: d} })
	return all[len(all)-1:], all[:len(all)-1]
}

// every of a body: half of it arrives, or nothing.
func (*Truncate) every(*Scale, *Crossing) (decisive, others []Kind) {
	return []Kind{&Truncate{Permille: 500}}, []Kind{&Truncate{}}
}

// every of a clock: it is wrong from then on, so the beginnings of steps will do.
func (*Skew) every(s *Scale, c *Crossing) (_, others []Kind) {
	if !begins(c) {
		return nil, nil
	}
	return nil, []Kind{&Skew{By: s.beyond()}, &Skew{By: -s.beyond()}}
}

func (*Drift) every(_ *Scale, c *Crossing) (_, others []Kind) {
	if !begins(c) {
		return nil, nil
	}
	return nil, []Kind{&Drift{PPM: maxDrift}, &Drift{PPM: -maxDrift}}
}

// maxDrift is the most that a Drift may say, in parts per million.
const maxDrift = 100_000

// begins reports whether a call begins a step, or is outside every step.
func begins(c *Crossing) bool { return c.Op == ops.Step || c.Step == "" }

// every of a region's error: the client asks elsewhere, or waits. The others are
// answered as one of these is, or as a lost reply.
func (*RegionError) every(*Scale, *Crossing) (_, others []Kind) {
	return nil, []Kind{&RegionError{Says: NotLeader}, &RegionError{Says: EpochNotMatch}, &RegionError{Says: ServerIsBusy}}
}

// every of an outage: of all keys, and of those that the call is about. The shorter one of
// these is what a caller sees as an error, in the middle of what it does.
func (*Outage) every(s *Scale, c *Crossing) (decisive, others []Kind) {
	lengths := []time.Duration{past(s.GiveUp), s.beyond()}
	others = each(lengths, func(d time.Duration) *Outage { return &Outage{Service: c.Op.Service(), For: d} })
	if c.Class != "" {
		decisive = append(decisive, &Outage{Service: c.Op.Service(), Keys: c.Class, For: past(s.GiveUp)})
	}
	return decisive, others
}
