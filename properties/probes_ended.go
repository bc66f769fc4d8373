package properties

import (
	"strings"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// probesEnded follows, for noLeaks, which uploads a process found open when it found out
// what the object store has.
type probesEnded struct {
	listed map[incarnation]map[string]sim.EventRef // by key: the last time
	order  []incarnation                           // as they listed first
	over   map[incarnation]bool                    // who uses the store since
	opened map[string][]uint64                     // by key: the events
}

func newProbesEnded() probesEnded {
	return probesEnded{listed: map[incarnation]map[string]sim.EventRef{}, over: map[incarnation]bool{}, opened: map[string][]uint64{}}
}

// open takes an upload that was opened.
func (p *probesEnded) open(up *upload) {
	key := up.object.key
	p.opened[key] = append(p.opened[key], up.created.Event)
}

// before counts the uploads of a key that were opened before an event.
func (p *probesEnded) before(key string, event uint64) int {
	n := 0
	for _, opened := range p.opened[key] {
		if opened < event {
			n++
		}
	}
	return n
}

// follow takes a request. Whoever touches an object in another step has heard what the
// last of its listings found, or it would have listed again.
func (p *probesEnded) follow(c *sim.Call) {
	by := incarnation{c.Process, c.Incarnation}
	keys := p.listed[by]
	switch {
	case c.Op.Service() != ops.Objects || c.Late:
	case c.Step != "probe":
		p.over[by] = p.over[by] || keys != nil
	case c.Op == ops.ListUploads && c.OK():
		if keys == nil {
			keys = map[string]sim.EventRef{}
			p.listed[by] = keys
			p.order = append(p.order, by)
		}
		keys[c.Key] = sim.EventRef{Event: c.Event, At: c.At, What: who(c) + " listed the uploads of " + c.Key}
	}
}

// checkProbes judges what is still open of what a probe has listed, by the key. More than
// a page of it is left to the next life.
func (i *noLeaks) checkProbes(w *sim.World) error {
	for _, open := range w.Uploads() {
		up := i.uploads[open.ID]
		if up == nil || i.cfg.Probe == "" || !strings.HasPrefix(open.Key, i.cfg.Probe+"/") {
			continue
		}
		for _, by := range i.probes.order {
			listed, ok := i.probes.listed[by][open.Key]
			if !ok || !i.probes.over[by] || up.created.Event >= listed.Event || i.probes.before(open.Key, listed.Event) > i.cfg.Page {
				continue
			}
			return probeLeftOpen.breachAtRest(open.Key, up.created.Ref("opened it"),
				"upload %s of %s is left over from %s, though %s/%s listed it at %s and has used the store since",
				open.ID, open.Key, up.created.Who(), by.process, by.number, listed.At)
		}
	}
	return nil
}
