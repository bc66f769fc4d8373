package chaos

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// The limits of a configuration.
const (
	MaxConfigBytes = 64 << 10       // of a file
	MaxNth         = 1_000_000_000  // of a call's number
	MaxDelay       = 24 * time.Hour // of one delay
)

// Config says which operations fail, how often and when. The zero Config
// injects nothing. It means the same in the simulator, which compiles it to
// deviations, and in staging, where an Injector applies it.
type Config struct {
	// Seed keys every draw, together with the operation and the call's number:
	// changing one rule never moves another's failures.
	Seed uint64
	// Rules has at most one entry for each operation, in any order. Where
	// several concern the same call, the most specific comes first: the call
	// in its step, then the call, then the step.
	Rules []Rule
}

// Rule is what happens to one operation. nil means nothing.
type Rule struct {
	// Operation is a name of the [Catalogue].
	Operation string
	// FailBefore fails a call instead of making it: not applied.
	FailBefore *Failure
	// FailAfter fails a call that has succeeded: applied.
	FailAfter *Failure
	// DelayBefore waits before a call, DelayAfter between a call's success and
	// its return.
	DelayBefore, DelayAfter *Latency
}

// Trigger picks calls. Each trigger counts for itself the calls that reach it,
// from 1; a call that failed before its effect never reaches what stands after
// it. A call is picked by its number in Nth or by the draw against Rate; Once
// keeps only the first that is picked, and means the first call if neither is
// given. A trigger that picks nothing, like the zero Trigger, is refused.
type Trigger struct {
	Rate float64 // share of the calls, 0 to 1; 0: not by rate
	Nth  []int   // numbers of calls, rising, 1 to MaxNth
	Once bool
}

// Failure is an error to inject.
type Failure struct {
	Trigger
	// Error is the class of the injected error; ClassNone stands for the
	// default of the operation. A conflict is only ever injected into a
	// conditional write or a commit.
	Error env.Class
}

// Latency is a time to wait, drawn evenly from Min to Max.
type Latency struct {
	Trigger
	Min, Max time.Duration // 0 < Min <= Max <= MaxDelay
}

// Validate reports the first thing in c that Parse would refuse.
func (c Config) Validate(catalogue Catalogue) error {
	if err := catalogue.Validate(); err != nil {
		return err
	}
	if p := c.check(&catalogue); p != nil {
		return errors.New(strings.Join(p.path, ".") + ": " + p.text)
	}
	return nil
}

func (c Config) check(catalogue *Catalogue) *problem {
	seen := make(map[string]bool, len(c.Rules))
	for i := range c.Rules {
		name := c.Rules[i].Operation
		if seen[name] {
			return problemf("operation given twice, once is allowed").under(name).under(keyOperations)
		}
		seen[name] = true
		if p := c.Rules[i].check(catalogue); p != nil {
			return p.under(name).under(keyOperations)
		}
	}
	return c.checkReached(catalogue)
}

func (r *Rule) check(catalogue *Catalogue) *problem {
	op, p := catalogue.find(r.Operation)
	if p != nil {
		return p
	}
	if *r == (Rule{Operation: r.Operation}) {
		return problemf("nothing to do, allowed: %s", oneOf(ruleKeys[:]))
	}
	for _, p := range []*problem{
		r.FailBefore.check(op.FailBefore.Errors).under(keyFailBefore),
		r.FailAfter.check(op.FailAfter.Errors).under(keyFailAfter),
		r.DelayBefore.check().under(keyDelayBefore),
		r.DelayAfter.check().under(keyDelayAfter),
	} {
		if p != nil {
			return p
		}
	}
	return nil
}

func (f *Failure) check(allowed []env.Class) *problem {
	if f == nil {
		return nil
	}
	if f.Error != env.ClassNone && !slices.Contains(allowed, f.Error) {
		names := make([]string, len(allowed))
		for i, class := range allowed {
			names[i] = className(class)
		}
		return problemf("error %q cannot happen here, allowed: %s", className(f.Error), oneOf(names)).under(keyError)
	}
	return f.Trigger.check()
}

func (d *Latency) check() *problem {
	if d == nil {
		return nil
	}
	if d.Min <= 0 || d.Max < d.Min || d.Max > MaxDelay {
		return problemf("delay %s is out of range, allowed: above 0s to %s, or a rising MIN..MAX", formatDelay(d.Min, d.Max), MaxDelay).under(keyFor)
	}
	return d.Trigger.check()
}

func (t *Trigger) check() *problem {
	if !(t.Rate >= 0 && t.Rate <= 1) { // NaN, too
		return problemf("rate %s is out of range, allowed: above 0 to 1", formatRate(t.Rate)).under(keyRate)
	}
	if t.Rate == 0 && len(t.Nth) == 0 && !t.Once {
		return problemf("no call is picked, allowed: at least one of rate, nth, once: true")
	}
	last := 0
	for _, n := range t.Nth {
		if n <= last || n > MaxNth {
			return problemf("nth %d is out of order or range, allowed: rising numbers from 1 to %d", n, MaxNth).under(keyNth)
		}
		last = n
	}
	return nil
}

func oneOf(names []string) string { return strings.Join(names, ", ") }

// className is a class as configurations spell it: "not_found".
func className(class env.Class) string {
	return strings.ReplaceAll(class.String(), " ", "_")
}

func formatRate(rate float64) string {
	if math.IsNaN(rate) {
		return ".nan"
	}
	return strconv.FormatFloat(rate, 'g', -1, 64)
}

func formatDelay(low, high time.Duration) string {
	if low == high {
		return low.String()
	}
	return low.String() + ".." + high.String()
}
