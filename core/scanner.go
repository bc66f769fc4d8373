package core

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// scanner discovers the sources of batches. One process at a time leads; its
// leadership is a lease with an epoch, which every write of it carries (R20).
type scanner struct {
	*Node
	epoch   uint64        // of the leadership held, 0 for none
	renewed time.Duration // monotonic time at which the last renewal was sent
	others  *observer     // of somebody else's leadership
}

func newScanner(n *Node) *scanner { return &scanner{Node: n, others: newObserver(n.env.Clock)} }

func (s *scanner) run(ctx context.Context) error {
	err := s.every(ctx, "scanner", min(s.cfg.ScanEvery, s.cfg.ScannerLease/3), s.round)
	if drained(ctx) && s.epoch != 0 {
		late, cancel := s.afterwards(ctx)
		defer cancel()
		if err := s.letGo(late); err != nil {
			s.log(late, slog.LevelWarn, "leadership not let go: it will go stale", leaderKey, err)
		}
	}
	return err
}

// round leads, if nobody else does, and takes one step with every batch that
// is being discovered.
func (s *scanner) round(ctx context.Context) error {
	if err := s.lead(ctx); err != nil || s.epoch == 0 {
		return err
	}
	live, err := s.liveBatches(ctx)
	if err != nil {
		return err
	}
	var first error
	for _, id := range live {
		err := s.discover(ctx, id)
		if env.ClassOf(err) == env.ClassFenced {
			s.epoch = 0
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil && !errors.Is(err, errNotClaimable) {
			s.log(ctx, slog.LevelWarn, "discovery failed", string(id), err)
			first = firstError(first, err)
		}
	}
	return first
}

// lead acquires or renews the leadership. Afterwards epoch is 0 if somebody
// else leads.
func (s *scanner) lead(ctx context.Context) error {
	ctx, err := s.env.Runtime.Step(ctx, StepLead)
	if err != nil {
		return err
	}
	if s.epoch != 0 {
		return s.renew(ctx)
	}
	return s.acquire(ctx)
}

// acquire takes a leadership that nobody has, that was let go, or that has not
// moved for ScannerLease on this process's clock (R8).
func (s *scanner) acquire(ctx context.Context) error {
	self := s.env.Self
	var mine leaderRow
	var sent time.Duration
	body := func(ctx context.Context, tx env.Txn) error {
		sent = s.env.Clock.Monotonic()
		last, err := readLeader(ctx, tx)
		if err != nil {
			return err
		}
		if last.worker != "" && s.others.unchanged(leaderKey, last.sign()) < s.cfg.ScannerLease {
			return errNotClaimable
		}
		mine = leaderRow{epoch: last.epoch + 1, worker: self.Name, incarnation: self.Incarnation, beat: 1}
		tx.Put(leaderKey, mine.encode())
		return nil
	}
	landed := func(ctx context.Context, tx env.Txn) (bool, error) {
		last, err := readLeader(ctx, tx)
		return err == nil && mine.epoch != 0 && last.epoch == mine.epoch && last.heldBy(self), err
	}
	err := s.kv.update(ctx, &txn{whole: true, body: body, landed: landed})
	if errors.Is(err, errNotClaimable) {
		return nil
	}
	if err != nil {
		return err
	}
	s.epoch, s.renewed = mine.epoch, sent
	s.env.Metrics.Add("leaderships_total", 1)
	s.log(ctx, slog.LevelInfo, "scanner leads", leaderKey, nil)
	return nil
}

// renew raises the beat of a leadership that is still this process's (R9).
func (s *scanner) renew(ctx context.Context) error {
	sent := s.env.Clock.Monotonic()
	err := s.kv.update(ctx, &txn{vital: true, whole: true, body: func(ctx context.Context, tx env.Txn) error {
		row, err := s.guard(ctx, tx)
		if err != nil {
			return err
		}
		row.beat++
		tx.Put(leaderKey, row.encode())
		return nil
	}})
	if env.ClassOf(err) == env.ClassFenced {
		s.epoch = 0
		s.log(ctx, slog.LevelWarn, "scanner leads no more", leaderKey, err)
		return nil
	}
	if err == nil {
		s.renewed = sent
	}
	return err
}

// update runs a transaction of the leader's. Claims and completions write the
// batch's row, too: it may take many tries, and the leadership is renewed between
// them. As all of the leader's it locks the row that is let go when the process drains.
func (s *scanner) update(ctx context.Context, body func(ctx context.Context, tx env.Txn) error) error {
	return s.kv.update(ctx, &txn{whole: true, body: body, before: s.renewIfDue})
}

// renewIfDue renews in the middle of a long round.
func (s *scanner) renewIfDue(ctx context.Context) error {
	if s.env.Clock.Monotonic()-s.renewed < s.cfg.ScannerLease/3 {
		return nil
	}
	if err := s.lead(ctx); err != nil {
		return err
	}
	if s.epoch == 0 {
		return fenced("discover", leaderKey)
	}
	return nil
}

// guard refuses with env.ErrFenced unless this process still leads under its
// epoch, and locks the leader row, which a successor writes (R3, R20).
func (s *scanner) guard(ctx context.Context, tx env.Txn) (leaderRow, error) {
	row, err := readLeader(ctx, tx)
	if err != nil {
		return row, err
	}
	if row.epoch != s.epoch || !row.heldBy(s.env.Self) {
		return row, fenced("lead", leaderKey)
	}
	tx.Lock(leaderKey)
	return row, nil
}

// letGo names no leader any more, so that another leads at once.
func (s *scanner) letGo(ctx context.Context) error {
	err := s.kv.update(ctx, &txn{body: func(ctx context.Context, tx env.Txn) error {
		row, err := s.guard(ctx, tx)
		if err != nil {
			return err
		}
		row.worker, row.incarnation = "", ""
		tx.Put(leaderKey, row.encode())
		return nil
	}})
	if env.ClassOf(err) == env.ClassFenced {
		return nil
	}
	return err
}
