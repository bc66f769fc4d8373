package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// orders carries out a plan's orderings: an event whose turn has come is put
// aside until what it waits for has happened. Universes without orderings have
// none.
type orders struct {
	held  map[uint64][]*fault.Ordering // by the moment that is held
	after map[uint64]bool              // the moments that others wait for: whether they have come
	aside []setAside                   // in the order in which their turns came
	now   uint64                       // the moment of the event that is happening, 0 for none
	tell  func(Happening)              // is told of every moment, if set
}

// setAside is an event that waits. A task's timer is one variable for ever: gen
// tells whether it is still the one that was put aside.
type setAside struct {
	event *event
	gen   uint32
	key   uint64
}

func newOrders(list []*fault.Ordering) *orders {
	o := &orders{held: map[uint64][]*fault.Ordering{}, after: map[uint64]bool{}}
	for _, ordering := range list {
		key := keyOf(ordering.Hold)
		o.held[key] = append(o.held[key], ordering)
		o.after[keyOf(ordering.After)] = false
	}
	return o
}

// siteKey keys a place from which calls are made.
func siteKey(name, step uint64, op ops.Op, class string) uint64 {
	return keyed.Mix(keyed.Mix(name, step), uint64(op)<<56^keyed.HashText(class)>>8)
}

func momentKey(site uint64, nth int, leg fault.Leg) uint64 {
	return keyed.Mix(site, uint64(nth)<<2|uint64(leg))
}

// keyOf keys a moment that a plan names.
func keyOf(m fault.Moment) uint64 {
	c := &m.Call
	step, class := uint64(0), ""
	if c.Step != "-" {
		step = keyed.HashText(c.Step)
	}
	if c.Class != "-" {
		class = c.Class
	}
	return momentKey(siteKey(keyed.Mix(keyed.HashText(c.Process), keyed.HashText(c.Task)), step, c.Op, class), c.Nth, m.Leg)
}

// legOf returns the call and the part of its way that an event is; false for
// events that no ordering names.
func legOf(e *event) (call, fault.Leg, bool) {
	switch {
	case e.msg != nil && e.msg.copied:
		return call{}, 0, false
	case e.kind == evRequest:
		return e.msg.call, fault.Request, true
	case e.kind == evReply:
		return e.msg.call, fault.Reply, true
	case e.kind == evTimer && e.task.call.site != nil && e.task.call.site.Op != ops.Step:
		return e.task.call, fault.Timer, true
	}
	return call{}, 0, false
}

// hold puts an event aside whose turn has come too early. It reports whether it
// did.
func (o *orders) hold(u *Universe, e *event) bool {
	o.now = 0
	cl, leg, named := legOf(e)
	if !named {
		return false
	}
	key := momentKey(cl.site.Key, cl.nth, leg)
	waits := false
	for _, ordering := range o.held[key] {
		if o.after[keyOf(ordering.After)] {
			continue
		}
		waits = true
		if !ordering.Fired {
			ordering.Fired = true
			u.noteOrder(ordering)
		}
	}
	if waits {
		o.aside = append(o.aside, setAside{e, e.gen, key})
		return true
	}
	o.now = key
	if o.tell != nil {
		o.tell(Happening{Moment: fault.Moment{Call: cl.anchor(), Leg: leg}, Event: u.events + 1, Healed: u.phase != chaosPhase, Way: wayOf(u, e)})
	}
	return false
}

// release lets those happen that have waited for what has just happened.
func (o *orders) release(u *Universe) {
	if come, awaited := o.after[o.now]; o.now == 0 || !awaited || come {
		return
	}
	o.after[o.now] = true
	kept := o.aside[:0]
	for _, s := range o.aside {
		if slices.ContainsFunc(o.held[s.key], func(w *fault.Ordering) bool { return !o.after[keyOf(w.After)] }) {
			kept = append(kept, s)
		} else {
			s.back(u)
		}
	}
	o.aside = kept
}

// back gives an event its turn again, unless it has become void.
func (s *setAside) back(u *Universe) {
	e := s.event
	if e.kind != evTimer {
		u.sched.push(e, 0)
		return
	}
	if t := e.task; !t.dead && t.gen == s.gen && e.gen == s.gen {
		e.when = u.sched.now
		u.sched.timers.push(e)
	}
}

// end lifts all orderings. Timers get their turn again, and the messages are
// returned. Who is told of moments still is.
func (o *orders) end(u *Universe) []*event {
	var messages []*event
	for _, s := range o.aside {
		if s.event.kind == evTimer {
			s.back(u)
		} else {
			messages = append(messages, s.event)
		}
	}
	u.orders = nil
	if o.tell != nil {
		u.orders = newOrders(nil)
		u.orders.tell = o.tell
	}
	return messages
}

func (u *Universe) noteOrder(o *fault.Ordering) {
	u.ordered = append(u.ordered, o)
	if u.recorder != nil {
		at := o.Hold.Call
		u.recorder.add(u, TraceEvent{Process: at.Process, Task: at.Task, Step: at.Step, What: "order " + o.String(), Level: TraceFault})
	}
}

// checkOrder refuses orderings of processes that the system does not have.
func (u *Universe) checkOrder(o *fault.Ordering) error {
	for _, m := range []fault.Moment{o.Hold, o.After} {
		if err := u.checkProcess(m.Call.Process); err != nil {
			return err
		}
	}
	return nil
}

func (u *Universe) checkProcess(name string) error {
	var names []string
	for _, p := range u.processes {
		names = append(names, p.program.Name)
	}
	if slices.Contains(names, name) {
		return nil
	}
	return fmt.Errorf("no process %q; this plan's are %s", name, strings.Join(names, ", "))
}

// Happening is a moment that came about, at an event of its run.
type Happening struct {
	fault.Moment
	Event uint64
	// Healed tells that the world was healed before: no ordering holds it.
	Healed bool
	// Way is how long a message was under way; 0 for timers.
	Way time.Duration
}

// wayOf is how long the message of an event was under way.
func wayOf(u *Universe, e *event) time.Duration {
	switch e.kind {
	case evRequest:
		return time.Duration(u.sched.now - e.msg.sent)
	case evReply:
		return time.Duration(u.sched.now - e.msg.replied)
	}
	return 0
}

// Moments replays a plan and returns what an ordering could name, in the order in
// which it came about, until the world was healed.
func Moments(target Target, p *plan.Plan) ([]Happening, *Result, error) {
	all, r, err := Happenings(target, p)
	return slices.DeleteFunc(all, func(h Happening) bool { return h.Healed }), r, err
}

// Happenings replays a plan and returns its moments, those of the healed world, too.
func Happenings(target Target, p *plan.Plan) ([]Happening, *Result, error) {
	u, err := target.replay(p)
	if err != nil {
		return nil, nil, err
	}
	var all []Happening
	if u.orders == nil {
		u.orders = newOrders(nil)
	}
	u.orders.tell = func(h Happening) { all = append(all, h) }
	r := u.run(p.Clone())
	return all, r, nil
}

// Cast returns the names of the processes of a plan's system, without the
// workload's clients. The plan's deviations may name others.
func Cast(target Target, p *plan.Plan) ([]string, error) {
	bare := p.Clone()
	bare.Faults, bare.Orders = nil, nil
	u, err := target.replay(bare)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, p := range u.processes {
		if !p.program.Client {
			names = append(names, p.program.Name)
		}
	}
	return names, nil
}
