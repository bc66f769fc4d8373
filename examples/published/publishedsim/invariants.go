package publishedsim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/examples/published"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim"
)

// What must hold, judged by what the stores applied. Beside these, the simulator
// itself demands that the batch ends once the faults have stopped
// (progress-after-healing).

// invariants are fresh ones for a universe.
func invariants(s *system) []sim.Invariant {
	job := func(name string, check func(*jobChange) *sim.Violation) sim.Invariant {
		return rule[published.Job]{name, published.JobPrefix, check}
	}
	batch := func(name string, check func(*batchChange) *sim.Violation) sim.Invariant {
		return rule[published.Batch]{name, published.BatchKey, check}
	}
	return []sim.Invariant{
		job("claimed-once", claimedOnce),
		job("owner-writes", ownerWrites),
		job("reaped-alive", func(c *jobChange) *sim.Violation { return reapedAlive(c, s.Stale) }),
		job("attempts-bounded", func(c *jobChange) *sim.Violation { return attemptsBounded(c, s.Attempts) }),
		job("checkpoints-advance", checkpointsAdvance),
		batch("published-once", publishedOnce),
		batch("ends-deserved", endsDeserved),
		batch("dataset-whole", func(c *batchChange) *sim.Violation { return datasetWhole(c, s) }),
		&namedObjectsExist{named: map[string]nameOf{}},
		&statusAgrees{patience: 2 * s.Stale},
	}
}

// change is a commit that wrote a row.
type change[Row any] struct {
	w           *sim.World
	e           *sim.Effect
	key         string
	before, now Row
}

type (
	jobChange   = change[published.Job]
	batchChange = change[published.Batch]
)

// rule is an invariant about single changes of the rows under a prefix.
type rule[Row any] struct {
	name   string
	prefix string
	check  func(*change[Row]) *sim.Violation
}

func (r rule[Row]) Name() string { return r.name }

func (r rule[Row]) Observe(w *sim.World, e *sim.Effect) error {
	for key, value := range e.Writes(r.prefix) {
		c := change[Row]{w: w, e: e, key: key}
		if err := json.Unmarshal(value, &c.now); err != nil {
			return err
		}
		before, ok := w.Before(key)
		if ok && bytes.Equal(before, value) && c.last().Is(e.Process, e.Incarnation) {
			continue // written once more, because the reply was lost
		}
		if err := json.Unmarshal(before, &c.before); ok && err != nil {
			return err
		}
		if v := r.check(&c); v != nil {
			return v
		}
	}
	return nil
}

// last is the write before this one.
func (c *change[Row]) last() *sim.Moment {
	last := c.w.WriteBefore(c.key)
	return &last
}

// who is whose commit it is.
func (c *change[Row]) who() string { return c.e.Process + "/" + c.e.Incarnation }

// broken is a violation by this change and the one before it of the row.
func (c *change[Row]) broken(shape, format string, args ...any) *sim.Violation {
	return &sim.Violation{
		Shape: shape, Subject: c.key, Text: c.key + ": " + fmt.Sprintf(format, args...),
		First: c.last().Ref(tell(c.before)), Second: c.e.Ref(c.who() + " " + tell(c.now)),
	}
}

// tell says what a write made of a row.
func tell(row any) string {
	switch row := row.(type) {
	case published.Job:
		text := fmt.Sprintf("made it %s, attempt %d, %d frames", row.State, row.Attempt, row.Frames)
		if row.Owner != "" {
			text += ", owner " + row.Owner
		}
		return text
	case published.Batch:
		return "made it " + row.State
	}
	return "wrote it"
}

// scanner reports whether a scanner wrote it.
func scanner(e *sim.Effect) bool { return strings.HasPrefix(e.Process, "s") }

// claimedOnce: a claim takes a pending job, and raises its attempt by one.
func claimedOnce(c *jobChange) *sim.Violation {
	claims := c.now.State == published.Running && (c.before.State != published.Running || c.before.Owner != c.now.Owner || c.before.Attempt != c.now.Attempt)
	if claims && (c.before.State != published.Pending || c.now.Attempt != c.before.Attempt+1) {
		return c.broken("claimed twice", "%s claimed attempt %d of a job that was %s in attempt %d", c.who(), c.now.Attempt, c.before.State, c.before.Attempt)
	}
	return nil
}

