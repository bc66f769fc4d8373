package properties

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim"
)

// answersTrue: what a client is told of a batch was so, all of it at one
// instant between its question and the answer; and a retry that was
// acknowledged has left no unit dead that was dead when it was asked for. What
// makes no sense is refused.
//
// An operator who is told half of one state and half of another cancels what
// works and waits for what is over.
type answersTrue struct {
	*view
	open []*question
}

// question is one that was asked and not yet answered, with every answer that
// has been true since. A client asks one thing at a time.
type question struct {
	client, what, of string

	asked moment
	texts []string
	dead  []*unit // retry: the units that have been dead ever since
}

func (i *answersTrue) Name() string { return "answers-true" }

func (i *answersTrue) Observe(_ *sim.World, e *sim.Effect) error {
	if e.Kind == sim.EffectRecord {
		return i.takeRecord(e)
	}
	if e.Kind == sim.EffectCommit {
		for _, q := range i.open {
			i.extend(q)
		}
	}
	return nil
}

func (i *answersTrue) takeRecord(e *sim.Effect) error {
	r := &e.Record
	switch r.What {
	case "status", "list", "retry":
	case "absurd":
		if r.Returned && r.Class == env.ClassNone {
			return breach("R17", "absurd request accepted", r.Of, sim.EventRef{}, e, "was not refused", "a request about "+r.Of+" that makes no sense was not refused")
		}
		return nil
	default:
		return nil
	}
	client := e.Process + "/" + e.Task
	if !r.Returned {
		q := &question{client: client, what: r.What, of: r.Of, asked: momentOf(e)}
		if s := i.batches["batch/"+r.Of]; s != nil && r.What == "retry" {
			q.dead = slices.Clone(s.units)
		}
		i.open = append(i.open, q)
		i.extend(q)
		return nil
	}
	at := slices.IndexFunc(i.open, func(q *question) bool { return q.client == client })
	if at < 0 {
		return nil
	}
	q := i.open[at]
	i.open = slices.Delete(i.open, at, at+1)
	switch {
	case r.Class != env.ClassNone:
		return nil
	case r.What == "retry":
		return i.checkRetried(e, q)
	case r.Told == "":
		return nil // a client that doesn't say
	}
	if slices.Contains(q.texts, r.Told) {
		return nil
	}
	last := q.texts[len(q.texts)-1]
	return breach("R17", "told what was never so ("+r.What+")", r.Of, q.asked.ref("asked for the "+r.What+" of "+r.Of), e, "was told",
		fmt.Sprintf("the client was told that %s is %s; it was %s, and nothing else of %d states since it asked", r.Of, r.Told, last, len(q.texts)))
}

func (i *answersTrue) checkRetried(e *sim.Effect, q *question) error {
	if len(q.dead) == 0 {
		return nil
	}
	u := q.dead[0]
	return breach("R12", "retry left a unit dead", u.uid, u.changed.ref("left the unit dead"), e, "was told that the dead units are tried again",
		fmt.Sprintf("a retry of %s was acknowledged, but unit %s has been dead all the time", u.sub.name, u.uid))
}

// extend notes what is true now.
func (i *answersTrue) extend(q *question) {
	var text string
	switch q.what {
	case "retry":
		q.dead = slices.DeleteFunc(q.dead, func(u *unit) bool { return u.state != stateDead || !u.sub.startsUnits(i.view) })
		return
	case "status":
		text = i.statusText(q.of)
	case "list":
		text = i.listText(q.of)
	}
	if n := len(q.texts); n == 0 || q.texts[n-1] != text {
		q.texts = append(q.texts, text)
	}
}

// statusText is the status of a batch as its rows tell, in the form in which
// the workload's client records what it is told.
func (i *answersTrue) statusText(name string) string {
	s := i.batches["batch/"+name]
	if s == nil {
		return "none"
	}
	var b strings.Builder
	counts, _ := s.counts()
	i.headText(&b, s, &counts)
	for n := range strings.Count(s.row.sources, "\n") + 1 {
		d := &discoveryRow{}
		if row := i.discoveries[fmt.Sprintf("discovery/%s/%04d", s.bid, n)]; row != nil {
			d = &row.now
		}
		fmt.Fprintf(&b, " source=%d,%t,%q", d.found, d.done, d.err)
	}
	units := slices.Clone(s.units)
	slices.SortFunc(units, func(a, b *unit) int { return strings.Compare(a.uid, b.uid) })
	for _, u := range units {
		if u.state == stateFailed || u.state == stateDead {
			fmt.Fprintf(&b, " unit=%s,%s,%d,%d,%q", u.uid, stateNames[u.state], u.now.attempts, u.now.epoch, u.now.err)
		}
	}
	return b.String()
}

// listText is the list of a namespace's batches. Its counts are those of the
// controller's last look.
func (i *answersTrue) listText(namespace string) string {
	var all []*submission
	for _, s := range i.order {
		if s.exists && s.current(i.view) && strings.HasPrefix(s.name, namespace+"/") {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b *submission) int { return strings.Compare(a.name, b.name) })
	if len(all) == 0 {
		return "none"
	}
	var b strings.Builder
	for _, s := range all {
		counts := [unitStates]int64{}
		if t := i.statuses["status/"+s.name]; t != nil && t.exists && t.now.gen == s.gen {
			counts = t.now.counts
		}
		b.WriteString(s.name + ": ")
		i.headText(&b, s, &counts)
		b.WriteString("; ")
	}
	return b.String()
}

func (i *answersTrue) headText(b *strings.Builder, s *submission, counts *[unitStates]int64) {
	fmt.Fprintf(b, "gen=%d %s total=%d", s.gen, s.row.phase, s.row.units)
	if s.row.manifest != "" {
		b.WriteString(" manifest=" + s.row.manifest)
	}
	if s.row.err != "" {
		fmt.Fprintf(b, " error=%q", s.row.err)
	}
	for state := statePending; state < unitStates; state++ {
		if counts[state] != 0 {
			fmt.Fprintf(b, " %s=%d", stateNames[state], counts[state])
		}
	}
}
