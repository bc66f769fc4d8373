package core

import (
	"context"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// store runs the transactions of one process.
type store struct {
	env     *env.Env
	cfg     *Config
	breaker *breaker
}

// txn is one transaction, with what it takes to run it again.
type txn struct {
	// body reads, validates and buffers writes. It runs afresh on a new
	// snapshot at every try. Its error drops the writes; one of a class other
	// than conflict and unavailable is final.
	body func(ctx context.Context, tx env.Txn) error
	// landed tells after an undetermined commit, in a fresh transaction and by
	// the identity of the writer, whether the earlier try was applied (R4). nil
	// means that body is idempotent.
	landed func(ctx context.Context, tx env.Txn) (bool, error)
	// before runs ahead of each try; its error ends the transaction.
	before func(ctx context.Context) error
	// crowded, if not nil, makes room for a transaction that locks what many
	// write: it is called once, after the second conflict. Whatever happens
	// then, the outcome counts as undetermined until body says that it is not.
	crowded func(ctx context.Context) error
	// unsure: an earlier run of this very transaction ended undetermined.
	unsure bool
	// vital transactions keep a lease: they are tried even while the store
	// counts as down, since waiting would lose what could be kept.
	vital bool
	// whole: a commit that has begun is carried through, for OpTimeout at most, even
	// if ctx ends. It is set where a process that is asked to stop would leave a
	// lock that its own release then waits for:
	//  1. The process is asked to stop between prewrite and commit.
	//  2. A commit that is cut off there leaves its locks on the unit or its lease, on
	//     the leader's row (seeds/a-lead-cut-off-by-a-drain.plan), or on the merge, of which
	//     nobody knows then whether it is published (seeds/a-flip-cut-off-by-a-drain.plan).
	//  3. The release of the unit waits for them: 3 s till they may be resolved, and
	//     up to 2 s more till the client's oracle has seen it.
	//  4. A DrainTimeout of 5 s is over, and the lease has to run out: the process
	//     has burnt an attempt by its own hand. Of a claim that is cut off it knows
	//     nothing, and spends that time on finding out.
	whole bool
	// until, if not 0, is the monotonic time at which even that ends.
	until time.Duration
	// patient transactions are the next step of whoever holds a lease: they are
	// tried until ctx ends, rather than ConflictTries times, since giving up
	// would waste the attempt.
	patient bool
}

// update runs t until its outcome is known.
//
// A commit that came back undetermined (R4) is settled like this:
//  1. The earlier try may be applied, may never be, and may still be applied
//     later. A read cannot tell the last two apart, since a reader passes the
//     lock of a transaction that has not yet committed.
//  2. So landed looks first, and if it sees nothing, body runs again. It writes
//     or locks the keys that the earlier try wrote or locked, so at most one of
//     the two can commit.
//  3. If body refuses now, somebody changed one of these keys, and the earlier
//     try can no longer commit either.
//
// It goes on until the outcome is known or ctx ends; then it returns
// env.ErrUndetermined. Of what has not happened in ConflictTries tries it returns
// env.ErrUnavailable.
func (s *store) update(ctx context.Context, t *txn) error {
	var undetermined error
	if t.unsure {
		undetermined = env.ErrUndetermined
	}
	delay := s.cfg.ConflictBackoff
	conflicts := 0
	for try := 1; ; try++ {
		if t.before != nil {
			if err := t.before(ctx); err != nil {
				return firstError(undetermined, err)
			}
		}
		err := s.try(ctx, t, undetermined != nil)
		switch env.ClassOf(err) {
		case env.ClassUndetermined:
			undetermined = err
			s.env.Metrics.Add("txn_undetermined_total", 1)
		case env.ClassConflict:
			s.env.Metrics.Add("txn_conflicts_total", 1)
			if conflicts++; conflicts == 2 && t.crowded != nil {
				if err := t.crowded(ctx); err != nil {
					return firstError(undetermined, err)
				}
				undetermined = firstError(undetermined, env.ErrUndetermined)
			}
		case env.ClassUnavailable, env.ClassDeadline: // the try's own deadline
		default:
			return err
		}
		if ctx.Err() != nil {
			return firstError(undetermined, context.Cause(ctx))
		}
		if undetermined == nil && !t.patient && try >= s.cfg.ConflictTries {
			return givenUp(err)
		}
		if err := s.env.Clock.Sleep(ctx, jitter(s.env.Rand, delay)); err != nil {
			return firstError(undetermined, err)
		}
		delay = min(2*delay, s.cfg.StorageBackoffMax)
	}
}

// givenUp says that nothing has happened and that it is worth trying again, whatever the
// last try ended with: whoever was told "conflict", or "deadline exceeded" of a context that
// has none, would have to know how often a transaction is tried, and for how long.
func givenUp(err error) error {
	if env.ClassOf(err) == env.ClassUnavailable {
		return err
	}
	return &env.Error{Class: env.ClassUnavailable, Op: "transaction", Err: err}
}

// try runs one transaction once. again: an earlier try ended undetermined. That is
// looked into even while the store counts as down: a claim that may be there has
// a lease that runs.
func (s *store) try(ctx context.Context, t *txn, again bool) error {
	if !t.vital && !again && !s.breaker.allow(s.env.Clock.Monotonic()) {
		return env.ErrUnavailable
	}
	err := s.once(ctx, t, again)
	s.breaker.judge(ctx, s.env.Clock.Monotonic(), err)
	return err
}

func (s *store) once(ctx context.Context, t *txn, again bool) error {
	ctx, cancel := s.env.Clock.WithTimeout(ctx, s.cfg.OpTimeout)
	defer cancel()
	tx, err := s.env.KV.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if again && t.landed != nil {
		if done, err := t.landed(ctx, tx); done || err != nil {
			return err
		}
	}
	if err := t.body(ctx, tx); err != nil {
		return err
	}
	if !t.whole {
		return tx.Commit(ctx)
	}
	left := s.cfg.OpTimeout
	if t.until != 0 {
		left = min(left, max(t.until-s.env.Clock.Monotonic(), 1))
	}
	ctx, stop := s.env.Clock.WithTimeout(context.WithoutCancel(ctx), left)
	defer stop()
	return tx.Commit(ctx)
}

// view runs body, which must buffer nothing, on one snapshot.
func (s *store) view(ctx context.Context, body func(ctx context.Context, tx env.Txn) error) error {
	return s.update(ctx, &txn{body: body})
}

// announce makes room for the end of a batch, which has to lock all its shards
// while many claim and complete. It is a matter of liveness only:
//  1. Each claim or completion of any unit conflicts with the end, which starves.
//  2. So the row says what the batch is about to become, and from then on no
//     unit starts or completes; those whose transactions were under way are soon
//     through.
//  3. The end, which still is one transaction, finds the shards quiet.
//
// Should its author die in between, a controller goes on from what the row says,
// and does not judge again. So judge, which says what the batch must become, or "",
// and why, must rest on what cannot change any more (R3), or lock it: another may
// lead since the author's last look (R20).
func (s *store) announce(ctx context.Context, id batchID, judge func(ctx context.Context, tx env.Txn) (to Phase, text string, err error)) error {
	return s.update(ctx, &txn{body: func(ctx context.Context, tx env.Txn) error {
		b, err := readBatch(ctx, tx, id.name())
		if err != nil || !b.startsUnits(id) {
			return err
		}
		to, text, err := judge(ctx, tx)
		if err != nil || to == "" {
			return err
		}
		b.closing, b.err = to, text
		tx.Put(batchKey(id.name()), b.encode())
		return nil
	}})
}

// jitter returns a duration in [d/2, d], so that callers that failed together
// do not come back together.
func jitter(rand env.Rand, d time.Duration) time.Duration {
	half := d / 2
	return half + time.Duration(rand.Uint64()%uint64(d-half+1))
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// get reads a row that may be missing: then ok is false.
func get(ctx context.Context, tx env.Txn, key string) (row []byte, ok bool, err error) {
	row, err = tx.Get(ctx, key)
	if env.ClassOf(err) == env.ClassNotFound {
		return nil, false, nil
	}
	return row, err == nil, err
}

// scan calls visit with every pair whose key begins with prefix, page by page
// to the end (R18), until visit returns false or an error.
func scan(ctx context.Context, tx env.Txn, prefix string, page int, visit func(p env.Pair) (bool, error)) error {
	from, to := prefix, prefixEnd(prefix)
	for {
		pairs, err := tx.Scan(ctx, from, to, page)
		if err != nil {
			return err
		}
		for _, p := range pairs {
			if more, err := visit(p); err != nil || !more {
				return err
			}
		}
		if len(pairs) < page {
			return nil
		}
		from = pairs[len(pairs)-1].Key + "\x00"
	}
}
