package sim

import (
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// The rolling hash covers every event: what it was, whose, when, the keys and
// values it carried and how it ended; finish closes it with the digests of the
// stores. Equal hashes mean equal runs.

// fold takes an event into the hash.
func (u *Universe) fold(e *event, extra uint64) {
	u.hash = keyed.Fold(u.hash^uint64(u.sched.now), e.id^uint64(e.kind)<<56^extra)
}

// foldKV takes a handled TiKV request and how it ended into the hash. Values
// that were read need no folding: they were folded when they were written.
func (u *Universe) foldKV(m *message) {
	req, resp := &m.KV, &m.KVReply
	h := keyed.Fold(u.hash^req.StartTS, req.CommitTS^uint64(resp.Status)<<56^uint64(resp.Action)<<48^resp.TS)
	h = keyed.Fold(h^keyed.HashText(req.Key), resp.CommitTS^uint64(len(resp.Value))<<32^uint64(len(resp.Pairs)))
	for i := range req.Mutations {
		mut := &req.Mutations[i]
		h = keyed.Fold(h^keyed.HashText(mut.Key), keyed.HashBytes(mut.Value)^uint64(mut.Op))
	}
	for _, key := range req.Keys {
		h = keyed.Fold(h, keyed.HashText(key))
	}
	u.hash = h
}

func (u *Universe) foldObject(m *message) {
	req, resp := &m.Object, &m.ObjectReply
	h := keyed.Fold(u.hash^keyed.HashText(req.Key), keyed.HashBytes(req.Body)^uint64(resp.Err)<<56)
	h = keyed.Fold(h^uint64(req.Offset), uint64(req.Number)^uint64(len(resp.Body))<<20^uint64(len(resp.Listing.Objects))<<40)
	u.hash = keyed.Fold(h, keyed.HashText(req.UploadID)^keyed.HashText(resp.UploadID)<<1)
}

func (u *Universe) foldCommit(c *tikv.Commit) {
	u.hash = keyed.Fold(u.hash^c.StartTS, c.CommitTS)
}

// TraceEvent is one line of a recorded run.
type TraceEvent struct {
	Event   uint64
	At      time.Duration
	Process string // "" for the world
	Task    string
	Step    string
	What    string // an operation, "crash", a fault's line, a log message
	Op      ops.Op // TraceCall
	// Happened is what befell the process: TraceWorld, but for client records.
	Happened ProcessEvent
	Key      string
	Result   string
	// Request is the number of the request that a call is about, from 1 on, in the
	// History of a run that has one.
	Request int
	// Wrote are the rows that the commit of a transaction changed, if the system
	// can show them: a line each, "KEY: words".
	Wrote string
	Level TraceLevel
}

// TraceLevel says what kind of thing a TraceEvent is.
type TraceLevel uint8

const (
	TraceCall  TraceLevel = iota // a request, or what became of it
	TraceWorld                   // what befell a process, or a client's record
	TraceFault                   // a fault that fired
	TraceLog                     // what the system logged
)

// recorder keeps a run's events for reports. Runs are recorded only when they
// are run again to explain a failure, or for a scenario's transcript.
type recorder struct {
	events  []TraceEvent
	effects []Effect // in the order in which they happened
	// wrote shows what undecided transactions lock, by their start timestamps.
	wrote map[uint64]string
}

// show keeps what a prewrite will have written once it is committed, and returns
// it when it is.
func (r *recorder) show(u *Universe, m *message) string {
	shower, ok := u.system.(Shower)
	if !ok || m.KVReply.Status != tikv.StatusOK {
		return ""
	}
	switch m.Op {
	case ops.Prewrite:
		if r.wrote == nil {
			r.wrote = map[uint64]string{}
		}
		var b strings.Builder
		for _, mutation := range m.KV.Mutations {
			words := "gone"
			if mutation.Op != tikv.OpDelete {
				words = shower.Show(mutation.Key, mutation.Value)
			}
			if mutation.Op != tikv.OpLock && words != "" {
				fmt.Fprintf(&b, "%s: %s\n", plan.Printable(mutation.Key), plan.Printable(words))
			}
		}
		r.wrote[m.KV.StartTS] += b.String()
	case ops.Commit:
		wrote := r.wrote[m.KV.StartTS]
		delete(r.wrote, m.KV.StartTS)
		return wrote
	}
	return ""
}

func (r *recorder) add(u *Universe, e TraceEvent) {
	e.Event, e.At = u.events, time.Duration(u.sched.now)
	e.Key, e.What = plan.Printable(e.Key), plan.Printable(e.What)
	r.events = append(r.events, e)
}

func (r *recorder) log(u *Universe, t *task, level slog.Level, msg string, attrs []slog.Attr) {
	var b strings.Builder
	b.WriteString(msg)
	for _, a := range attrs {
		fmt.Fprintf(&b, " %s=%s", a.Key, a.Value)
	}
	step := ""
	if t.where.step != nil {
		step = t.where.step.name
	}
	r.add(u, TraceEvent{Process: t.proc.program.Name, Task: t.name, Step: step, What: b.String(), Level: TraceLog})
}

// noteCall tells of a request at a store, or of what became of it; by is the
// fault that did that, if one did.
func (u *Universe) noteCall(m *message, fate Fate, by *fault.Fault) {
	if len(u.judge.watchers) > 0 {
		u.showCall(m, fate)
	}
	if u.history != nil {
		u.history.became(u, m, fate, by)
	}
	if u.recorder == nil {
		return
	}
	e := TraceEvent{
		Process: m.task.proc.program.Name, Task: m.task.name, Step: m.call.site.Step,
		What: m.Op.String(), Op: m.Op, Key: strings.Join(m.keys(), " "), Result: m.outcome(fate, by), Request: m.number,
	}
	if fate == Handled {
		e.Wrote = u.recorder.show(u, m)
	}
	u.recorder.add(u, e)
}

// showCall tells those invariants that want to know of a request.
func (u *Universe) showCall(m *message, fate Fate) {
	t := m.task
	c := &u.judge.call // watchers must not keep it
	*c = Call{
		Event: u.events, At: time.Duration(u.sched.now), Sent: time.Duration(m.sent), Reset: m.reset,
		Process: t.proc.program.Name, Incarnation: incarnation(m.inc), Task: t.name, Step: m.call.site.Step,
		Op: m.Op, Key: m.subject(), StartTS: m.KV.StartTS, Fate: fate, Late: m.gone || t.dead,
		Client: m.call.site.Client, call: m.call,
	}
	if fate == Handled || fate == Refused {
		c.Answer = m.answer()
	}
	for _, watcher := range u.judge.watchers {
		u.judge.asked = watcher
		watcher.ObserveCall(&u.world, c)
	}
	u.judge.asked = nil
}

// answer is what the request was answered with.
func (m *message) answer() Answer {
	switch {
	case m.answered:
		return Answer{Class: env.ClassUnavailable}
	case m.Op.Service() != ops.Objects:
		return Answer{KV: m.KVReply.Status, Region: m.KVReply.Region}
	}
	return Answer{Class: m.ObjectReply.Err, Code: m.ObjectReply.Code}
}

// keys returns every key of a request, for traces. The caller owns the slice.
func (m *message) keys() []string {
	if len(m.KV.Mutations) > 0 {
		keys := make([]string, len(m.KV.Mutations))
		for i, mutation := range m.KV.Mutations {
			keys[i] = mutation.Key
		}
		return keys
	}
	if len(m.KV.Keys) > 0 {
		return slices.Clone(m.KV.Keys)
	}
	return []string{m.subject()}
}

// outcome is what became of a request, for traces.
func (m *message) outcome(fate Fate, by *fault.Fault) string {
	text := fate.String()
	switch {
	case fate == Handled:
		text = m.status()
	case fate == Refused && !m.answered, by != nil && by.Kind.Lasts() > 0:
		text += ": " + by.Name()
	case m.broken || fate == ReplyLost && by != nil && by.Kind.Reply(&m.Message) == fault.Broken:
		text += ", connection reset"
	}
	if fate == Handled && (m.gone || m.task.dead) {
		text += " (nobody waits)"
	}
	return text
}

// status is what the store answered, in words.
func (m *message) status() string {
	switch {
	case m.Op.Service() != ops.Objects:
		return m.KVReply.Status.String()
	case m.ObjectReply.Code != "":
		return m.ObjectReply.Code
	}
	return m.ObjectReply.Err.String()
}

func (u *Universe) noteTimer(t *task) {
	if u.recorder != nil && t.where.op.IsRequest() {
		u.recorder.add(u, TraceEvent{Process: t.proc.program.Name, Task: t.name, Step: t.where.step.name, What: t.where.op.String(), Op: t.where.op, Result: "timed out"})
	}
}

// note records what befell a process, or the world, and shows it to
// invariants.
func (u *Universe) note(p *process, happened ProcessEvent, detail string) {
	e := u.effect(nil)
	if p != nil {
		e.Process, e.Incarnation = p.program.Name, incarnation(p.inc)
	}
	e.Happened = happened
	if u.history != nil {
		u.history.Lives = append(u.history.Lives, Life{u.stamp(), e.Process, e.Incarnation, happened, detail})
	}
	u.noteEffect(e, happened.String(), TraceEvent{Process: e.Process, What: happened.String(), Happened: happened, Result: detail, Level: TraceWorld})
}

func (u *Universe) noteFault(f *fault.Fault) {
	e := u.effect(nil)
	e.Process, e.Happened, e.Fault = f.At.Process, FaultFired, f
	if u.history != nil {
		u.history.struck(u, f).Fired = u.stamp()
	}
	u.world.shape(0, f.Name())
	u.noteEffect(e, f.Name(), TraceEvent{Process: f.At.Process, Task: f.At.Task, Step: f.At.Step, What: f.String(), Happened: FaultFired, Level: TraceFault})
}

func (u *Universe) noteEffect(e Effect, folded string, traced TraceEvent) {
	u.hash = keyed.Fold(u.hash^keyed.HashText(folded), uint64(u.sched.now))
	e.Kind, e.TS = EffectProcess, u.kv.LastTS()
	if u.recorder != nil {
		u.recorder.add(u, traced)
	}
	u.submit(&e)
	u.judge.observe()
}

func (u *Universe) noteRecord(t *task, rec Record) {
	if u.recorder == nil {
		return
	}
	e := TraceEvent{Process: t.proc.program.Name, Task: t.name, What: rec.What + " " + rec.Of, Level: TraceWorld}
	switch {
	case rec.Returned && rec.Class == env.ClassOther: // an error of the caller's own
		e.Result = "refused"
	case rec.Returned:
		e.Result = "answered " + rec.Class.String()
		if rec.Value != 0 {
			e.Result += " " + strconv.FormatInt(rec.Value, 10)
		}
	case rec.Value != 0:
		e.What += ", version " + strconv.FormatInt(rec.Value, 10)
	}
	u.recorder.add(u, e)
}
