package sim

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// Nondeterminism says that one seed gave two different runs: the system, or the
// harness, depends on something that is not in the universe.
type Nondeterminism struct {
	Seed          uint64
	First, Second uint64 // hashes
	// Divergence is where two runs began to differ, nil if the runs that looked for it
	// did not.
	Divergence *Divergence
}

// Divergence is the first event that differs between two runs.
type Divergence struct {
	// Common is the last event of the same task before it, which both runs have:
	// between the two the task did what differs. nil if there is none.
	Common *Sighting
	// Before are the last events that both runs have, One and Other what came then.
	Before, One, Other []Sighting
	// Cause is what differs, as far as that tells, and Blame whose bug it is.
	Cause string
	Blame Blame
}

// Error says it, and where the runs differ, in several lines.
func (n *Nondeterminism) Error() string {
	text := fmt.Sprintf("not deterministic: seed 0x%016x gave hash %016x, then %016x; the system depends on something outside its universe", n.Seed, n.First, n.Second)
	d := n.Divergence
	if d == nil {
		return text
	}
	lines := []string{text, "  likely cause: " + d.Cause + " (" + d.Blame.String() + ")"}
	if d.Common != nil {
		lines = append(lines, "  nearest common event: "+d.Common.String())
	}
	list := func(title string, seen []Sighting) {
		lines = append(lines, "  "+title)
		for i := range seen {
			lines = append(lines, "    "+seen[i].String())
		}
	}
	list("both runs:", d.Before)
	list("then one run:", d.One)
	list("and another:", d.Other)
	return strings.Join(lines, "\n")
}

// Locate runs a seed again and says where its runs begin to differ. n is what is
// known already.
func (n *Nondeterminism) Locate(target Target) *Nondeterminism {
	return n.locate(func() (*Universe, *plan.Plan, error) { return target.universe(n.Seed) })
}

// LocateReplay is Locate for a plan.
func (n *Nondeterminism) LocateReplay(target Target, p *plan.Plan) *Nondeterminism {
	return n.locate(func() (*Universe, *plan.Plan, error) {
		u, err := target.replay(p)
		return u, p.Clone(), err
	})
}

// witnessed is how many runs look for a divergence, at most; shownEvents is how many
// events of each run are shown.
const (
	witnessed   = 8
	shownEvents = 3
)

func (n *Nondeterminism) locate(make func() (*Universe, *plan.Plan, error)) *Nondeterminism {
	var runs [][]Sighting
	for len(runs) < witnessed {
		u, p, err := make()
		if err != nil {
			return n
		}
		u.witness = &witness{}
		u.run(p)
		runs = append(runs, u.witness.seen)
		if at := diverge(runs[0], u.witness.seen); at >= 0 {
			n.Divergence = explainDivergence(runs[0], u.witness.seen, at)
			return n
		}
	}
	return n
}

// diverge finds the first sighting that differs; -1 if none does.
func diverge(a, b []Sighting) int {
	for i := range min(len(a), len(b)) {
		if !a[i].same(&b[i]) {
			return i
		}
	}
	if len(a) != len(b) {
		return min(len(a), len(b))
	}
	return -1
}

func explainDivergence(a, b []Sighting, at int) *Divergence {
	d := &Divergence{Before: a[max(0, at-shownEvents):at], One: a[at:min(len(a), at+shownEvents)], Other: b[at:min(len(b), at+shownEvents)]}
	d.Cause, d.Blame = likelyCause(a[at:], b[at:])
	if len(d.One) > 0 {
		for i, s := range slices.Backward(a[:at]) {
			if s.Process == d.One[0].Process && s.Task == d.One[0].Task && s.Kind != "request" {
				d.Common = &a[i]
				break
			}
		}
	}
	return d
}

// horizon is how many requests are compared to find out whether only their order
// differs.
const horizon = 64

