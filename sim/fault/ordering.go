package fault

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// Ordering is a deviation from the default schedule: what would happen at one
// moment waits until another has come. Messages may be under way for long, and
// timers may be late, never early. If the other moment never comes, the wait ends
// when the world is healed.
type Ordering struct {
	Hold, After Moment
	// Line is the ordering's line in a plan's file, 0 for none.
	Line int
	// Fired tells that it held something. The simulator keeps it.
	Fired bool
}

// Moment is something that comes about in a call.
type Moment struct {
	Call Anchor
	Leg  Leg
}

// Leg is a part of a call's way.
type Leg uint8

const (
	// Request: the call's request reaches its store.
	Request Leg = iota
	// Reply: the call's reply reaches its caller.
	Reply
	// Timer: the call's own timer fires: its time-out, or the end of its sleep.
	Timer
)

var legNames = []string{"request", "reply", "timer"}

// String returns the leg's name as plans print it.
func (l Leg) String() string { return legNames[l] }

// String prints the moment as plans do: w0/worker flip kv.commit batch #2 reply.
func (m Moment) String() string { return m.Call.String() + " " + m.Leg.String() }

// String prints the ordering as a line of a plan, without the leading "order".
func (o *Ordering) String() string {
	return "hold " + o.Hold.String() + " until after " + o.After.String()
}

// Again returns a copy of the ordering that has not held anything yet.
func (o *Ordering) Again() *Ordering {
	copied := *o
	copied.Fired = false
	return &copied
}

// ParseOrdering reads what String printed. Errors say what is wrong and what is
// allowed; the caller adds file and line.
func ParseOrdering(text string) (*Ordering, error) {
	words := strings.Fields(text)
	if len(words) != 15 || words[0] != "hold" || words[7] != "until" || words[8] != "after" {
		return nil, fmt.Errorf("an ordering reads: hold MOMENT until after MOMENT, each MOMENT being PROCESS/TASK STEP OP CLASS #N request|reply|timer")
	}
	hold, err := parseMoment(words[1:7])
	if err != nil {
		return nil, err
	}
	after, err := parseMoment(words[9:])
	if err != nil {
		return nil, err
	}
	if hold == after {
		return nil, fmt.Errorf("%s waits for itself", hold)
	}
	return &Ordering{Hold: hold, After: after}, nil
}

func parseMoment(words []string) (Moment, error) {
	at, err := parseAnchor(words[:5])
	if err != nil {
		return Moment{}, err
	}
	leg := slices.Index(legNames, words[5])
	if leg < 0 {
		return Moment{}, fmt.Errorf("%q: want one of %s", words[5], strings.Join(legNames, ", "))
	}
	m := Moment{Call: at, Leg: Leg(leg)}
	if sleeps := at.Op == ops.Sleep || at.Op == ops.Work; !at.Op.IsRequest() && !(sleeps && m.Leg == Timer) {
		return m, fmt.Errorf("%s has no %s", at.Op, m.Leg)
	}
	return m, nil
}
