package published

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Poison is a frame that cannot be converted.
const Poison = '!'

// errPoison says that an attempt has met one.
var errPoison = errors.New("a frame that cannot be converted")

// worker converts jobs and merges.
type worker struct{ process }

// work does one job after the other, and the merge when there is none.
func (w *worker) work(ctx context.Context) error {
	for {
		busy, err := w.round(ctx)
		w.note(ctx, err)
		if busy && err == nil {
			continue
		}
		if err := w.e.Clock.Sleep(ctx, w.pollEvery()/2+w.jitter(w.pollEvery())); err != nil {
			return err
		}
	}
}

func (w *worker) round(ctx context.Context) (busy bool, err error) {
	job, err := w.claim(ctx)
	if err != nil {
		return false, err
	}
	if job != nil {
		return true, w.attempt(ctx, job)
	}
	return w.merge(ctx)
}

// claim returns a job that is this worker's: one that names it already, because
// the reply to its claim was lost, or because it could not write how its attempt
// ended; else the first pending one. It returns nil if there is none.
func (w *worker) claim(ctx context.Context) (mine *named, err error) {
	err = w.tx(ctx, "claim", func(ctx context.Context, txn env.Txn) error {
		mine = nil
		all, err := jobs(ctx, txn)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(j named) bool { return w.owns(&j.Job) })
		if i >= 0 && !w.Weak.LostReplyIsFailure {
			mine = &all[i]
			return nil
		}
		if i = slices.IndexFunc(all, func(j named) bool { return j.State == Pending }); i < 0 {
			return nil
		}
		mine = &all[i]
		mine.State, mine.Owner, mine.Error = Running, w.self, ""
		mine.Attempt++
		if w.Weak.SnapshotClaim {
			return w.put(ctx, JobPrefix+mine.id, &mine.Job)
		}
		txn.Put(JobPrefix+mine.id, Encode(&mine.Job))
		return nil
	})
	return mine, err
}

// owns reports whether a job names this incarnation.
func (w *worker) owns(job *Job) bool { return job.State == Running && job.Owner == w.self }

// attempt converts a job, and gives it back if it cannot.
func (w *worker) attempt(ctx context.Context, job *named) error {
	staged, err := w.convert(ctx, job)
	if err == nil || context.Cause(ctx) != nil {
		return err
	}
	row, failed := w.change(ctx, "fail", job.id, func(_ context.Context, _ env.Txn, row *Job) (bool, error) {
		if !w.owns(row) || row.Attempt != job.Attempt {
			return false, nil
		}
		w.giveBack(row, err.Error())
		return true, nil
	})
	if failed != nil {
		return failed
	}
	return errors.Join(err, w.cleanUp(ctx, job.id, staged, row.Parts))
}

// cleanUp deletes what an attempt that is over has staged last, unless a row
// names it. The attempt's number is in the key: nobody will ever name it.
func (w *worker) cleanUp(ctx context.Context, id, staged string, kept []string) error {
	ctx, err := w.e.Runtime.Step(ctx, "clean_up")
	if err != nil {
		return err
	}
	var keys []string
	switch {
	case w.Weak.CleanUpPrefix:
		if keys, err = w.list(ctx, w.stagePrefix(id)); err != nil {
			return err
		}
	case staged != "" && !slices.Contains(kept, staged):
		keys = []string{staged}
	}
	for _, key := range keys {
		if err := w.insist(ctx, func(ctx context.Context) error { return w.e.Objects.Delete(ctx, key) }); err != nil {
			return err
		}
	}
	return nil
}

// convert goes on behind the last checkpoint. It returns the part that it has
// staged last.
func (w *worker) convert(ctx context.Context, job *named) (staged string, err error) {
	if ctx, err = w.e.Runtime.Step(ctx, "convert"); err != nil {
		return "", err
	}
	source, err := w.load(ctx, SourcePrefix+job.id)
	if err != nil {
		return "", err
	}
	if w.Weak.ResumeFromZero {
		job.Frames, job.Parts = 0, nil
	}
	for job.Frames < len(source) {
		frames := source[job.Frames:min(job.Frames+w.Interval, len(source))]
		if err := w.e.Runtime.Work(ctx, len(frames)); err != nil {
			return staged, err
		}
		if strings.ContainsRune(frames, Poison) {
			return staged, errPoison
		}
		staged = w.partKey(job)
		if err := w.store(ctx, staged, strings.ToUpper(frames)); err != nil {
			return staged, err
		}
		job.Frames, job.Parts = job.Frames+len(frames), append(slices.Clone(job.Parts), staged)
		if err := w.checkpoint(ctx, job); err != nil {
			return staged, err
		}
	}
	return staged, w.complete(ctx, job)
}

// partKey is where the next part of an attempt is staged. No other attempt
// writes there.
func (w *worker) partKey(job *named) string {
	if w.Weak.StageByWorker {
		return fmt.Sprintf("%s%04d", w.stagePrefix(job.id), job.Frames)
	}
	return fmt.Sprintf("%s%d/%04d", w.stagePrefix(job.id), job.Attempt, job.Frames)
}

func (w *worker) stagePrefix(id string) string {
	if w.Weak.StageByWorker {
		return stagePrefix + w.e.Self.Name + "/" + id + "/"
	}
	return stagePrefix + id + "/"
}

// checkpoint names what is staged in the job's row, if the job is still this
// attempt's.
func (w *worker) checkpoint(ctx context.Context, job *named) error {
	_, err := w.change(ctx, "checkpoint", job.id, func(_ context.Context, _ env.Txn, row *Job) (bool, error) {
		if !w.owns(row) || row.Attempt != job.Attempt {
			return false, env.ErrFenced
		}
		row.Frames, row.Parts = job.Frames, job.Parts
		return true, nil
	})
	return err
}

// complete ends a job, if it is still this attempt's.
func (w *worker) complete(ctx context.Context, job *named) error {
	_, err := w.change(ctx, "complete", job.id, func(_ context.Context, _ env.Txn, row *Job) (bool, error) {
		switch {
		case w.Weak.CompleteUnfenced:
			*row = job.Job
		case row.State == Done && row.Owner == w.self && row.Attempt == job.Attempt:
			return false, nil // by a try whose reply was lost
		case !w.owns(row) || row.Attempt != job.Attempt:
			return false, env.ErrFenced
		}
		row.State = Done
		return true, nil
	})
	return err
}
