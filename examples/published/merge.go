package published

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// merge merges and publishes if that is all that is left to do, and nobody else
// does it. A merger that finds out that it has lost just stops: the batch is
// another's.
func (w *worker) merge(ctx context.Context) (busy bool, err error) {
	generation, err := w.claimMerge(ctx)
	if err != nil || generation == 0 {
		return false, err
	}
	dataset, err := w.build(ctx, generation)
	if err == nil {
		err = w.publish(ctx, generation, dataset)
	}
	if err != nil && context.Cause(ctx) == nil && w.Weak.ErrorFailsBatch {
		err = errors.Join(err, w.tx(ctx, "fail_batch", func(ctx context.Context, txn env.Txn) error {
			var batch Batch
			if err := read(ctx, txn, BatchKey, &batch); err != nil {
				return err
			}
			batch.State = Failed
			txn.Put(BatchKey, Encode(&batch))
			return nil
		}))
	}
	return true, err
}

// claimMerge returns the generation of this worker's claim, or 0 if it has none.
// A claim that names it already is its own: the reply was lost, or an error came
// in between.
func (w *worker) claimMerge(ctx context.Context) (generation int, err error) {
	var row Merge
	won := false
	err = w.tx(ctx, "claim_merge", func(ctx context.Context, txn env.Txn) error {
		row, won = Merge{}, false
		if ready, err := w.ready(ctx, txn); err != nil || !ready {
			return err
		}
		if err := read(ctx, txn, MergeKey, &row); err != nil {
			return err
		}
		if row.Owner != w.self {
			if taken, err := w.taken(ctx, txn, &row); err != nil || taken {
				return err
			}
			row = Merge{Owner: w.self, Generation: row.Generation + 1}
			if !w.Weak.PutThenReadBack && !w.Weak.KeyExists {
				txn.Put(MergeKey, Encode(&row))
			}
		}
		won = true
		return nil
	})
	switch {
	case err != nil || !won:
		return 0, err
	case w.Weak.KeyExists:
		return w.claimByKey(ctx)
	case w.Weak.PutThenReadBack:
		return w.putThenReadBack(ctx, row)
	}
	return row.Generation, nil
}

// ready reports whether every job has ended and the batch has not. If one is
// dead, there is no dataset, and the batch ends here.
func (w *worker) ready(ctx context.Context, txn env.Txn) (bool, error) {
	var batch Batch
	if err := read(ctx, txn, BatchKey, &batch); err != nil {
		return false, err
	}
	if batch.Ended() || batch.Done+batch.Dead < batch.Total {
		return false, nil
	}
	if batch.Dead > 0 {
		batch.State = Failed
		txn.Put(BatchKey, Encode(&batch))
	}
	return batch.Dead == 0, nil
}

// taken reports whether somebody else merges, and lives.
func (w *worker) taken(ctx context.Context, txn env.Txn, row *Merge) (bool, error) {
	if row.Owner == "" || w.Weak.ClaimForever {
		return row.Owner != "", nil
	}
	silent, err := w.silent(ctx, txn, MergeKey, row.Owner)
	return !silent, err
}

// putThenReadBack is PutThenReadBack.
func (w *worker) putThenReadBack(ctx context.Context, mine Merge) (generation int, err error) {
	put, err := w.e.Runtime.Step(ctx, "put_claim")
	if err != nil {
		return 0, err
	}
	if err := w.insist(put, func(ctx context.Context) error { return w.put(ctx, MergeKey, &mine) }); err != nil {
		return 0, err
	}
	var row Merge
	err = w.tx(ctx, "read_back", func(ctx context.Context, txn env.Txn) error { return read(ctx, txn, MergeKey, &row) })
	if err != nil || row.Owner != w.self {
		return 0, err
	}
	return mine.Generation, nil
}

// claimByKey is KeyExists.
func (w *worker) claimByKey(ctx context.Context) (generation int, err error) {
	if ctx, err = w.e.Runtime.Step(ctx, "claim_by_key"); err != nil {
		return 0, err
	}
	err = w.insist(ctx, func(ctx context.Context) error { _, err := w.e.Objects.Head(ctx, claimObject); return err })
	if !errors.Is(err, env.ErrNotFound) {
		return 0, err
	}
	return 1, w.store(ctx, claimObject, w.self)
}

// build writes the dataset of a generation: the parts that the jobs' rows name.
// No other merger writes there.
func (w *worker) build(ctx context.Context, generation int) (dataset string, err error) {
	var parts []string
	err = w.tx(ctx, "build", func(ctx context.Context, txn env.Txn) error {
		all, err := jobs(ctx, txn)
		if err != nil {
			return err
		}
		parts = nil
		for _, job := range all {
			parts = append(parts, job.Parts...)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if ctx, err = w.e.Runtime.Step(ctx, "build"); err != nil {
		return "", err
	}
	if w.Weak.StageByWorker {
		if parts, err = w.listParts(ctx); err != nil {
			return "", err
		}
	}
	var body strings.Builder
	for _, key := range parts {
		part, err := w.load(ctx, key)
		if err != nil {
			return "", err
		}
		body.WriteString(part)
	}
	if err := w.e.Runtime.Work(ctx, 1); err != nil {
		return "", err
	}
	dataset = fmt.Sprintf("out/%d/dataset", generation)
	return dataset, w.store(ctx, dataset, body.String())
}

// listParts is StageByWorker: every part that lies there, in the order of jobs
// and frames.
func (w *worker) listParts(ctx context.Context) ([]string, error) {
	parts, err := w.list(ctx, stagePrefix)
	order := func(key string) string { return path.Base(path.Dir(key)) + "/" + path.Base(key) }
	slices.SortStableFunc(parts, func(a, b string) int { return cmp.Compare(order(a), order(b)) })
	return parts, err
}

// publish makes a dataset the batch's, if the claim is still of this generation.
func (w *worker) publish(ctx context.Context, generation int, dataset string) error {
	return w.tx(ctx, "publish", func(ctx context.Context, txn env.Txn) error {
		var batch Batch
		if err := read(ctx, txn, BatchKey, &batch); err != nil {
			return err
		}
		if !w.Weak.unfenced() {
			var row Merge
			if err := read(ctx, txn, MergeKey, &row); err != nil {
				return err
			}
			if row.Owner != w.self || row.Generation != generation {
				return env.ErrFenced
			}
			if batch.Ended() {
				return nil // by a try whose reply was lost
			}
			txn.Lock(MergeKey)
		}
		batch.State, batch.Dataset = Complete, dataset
		txn.Put(BatchKey, Encode(&batch))
		return nil
	})
}
