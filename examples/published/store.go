package published

import (
	"context"
	"log/slog"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// tx runs fn in a transaction and commits it, again and again until it is known
// what became of it. A try whose reply was lost may have been applied: fn reads
// anew each time, and recognises what an earlier try has done by the names and
// numbers in the rows.
func (p *process) tx(ctx context.Context, step env.Step, fn func(ctx context.Context, txn env.Txn) error) error {
	ctx, err := p.e.Runtime.Step(ctx, step)
	if err != nil {
		return err
	}
	return p.insist(ctx, func(ctx context.Context) error {
		txn, err := p.e.KV.Begin(ctx)
		if err != nil {
			return err
		}
		defer txn.Rollback()
		if err := fn(ctx, txn); err != nil {
			return err
		}
		return txn.Commit(ctx)
	})
}

// put writes a row in a transaction of its own, whatever is there: nothing of
// the repaired system but beats is written so.
func (p *process) put(ctx context.Context, key string, row any) error {
	txn, err := p.e.KV.Begin(ctx)
	if err != nil {
		return err
	}
	txn.Put(key, Encode(row))
	return txn.Commit(ctx)
}

// insist tries until a store has answered: one that is away costs no attempt of
// a job.
func (p *process) insist(ctx context.Context, try func(ctx context.Context) error) error {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := p.within(ctx, try)
		if context.Cause(ctx) != nil {
			return err
		}
		switch env.ClassOf(err) {
		case env.ClassConflict, env.ClassUnavailable, env.ClassUndetermined, env.ClassDeadline:
		default:
			return err
		}
		if err := p.e.Clock.Sleep(ctx, wait/2+p.jitter(wait)); err != nil {
			return err
		}
	}
}

// within gives a try as long as a beat has: what hangs is tried anew.
func (p *process) within(ctx context.Context, try func(ctx context.Context) error) error {
	ctx, cancel := p.e.Clock.WithTimeout(ctx, p.beatEvery())
	defer cancel()
	return try(ctx)
}

func (p *process) jitter(d time.Duration) time.Duration {
	return time.Duration(p.e.Rand.Uint64() % uint64(d))
}

// store puts an object. Its bytes follow from its key, so that it does not matter
// how often that happens, or when.
func (p *process) store(ctx context.Context, key, body string) error {
	return p.insist(ctx, func(ctx context.Context) error {
		_, err := p.e.Objects.Put(ctx, key, []byte(body), env.Always)
		return err
	})
}

// load gets an object.
func (p *process) load(ctx context.Context, key string) (body string, err error) {
	err = p.insist(ctx, func(ctx context.Context) error {
		bytes, object, err := p.e.Objects.Get(ctx, key, 0, -1)
		if err == nil && int64(len(bytes)) < object.Size {
			return env.ErrUnavailable // the connection broke in the middle
		}
		body = string(bytes)
		return err
	})
	return body, err
}

// list returns the keys under a prefix.
func (p *process) list(ctx context.Context, prefix string) (keys []string, err error) {
	for after, more := "", true; more; {
		err := p.insist(ctx, func(ctx context.Context) error {
			page, err := p.e.Objects.List(ctx, prefix, after, pageSize)
			if err != nil {
				return err
			}
			for _, object := range page.Objects {
				keys = append(keys, object.Key)
				after = object.Key
			}
			more = page.More
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// change edits a job's row, and the batch's counts with it if the job ends. edit
// reports whether there is anything to write. What is returned is the row as edit
// left it.
func (p *process) change(ctx context.Context, step env.Step, id string, edit func(ctx context.Context, txn env.Txn, job *Job) (bool, error)) (job Job, err error) {
	ends := false
	err = p.tx(ctx, step, func(ctx context.Context, txn env.Txn) error {
		job, ends = Job{}, false
		if err := read(ctx, txn, JobPrefix+id, &job); err != nil {
			return err
		}
		ended := job.Ended()
		changed, err := edit(ctx, txn, &job)
		if err != nil || !changed {
			return err
		}
		txn.Put(JobPrefix+id, Encode(&job))
		ends = job.Ended() && !ended
		if !ends || p.Weak.BlindStatus {
			return nil
		}
		var batch Batch
		if err := read(ctx, txn, BatchKey, &batch); err != nil {
			return err
		}
		batch.count(&job)
		txn.Put(BatchKey, Encode(&batch))
		return nil
	})
	if err == nil && ends && p.Weak.BlindStatus {
		err = p.countBlindly(ctx, &job)
	}
	return job, err
}

// count adds a job that has ended.
func (b *Batch) count(job *Job) {
	if job.State == Done {
		b.Done++
	} else {
		b.Dead++
	}
}

// countBlindly is BlindStatus.
func (p *process) countBlindly(ctx context.Context, job *Job) error {
	var batch Batch
	err := p.tx(ctx, "read_status", func(ctx context.Context, txn env.Txn) error { return read(ctx, txn, BatchKey, &batch) })
	if err != nil {
		return err
	}
	batch.count(job)
	if ctx, err = p.e.Runtime.Step(ctx, "write_status"); err != nil {
		return err
	}
	return p.insist(ctx, func(ctx context.Context) error { return p.put(ctx, BatchKey, &batch) })
}

// giveBack ends an attempt that has not completed.
func (p *process) giveBack(job *Job, why string) {
	job.State, job.Owner, job.Error = Pending, "", why
	if job.Attempt >= p.Attempts && !p.Weak.UncountedRetries {
		job.State = Dead
	}
}

// note logs what a round came to, if that is an error.
func (p *process) note(ctx context.Context, err error) {
	if err != nil {
		p.e.Log.Log(ctx, slog.LevelWarn, "round ended early", slog.String("error", err.Error()))
	}
}
