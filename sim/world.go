package sim

import (
	"bytes"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// World is what invariants judge by: the state of the stores as of the effect
// that is being observed, commits in the order of their timestamps, and never
// what the actors believe.
type World struct {
	u       *Universe
	rows    map[string]*row
	shown   uint64 // effects that were applied
	objects map[string]ObjectState
	marks   map[string]int
	states  []uint64
	shapes  []uint64 // steps between states, and faults in states: see Result.Shapes
	step    string   // of the effect that was applied last
}

// ObjectState is one object as of the observed effect.
type ObjectState struct {
	Size   int64
	ETag   string
	Digest uint64 // of the content, however it was written
}

// EffectKind tells what an Effect is.
type EffectKind uint8

const (
	// EffectCommit: a transaction was committed.
	EffectCommit EffectKind = iota + 1
	// EffectObject: an object or an upload changed.
	EffectObject
	// EffectRecord: a trusted client recorded a call or a return.
	EffectRecord
	// EffectProcess: a process booted, crashed, paused, resumed or exited, or
	// a fault fired.
	EffectProcess
)

// Effect is one thing that became true in the stores, or that a trusted client
// says, in the order in which it counts.
type Effect struct {
	Kind EffectKind
	// TS orders effects: a commit's commit_ts, for others the newest timestamp
	// that the oracle had handed out.
	TS uint64
	// Event and At say when it happened in the run: a held-back effect is
	// observed later than that.
	Event uint64
	At    time.Duration
	// Who did it: the process whose request had the effect, its incarnation,
	// task and step. Late is set when nobody waited for the request any more.
	Process     string
	Incarnation string
	Task        string
	Step        string
	Late        bool

	Commit tikv.Commit     // EffectCommit
	Object objstore.Effect // EffectObject
	// Before is the object that Object replaced or deleted, if Existed.
	Before ObjectState
	Record Record // EffectRecord
	// Happened is what befell Process, Fault the fault of FaultFired:
	// EffectProcess.
	Happened ProcessEvent
	Fault    *fault.Fault
}

// Record is what a trusted client says happened.
type Record struct {
	What string // what it did, in the system's own words: "submit", "cancel"
	Of   string // what it is about
	// Returned is false for a call, true for its return with Class.
	Returned bool
	Class    env.Class
	Value    int64  // what the call returned, if it is a number, or what it asked with
	Told     string // what it returned, as text that invariants can compare
}

// Invariant is one sentence that must hold. It gets fresh state in every
// universe and never calls into the system under test.
type Invariant interface {
	// Name is the sentence in short, the same for ever: "exactly-once-merge".
	Name() string
	// Observe is called for every effect, in order. An error is a violation.
	Observe(w *World, e *Effect) error
}

// Settler is an Invariant that also has a last word.
type Settler interface {
	Invariant
	// Settled is called once when everything has come to rest. An error is a
	// violation.
	Settled(w *World) error
}

// CallObserver is an Invariant that also wants to see requests, whether they
// had an effect or not: for counting how often something interesting happened.
type CallObserver interface {
	// ObserveCall is called when a store has handled a request, or when it or
	// its reply was lost or refused. It sees requests in the order in which
	// they happen: commits among them are not judged yet. c is valid during the
	// call only.
	ObserveCall(w *World, c *Call)
}

// Call is one request at a store.
type Call struct {
	Event uint64
	At    time.Duration
	Sent  time.Duration // when its caller made it; 0 if that is not known

	Process, Incarnation, Task, Step string
	Op                               ops.Op
	Key                              string // the primary's, for transactions
	StartTS                          uint64 // KV
	// Fate is what became of it, Answer what it was answered with: Handled,
	// Refused.
	Fate   Fate
	Answer Answer
	// Reset is set if its caller learns at once, by a broken connection, that no answer
	// will come.
	Reset bool
	// Late is set when nobody waited for it any more.
	Late bool
	// Client is set if a trusted client of the workload makes it.
	Client bool

	call call
}

// Anchor names the call as plans do. Another executor's calls (see Court) have none.
func (c *Call) Anchor() fault.Anchor { return c.call.anchor() }

// Violation says which invariant broke, by which events, and when.
type Violation struct {
	Invariant string
	// Blame says whose bug it is, as far as the run can tell.
	Blame Blame
	// Rule is the rule of the protocol behind it ("R11"), or "".
	Rule string
	// Shape is the violation's identity apart from times and names: which of
	// the invariant's clauses broke, by which steps. Reduction keeps it.
	Shape string
	Text  string
	// First and Second are the two events that together are the violation;
	// First may be absent (Event 0).
	First, Second EventRef
	// Subject is what the events have in common: a key or a part of one. Also
	// lists further ones whose story belongs to the violation's.
	Subject string
	Also    []string
	// Expected says what somebody should have gone on with after First, nil if that is
	// not what the violation is about.
	Expected *Expected
	Stack    string // of a panic
	// Waits are what every task waits for, and Absent the processes that do not run
	// ("client has finished"), where something has not happened in time.
	Waits  []Wait
	Absent []string
	// Standstill says more where the system is not done in time, nil otherwise.
	Standstill *Standstill
	Event      uint64
	At         time.Duration
}

// Expected is what was expected of a process after the first event of a violation: that
// it goes on with something. Reports say what it did ask about that.
type Expected struct {
	Process string // "" for anybody
	// Step is the step in which it should, "" for any.
	Step string
	// About is a key or a part of one.
	About string
}

// EventRef names an event of the run.
type EventRef struct {
	Event uint64
	At    time.Duration
	What  string // "w1 wrote version 2"
}

// Identity is what makes two failures the same failure: the invariant and the
// shape, whatever the names and times.
func (v *Violation) Identity() [2]string { return [2]string{v.Invariant, v.Shape} }

func (v *Violation) Error() string { return v.Invariant + ": " + v.Text }

// Ref names the effect's event, for violations.
func (e *Effect) Ref(what string) EventRef { return EventRef{Event: e.Event, At: e.At, What: what} }

// Moment remembers of an effect who had it and when, to name it later. The zero
// Moment is none.
type Moment struct {
	Event uint64
	At    time.Duration
	// Process is empty if the world itself did it.
	Process, Incarnation, Step string
}

// Moment is when the effect happened, and who had it.
func (e *Effect) Moment() Moment {
	return Moment{Event: e.Event, At: e.At, Process: e.Process, Incarnation: e.Incarnation, Step: e.Step}
}

// Ref names the moment for a violation: "w1/2 claimed epoch 3", if what is
// "claimed epoch 3". Of the zero Moment it is no event.
func (m *Moment) Ref(what string) EventRef {
	if m.Event == 0 {
		return EventRef{}
	}
	return EventRef{Event: m.Event, At: m.At, What: m.Who() + " " + what}
}

// Who is "<process>/<incarnation>", or "the world".
func (m *Moment) Who() string {
	if m.Process == "" {
		return "the world"
	}
	return m.Process + "/" + m.Incarnation
}

// Is reports whether the moment is one of the given incarnation's.
func (m *Moment) Is(process, incarnation string) bool {
	return m.Process == process && m.Incarnation == incarnation
}

// Writes returns the rows under prefix that a commit put, with their values, and
// those that it deleted, with nil; nothing for other effects.
func (e *Effect) Writes(prefix string) iter.Seq2[string, []byte] {
	return func(yield func(key string, value []byte) bool) {
		for i := range e.Commit.Writes {
			m := &e.Commit.Writes[i]
			if !writes(m) || !strings.HasPrefix(m.Key, prefix) {
				continue
			}
			if !yield(m.Key, m.Value) {
				return
			}
		}
	}
}

// writes reports whether a mutation changes its row, rather than only lock it.
func writes(m *tikv.Mutation) bool { return m.Op == tikv.OpPut || m.Op == tikv.OpDelete }

// row is one key that was ever written: its value, and what it was before the
// effect that wrote it last.
type row struct {
	value, before    []byte // nil: there is none
	written, earlier Moment // the last write, and the one before it
	shown            uint64 // number of the effect that wrote it last
}

func (w *World) init(u *Universe) {
	u.judge.world = w
	*w = World{u: u, rows: map[string]*row{}, objects: map[string]ObjectState{}, marks: map[string]int{}}
}

// Get returns the row at key as of the observed effect.
func (w *World) Get(key string) (value []byte, ok bool) {
	r := w.rows[key]
	if r == nil {
		return nil, false
	}
	return r.value, r.value != nil
}

// Before returns the row at key as it was before the observed effect.
func (w *World) Before(key string) (value []byte, ok bool) {
	r := w.rows[key]
	if r == nil || r.shown != w.shown {
		return w.Get(key)
	}
	return r.before, r.before != nil
}

// rewrote reports whether the observed effect left the row at key as it was.
func (w *World) rewrote(key string) bool {
	r := w.rows[key]
	return r != nil && bytes.Equal(r.before, r.value) && (r.before == nil) == (r.value == nil)
}

// LastWrite returns when the row at key was last put or deleted, as of the
// observed effect; the zero Moment if never.
func (w *World) LastWrite(key string) Moment {
	if r := w.rows[key]; r != nil {
		return r.written
	}
	return Moment{}
}

// WriteBefore is LastWrite before the observed effect.
func (w *World) WriteBefore(key string) Moment {
	if r := w.rows[key]; r != nil && r.shown == w.shown {
		return r.earlier
	}
	return w.LastWrite(key)
}

// Object returns the object at key as of the observed effect.
func (w *World) Object(key string) (o ObjectState, ok bool) {
	o, ok = w.objects[key]
	return o, ok
}

// Keys returns the keys of rows that begin with prefix, in order.
func (w *World) Keys(prefix string) []string {
	keys := keysWith(w.rows, prefix)
	return slices.DeleteFunc(keys, func(key string) bool { return w.rows[key].value == nil })
}

// ObjectKeys returns the keys of objects that begin with prefix, in order.
func (w *World) ObjectKeys(prefix string) []string { return keysWith(w.objects, prefix) }

func keysWith[V any](m map[string]V, prefix string) []string {
	var keys []string
	for key := range maps.Keys(m) {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Body returns what the object store holds at key now.
func (w *World) Body(key string) (body []byte, ok bool) {
	_, body, ok = w.u.objects.Object(key)
	return body, ok
}

// Uploads returns the open multipart uploads.
func (w *World) Uploads() []env.Upload {
	var uploads []env.Upload
	for upload := range w.u.objects.Uploads() {
		uploads = append(uploads, upload)
	}
	return uploads
}

// Reads returns every single-key read that TiKV answered in this universe.
func (w *World) Reads() *tikv.List[tikv.Read] { return &w.u.kv.Ledger().Reads }

// Scans returns every page of a scan that TiKV answered.
func (w *World) Scans() *tikv.List[tikv.ScanRead] { return &w.u.kv.Ledger().Scans }

// Locks returns the keys that are still locked in TiKV.
func (w *World) Locks() []string {
	var keys []string
	for _, lock := range w.u.kv.Locks() {
		keys = append(keys, lock.Key)
	}
	return keys
}

// Now is the virtual time since the universe began.
func (w *World) Now() time.Duration { return time.Duration(w.u.sched.now) }

// Timely reports whether no timer is ever let overtake a message in flight, and the plan
// holds none by an ordering, nor a piece of work: then nothing times out in this universe
// without a fault.
func (w *World) Timely() bool { return w.u.arm.timely && !w.u.held }

// Hastened reports whether a process's monotonic clock has been made to run fast by now.
// If none has, what waits for a time by its clock waits no shorter.
func (w *World) Hastened() bool { return w.u.hastened }

// Steady reports whether a task draws the same number again and again in this universe, as
// in one that is driven by a test.
func (w *World) Steady() bool { return w.u.steady }

// Elsewhere reports whether the processes live in another executor (see Court), whose
// requests are not all seen, nor at the very time.
func (w *World) Elsewhere() bool { return w.u.elsewhere }

// Healed is when the faults stopped, and whether they have.
func (w *World) Healed() (at time.Duration, ok bool) {
	return time.Duration(w.u.healedAt), w.u.phase != chaosPhase
}

// Faults returns the faults that have fired so far.
func (w *World) Faults() []*fault.Fault {
	var fired []*fault.Fault
	for _, f := range w.u.faults {
		if f.Fired > 0 {
			fired = append(fired, f)
		}
	}
	return fired
}

// Mark counts that something interesting happened.
func (w *World) Mark(name string) { w.u.Mark(name) }

// State notes that the system is in an abstract state, given by a hash of what
// matters of it.
func (w *World) State(hash uint64) {
	w.shape(hash, w.step)
	w.states = append(w.states, hash)
}

// shape notes what happens to the system in the abstract state that it is in: the
// step of the protocol that leads to another one, or a fault.
func (w *World) shape(of uint64, what string) {
	now := uint64(0)
	if n := len(w.states); n > 0 {
		now = w.states[n-1]
	}
	w.shapes = append(w.shapes, keyed.Mix(keyed.Mix(now, of), keyed.HashText(what)))
}

// Mark counts that something interesting happened in this universe.
func (u *Universe) Mark(name string) { u.world.marks[name]++ }

// drainPrepared takes over what System.Prepare stored, unobserved: in the order
// of effects, rows that are judged later than the first boot would come too late.
func (u *Universe) drainPrepared() {
	ledger := u.kv.Ledger()
	for i := range ledger.Commits {
		u.foldCommit(&ledger.Commits[i])
		u.world.apply(&Effect{Kind: EffectCommit, Commit: ledger.Commits[i]})
	}
	ledger.ForgetDecisions()
	for _, e := range u.objects.Effects {
		u.world.applyObject(&Effect{Object: e})
	}
	u.objects.Effects = u.objects.Effects[:0]
	u.hash = keyed.Fold(u.hash, u.objects.Digest())
	u.prepared = u.objects.Shown()
}

// collectCommits takes what the request did in TiKV from the ledger.
func (u *Universe) collectCommits(m *message) {
	u.collectLedger(m)
	u.expectCollection()
}

// collectLedger takes over what was decided; m is nil for what no request did.
func (u *Universe) collectLedger(m *message) {
	u.takeCommits(func() Effect { return u.effect(m) })
}

// takeCommits makes effects of what was decided.
func (u *Universe) takeCommits(begin func() Effect) {
	ledger := u.kv.Ledger()
	for i := range ledger.Commits {
		c := &ledger.Commits[i]
		e := begin()
		e.Kind, e.TS, e.Commit = EffectCommit, c.CommitTS, *c
		u.foldCommit(c)
		u.submit(&e)
	}
	ledger.ForgetDecisions()
	u.judge.observe()
}

// collectObjects takes what the request did in the object store.
func (u *Universe) collectObjects(m *message) {
	u.takeObjects(func() Effect { return u.effect(m) })
}

func (u *Universe) takeObjects(begin func() Effect) {
	for _, o := range u.objects.Effects {
		e := begin()
		e.Kind, e.TS, e.Object = EffectObject, u.kv.LastTS(), o
		u.submit(&e)
	}
	u.objects.Effects = u.objects.Effects[:0]
	u.judge.observe()
}

// submit gives an effect to the judge, and to those who record.
func (u *Universe) submit(e *Effect) {
	if u.recorder != nil {
		u.recorder.effects = append(u.recorder.effects, *e)
	}
	if u.history != nil {
		u.history.effect(u, e)
	}
	u.judge.submit(e)
}

// effect begins an effect of the current event.
func (u *Universe) effect(m *message) Effect {
	e := Effect{Event: u.events, At: time.Duration(u.sched.now)}
	if m != nil {
		t := m.task
		e.Process, e.Incarnation, e.Task, e.Step = t.proc.program.Name, incarnation(m.inc), t.name, m.call.site.Step
		e.Late = m.gone || t.dead
	}
	return e
}

func (w *World) apply(e *Effect) {
	w.shown++
	w.step = e.Step
	switch e.Kind {
	case EffectCommit:
		w.u.committed = append(w.u.committed, e.Commit.StartTS)
		for i := range e.Commit.Writes {
			if m := &e.Commit.Writes[i]; writes(m) {
				w.write(e, m)
			}
		}
	case EffectObject:
		w.applyObject(e)
	}
}

func (w *World) write(e *Effect, m *tikv.Mutation) {
	r := w.rows[m.Key]
	if r == nil {
		r = &row{}
		w.rows[m.Key] = r
	}
	r.before, r.earlier = r.value, r.written
	r.value, r.written, r.shown = nil, e.Moment(), w.shown
	if m.Op == tikv.OpPut {
		r.value = m.Value
		if r.value == nil { // empty, and there
			r.value = []byte{}
		}
	}
}

func (w *World) applyObject(e *Effect) {
	o := &e.Object
	e.Before = w.objects[o.Key]
	switch o.Kind {
	case objstore.EffectPut, objstore.EffectComplete:
		w.objects[o.Key] = ObjectState{Size: o.Size, ETag: o.ETag, Digest: o.Digest}
	case objstore.EffectDelete:
		delete(w.objects, o.Key)
	}
}

// Recorder is how a trusted client's process tells the world of its calls.
type Recorder struct{ in Recording }

// Recording is a process's env.Runtime in a world that is judged: the
// simulator's, or that of another executor (see Court).
type Recording interface {
	// Record tells the judge what the running task says.
	Record(rec Record)
}

// RecorderOf returns the recorder of the process that e belongs to, or false
// if nobody judges the world of e.
func RecorderOf(e *env.Env) (Recorder, bool) {
	in, ok := e.Runtime.(Recording)
	return Recorder{in}, ok
}

// Call records that the client is about to do what to of.
func (r Recorder) Call(what, of string) { r.in.Record(Record{What: what, Of: of}) }

// Ask records a call that asks with a number: which of several requests it is.
func (r Recorder) Ask(what, of string, with int64) {
	r.in.Record(Record{What: what, Of: of, Value: with})
}

// Return records how it ended.
func (r Recorder) Return(what, of string, value int64, err error) {
	r.in.Record(Record{What: what, Of: of, Returned: true, Value: value, Class: env.ClassOf(err)})
}

// Answer records what a read returned.
func (r Recorder) Answer(what, of, told string, err error) {
	r.in.Record(Record{What: what, Of: of, Returned: true, Told: told, Class: env.ClassOf(err)})
}

func (r runtimeSeam) Record(rec Record) {
	u := r.p.u
	t := u.running(r.p)
	e := u.effect(nil)
	e.Kind, e.TS, e.Record = EffectRecord, u.kv.LastTS(), rec
	e.Process, e.Incarnation, e.Task = r.p.program.Name, incarnation(r.p.inc), t.name
	u.hash = keyed.Fold(u.hash^keyed.HashText(rec.Told), keyed.HashText(rec.What)^keyed.HashText(rec.Of)<<1^uint64(rec.Class)<<2^uint64(rec.Value)<<8)
	u.noteRecord(t, rec)
	u.submit(&e)
	u.judge.observe()
}
