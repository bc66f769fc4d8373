package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// since are the requests of whoever the violation expected something of, after its
// first event: those about what was expected, and the last one of all; nil for none.
func since(h *sim.History, v *sim.Violation) (about []*sim.Request, last *sim.Request) {
	if h == nil || v.Expected == nil {
		return nil, nil
	}
	until := v.Event
	if v.Second.Event != 0 {
		until = v.Second.Event
	}
	for i := range h.Requests {
		q := &h.Requests[i]
		if v.Expected.Process != "" && q.Process != v.Expected.Process || q.Sent.Event <= v.First.Event || q.Sent.Event > until || v.Expected.Step != "" && q.Step != v.Expected.Step {
			continue
		}
		last = q
		if slices.ContainsFunc(q.Keys, func(key string) bool { return sim.About(key, v.Expected.About) }) {
			about = append(about, q)
		}
	}
	return about, last
}

// sinceLines say what somebody did of what was expected of it: the action that is
// missing.
func (r *Report) sinceLines() []string {
	v := r.Reduced.Result.Violation
	if v.Expected == nil || r.Reduced.Result.History == nil {
		return nil
	}
	about, last := since(r.Reduced.Result.History, v)
	what := cmp.Or(v.Expected.Process, "anybody")
	if v.Expected.Step != "" {
		what += " in " + v.Expected.Step
	}
	switch {
	case v.Expected.Process == "" && len(about) == 0:
		return []string{"  since:  nobody has sent a request about " + v.Expected.About}
	case last == nil:
		return []string{fmt.Sprintf("  since:  %s has sent no request", what)}
	case len(about) == 0:
		return []string{fmt.Sprintf("  since:  %s has sent no request about %s; the last about anything: %s", what, v.Expected.About, sentText(last, v.Subject))}
	}
	return []string{fmt.Sprintf("  since:  requests of %s about %s: %d; the last: %s", what, v.Expected.About, len(about), sentText(about[len(about)-1], v.Subject))}
}

// sentText is a request and what its sender heard of it.
func sentText(q *sim.Request, subject string) string {
	heard := q.Status
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
	return fmt.Sprintf("%s: %s/%s %s %s: %s", clockText(q.Sent.At), q.Process, q.Task, what, shortKeys(strings.Join(q.Keys, " "), subject), heard)
}
