package core

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// merger publishes batches whose units are all complete, and takes over merges
// whose owners have gone silent.
type merger struct {
	*Node
	seen map[string]sighting // of merge rows, by key; epoch is the generation
}

func newMerger(n *Node) *merger {
	return &merger{Node: n, seen: make(map[string]sighting)}
}

func (m *merger) run(ctx context.Context) error {
	var round uint64
	return m.every(ctx, "merger", m.cfg.MergePoll, func(ctx context.Context) error {
		round++
		return m.round(ctx, round)
	})
}

// round tries every living batch once.
func (m *merger) round(ctx context.Context, round uint64) error {
	live, err := m.liveBatches(ctx)
	if err != nil {
		return err
	}
	var first error
	for _, id := range live {
		err := m.try(ctx, id, round)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil && !errors.Is(err, errNotClaimable) {
			m.log(ctx, slog.LevelWarn, "merge failed", string(id), err)
			first = firstError(first, err)
		}
	}
	forget(m.seen, round)
	return first
}

// liveBatches lists the batches that have not ended.
func (n *Node) liveBatches(ctx context.Context) ([]batchID, error) {
	var live []batchID
	err := n.kv.view(ctx, func(ctx context.Context, tx env.Txn) error {
		live = live[:0]
		return scan(ctx, tx, activePrefix, n.cfg.Page, func(p env.Pair) (bool, error) {
			row, err := decodeActive(p.Key, p.Value)
			if err != nil {
				n.log(ctx, slog.LevelError, "active row unreadable", p.Key, err)
				return true, nil
			}
			live = append(live, newBatchID(strings.TrimPrefix(p.Key, activePrefix), row.gen))
			return true, nil
		})
	})
	return live, err
}

// try claims the merge of one batch, if it can be claimed, and carries it out.
func (m *merger) try(ctx context.Context, id batchID, round uint64) error {
	claim, err := m.claimMerge(ctx, id, func(row *mergeRow) bool {
		return m.stalled(mergeKey(id), row, round)
	})
	if err != nil {
		return err
	}
	return m.execute(ctx, claim)
}

// stalled notes the beat of a merge claim and reports whether it has not moved
// for StaleAfter on this observer's clock (R8).
func (m *merger) stalled(key string, row *mergeRow, round uint64) bool {
	now := m.env.Clock.Monotonic()
	s, known := m.seen[key]
	if !known || s.epoch != row.gen || s.beat != row.beat {
		s = sighting{epoch: row.gen, beat: row.beat, since: now}
	}
	s.round = round
	m.seen[key] = s
	return now-s.since >= m.cfg.StaleAfter
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
