package published

import (
	"context"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// beat tells the others that this incarnation lives, until it ends. It says
// nothing about the jobs, and no safety depends on it.
func (w *worker) beat(ctx context.Context) error {
	ctx, err := w.e.Runtime.Step(ctx, "beat")
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		row := beatRow{Incarnation: w.e.Self.Incarnation, N: n, Wall: w.e.Clock.Now().UnixNano()}
		err := w.within(ctx, func(ctx context.Context) error { return w.put(ctx, BeatPrefix+w.e.Self.Name, &row) })
		w.note(ctx, err) // the next one is soon enough
		if err := w.e.Clock.Sleep(ctx, w.beatEvery()); err != nil {
			return err
		}
	}
}

// sighting is when a process has first seen a beat of what holds something, on
// its own monotonic clock.
type sighting struct {
	owner string
	n     int
	at    time.Duration
}

// silent reports whether the owner of a job, or of the merge, has let its beat
// stay the same for Stale, as seen by this process: no two clocks are compared.
// The transaction conflicts with a beat that comes before it commits.
func (p *process) silent(ctx context.Context, txn env.Txn, what, owner string) (bool, error) {
	name, incarnation, _ := strings.Cut(owner, "/")
	var beat beatRow
	if err := read(ctx, txn, BeatPrefix+name, &beat); err != nil {
		return false, err
	}
	txn.Lock(BeatPrefix + name)
	switch {
	case p.Weak.WallClock && beat.Incarnation == incarnation:
		return p.e.Clock.Now().UnixNano()-beat.Wall >= int64(p.Stale), nil
	case beat.Incarnation != incarnation && !p.Weak.BeatByName:
		beat.N = 0 // another life's
	}
	now, last := p.e.Clock.Monotonic(), p.seen[what]
	if last.owner != owner || last.n != beat.N {
		p.seen[what] = sighting{owner, beat.N, now}
		return false, nil
	}
	return now-last.at >= p.Stale, nil
}

// scanner gives jobs back.
type scanner struct{ process }

// scan looks at all running jobs once.
func (s *scanner) scan(ctx context.Context) error {
	var all []named
	err := s.tx(ctx, "scan", func(ctx context.Context, txn env.Txn) (err error) {
		all, err = jobs(ctx, txn)
		return err
	})
	if err != nil {
		return err
	}
	for _, job := range all {
		if job.State != Running {
			continue
		}
		if err := s.reap(ctx, job.id); err != nil {
			return err
		}
	}
	return nil
}

// reap gives a job back if its owner is silent.
func (s *scanner) reap(ctx context.Context, id string) error {
	_, err := s.change(ctx, "reap", id, func(ctx context.Context, txn env.Txn, job *Job) (bool, error) {
		if job.State != Running {
			return false, nil
		}
		silent, err := s.silent(ctx, txn, id, job.Owner)
		if err != nil || !silent {
			return false, err
		}
		s.giveBack(job, job.Owner+" is silent")
		return true, nil
	})
	return err
}