// likelyCause tells from what differs first what it depends on.
func likelyCause(a, b []Sighting) (string, Blame) {
	if len(a) == 0 || len(b) == 0 {
		return "one run ends here: state that outlives a run, such as a package variable", BlameSystem
	}
	one, other := &a[0], &b[0]
	who := one.Who()
	if one.Process != other.Process || one.Task != other.Task || one.Kind != other.Kind || one.What != other.What {
		if reordered(a, b) {
			return "map order: the same requests come in another order", BlameSystem
		}
		return "scheduling: another task is next; a goroutine, a channel, or a duration from real time or global randomness", BlameSystem
	}
	switch {
	case !slices.Equal(one.Keys, other.Keys) && permuted(one.Keys, other.Keys):
		return fmt.Sprintf("map order: %s names the same %d keys in another order", who, len(one.Keys)), BlameSystem
	case !slices.Equal(one.Keys, other.Keys) && reordered(a, b):
		return fmt.Sprintf("map order: %s makes the same requests in another order", who), BlameSystem
	case !slices.Equal(one.Keys, other.Keys):
		return differing(who+" names other keys", strings.Join(one.Keys, " "), strings.Join(other.Keys, " "), one.At), BlameSystem
	case one.Digest != other.Digest:
		return differing(who+" writes another value", one.Values, other.Values, one.At), BlameSystem
	case one.At != other.At && one.Kind == "timer":
		return fmt.Sprintf("global randomness or real time in a duration: %s waits until %s or %s", who, clockText(one.At), clockText(other.At)), BlameSystem
	}
	return "the tasks do the same and the world does not: the simulator itself", BlameHarness
}

func permuted(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// reordered reports whether the next requests of the first one's process are the
// same in both runs, in another order.
func reordered(a, b []Sighting) bool {
	next := func(seen []Sighting) (requests []string) {
		for i := range seen {
			if s := &seen[i]; s.Process == a[0].Process && s.Kind == "request" && len(requests) < horizon {
				requests = append(requests, s.What+" "+strings.Join(s.Keys, " "))
			}
		}
		return requests
	}
	one, other := next(a), next(b)
	for n := 2; n <= min(len(one), len(other)); n++ {
		if !slices.Equal(one[:n], other[:n]) && permuted(one[:n], other[:n]) {
			return true
		}
	}
	return false
}

// word is what of a text is compared: a number, a time, an identifier.
var word = regexp.MustCompile(`[0-9A-Za-z:.+_-]+`)

// differing names the first word that differs, and what it looks like.
func differing(what, one, other string, now time.Duration) string {
	a, b := word.FindAllString(one, -1), word.FindAllString(other, -1)
	if permuted(a, b) && len(a) > 1 {
		return "map order: " + what + ": the same words in another order"
	}
	for i := range min(len(a), len(b)) {
		if a[i] == b[i] {
			continue
		}
		what += fmt.Sprintf(": %s, then %s", a[i], b[i])
		x, errX := strconv.ParseInt(a[i], 10, 64)
		y, errY := strconv.ParseInt(b[i], 10, 64)
		switch {
		case isRealTime(a[i], now) && isRealTime(b[i], now):
			return "real time (time.Now): " + what
		case strings.HasPrefix(a[i], "0xc0") && strings.HasPrefix(b[i], "0xc0"):
			return "an address: " + what
		case errX == nil && errY == nil && y > x && y-x < 1000:
			return "state that outlives a run, such as a package variable: " + what
		}
		break
	}
	return "global randomness (math/rand, select): " + what
}

// isRealTime reports whether a word is a point of time, in a usual form, that is
// not one of the universe's: from 2015 to 2100, but not within it.
func isRealTime(text string, now time.Duration) bool {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return false
		}
		switch {
		case n < 1e11:
			at = time.Unix(n, 0)
		case n < 1e14:
			at = time.UnixMilli(n)
		case n < 1e17:
			at = time.UnixMicro(n)
		default:
			at = time.Unix(0, n)
		}
	}
	within := at.After(epoch.Add(-time.Hour)) && at.Before(epoch.Add(now+time.Hour))
	return !within && at.Year() >= 2015 && at.Year() < 2100
}
