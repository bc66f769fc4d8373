// Package runner runs a system of several processes on one machine against real
// servers, breaks what the scenarios of package chaos say, and judges what is in
// the stores afterwards.
package runner

import (
	"context"
	"time"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/e2e/child"
)

// System is what is run: the conversion of this project, or somebody else's.
type System interface {
	// Worker is how an incarnation of a worker is started.
	Worker(place WorkerPlace) child.Spec
	// Injects tells whether workers have an injector that can hold them at a place
	// of the protocol.
	Injects() bool
	// Timing is the pace at which the workers live.
	Timing() Timing
	// Submit puts what is to be worked on into the stores, and asks for the work.
	// work says how much.
	Submit(ctx context.Context, s *Stores, work Work) error
	// Ended returns how the work has ended, or "" while it goes on.
	Ended(ctx context.Context, s *Stores) (string, error)
	// Busy returns the names of the workers that hold a piece of work now, as far
	// as the stores tell; nil if they don't.
	Busy(ctx context.Context, s *Stores) ([]string, error)
	// Judge returns the first thing that is wrong with what is in the stores, once
	// the work has ended. What may still be cleaned up may be wrong for a while.
	Judge(ctx context.Context, s *Stores, work Work) error
	// Published returns what was published, by its name in what was published.
	Published(ctx context.Context, s *Stores) (map[string][]byte, error)
	// Seen returns the marks of package chaos that the stores' history shows.
	Seen(s *Stores) ([]string, error)
}

// Work is how much is to be done.
type Work struct{ Batches, Units int }

func workOf(s *chaos.Scenario) Work { return Work{s.Batches, s.Units} }

// Timing is a system's pace. The durations of scenarios are meant for a stale
// period of minutes and are scaled down with it.
type Timing struct {
	// Stale is after what time a silent worker's work is taken away.
	Stale time.Duration
	// Limit bounds a run, up to the end of the work.
	Limit time.Duration
	// Clean bounds what is cleaned up after the end of the work.
	Clean time.Duration
}

// scale is by how much the durations of a scenario, other than those in stale
// periods, are shortened here.
const scale = 20

// span is how long an injection lasts here.
func (t *Timing) span(in *chaos.Injection) time.Duration {
	return in.For/scale + time.Duration(in.Leases*float64(t.Stale))
}

// WorkerPlace is where an incarnation of a worker lives.
type WorkerPlace struct {
	Name  string
	Index int // of its Way
	Way   *Way
	Dir   string // its scratch space
	// Chaos and Web are the addresses for its injector and for its metrics.
	Chaos, Web string
}
