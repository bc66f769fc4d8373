package core

import (
	"context"
	"log/slog"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/dataset"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// janitor collects what ended batches leave outside their published datasets:
// staged objects, datasets of merges that lost, uploads that nobody completed.
type janitor struct {
	*Node
	settled *observer // of the batches that may be collected
	ages    *observer // of how old their rows say that they are
}

func newJanitor(n *Node) *janitor {
	return &janitor{Node: n, settled: newObserver(n.env.Clock), ages: newObserver(n.env.Clock)}
}

func (j *janitor) run(ctx context.Context) error {
	return j.every(ctx, "janitor", j.cfg.JanitorEvery, j.round)
}

func (j *janitor) round(ctx context.Context) error {
	ctx, err := j.env.Runtime.Step(ctx, StepCollect)
	if err != nil {
		return err
	}
	ended, err := j.sweeps(ctx)
	if err != nil {
		return err
	}
	var first error
	for _, s := range ended {
		if s.row.state != sweepCollect {
			continue
		}
		if err := j.sweep(ctx, s); err != nil {
			j.log(ctx, slog.LevelWarn, "collection failed", string(s.id), err)
			first = firstError(first, err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	j.settled.endRound()
	j.ages.endRound()
	return first
}

// sweep collects what a settled batch left, once all requests that were sent
// before it ended have executed or never will (R15), and again at every round
// for WatchFor: a process may have been frozen for long with a request in hand.
func (j *janitor) sweep(ctx context.Context, s swept) error {
	j.ages.keep(string(s.id), s.row.sign())
	if j.settled.unchanged(string(s.id), beat{}) < j.cfg.MaxInFlight {
		return nil
	}
	if err := j.visit(ctx, s.id); err != nil {
		return err
	}
	if err := j.collect(ctx, s); err != nil {
		return err
	}
	return j.age(ctx, s)
}

// visit reads every row of the batch. A committer that died, or was frozen past
// the batch's end, may have left locks on rows that nobody reads any more;
// whoever reads them later than the locks' time-to-live resolves them.
func (j *janitor) visit(ctx context.Context, id batchID) error {
	return j.kv.view(ctx, func(ctx context.Context, tx env.Txn) error {
		for _, prefix := range [...]string{unitsPrefix(id), checkpointsPrefix(id), discoveriesPrefix(id), shardsPrefix(id), failuresPrefix(id), deadsPrefix(id)} {
			err := scan(ctx, tx, prefix, j.cfg.Page, func(env.Pair) (bool, error) { return true, nil })
			if err != nil {
				return err
			}
		}
		for _, key := range [...]string{batchKey(id.name()), statusKey(id.name()), mergeKey(id)} {
			if _, _, err := get(ctx, tx, key); err != nil {
				return err
			}
		}
		return nil
	})
}

// collect deletes and aborts everything under the batch's prefixes but the
// published dataset. No row points to any of it (R7): the controller has
// settled the units, and only a merge that was published is pointed to.
func (j *janitor) collect(ctx context.Context, s swept) error {
	gen := s.id.gen()
	keep := ""
	if s.row.mergeGen != 0 {
		keep = datasetPrefix(s.row.output, gen, s.row.mergeGen)
	}
	for _, prefix := range [...]string{stagingPrefix(s.row.output, gen), mergesPrefix(s.row.output, gen)} {
		if err := j.deleteObjects(ctx, s, prefix, keep); err != nil {
			return err
		}
		if !j.uploadsByPrefix {
			continue
		}
		if err := j.abortUploads(ctx, s, prefix); err != nil {
			return err
		}
	}
	if j.uploadsByPrefix {
		return nil
	}
	keys, err := j.derivedKeys(ctx, s)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := j.abortUploads(ctx, s, key); err != nil {
			return err
		}
	}
	return nil
}

// derivedKeys are all keys under which an upload of the batch may be open: those
// of every epoch that a unit has had, and of every object of every merge. Rows
// still tell how many of each there were.
func (j *janitor) derivedKeys(ctx context.Context, s swept) ([]string, error) {
	var keys []string
	err := j.kv.view(ctx, func(ctx context.Context, tx env.Txn) error {
		keys = keys[:0]
		prefix, units := unitsPrefix(s.id), 0
		err := scan(ctx, tx, prefix, j.cfg.Page, func(p env.Pair) (bool, error) {
			u, err := decodeUnit(p.Key, p.Value)
			for epoch := uint64(1); epoch <= u.epoch; epoch++ {
				keys = append(keys, stagingKey(s.row.output, s.id, p.Key[len(prefix):], epoch))
			}
			units++
			return true, err
		})
		if err != nil {
			return err
		}
		last, err := readMerge(ctx, tx, mergeKey(s.id))
		for gen := uint64(1); gen <= last.gen; gen++ {
			for path := range dataset.Paths(units, orDefault(s.row.chunk, j.cfg.EpisodesPerChunk), j.codec.Ext()) {
				keys = append(keys, datasetPrefix(s.row.output, s.id.gen(), gen)+path)
			}
		}
		return err
	})
	return keys, err
}

// written reports whether a key under the batch's prefixes has the form of those
// that attempts and merges write. What somebody else keeps there is not the
// janitor's to delete.
func (j *janitor) written(s swept, key string) bool {
	gen := s.id.gen()
	if rest, ok := strings.CutPrefix(key, stagingPrefix(s.row.output, gen)); ok {
		uid, rest, _ := strings.Cut(rest, "/e")
		epoch, isEpisode := strings.CutSuffix(rest, "/episode")
		return isEpisode && len(uid) == uidDigits && strings.Trim(uid, "0123456789abcdef") == "" && isPadded(epoch)
	}
	rest, ok := strings.CutPrefix(key, mergesPrefix(s.row.output, gen))
	mergeGen, path, inside := strings.Cut(rest, "/")
	return ok && inside && isPadded(mergeGen) && dataset.IsPath(path, j.codec.Ext())
}

// isPadded reports whether text is a generation or an epoch as keys hold it.
func isPadded(text string) bool {
	return len(text) >= genDigits && strings.Trim(text, "0123456789") == ""
}

// kept reports whether key lies under the prefix to keep, if there is one.
func kept(key, keep string) bool { return keep != "" && strings.HasPrefix(key, keep) }

// afterAll sorts behind every key that begins with prefix.
func afterAll(prefix string) string { return prefix + "\U0010FFFF" }

// deleteObjects deletes what the batch wrote under prefix and not under keep.
func (j *janitor) deleteObjects(ctx context.Context, s swept, prefix, keep string) error {
	after := ""
	for {
		page, err := j.objects.List(ctx, prefix, after, j.cfg.Page)
		if err != nil {
			return err
		}
		for _, obj := range page.Objects {
			after = obj.Key
			if kept(obj.Key, keep) {
				after = afterAll(keep)
				continue
			}
			if !j.written(s, obj.Key) {
				continue
			}
			if err := j.objects.Delete(ctx, obj.Key); err != nil {
				return err
			}
			j.env.Metrics.Add("objects_collected_total", 1)
		}
		if !page.More {
			return nil
		}
	}
}

// abortUploads aborts the batch's open uploads under prefix. None of them can become
// part of a published dataset any more: its objects are all there (R6).
func (j *janitor) abortUploads(ctx context.Context, s swept, prefix string) error {
	afterKey, afterID := "", ""
	for {
		page, err := j.objects.ListUploads(ctx, prefix, afterKey, afterID, j.cfg.Page)
		if err != nil {
			return err
		}
		for _, u := range page.Uploads {
			afterKey, afterID = u.Key, u.ID
			if !j.written(s, u.Key) {
				continue
			}
			if err := j.objects.AbortUpload(ctx, u.Key, u.ID); err != nil {
				return err
			}
			j.env.Metrics.Add("uploads_collected_total", 1)
		}
		if !page.More {
			return nil
		}
	}
}

// age counts how long an ended batch has been watched, in its row, so that a
// restart does not begin anew; no wall clock takes part. An interval counts
// only if no other janitor has counted meanwhile: so the sum is never more than
// the time that has passed. When it is enough the batch is forgotten.
func (j *janitor) age(ctx context.Context, s swept) error {
	enough := max(j.cfg.WatchFor.Milliseconds(), s.row.ttlMS)
	watched := j.ages.unchanged(string(s.id), s.row.sign())
	now := j.env.Clock.Monotonic()
	age := s.row.ageMS + watched.Milliseconds()
	if age >= enough {
		return j.forget(ctx, s)
	}
	const counts = 16 // a restart loses at most this share
	if age-s.row.ageMS < enough/counts {
		return nil
	}
	key := sweepKey(s.id)
	err := j.kv.update(ctx, &txn{body: func(ctx context.Context, tx env.Txn) error {
		sweep, err := readSweep(ctx, tx, s.id)
		if err != nil || sweep.ageMS != s.row.ageMS {
			return err
		}
		sweep.ageMS = age
		tx.Put(key, sweep.encode())
		return nil
	}})
	if env.ClassOf(err) == env.ClassNotFound {
		return nil // forgotten meanwhile
	}
	if err == nil {
		j.ages.note(string(s.id), beat{count: uint64(age)}, now)
	}
	return err
}

// forget ends the watch. If the batch has a TTL its rows go, too: first the
// batch row says so, then what it leads to is deleted, and the sweep row last,
// so that a crash in between only makes the next round repeat it. The batch
// row and the published dataset stay.
func (j *janitor) forget(ctx context.Context, s swept) error {
	if s.row.ttlMS > 0 {
		if err := j.expire(ctx, s.id); err != nil {
			return err
		}
		for _, prefix := range [...]string{discoveriesPrefix(s.id), unitsPrefix(s.id), shardsPrefix(s.id), failuresPrefix(s.id), deadsPrefix(s.id)} {
			if err := j.deleteRows(ctx, prefix); err != nil {
				return err
			}
		}
	}
	err := j.kv.update(ctx, &txn{body: func(ctx context.Context, tx env.Txn) error {
		if s.row.ttlMS > 0 {
			tx.Delete(mergeKey(s.id))
		}
		tx.Delete(sweepKey(s.id))
		return nil
	}})
	if err == nil {
		j.log(ctx, slog.LevelInfo, "batch forgotten", string(s.id), nil)
	}
	return err
}

// expire marks the batch, if the name was not submitted again since.
func (j *janitor) expire(ctx context.Context, id batchID) error {
	return j.kv.update(ctx, &txn{body: func(ctx context.Context, tx env.Txn) error {
		b, err := readBatch(ctx, tx, id.name())
		if err != nil {
			return err
		}
		if b.gen != id.gen() || b.phase == PhaseExpired {
			return nil
		}
		if err := b.advance(PhaseExpired); err != nil {
			return err
		}
		tx.Put(batchKey(id.name()), b.encode())
		tx.Delete(statusKey(id.name()))
		return nil
	}})
}

// deleteRows deletes all rows under prefix, page by page.
func (j *janitor) deleteRows(ctx context.Context, prefix string) error {
	for more := true; more; {
		err := j.kv.update(ctx, &txn{body: func(ctx context.Context, tx env.Txn) error {
			pairs, err := tx.Scan(ctx, prefix, prefixEnd(prefix), j.cfg.Page)
			for _, p := range pairs {
				tx.Delete(p.Key)
			}
			more = len(pairs) == j.cfg.Page
			return err
		}})
		if err != nil {
			return err
		}
	}
	return nil
}
