package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// Sighting is one event as a witness saw it: all that the run's hash covers, in a
// form that can be compared and read.
type Sighting struct {
	Event uint64
	At    time.Duration // virtual
	// Process and Task are whose event it is, "" for the world's.
	Process, Task string
	// Kind is "request", "reply", "timer", "resume", "deadline" or "world", What the
	// operation.
	Kind, What string
	Keys       []string
	// Values is what it writes, cut to a length that can be read, and Digest of all
	// of that.
	Values string
	Digest uint64
	hash   uint64 // of the run up to here
}

// Who is "process/task", or "the world".
func (s *Sighting) Who() string {
	if s.Process == "" {
		return "the world"
	}
	return s.Process + "/" + s.Task
}

// String prints the sighting in one line.
func (s *Sighting) String() string {
	text := strings.TrimSpace(fmt.Sprintf("event %d at %s: %s %s %s %s", s.Event, clockText(s.At), s.Who(), s.Kind, s.What, strings.Join(s.Keys, " ")))
	if s.Values != "" {
		text += ": " + s.Values
	}
	return text
}

// same reports whether two runs did the same here.
func (s *Sighting) same(o *Sighting) bool {
	return s.hash == o.hash && s.At == o.At && s.Process == o.Process && s.Task == o.Task && s.Kind == o.Kind && s.What == o.What &&
		s.Digest == o.Digest && strings.Join(s.Keys, "\x00") == strings.Join(o.Keys, "\x00")
}

// witness keeps a run's events.
type witness struct{ seen []Sighting }

// Bounds of what a witness keeps.
const (
	maxSightings = 300_000
	maxSeenValue = 120
)

var sightingKinds = [...]string{evRequest: "request", evReply: "reply", evTimer: "timer", evResume: "resume", evContext: "deadline", evWorld: "world"}

// see keeps an event that is about to happen.
func (w *witness) see(u *Universe, e *event) {
	if len(w.seen) == maxSightings {
		return
	}
	s := Sighting{Event: u.events + 1, At: time.Duration(u.sched.now), Kind: sightingKinds[e.kind], hash: u.hash}
	t := e.task
	if e.msg != nil {
		t = e.msg.task
		s.What, s.Keys = e.msg.Op.String(), printable(e.msg.keys())
		if e.kind == evRequest {
			w.values(&s, e.msg)
		}
	}
	if t != nil {
		s.Process, s.Task = t.proc.program.Name, t.name
		if e.msg == nil {
			s.What = t.where.op.String()
		}
	}
	w.seen = append(w.seen, s)
}

// values keeps what a request writes.
func (w *witness) values(s *Sighting, m *message) {
	var texts []string
	add := func(value []byte) {
		s.Digest = keyed.Fold(s.Digest, keyed.HashBytes(value))
		if len(value) > 0 {
			texts = append(texts, plan.Printable(string(value)))
		}
	}
	for i := range m.KV.Mutations {
		add(m.KV.Mutations[i].Value)
	}
	add(m.Object.Body)
	s.Values = strings.Join(texts, " | ")
	if len(s.Values) > maxSeenValue {
		s.Values = s.Values[:maxSeenValue] + "..."
	}
}
