package suite

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// facts never objects. It counts what scenarios want to see beyond the marks of
// package properties, and tells the story of a universe: who took over what,
// from where it went on, who was fenced, and which calls were repeated.
type facts struct {
	tell  func(string)
	told  map[string]bool
	units map[string]*owned // by unit key, "merge/..." for merges
	calls map[place]*failing
	away  map[string]cut // processes that are cut off
	hit   map[string]bool
	// reaped are units that were taken from an owner that no fault had hit.
	reaped string
}

// owned is who has had a unit or a merge.
type owned struct {
	owner string
	past  map[string]bool
}

type place struct {
	process, task, step string
	op                  ops.Op
}

// cut is a partition's service and its end.
type cut struct {
	service ops.Service
	until   time.Duration
}

// failing is a call that is repeated.
type failing struct {
	tries int
	what  string
	since time.Duration
}

func (f *facts) Name() string { return "facts" }

// NeverObjects leaves the facts out of the list of what held.
func (f *facts) NeverObjects() {}

func (f *facts) say(at time.Duration, kind, format string, args ...any) {
	if f.tell == nil || f.told[kind] {
		return
	}
	if f.told == nil {
		f.told = map[string]bool{}
	}
	f.told[kind] = true
	word, _, _ := strings.Cut(kind, " ")
	f.tell(fmt.Sprintf("%10.3fs  %-9s %s", at.Seconds(), word, fmt.Sprintf(format, args...)))
}

func (f *facts) Observe(w *sim.World, e *sim.Effect) error {
	switch e.Kind {
	case sim.EffectCommit:
		for _, table := range [...]schema.Table{schema.UnitTable, schema.MergeTable} {
			for key, row := range e.Writes(table.Key("")) {
				f.own(w, e, key, row)
			}
		}
	case sim.EffectProcess:
		if e.Happened == sim.FaultFired {
			f.strike(e)
		}
	}
	return nil
}

func (f *facts) strike(e *sim.Effect) {
	if f.hit == nil {
		f.hit, f.away = map[string]bool{}, map[string]cut{}
	}
	switch k := e.Fault.Kind.(type) {
	case *fault.Slow, *fault.Skew, *fault.Drift:
	case *fault.Partition:
		f.away[e.Process] = cut{k.Service, e.At + k.For}
		f.hit[e.Process] = true
	default:
		f.hit[e.Process] = true
	}
	f.say(e.At, "fault "+e.Fault.Name(), "%s", e.Fault)
}

// own follows who owns a unit or a merge.
func (f *facts) own(w *sim.World, e *sim.Effect, key string, row []byte) {
	if f.units == nil {
		f.units = map[string]*owned{}
	}
	o := f.units[key]
	if o == nil {
		o = &owned{past: map[string]bool{}}
		f.units[key] = o
	}
	before, _ := w.Before(key)
	was, state := schema.Field(before, "state"), schema.Field(row, "state")
	owner := schema.Field(row, "worker") + "/" + schema.Field(row, "incarnation")
	switch {
	case e.Step == "reap" && was == "processing" && state != "processing":
		f.say(e.At, "reaped", "%s takes %s away from %s, whose lease ran out", e.Process, short(key), o.owner)
		if worker, _, _ := strings.Cut(o.owner, "/"); !f.hit[worker] && f.reaped == "" {
			f.reaped = key + " of " + o.owner
		}
	case state == "processing" && was != "processing" && len(o.past) > 0:
		f.takenOver(w, e, key, row)
	case state == "claimed" && len(o.past) > 0 && !o.past[owner] && owner != "/":
		f.say(e.At, "takeover", "%s claims %s as generation %s", owner, short(key), schema.Field(row, "gen"))
	}
	if owner != "/" && (state == "processing" || state == "claimed") {
		o.owner, o.past[owner] = owner, true
	}
}

func (f *facts) takenOver(w *sim.World, e *sim.Effect, key string, row []byte) {
	who := e.Process + "/" + e.Incarnation
	f.say(e.At, "takeover", "%s claims %s at epoch %s, attempt %s", who, short(key), schema.Field(row, "epoch"), schema.Field(row, "attempts"))
	_, unit := schema.Split(key)
	text, ok := w.Get(schema.CheckpointTable.Key(unit))
	var c schema.Checkpoint
	if ok && c.Decode(string(text)) == nil {
		f.say(e.At, "resume", "%s goes on from the checkpoint of epoch %d: source offset %d, %d frames, %d parts",
			who, c.Epoch, c.Offset, c.Frames, 1+strings.Count(c.Parts, ","))
	}
}

// short leaves out what all keys have in common.
func short(key string) string { return strings.Replace(key, "lab/", "", 1) }

// ObserveCall follows calls from their failure to the repetition that succeeds,
// and owners that find they are none any more.
func (f *facts) ObserveCall(w *sim.World, c *sim.Call) {
	if c.Step == "complete_unit" || c.Step == "flip" {
		f.fence(w, c)
	}
	if c.Late {
		return
	}
	f.follow(w, c)
	f.hear(w, c)
}

func (f *facts) follow(w *sim.World, c *sim.Call) {
	at := place{c.Process, c.Task, c.Step, c.Op}
	call := f.calls[at]
	switch {
	case c.OK() && call != nil:
		w.Mark(chaos.RetryAfterUnavailable)
		f.say(w.Now(), "retry", "%s %s %s: %s, %d tries, succeeds after %s", c.Process, c.Step, c.Op, call.what, call.tries+1, w.Now()-call.since)
		delete(f.calls, at)
	case unavailable(c):
		if call == nil {
			if f.calls == nil {
				f.calls = map[place]*failing{}
			}
			call = &failing{what: c.Fate.String(), since: w.Now()}
			f.calls[at] = call
		}
		call.tries++
	}
}

// unavailable reports whether a request ended so that its caller finds the
// service unavailable, now or at its time-out.
func unavailable(c *sim.Call) bool { return c.Fate == sim.Refused || c.Fate == sim.Lost }

// hear notices the first answer after a partition.
func (f *facts) hear(w *sim.World, c *sim.Call) {
	cut, away := f.away[c.Process]
	if !away || w.Now() < cut.until || !c.OK() || !cut.service.Is(c.Op) {
		return
	}
	delete(f.away, c.Process)
	w.Mark(chaos.Reconnected)
	f.say(w.Now(), "reconnect", "%s, cut off until %s, is answered again: %s", c.Process, cut.until, c.Op)
}

// fence notices an owner that completes or publishes what is no longer its own,
// and is refused.
func (f *facts) fence(w *sim.World, c *sim.Call) {
	if f.tell == nil || c.OK() || c.Fate != sim.Handled {
		return
	}
	who := c.Process + "/" + c.Incarnation
	table := schema.MergeTable
	if c.Step == "complete_unit" {
		table = schema.UnitTable
	}
	for _, key := range slices.Sorted(maps.Keys(f.units)) {
		o := f.units[key]
		if strings.HasPrefix(key, table.Key("")) && o.past[who] && o.owner != who {
			refusal := cmp.Or(c.Answer.Code, c.Answer.KV.String())
			f.say(w.Now(), "fenced", "%s %s %s: %s; %s is held by %s since", who, c.Step, c.Op, refusal, short(key), o.owner)
		}
	}
}
