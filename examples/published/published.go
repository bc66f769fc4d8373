// Package published is the coordination of a distributed converter, written
// against package env as somebody else would write it, after the design that
// such converters publish. Workers turn recordings into one dataset; a
// transactional store says who does what; an object store holds the data.
//
//	row           written by                    says
//	job/<id>      worker, scanner               state, owner, attempt, what is staged
//	beat/<name>   worker                        which incarnation lives, and a counter
//	batch         whoever ends a job; merger    how many jobs have ended, what is published
//	merge         merger                        who merges, and in which generation
//
//	object                          is
//	in/<id>                         a recording, one byte a frame
//	stage/<id>/<attempt>/<frame>    a part: some frames, converted
//	out/<generation>/dataset        a dataset: all parts of all jobs, in order
//
// A job goes like this:
//
//  1. A worker claims it (pending -> running, attempt + 1) and converts it.
//  2. It stages a part, then names it in the job's row: a checkpoint.
//  3. It completes the job (running -> done).
//  4. If it dies, its beat stops. A scanner notices and gives the job back
//     (running -> pending), and the next attempt goes on behind the checkpoint.
//  5. When every job has ended, a worker claims the merge, concatenates the
//     parts into a dataset, and publishes it: batch running -> complete.
//
// Weak holds what such designs get wrong: each field switches one mechanism back
// to the way in which it is published. The zero value is the repaired system.
package published

import (
	"context"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Config is the configuration of all processes of the system.
type Config struct {
	// Stale is for how long a beat may stay the same until its worker counts as
	// gone. The other intervals are parts of it.
	Stale time.Duration
	// Attempts is how often a job is tried until it is dead.
	Attempts int
	// Interval is how many frames a part holds.
	Interval int
	// Weak says which mechanisms are as they were published.
	Weak Weak
}

func (c *Config) beatEvery() time.Duration { return c.Stale / 5 }
func (c *Config) pollEvery() time.Duration { return c.Stale / 8 }
func (c *Config) scanEvery() time.Duration { return c.Stale / 3 }

// Weak is what the published design gets wrong. Each race is told in steps.
type Weak struct {
	// PutThenReadBack: a merger puts its claim, reads it back, and has won if it
	// still reads its own name. The claim carries no generation, so the flip
	// can show none.
	//
	//  1. A and B see that nobody merges.
	//  2. A puts its claim and reads it back: it has won.
	//  3. B puts its claim over A's and reads it back: it has won, too.
	PutThenReadBack bool
	// KeyExists: the claim is an object. If it is not there, a merger puts it, and
	// has won.
	//
	//  1. A and B see that the object is not there.
	//  2. A puts it. B puts it. Both have won.
	//
	// And: a merger that dies leaves an object that no one takes over.
	KeyExists bool
	// ClaimForever: nobody takes a merge over.
	//
	//  1. A claims the merge and dies.
	//  2. Every other worker waits for A.
	ClaimForever bool
	// FlipUnfenced: a merger that has claimed once publishes without looking
	// whether the claim is still its own.
	//
	//  1. A claims the merge and freezes. B takes over and publishes.
	//  2. A wakes up and publishes, too.
	FlipUnfenced bool
	// ErrorFailsBatch: a merger that meets an error marks the batch failed.
	//
	//  1. A claims the merge and freezes. B takes over.
	//  2. A wakes up, learns that it has lost, and marks B's batch failed.
	ErrorFailsBatch bool
	// SnapshotClaim: the transaction of a claim is pessimistic, but the read in it
	// is not a locking one: it sees an old snapshot, and the write that follows
	// locks, and so checks, what is there by then. Here these are two transactions.
	//
	//  1. A and B read that the job is pending.
	//  2. A claims attempt 1.
	//  3. B claims attempt 1.
	SnapshotClaim bool
	// LostReplyIsFailure: a claim whose reply is lost counts as one that failed.
	//
	//  1. A's claim is applied, and its reply is lost.
	//  2. A looks for another job. Its beat goes on: nobody reaps the first.
	LostReplyIsFailure bool
	// BeatByName: the scanner asks whether the owner's name beats, not whether
	// its incarnation does.
	//
	//  1. A claims a job, dies and starts again.
	//  2. A's second life beats for the first, whose job nobody reaps.
	BeatByName bool
	// WallClock: beats carry the time of day, which the scanner compares with its
	// own.
	//
	//  1. A reads the time and puts a beat, which is held up for longer than Stale.
	//  2. A lives and works. The beat comes, and is old.
	//  3. The scanner reaps A.
	//
	// And: a clock that is wrong by more than Stale makes all others wrong.
	WallClock bool
	// CompleteUnfenced: whoever has converted the job writes that it is done.
	//
	//  1. A freezes; its job is reaped, and B claims attempt 2.
	//  2. A wakes up and completes the job with what attempt 1 has staged.
	CompleteUnfenced bool
	// BlindStatus: the batch's counts are read in one transaction and written in
	// another, after the job's own.
	//
	//  1. A and B each end a job, and read that 0 have ended.
	//  2. A writes 1. B writes 1. The merge waits for 2, for ever.
	BlindStatus bool
	// StageByWorker: parts are staged under the worker's name, and the merge takes
	// what lies there.
	//
	//  1. A stages frames 2 and 3 and dies before the checkpoint.
	//  2. B goes on behind frame 1 and stages frames 2 and 3.
	//  3. The merge finds both.
	StageByWorker bool
	// ResumeFromZero: an attempt begins at the first frame, and its checkpoints
	// replace those that are there.
	ResumeFromZero bool
	// UncountedRetries: a job that fails, or is reaped, is tried again, however
	// often that has happened.
	UncountedRetries bool
	// CleanUpPrefix: a worker that gives a job up deletes what lies under the job's
	// prefix.
	//
	//  1. A stages frames 0 and 1, checkpoints, and cannot convert frame 2.
	//  2. It gives the job back and deletes what it has staged.
	//  3. B goes on behind frame 1, and the merge misses two frames.
	CleanUpPrefix bool
}

// unfenced reports whether the claim on a merge is believed for good.
func (w *Weak) unfenced() bool { return w.PutThenReadBack || w.KeyExists || w.FlipUnfenced }

// process is what workers and scanners have in common.
type process struct {
	Config
	e    *env.Env
	self string // name/incarnation
	seen map[string]sighting
}

func (c Config) process(e *env.Env) process {
	return process{Config: c, e: e, self: e.Self.Name + "/" + e.Self.Incarnation, seen: map[string]sighting{}}
}

// Worker is the main function of a worker's process.
func (c Config) Worker(ctx context.Context, e *env.Env) error {
	w := &worker{c.process(e)}
	group := e.Runtime.Group(ctx)
	group.Spawn("beat", w.beat)
	group.Spawn("work", w.work)
	return group.Wait()
}

// Scanner is the main function of a scanner's process: it gives jobs back whose
// owners are silent.
func (c Config) Scanner(ctx context.Context, e *env.Env) error {
	s := &scanner{c.process(e)}
	for {
		if err := e.Clock.Sleep(ctx, s.scanEvery()); err != nil {
			return err
		}
		s.note(ctx, s.scan(ctx))
	}
}