// ownerWrites: only the owner writes for an attempt: it checkpoints, completes
// or fails the one that is running. Scanners only give jobs back. What has ended
// stays as it is.
func ownerWrites(c *jobChange) *sim.Violation {
	switch {
	case c.now.State == published.Running && c.before.State == published.Pending: // a claim
		return nil
	case scanner(c.e) && c.before.State == published.Running && c.now.State != published.Done:
		return nil
	case c.before.State != published.Running || c.before.Owner != c.who() || c.before.Attempt != c.now.Attempt:
		return c.broken("not the owner", "%s wrote for attempt %d; the job was %s in attempt %d", c.who(), c.now.Attempt, c.before.State, c.before.Attempt)
	}
	return nil
}

// reapedAlive: whose beats arrive is not reaped. Clocks drift by a tenth at most,
// so the store saw nothing for nearly as long as the scanner.
func reapedAlive(c *jobChange, stale time.Duration) *sim.Violation {
	if !scanner(c.e) {
		return nil
	}
	name, incarnation, _ := strings.Cut(c.before.Owner, "/")
	last := c.w.LastWrite(published.BeatPrefix + name)
	silence := c.e.At - last.At
	if !last.Is(name, incarnation) || silence >= stale*3/4 {
		return nil
	}
	v := c.broken("reaped alive", "%s reaped %s, whose last beat had come %s before; a beat counts for %s", c.who(), c.before.Owner, silence.Round(time.Millisecond), stale)
	v.First, v.Also = last.Ref("beat"), []string{published.BeatPrefix + name}
	return v
}

// attemptsBounded: a job is tried so many times, and dead after the last one
// only.
func attemptsBounded(c *jobChange, attempts int) *sim.Violation {
	switch {
	case c.now.Attempt > attempts:
		return c.broken("too many attempts", "attempt %d of %d", c.now.Attempt, attempts)
	case c.now.State == published.Dead && c.now.Attempt < attempts:
		return c.broken("dead too early", "dead after attempt %d of %d", c.now.Attempt, attempts)
	}
	return nil
}

// checkpointsAdvance: what is checkpointed is not done again.
func checkpointsAdvance(c *jobChange) *sim.Violation {
	if c.now.Frames < c.before.Frames {
		return c.broken("done again", "%s went back from frame %d to frame %d", c.who(), c.before.Frames, c.now.Frames)
	}
	return nil
}

// publishedOnce: a batch is published once.
func publishedOnce(c *batchChange) *sim.Violation {
	if c.before.State != published.Complete || c.now.State != published.Complete {
		return nil
	}
	v := c.broken("published twice", "%s published %s after %s had published %s", c.who(), c.now.Dataset, c.last().Who(), c.before.Dataset)
	v.Also = []string{published.MergeKey}
	return v
}

// endsDeserved: a batch fails if one of its jobs is dead, and only then; and
// what it has come to stays.
func endsDeserved(c *batchChange) *sim.Violation {
	dead := 0
	for _, key := range c.w.Keys(published.JobPrefix) {
		var job published.Job
		if stored(c.w, key, &job); job.State == published.Dead {
			dead++
		}
	}
	switch {
	case c.now.State == published.Failed && dead == 0:
		v := c.broken("failed for nothing", "%s failed what was %s; no job is dead", c.who(), c.before.State)
		v.Also = []string{published.MergeKey}
		return v
	case c.now.State == published.Complete && dead > 0:
		return c.broken("complete with dead jobs", "complete, and %d jobs are dead", dead)
	case c.before.Ended() && c.now.State != c.before.State:
		return c.broken("ended before", "%s made what was %s %s", c.who(), c.before.State, c.now.State)
	}
	return nil
}

