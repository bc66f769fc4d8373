package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// History is a recorded run in full, for pages, exports and explanations: who
// asked which store for what, and what became of it; what changed in the stores;
// who held what; what befell whom. Lists are in the order in which things began.
// Keys and texts are printable.
type History struct {
	Programs []string // the processes' names, in the system's order
	Requests []Request
	Changes  []Change
	Holdings []Holding
	Strikes  []Strike
	Lives    []Life
	Threads  []Thread
	Steps    []StepEntry
	Work     []Work
}

// Stamp is a point of a run. The zero Stamp is never.
type Stamp struct {
	Event uint64
	At    time.Duration // virtual, since the universe began
}

// Who is a task of an incarnation, and the step that it is in ("" for none).
type Who struct {
	Process, Incarnation, Task, Step string
}

// Request is the way of one request to a store and back.
type Request struct {
	Who
	Op ops.Op
	// Keys are all keys that it names, Primary the one that stands for it.
	Keys              []string
	Primary           string
	StartTS, CommitTS uint64 // KV; 0 for none
	Sent              Stamp
	// Handled is when the store handled it, or answered in the store's place that
	// it refuses: never, if it was lost on its way.
	Handled Stamp
	// Fate is what became of it last: Lost and Expired requests are never handled,
	// of ReplyLost and ReplyDropped ones only the reply goes astray.
	Fate Fate
	// Status is what it was answered with, in words: "ok", "write conflict".
	Status string
	// Listing is set for listings and scans.
	Listing *Listing
	// By is the fault that decided its fate, nil for none.
	By *fault.Fault
	// Met are the faults that struck it, whether they changed anything or not.
	Met []*fault.Fault
	// Late is set when it was handled although nobody waited for it any more, Copy
	// for a request that a fault repeated.
	Late, Copy bool
	// Replied is when the reply arrived at its caller, or found nobody there.
	Replied Stamp
	// Returned is when the caller went on, and End why; never, if it died first.
	Returned Stamp
	End      RequestEnd
}

// Listing is one page: of the objects, or open uploads, whose keys begin with From and
// come behind After, or of the rows from From on to before To ("" for no end).
type Listing struct {
	From, To, After string
	Keys            []string // what the store answered
}

// Covers reports whether a page of the same listing, behind whatever it begins, could
// have a key.
func (l *Listing) Covers(key string) bool {
	if l.To != "" {
		return l.From <= key && key < l.To
	}
	return strings.HasPrefix(key, l.From)
}

// RequestEnd is why a caller went on.
type RequestEnd uint8

const (
	// NoEnd: it did not; it died before, or the run ended.
	NoEnd RequestEnd = iota
	// EndReply: it got an answer, or was told of a broken connection.
	EndReply
	// EndTimer: its time was up.
	EndTimer
	// EndCancel: its context ended.
	EndCancel
)

var requestEndNames = [...]string{"", "reply", "timed out", "cancelled"}

// String returns the reason as pages print it.
func (e RequestEnd) String() string { return requestEndNames[e] }

// Change is one row or object that changed.
type Change struct {
	// Request is the number of the request that did it, from 1 on; 0 for the world.
	Request int
	// Commit is the commit's timestamp, 0 for an object.
	Commit uint64
	Start  uint64
	Stamp
	Key string
	// Before and After say what was there, as the system shows it, or else as it
	// was stored, cut to a length that can be read; "" if nothing was there.
	Before, After string
}

// Strike is a fault that struck.
type Strike struct {
	Fault *fault.Fault
	// From is when it began to stand, or befell its process; Fired when it first
	// changed what happened, and never if it did not.
	From, Fired Stamp
	// Until is when it is over (virtual time): From for those that last no longer
	// than the call. A pause may end earlier: the process's life says when.
	Until time.Duration
	// Request is the first request that it met, from 1 on; 0 for none.
	Request int
}

// Life is what befell a process, or the world if Process is "".
type Life struct {
	Stamp
	Process, Incarnation string
	Happened             ProcessEvent
	Detail               string
}

// Thread is the life of a task.
type Thread struct {
	Who
	From, Until Stamp // Until: never, if it lived to the end
}

// StepEntry is a task's entry into a step of the protocol.
type StepEntry struct {
	Who
	Stamp
}

