package lockstep_test

import (
	"fmt"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// model is snapshot isolation as a list of versions a key: what every client must
// be told, by definition and not by an engine's code. Time is a count of events.
type model struct {
	async    bool // commits as soon as it is prewritten
	onePC    bool // and within one region by that alone
	now      int
	versions [keys][]version
	// marks is when the newest transaction began that was rolled back on a key, or
	// left its locks on it: one that began before conflicts with what is left of it.
	marks [keys]int
	// maybe is the same for transactions of which it is not known whether they left
	// anything: the client could not tell what became of them, and left it so.
	maybe [keys]int
	// orphaned keys may have locks of a transaction that nobody finishes.
	orphaned [keys]bool
	txns     [slots]*snapshot
	// Counted for the test's own sake.
	commits, conflicts, undetermined, begun int
}

type version struct {
	at    int
	value string // "" if the key was deleted
	lock  bool   // the value is that of the version before
}

// snapshot is one transaction.
type snapshot struct {
	began  int
	writes map[int]version
	cached map[int]bool // what it has read
}

func (m *model) tick() int { m.now++; return m.now }

func (m *model) txn(slot int) *snapshot {
	if m.txns[slot] == nil {
		m.begun++
		m.txns[slot] = &snapshot{began: m.tick(), writes: map[int]version{}, cached: map[int]bool{}}
	}
	return m.txns[slot]
}

// at returns a key's value at a moment.
func (m *model) at(key, moment int) string {
	for i := len(m.versions[key]) - 1; i >= 0; i-- {
		if v := m.versions[key][i]; v.at <= moment && !v.lock {
			return v.value
		}
	}
	return ""
}

// seen is a key's value as a transaction sees it.
func (m *model) seen(s *snapshot, key int) string {
	if w, ok := s.writes[key]; ok && !w.lock {
		return w.value
	}
	return m.at(key, s.began)
}

// tame takes a trouble away from an operation whose outcome would depend on more
// than the history tells: an orphaned lock in a commit's way takes 3 to 5 s, in which
// its own locks' time may run out, so that who overtakes it rolls it back; and if no
// answer comes, the client never hears of the lock, and waits for nothing. An async
// commit that has waited for more than 2 s falls back to two phases, and then needs
// the commit that is lost: whether it has depends on the client's random pauses.
func (m *model) tame(o op) op {
	s := m.txns[o.slot]
	uncertain := o.meet == overtaken || m.async && (o.meet == replyLost || o.meet >= commitLost && o.meet <= dies)
	if o.verb != commit || s == nil || !uncertain {
		return o
	}
	for key := range s.writes {
		if m.orphaned[key] {
			o.meet = none
		}
	}
	return o
}

// answer is what the i-th operation returns: got, if that is one of several right
// answers.
func (m *model) answer(i int, o op, got string) string {
	if o.verb == pass {
		return ""
	}
	s := m.txn(o.slot)
	unreachable := o.meet == lost || o.meet == replyLost
	switch o.verb {
	case get:
		w, own := s.writes[o.key]
		if unreachable && !s.cached[o.key] && (!own || w.lock) {
			return env.ClassDeadline.String()
		}
		if !own || w.lock {
			s.cached[o.key] = true
		}
		if value := m.seen(s, o.key); value != "" {
			return value
		}
		return env.ClassNotFound.String()
	case scan:
		if unreachable {
			return env.ClassDeadline.String()
		}
		return m.page(s, o.key)
	case put:
		s.writes[o.key] = version{value: valueOf(i)}
	case remove:
		s.writes[o.key] = version{}
	case lock:
		if _, own := s.writes[o.key]; !own {
			s.writes[o.key] = version{lock: true}
		}
	case rollback:
		m.txns[o.slot] = nil
	case commit:
		m.txns[o.slot] = nil
		class := m.commit(i, s, o.meet, got)
		for key := range s.writes {
			switch {
			case class == env.ClassUndetermined || o.meet >= commitLost && o.meet <= dies:
				m.orphaned[key] = true
			case class == env.ClassNone:
				m.orphaned[key] = false
			}
		}
		return class.String()
	}
	return ""
}

func valueOf(i int) string { return fmt.Sprint("v", i) }

func (m *model) page(s *snapshot, from int) string { return m.pairs(s, from, page) }

func (m *model) all(s *snapshot) string { return m.pairs(s, 0, keys) }

func (m *model) pairs(s *snapshot, from, limit int) string {
	var found []string
	for key := from; key < keys && len(found) < limit; key++ {
		if value := m.seen(s, key); value != "" {
			found = append(found, keyOf(key)+"="+value)
		}
	}
	return strings.Join(found, " ")
}

// commit is a transaction's end: what its caller is told, and what is so from now
// on, which is not always the same.
func (m *model) commit(i int, s *snapshot, meet trouble, got string) env.Class {
	if len(s.writes) == 0 {
		return env.ClassNone
	}
	if meet == lost {
		if !m.async { // an async commit leaves nothing, not even a mark of its end
			m.drop(s, &m.marks)
		}
		return m.unheard()
	}
	if m.conflicting(s, meet, got) {
		return m.refuse(s, meet, got)
	}
	switch {
	case meet == replyLost && !m.async:
		m.drop(s, &m.marks)
		return env.ClassDeadline
	case meet == zombie && !m.async:
		m.drop(s, &m.marks)
		for key := range s.writes {
			m.versions[key] = append(m.versions[key], version{at: m.now + 1, value: valueOf(i) + "z"})
		}
		m.tick()
		m.conflicts++
		return env.ClassConflict
	case (meet == commitLost || meet == dies) && !m.async:
		m.drop(s, &m.marks)
		m.undetermined++
		return env.ClassUndetermined
	}
	at := m.tick()
	for key, w := range s.writes {
		w.at = at
		m.versions[key] = append(m.versions[key], w)
	}
	m.commits++
	if meet == replyLost || meet == commitReplyLost && !m.async {
		m.undetermined++
		return env.ClassUndetermined
	}
	return env.ClassNone
}

// conflicting reports whether something newer than its snapshot is in a
// transaction's way. Of what only may be there the answer tells.
func (m *model) conflicting(s *snapshot, meet trouble, got string) bool {
	refused := got == env.ClassConflict.String() || m.unsure(meet, got)
	for key := range s.writes {
		list := m.versions[key]
		if m.marks[key] > s.began || len(list) > 0 && list[len(list)-1].at > s.began {
			return true
		}
	}
	for key := range s.writes {
		if m.maybe[key] > s.began && refused {
			return true
		}
	}
	return false
}

// refuse ends a transaction that conflicts.
func (m *model) refuse(s *snapshot, meet trouble, got string) env.Class {
	if m.unsure(meet, got) || m.async && meet == replyLost {
		m.drop(s, &m.maybe)
		return m.unheard()
	}
	if !m.onePC || !s.inOneRegion() { // else nothing was locked that could be left
		m.drop(s, &m.marks)
	}
	if meet == replyLost { // the refusal's
		return m.unheard()
	}
	m.conflicts++
	return env.ClassConflict
}

// unsure reports whether a transaction was refused and cannot tell: whose commit is
// decided by prewrites does not know once one was not answered, and does not clean up; a
// refusal of another prewrite may come before it knows.
func (m *model) unsure(meet trouble, got string) bool {
	return m.async && (meet == lostOnce || meet == replyLostOnce) && got == env.ClassUndetermined.String()
}

func (s *snapshot) inOneRegion() bool {
	regions := map[int]bool{}
	for key := range s.writes {
		regions[regionOf(keyOf(key))] = true
	}
	return len(regions) == 1
}

// unheard is what is told of a prewrite that was never answered.
func (m *model) unheard() env.Class {
	if m.async {
		m.undetermined++
		return env.ClassUndetermined
	}
	return env.ClassDeadline
}

// drop leaves what a transaction that is not committed leaves.
func (m *model) drop(s *snapshot, marks *[keys]int) {
	for key := range s.writes {
		marks[key] = max(marks[key], s.began)
	}
}
