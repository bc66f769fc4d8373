package sim

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// A deadlock of processes that poll: nobody sleeps for ever, timers fire and locks
// are free, and yet each waits for what another holds. The system says who holds
// what (Holder); who waits for it is seen: a task that has not left its step for
// half of the watched time, and has read that row again and again.

// Link is a task in a circle of tasks that wait for one another.
type Link struct {
	// Task waits in Step, and has for so long: "w0/merger".
	Task, Step string
	For        time.Duration
	// Holds is the row by which its process holds what the link before it waits for,
	// Wants the one that it reads, as the next link's process holds that: Looks
	// times since the system was watched.
	Holds, Wants string
	Looks        int
}

// String says it in a few words.
func (l *Link) String() string {
	return fmt.Sprintf("%s holds %s and waits in %s for %s: %d looks in %s", l.Task, l.Holds, l.Step, l.Wants, l.Looks, secondsText(l.For))
}

// waiters names the tasks of the circle.
func (s *Standstill) waiters() (names []string) {
	for i := range s.Circle {
		names = append(names, s.Circle[i].Task)
	}
	return names
}

// stay is how long a task has been in a step, and what it has read there.
type stay struct {
	step  *stepName
	since int64
	looks map[span]int
}

// span is a range of keys, without its end.
type span struct{ from, to string }

func (s span) holds(key string) bool { return s.from <= key && (s.to == "" || key < s.to) }

// called is told of a call. m is nil for calls that are not requests.
func (p *probe) called(t *task, m *message) {
	s := p.stays[t]
	if s == nil {
		s = &stay{looks: map[span]int{}}
		p.stays[t] = s
	}
	if s.step != t.where.step || t.where.op == ops.Step {
		s.step, s.since = t.where.step, p.u.sched.now
		clear(s.looks)
	}
	if m == nil {
		return
	}
	switch m.Op {
	case ops.KVGet:
		s.looks[span{m.KV.Key, m.KV.Key + "\x00"}]++
	case ops.KVScan:
		s.looks[span{m.KV.Key, m.KV.EndKey}]++
	}
}

// heldRow is a row by which a living process holds something.
type heldRow struct{ key, by string }

// findCircle finds tasks that wait for one another, nil if there are none.
func (p *probe) findCircle() []Link {
	waits := p.waiting()
	for _, process := range p.u.processes {
		if circle := follow(waits, process.program.Name, nil); circle != nil {
			for i := range circle { // what is waited for is what the next one holds
				circle[(i+1)%len(circle)].Holds = circle[i].Wants
			}
			return circle
		}
	}
	return nil
}

// wait is a link, and the process that it leads to.
type wait struct {
	Link
	by, on string
}

// waiting finds the tasks that have stayed in one step and read what another process
// holds.
func (p *probe) waiting() map[string][]wait {
	holder, ok := p.u.system.(Holder)
	if !ok {
		return nil
	}
	var held []heldRow
	for _, key := range slices.Sorted(maps.Keys(p.u.world.rows)) {
		value, there := p.u.world.Get(key)
		if h, ok := holder.Holds(key, value); there && ok && p.u.lives(h.Process, h.Incarnation) {
			held = append(held, heldRow{key, h.Process})
		}
	}
	waits := map[string][]wait{}
	for _, q := range p.u.processes {
		for _, t := range q.tasks {
			s := p.stays[t]
			if s == nil || s.step == nil || s.step == &noStep || s.since >= p.recent() {
				continue
			}
			for _, row := range held {
				if looks := s.looked(row.key); looks > 0 && row.by != q.program.Name {
					waits[q.program.Name] = append(waits[q.program.Name], wait{
						Link{Task: q.program.Name + "/" + t.name, Step: s.step.name, For: time.Duration(p.u.sched.now - s.since), Wants: plan.Printable(row.key), Looks: looks},
						q.program.Name, row.by,
					})
				}
			}
		}
	}
	return waits
}

// looked is how often a row was read.
func (s *stay) looked(key string) (n int) {
	for span, times := range s.looks { //gauntlet:allow map range: a sum
		if span.holds(key) {
			n += times
		}
	}
	return n
}

// follow follows who waits for whom from a process on, until a process comes again.
func follow(waits map[string][]wait, process string, path []wait) []Link {
	if i := slices.IndexFunc(path, func(w wait) bool { return w.by == process }); i >= 0 {
		var circle []Link
		for _, w := range path[i:] {
			circle = append(circle, w.Link)
		}
		return circle
	}
	for _, w := range waits[process] {
		if circle := follow(waits, w.on, append(slices.Clone(path), w)); circle != nil {
			return circle
		}
	}
	return nil
}

// lives reports whether an incarnation runs.
func (u *Universe) lives(name, incarnation string) bool {
	return slices.ContainsFunc(u.processes, func(p *process) bool {
		return p.program.Name == name && p.alive && strconv.Itoa(p.inc) == incarnation
	})
}
