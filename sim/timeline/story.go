package timeline

import (
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// Level says how much a request matters.
type Level uint8

const (
	// Plain: it asked, and changed nothing.
	Plain Level = iota
	// Effect: it was to change something, or something befell it.
	Effect
	// Story: it belongs into the story of the violation.
	Story
)

// Levels says of each request of a recorded run how much it matters. A run in
// which nothing was violated has no story.
func Levels(r *sim.Result) []Level {
	requests := r.History.Requests
	changed := make([]bool, len(requests)) // something that the violation is about
	for _, c := range r.History.Changes {
		if c.Request > 0 && r.Violation != nil && c.Before != c.After && about(c.Key, r.Violation) {
			changed[c.Request-1] = true
		}
	}
	levels := make([]Level, len(requests))
	for i := range requests {
		levels[i] = level(&requests[i], r.Violation, changed[i])
	}
	thin(requests, levels, r.Violation)
	return levels
}

// level says how much a request matters. What is committed in a transaction's name
// after its primary key changes nothing any more: it is no part of the story.
func level(q *sim.Request, v *sim.Violation, changed bool) Level {
	troubled := q.Fate != sim.Handled || q.Late || len(q.Met) > 0
	effect := q.Op.HasEffect()
	switch {
	case v != nil && its(q, v):
		return Story
	case !effect && !troubled:
		return Plain
	case v == nil || q.Sent.Event > v.Event:
		return Effect
	case changed, effect && len(q.Met) > 0:
		return Story
	case effect && (troubled || q.Status != "ok") && q.Op != ops.Resolve && q.Op != ops.Rollback && slices.ContainsFunc(q.Keys, func(key string) bool { return about(key, v) }):
		return Story
	}
	return Effect
}

// its reports whether a request is one of the two events of a violation.
func its(q *sim.Request, v *sim.Violation) bool {
	event := q.Handled.Event
	return event != 0 && (event == v.First.Event || event == v.Second.Event)
}

// about reports whether a key is about one of the violation's subjects.
func about(key string, v *sim.Violation) bool {
	return strings.Contains(key, v.Subject) || slices.ContainsFunc(v.Also, func(subject string) bool { return strings.Contains(key, subject) })
}

// same is what requests share that say the same: a beat, a round of polling.
type same struct {
	who          sim.Who
	op           ops.Op
	key          string
	status, fate string
}

// thin takes out of the story what is said again and again: the first and the
// last stay, and what is itself an event of the violation.
func thin(requests []sim.Request, levels []Level, v *sim.Violation) {
	of := func(q *sim.Request) same { return same{q.Who, q.Op, q.Primary, q.Status, q.Fate.String()} }
	counts, seen := map[same]int{}, map[same]int{}
	for i := range requests {
		if levels[i] == Story {
			counts[of(&requests[i])]++
		}
	}
	for i := range requests {
		q := &requests[i]
		if levels[i] != Story {
			continue
		}
		said := of(q)
		seen[said]++
		if n := seen[said]; n > 1 && n < counts[said] && !its(q, v) && len(q.Met) == 0 {
			levels[i] = Effect
		}
	}
}