// Work is a piece of work that takes time.
type Work struct {
	Who
	From, Until Stamp // Until: never, if the task died or the run ended
}

// historian keeps the history of a universe. What it is not told of costs
// nothing: a universe without one asks only whether it is there.
type historian struct {
	History
	rows    map[string]string // as they were committed last, in words
	objects map[string]string
	bars    Bars
	strikes map[*fault.Fault]int // number in Strikes
	threads map[*task]int        // number in Threads
}

func newHistorian(u *Universe) *historian {
	h := &historian{
		rows: map[string]string{}, objects: map[string]string{},
		strikes: map[*fault.Fault]int{}, threads: map[*task]int{},
	}
	for _, p := range u.processes {
		h.Programs = append(h.Programs, p.program.Name)
	}
	for _, key := range u.world.ObjectKeys("") {
		o := u.world.objects[key]
		h.objects[key] = objectWords(o.Size, o.ETag)
	}
	return h
}

func (u *Universe) stamp() Stamp { return Stamp{u.events, time.Duration(u.sched.now)} }

func printable(keys []string) []string {
	for i, key := range keys {
		keys[i] = plan.Printable(key)
	}
	return keys
}

func whoIs(t *task, inc int, step string) Who {
	return Who{Process: t.proc.program.Name, Incarnation: incarnation(inc), Task: t.name, Step: step}
}

// sent keeps a request that is about to go, and numbers it.
func (h *historian) sent(u *Universe, m *message) {
	h.Requests = append(h.Requests, Request{
		Who: whoIs(m.task, m.inc, m.call.site.Step), Op: m.Op,
		Keys: printable(m.keys()), Primary: plan.Printable(m.subject()),
		StartTS: m.KV.StartTS, CommitTS: m.KV.CommitTS, Sent: u.stamp(), Copy: m.copied,
	})
	m.number = len(h.Requests)
	r := &h.Requests[m.number-1]
	for _, f := range m.struck {
		r.Met = append(r.Met, f)
		h.struck(u, f).Request = m.number
	}
}

// became keeps what became of a request.
func (h *historian) became(u *Universe, m *message, fate Fate, by *fault.Fault) {
	if m.number == 0 { // sent before the history began
		return
	}
	r := &h.Requests[m.number-1]
	r.Fate = fate
	if by != nil {
		r.By = by
		if s := h.struck(u, by); s.Request == 0 {
			s.Request = m.number
		}
	}
	switch fate {
	case Handled:
		r.Handled, r.Status, r.Listing = u.stamp(), m.status(), listing(m)
		r.Late = m.gone || m.task.dead
	case Refused:
		r.Handled, r.Status = u.stamp(), "unavailable"
		if !m.answered {
			r.Status = m.status()
		}
	case ReplyDropped:
		r.Replied = u.stamp()
	}
}

// listing is what a listing or a scan was answered with; nil for any other request.
func listing(m *message) *Listing {
	l := &Listing{From: m.KV.Key, To: m.KV.EndKey}
	switch m.Op {
	case ops.KVScan:
		for _, pair := range m.KVReply.Pairs {
			l.Keys = append(l.Keys, plan.Printable(pair.Key))
		}
		return l
	case ops.List:
		for _, o := range m.ObjectReply.Listing.Objects {
			l.Keys = append(l.Keys, plan.Printable(o.Key))
		}
	case ops.ListUploads:
		for _, up := range m.ObjectReply.Uploads.Uploads {
			l.Keys = append(l.Keys, plan.Printable(up.Key))
		}
	default:
		return nil
	}
	l.From, l.After = m.Object.Key, m.Object.After
	return l
}

// returned keeps that a caller goes on.
func (h *historian) returned(u *Universe, number int, reason wakeReason) {
	if number == 0 {
		return
	}
	r := &h.Requests[number-1]
	r.Returned = u.stamp()
	switch reason {
	case wakeReply:
		r.Replied, r.End = r.Returned, EndReply
	case wakeCancel:
		r.End = EndCancel
	default:
		r.End = EndTimer
	}
}

// struck is what is kept of a fault.
func (h *historian) struck(u *Universe, f *fault.Fault) *Strike {
	i, ok := h.strikes[f]
	if !ok {
		i = len(h.Strikes)
		h.strikes[f] = i
		h.Strikes = append(h.Strikes, Strike{Fault: f, From: u.stamp(), Until: time.Duration(u.sched.now)})
	}
	return &h.Strikes[i]
}

