package explain

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// expected are the requests of whoever something was expected of, after the violation's
// first event.
func expected(h *sim.History, v *sim.Violation, of *sim.Expected) (requests []*sim.Request) {
	until := v.Event
	if v.Second.Event != 0 {
		until = v.Second.Event
	}
	for i := range h.Requests {
		q := &h.Requests[i]
		if (of.Process == "" || q.Process == of.Process) && (of.Step == "" || q.Step == of.Step) && q.Sent.Event > v.First.Event && q.Sent.Event <= until {
			requests = append(requests, q)
		}
	}
	return requests
}

// since are those of these requests that are about what was expected, and the last one
// of all; nil for none.
func since(h *sim.History, v *sim.Violation) (about []*sim.Request, last *sim.Request) {
	if h == nil || v.Expected == nil {
		return nil, nil
	}
	for _, q := range expected(h, v, v.Expected) {
		last = q
		if slices.ContainsFunc(q.Keys, func(key string) bool { return sim.About(key, v.Expected.About) }) {
			about = append(about, q)
		}
	}
	return about, last
}

// sinceLines say what somebody did of what was expected of it: the action that is
// missing, and whether anybody has seen what it is about.
func (r *Report) sinceLines() []string {
	v, h := r.Reduced.Result.Violation, r.Reduced.Result.History
	if v.Expected == nil || h == nil {
		return nil
	}
	about, last := since(h, v)
	who, nobody := cmp.Or(v.Expected.Process, "anybody"), "nobody has sent a request"
	if v.Expected.Step != "" {
		who, nobody = who+" in "+v.Expected.Step, "nobody in "+v.Expected.Step+" has sent a request"
	}
	if v.Expected.Process != "" {
		nobody = who + " has sent no request"
	}
	line := fmt.Sprintf("requests of %s about %s: %d", who, v.Expected.About, len(about))
	switch {
	case last == nil:
		line = nobody
	case len(about) > 0:
		line += "; the last: " + sentText(h, about[len(about)-1], v)
	default:
		line = nobody + " about " + v.Expected.About
		if v.Expected.Process+v.Expected.Step != "" {
			line += "; the last about anything: " + sentText(h, last, v)
		}
	}
	listed := listedLines(h, v)
	if len(about)+len(listed) == 0 {
		listed = nearestLines(h, v)
	}
	return slices.Concat([]string{"  since:  " + line}, insteadLines(h, v), listed)
}

// nearestLines say what was asked of the object store about the key that begins most like
// the one that nobody has asked about: who looks in a place that is gone, or not yet there,
// finds nothing, and nothing else tells.
func nearestLines(h *sim.History, v *sim.Violation) []string {
	var nearest *sim.Request
	folder := strings.IndexByte(v.Expected.About, '/') + 1 // which all have
	if v.Expected.Process+v.Expected.Step == "" || folder == 0 {
		return nil
	}
	most := folder + 1
	for _, q := range expected(h, v, v.Expected) {
		if q.Op.Service() != ops.Objects {
			continue
		}
		for _, key := range q.Keys {
			if n := shared(key, v.Expected.About); n >= most {
				nearest, most = q, n
			}
		}
	}
	if nearest == nil {
		return nil
	}
	return []string{"  nearest: " + sentText(h, nearest, v)}
}

// shared is with how many bytes two texts begin that are the same.
func shared(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// insteadLines say what somebody has asked about again and again in place of what was
// expected of it. Keys that were asked about once are told by what they begin with.
func insteadLines(h *sim.History, v *sim.Violation) []string {
	if v.Expected.Process+v.Expected.Step == "" {
		return nil
	}
	var kinds []string
	times := map[string]int{}
	for _, q := range expected(h, v, v.Expected) {
		keys := strings.Join(q.Keys, " ")
		if keys == "" || sim.About(keys, v.Expected.About) {
			continue
		}
		kind := q.Op.String() + " " + shortKeys(keys, v)
		kinds = append(kinds, kind)
		times[kind]++
	}
	counts := map[string]int{}
	for _, kind := range kinds {
		if slash := strings.LastIndexByte(kind, '/'); times[kind] == 1 && slash >= 0 {
			kind = kind[:slash+1] + "..."
		}
		counts[kind]++
	}
	maps.DeleteFunc(counts, func(_ string, n int) bool { return n == 1 })
	if len(counts) == 0 {
		return nil
	}
	return []string{"  instead: " + countedText(counts)}
}

// listedLines say how often a key that something was expected of has come in what was
// listed since, by whomever it was expected of: who never sees a thing passes it by.
// Nothing is said of what no listing could have had.
func listedLines(h *sim.History, v *sim.Violation) []string {
	with, without := pagesOf(expected(h, v, v.Expected), v.Expected.About)
	without = slices.DeleteFunc(without, func(q *sim.Request) bool { return !q.Listing.Covers(v.Expected.About) })
	last := with
	if len(with) == 0 {
		last = without
	}
	if len(last) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("  listed: pages since that had it: %d of %d; the last: %s",
		len(with), len(with)+len(without), strings.Join(lastPages(h, last, v), "; "))}
}

// pagesOf are those of some requests that were answered with a page, and whether
// something about a subject was on it.
func pagesOf(requests []*sim.Request, subject string) (with, without []*sim.Request) {
	for _, q := range requests {
		switch {
		case q.Listing == nil:
		case slices.ContainsFunc(q.Listing.Keys, func(key string) bool { return sim.About(key, subject) }):
			with = append(with, q)
		default:
			without = append(without, q)
		}
	}
	return with, without
}

// lastPages are the last requests for a page, one of each kind of listing: how much they
// had, and behind what.
func lastPages(h *sim.History, requests []*sim.Request, v *sim.Violation) (pages []string) {
	var told []ops.Op
	for _, q := range slices.Backward(requests) {
		if slices.Contains(told, q.Op) {
			continue
		}
		told = append(told, q.Op)
		page := fmt.Sprintf("%s, keys: %d", sentText(h, q, v), len(q.Listing.Keys))
		if q.Listing.After != "" {
			page += ", behind " + plan.Printable(q.Listing.After)
		}
		pages = append(pages, page)
	}
	return pages
}

// sentText is a request and what its sender heard of it.
func sentText(h *sim.History, q *sim.Request, v *sim.Violation) string {
	heard := q.Status
	if q.Op == ops.KVGet && heard == "ok" {
		if heard = seen(h, q.Primary, q); heard == "" || heard == "gone" {
			heard = "not there"
		}
	}
	if q.End != sim.EndReply {
		heard = q.End.String()
	}
	if q.End == sim.NoEnd {
		heard = "no answer by then"
	}
	if q.Fate != sim.Handled && q.Fate != sim.Refused {
		heard += " (" + q.Fate.String() + ")"
	}
	what := strings.TrimSpace(q.Step + " " + q.Op.String())
	return fmt.Sprintf("%s: %s/%s %s %s: %s", clockText(q.Sent.At), q.Process, q.Task, what, shortKeys(strings.Join(q.Keys, " "), v), heard)
}
