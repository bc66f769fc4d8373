package sim

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// The rolling hash covers every event: what it was, whose, when, the keys and
// values it carried and how it ended; finish closes it with the digests of the
// stores. Equal hashes mean equal runs.

// fold takes an event into the hash.
func (u *Universe) fold(e *event, extra uint64) {
	u.hash = fold(u.hash^uint64(u.now), e.id^uint64(e.kind)<<56^extra)
}

// foldKV takes a handled TiKV request and how it ended into the hash. Values
// that were read need no folding: they were folded when they were written.
func (u *Universe) foldKV(m *message) {
	req, resp := &m.kv, &m.kvReply
	h := fold(u.hash^req.StartTS, req.CommitTS^uint64(resp.Status)<<56^uint64(resp.Action)<<48^resp.TS)
	h = fold(h^hashText(req.Key), resp.CommitTS^uint64(len(resp.Value))<<32^uint64(len(resp.Pairs)))
	for i := range req.Mutations {
		mut := &req.Mutations[i]
		h = fold(h^hashText(mut.Key), hashBytes(mut.Value)^uint64(mut.Op))
	}
	for _, key := range req.Keys {
		h = fold(h, hashText(key))
	}
	u.hash = h
}

func (u *Universe) foldObject(m *message) {
	req, resp := &m.object, &m.objReply
	h := fold(u.hash^hashText(req.Key), hashBytes(req.Body)^uint64(resp.Err)<<56)
	h = fold(h^uint64(req.Offset), uint64(req.Number)^uint64(len(resp.Body))<<20^uint64(len(resp.Listing.Objects))<<40)
	u.hash = fold(h, hashText(req.UploadID)^hashText(resp.UploadID)<<1)
}

func (u *Universe) foldCommit(c *tikv.Commit) {
	u.hash = fold(u.hash^c.StartTS, c.CommitTS)
}

// TraceEvent is one line of a recorded run.
type TraceEvent struct {
	Event   uint64
	At      time.Duration
	Process string // "" for the world
	Task    string
	Step    string
	What    string // an operation, "crash", a fault's line, a log message
	Key     string
	Result  string
	Level   TraceLevel
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
}

func (r *recorder) add(u *Universe, e TraceEvent) {
	e.Event, e.At = u.events, time.Duration(u.now)
	e.Key, e.What = printable(e.Key), printable(e.What)
	r.events = append(r.events, e)
}

// printable replaces what a terminal or a text file cannot show: keys may hold
// any byte, and a scan that goes on begins behind a key with a zero byte.
func printable(text string) string {
	if utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl) {
		return text
	}
	quoted := strconv.Quote(text)
	return quoted[1 : len(quoted)-1]
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

// noteCall records a request at a store, or what became of it; result "" means
// that it was handled.
func (u *Universe) noteCall(m *message, result string) {
	if len(u.judge.watchers) > 0 {
		u.showCall(m, result)
	}
	if u.recorder == nil {
		return
	}
	e := TraceEvent{
		Process: m.task.proc.program.Name, Task: m.task.name, Step: m.call.site.step.name,
		What: m.call.site.op.String(), Key: m.object.Key, Result: result,
	}
	if m.call.site.op < opPut {
		e.Key = kvKeys(&m.kv)
	}
	if result == "" {
		e.Result = m.outcome()
	}
	u.recorder.add(u, e)
}

// showCall tells those invariants that want to know of a request.
func (u *Universe) showCall(m *message, result string) {
	t := m.task
	c := &u.judge.call // watchers must not keep it
	*c = Call{
		Event: u.events, At: time.Duration(u.now),
		Process: t.proc.program.Name, Incarnation: incarnation(m.inc), Task: t.name, Step: m.call.site.step.name,
		Op: m.call.site.op, Key: m.object.Key, Result: result, Late: m.gone || t.dead,
	}
	if c.Op < opPut {
		c.Key, c.StartTS = kvKey(&m.kv), m.kv.StartTS
	}
	if result == "" {
		c.Result = m.status()
	}
	for _, watcher := range u.judge.watchers {
		watcher.ObserveCall(&u.world, c)
	}
}

// kvKeys names every key of a request, for traces.
func kvKeys(req *tikv.Request) string {
	if len(req.Mutations) > 0 {
		keys := make([]string, len(req.Mutations))
		for i, m := range req.Mutations {
			keys[i] = m.Key
		}
		return strings.Join(keys, " ")
	}
	if len(req.Keys) > 0 {
		return strings.Join(req.Keys, " ")
	}
	return kvKey(req)
}

// status is what the store answered.
func (m *message) status() string {
	switch {
	case m.call.site.op < opPut:
		return m.kvReply.Status.String()
	case m.objReply.Code != "":
		return m.objReply.Code
	}
	return m.objReply.Err.String()
}

// outcome is how a handled request ended, for traces.
func (m *message) outcome() string {
	text := m.status()
	if m.gone || m.task.dead {
		text += " (nobody waits)"
	}
	return text
}

func (u *Universe) noteTimer(t *task) {
	if u.recorder != nil && t.where.op.isRPC() {
		u.recorder.add(u, TraceEvent{Process: t.proc.program.Name, Task: t.name, Step: t.where.step.name, What: t.where.op.String(), Result: "timed out"})
	}
}

// note records what the world did to a process, and shows it to invariants.
func (u *Universe) note(p *process, what, detail string) {
	u.hash = fold(u.hash^hashText(what), uint64(u.now))
	name := ""
	e := u.effect(nil)
	if p != nil {
		name = p.program.Name
		e.Process, e.Incarnation = name, incarnation(p.inc)
	}
	e.Kind, e.TS, e.Record = EffectProcess, u.kv.LastTS(), Record{What: what, Of: detail}
	if u.recorder != nil {
		u.recorder.add(u, TraceEvent{Process: name, What: what, Result: detail, Level: TraceWorld})
	}
	u.submit(e)
	u.observe()
}

func (u *Universe) noteFault(f *Fault) {
	u.hash = fold(u.hash^hashText(f.Kind.String()), uint64(u.now))
	e := u.effect(nil)
	e.Kind, e.TS, e.Process = EffectProcess, u.kv.LastTS(), f.At.Process
	e.Record = Record{What: "fault", Of: f.Kind.String(), Fault: f}
	if u.recorder != nil {
		u.recorder.add(u, TraceEvent{Process: f.At.Process, Task: f.At.Task, Step: f.At.Step, What: f.String(), Level: TraceFault})
	}
	u.submit(e)
	u.observe()
}

func (u *Universe) noteRecord(t *task, rec Record) {
	if u.recorder == nil {
		return
	}
	e := TraceEvent{Process: t.proc.program.Name, Task: t.name, What: rec.What + " " + rec.Of, Level: TraceWorld}
	if rec.Returned {
		e.Result = rec.Class.String()
	}
	u.recorder.add(u, e)
}