// stands keeps for how long a fault lasts.
func (h *historian) stands(u *Universe, f *fault.Fault, lasts time.Duration) {
	s := h.struck(u, f)
	s.From, s.Until = u.stamp(), time.Duration(u.sched.now)+lasts
}

func (h *historian) began(u *Universe, t *task) {
	h.threads[t] = len(h.Threads)
	h.Threads = append(h.Threads, Thread{Who: whoIs(t, t.inc, ""), From: u.stamp()})
}

func (h *historian) ended(u *Universe, t *task) {
	if i, ok := h.threads[t]; ok {
		h.Threads[i].Until = u.stamp()
		delete(h.threads, t)
	}
}

func (h *historian) entered(u *Universe, t *task, step string) {
	h.Steps = append(h.Steps, StepEntry{whoIs(t, t.inc, step), u.stamp()})
}

// works keeps a piece of work that begins, and returns its number, from 1 on;
// worked keeps its end. A nil historian keeps neither.
func (h *historian) works(u *Universe, t *task, step *stepName) int {
	if h == nil {
		return 0
	}
	name := ""
	if step != nil {
		name = step.name
	}
	h.Work = append(h.Work, Work{Who: whoIs(t, t.inc, name), From: u.stamp()})
	return len(h.Work)
}

func (h *historian) worked(u *Universe, number int) {
	if h != nil && number > 0 {
		h.Work[number-1].Until = u.stamp()
	}
}

// effect keeps what an effect changed.
func (h *historian) effect(u *Universe, e *Effect) {
	number := 0
	if u.actor != nil {
		number = u.actor.number
	}
	switch e.Kind {
	case EffectCommit:
		for i := range e.Commit.Writes {
			if m := &e.Commit.Writes[i]; writes(m) {
				h.row(u, e, m, number)
			}
		}
		if holder, ok := u.system.(Holder); ok {
			h.bars.Take(holder, e)
			h.Holdings = h.bars.All
		}
	case EffectObject:
		h.object(e, number)
	}
}

func (h *historian) row(u *Universe, e *Effect, m *tikv.Mutation, number int) {
	after := ""
	if m.Op == tikv.OpPut {
		after = rowWords(u.system, m.Key, m.Value)
	}
	h.Changes = append(h.Changes, Change{
		Request: number, Commit: e.Commit.CommitTS, Start: e.Commit.StartTS, Stamp: Stamp{e.Event, e.At},
		Key: plan.Printable(m.Key), Before: h.rows[m.Key], After: after,
	})
	h.rows[m.Key] = after
}

func (h *historian) object(e *Effect, number int) {
	o := &e.Object
	key := o.Key
	if o.UploadID != "" {
		key += " (upload " + o.UploadID + ")"
	}
	before, after := "", ""
	switch o.Kind {
	case objstore.EffectPut, objstore.EffectComplete:
		key = o.Key
		before, after = h.objects[o.Key], objectWords(o.Size, o.ETag)
		h.objects[o.Key] = after
	case objstore.EffectDelete:
		before = h.objects[o.Key]
		delete(h.objects, o.Key)
	case objstore.EffectCreateUpload:
		after = "open"
	case objstore.EffectUploadPart:
		after = fmt.Sprintf("part %d: %s", o.Number, objectWords(o.Size, o.ETag))
	default:
		before = o.Kind.String()
	}
	h.Changes = append(h.Changes, Change{
		Request: number, Stamp: Stamp{e.Event, e.At}, Key: plan.Printable(key), Before: before, After: after,
	})
}

func objectWords(size int64, etag string) string { return fmt.Sprintf("%d bytes, %s", size, etag) }

// maxWords is how much of a row is kept that its system does not show.
const maxWords = 160

// rowWords says what a row holds.
func rowWords(s System, key string, value []byte) string {
	words := ""
	if shower, ok := s.(Shower); ok {
		words = plan.Printable(shower.Show(key, value))
	}
	if words == "" {
		words = plan.Printable(string(value[:min(len(value), maxWords)]))
		if len(value) > maxWords {
			words += "..."
		}
	}
	if words == "" {
		words = "(empty)"
	}
	return strings.TrimSpace(words)
}