// datasetWhole: what is published has every frame of every job, once and in
// order.
func datasetWhole(c *batchChange, s *system) *sim.Violation {
	if c.now.State != published.Complete {
		return nil
	}
	body, _ := c.w.Body(c.now.Dataset)
	want := s.dataset()
	if string(body) == want {
		return nil
	}
	right := 0 // frames, before the first that is wrong
	for right < min(len(body), len(want)) && body[right] == want[right] {
		right++
	}
	v := c.broken("torn dataset", "%s holds %q; want %q", c.now.Dataset, body, want)
	v.Subject = jobID(min(right, len(want)-1) / s.frames)
	return v
}

// namedObjectsExist: what a job's row names as a part is there when it is named,
// and stays as it is.
type namedObjectsExist struct{ named map[string]nameOf }

// nameOf is who named an object, and what it was then.
type nameOf struct {
	row    string
	by     sim.Moment
	digest uint64
}

func (i *namedObjectsExist) Name() string { return "named-objects-exist" }

func (i *namedObjectsExist) Observe(w *sim.World, e *sim.Effect) error {
	if e.Kind == sim.EffectObject {
		return i.object(e)
	}
	for key, value := range e.Writes(published.JobPrefix) {
		var job published.Job
		if err := json.Unmarshal(value, &job); err != nil {
			return err
		}
		for _, part := range job.Parts {
			if _, known := i.named[part]; known {
				continue
			}
			object, ok := w.Object(part)
			if !ok {
				return &sim.Violation{Shape: "named too early", Subject: key, Second: e.Ref("named " + part), Text: key + " names " + part + ", which is not there"}
			}
			i.named[part] = nameOf{key, e.Moment(), object.Digest}
		}
	}
	return nil
}

func (i *namedObjectsExist) object(e *sim.Effect) error {
	o := &e.Object
	name, ok := i.named[o.Key]
	what := "deleted"
	switch {
	case !ok || o.Kind != objstore.EffectDelete && o.Digest == name.digest:
		return nil
	case o.Kind != objstore.EffectDelete:
		what = "overwrote"
	}
	return &sim.Violation{
		Shape: what, Subject: name.row, Also: []string{o.Key}, First: name.by.Ref("named " + o.Key),
		Second: e.Ref(e.Process + "/" + e.Incarnation + " " + what + " it"),
		Text:   fmt.Sprintf("%s/%s %s %s, which %s names", e.Process, e.Incarnation, what, o.Key, name.row),
	}
}

// statusAgrees: the batch's counts are those of its jobs. A count may come after
// the job's end, but not never.
type statusAgrees struct {
	patience time.Duration
	since    sim.EventRef // the zero one while they agree
}

func (i *statusAgrees) Name() string { return "status-agrees" }

func (i *statusAgrees) Observe(w *sim.World, e *sim.Effect) error {
	if e.Kind != sim.EffectCommit {
		return nil
	}
	var batch published.Batch
	stored(w, published.BatchKey, &batch)
	var ended [2]int
	for _, key := range w.Keys(published.JobPrefix) {
		var job published.Job
		if stored(w, key, &job); job.Ended() {
			ended[slices.Index([]string{published.Done, published.Dead}, job.State)]++
		}
	}
	counted := [2]int{batch.Done, batch.Dead}
	text := fmt.Sprintf("the batch counts %d done and %d dead; %d are done and %d dead", counted[0], counted[1], ended[0], ended[1])
	switch {
	case counted == ended:
		i.since = sim.EventRef{}
	case counted[0] > ended[0] || counted[1] > ended[1]:
		return &sim.Violation{Shape: "counted too much", Subject: published.BatchKey, Second: e.Ref("the count is wrong"), Text: text}
	case i.since.Event == 0:
		i.since = e.Ref(e.Process + "/" + e.Incarnation + " ended a job")
	case e.At-i.since.At > i.patience:
		last := w.LastWrite(published.BatchKey)
		return &sim.Violation{
			Shape: "counted too little", Subject: published.BatchKey, Also: []string{published.JobPrefix}, First: i.since, Second: last.Ref("wrote the counts last"),
			Text: fmt.Sprintf("%s, for %s", text, (e.At - i.since.At).Round(time.Second)),
		}
	}
	return nil
}
