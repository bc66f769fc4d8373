package core

import (
	"maps"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// beat is a sign of life: whoever holds an epoch raises its count. Rows that
// nobody keeps alive have one that changes when they do.
type beat struct{ epoch, count uint64 }

// observer judges signs of life by the one means that needs no agreement on the
// time (R8): for how long has this very beat been there, on the observer's own
// monotonic clock? It knows nothing of what it has not watched.
type observer struct {
	clock env.Clock
	seen  map[string]sighting // by row key
	round uint64
}

// sighting is what an observer remembers of a row.
type sighting struct {
	beat  beat
	since time.Duration
	round uint64 // in which it was last seen
}

func newObserver(clock env.Clock) *observer {
	return &observer{clock: clock, seen: make(map[string]sighting)}
}

// unchanged notes a beat and returns for how long it has been seen like this.
func (o *observer) unchanged(key string, b beat) time.Duration {
	now := o.clock.Monotonic()
	s, known := o.seen[key]
	if !known || s.beat != b {
		s = sighting{beat: b, since: now}
	}
	s.round = o.round
	o.seen[key] = s
	return now - s.since
}

// keep remembers what was last seen under the key for another round; of a row
// that was never seen it notes the beat.
func (o *observer) keep(key string, b beat) {
	s, known := o.seen[key]
	if !known {
		s = sighting{beat: b, since: o.clock.Monotonic()}
	}
	s.round = o.round
	o.seen[key] = s
}

// note remembers a beat that the observer itself has written.
func (o *observer) note(key string, b beat, since time.Duration) {
	o.seen[key] = sighting{beat: b, since: since, round: o.round}
}

// beatOf is the beat that was last seen under the key.
func (o *observer) beatOf(key string) beat { return o.seen[key].beat }

// forget drops one row.
func (o *observer) forget(key string) { delete(o.seen, key) }

// endRound forgets the rows that were not seen since the last call.
func (o *observer) endRound() {
	maps.DeleteFunc(o.seen, func(_ string, s sighting) bool { return s.round != o.round })
	o.round++
}
