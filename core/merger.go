package core

import (
	"context"
	"errors"
	"log/slog"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// merger publishes batches whose units are all complete, and takes over merges
// whose owners have gone silent.
type merger struct {
	*Node
	claims *observer
}

func newMerger(n *Node) *merger {
	return &merger{Node: n, claims: newObserver(n.env.Clock)}
}

func (m *merger) run(ctx context.Context) error {
	return m.every(ctx, "merger", m.cfg.MergePoll, m.round)
}

// round tries every living batch once.
func (m *merger) round(ctx context.Context) error {
	live, err := m.liveBatches(ctx)
	if err != nil {
		return err
	}
	var first error
	for _, id := range live {
		err := m.try(ctx, id)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil && !errors.Is(err, errNotClaimable) {
			m.log(ctx, slog.LevelWarn, "merge failed", string(id), err)
			first = firstError(first, err)
		}
	}
	if first == nil {
		m.claims.endRound() // or a claim that could not be read would begin to age anew
	}
	return first
}

// try claims the merge of one batch, if it can be claimed, and carries it out.
func (m *merger) try(ctx context.Context, id batchID) error {
	claim, err := m.claimMerge(ctx, id, func(row *mergeRow) bool {
		return m.claims.unchanged(mergeKey(id), row.sign()) >= m.cfg.StaleAfter
	})
	if err != nil {
		return err
	}
	return m.execute(ctx, claim)
}

// execute carries out a claimed merge while renewing its claim. Neither
// outlives the other (R14). The batch does not fail for a merge that does: the
// next generation starts from the rows again, at once if this process drains,
// else when the claim has gone stale, which is the back-off.
func (m *merger) execute(ctx context.Context, claim *merge) error {
	work, cancel := m.env.Clock.WithCancel(ctx)
	defer cancel(errOver)
	g := m.env.Runtime.Group(work)
	g.Spawn("merge-renewal", func(ctx context.Context) error {
		err := m.keepLease(ctx, StepRenewMerge, claim.key, claim.sentAt, claim.renew)
		if env.ClassOf(err) == env.ClassFenced {
			cancel(err)
		}
		return nil
	})
	err := claim.publish(work)
	g.Cancel(errOver)
	if waitErr := g.Wait(); waitErr != nil {
		m.log(ctx, slog.LevelError, "merge renewal ended", claim.key, waitErr)
	}
	if work.Err() != nil && ctx.Err() == nil {
		return context.Cause(work) // fenced, or given up
	}
	if env.ClassOf(err) == env.ClassInvalid {
		// What was staged can never be merged: say so, instead of trying for ever.
		return firstError(claim.fail(ctx, err), err)
	}
	if err == nil || env.ClassOf(err) == env.ClassUndetermined || !drained(ctx) {
		return err
	}
	late, stop := m.afterwards(ctx)
	defer stop()
	if letErr := claim.letGo(late); letErr != nil {
		m.log(late, slog.LevelWarn, "merge not let go: its claim will go stale", claim.key, letErr)
	}
	return err
}
