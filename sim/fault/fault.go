// Package fault is what the world can do to a system under test: the kinds of
// faults, each in a file of its own, and the places where they strike.
//
// A fault is data: a [Kind] with its options at an [Anchor]. Plans print and
// parse it, searches draw it, reduction weakens it, and the simulator's doorway
// asks it at each stage of the call that it strikes (a crossing) what becomes of
// that call. A new kind is one file here and one line in the table of kinds.go.
package fault

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// MaxTime bounds every duration of a fault: a hundred days.
const MaxTime = 100 * 24 * time.Hour

// Fault is one deviation from the default run: what happens, and at which call.
type Fault struct {
	Kind Kind
	At   Anchor
	// Source is the entry of a scenario or a configuration that injected it, or
	// "".
	Source string
	// Line is the fault's line in a plan's file, 0 for none.
	Line int
	// Ambient tells that a mode of the run injected it: a replay of the run's plan
	// injects it again, so that it is no line of the plan.
	Ambient bool

	// Listed tells that the fault is among those of its universe, and Fired how
	// many calls it has given another outcome or another place in the order.
	// The simulator keeps both.
	Listed bool
	Fired  int
}

// Again returns a copy of the fault that has not struck yet.
func (f *Fault) Again() *Fault {
	copied := *f
	copied.Listed, copied.Fired = false, 0
	return &copied
}

// With returns a copy of the fault, not yet struck, that is of another kind.
func (f *Fault) With(kind Kind) *Fault {
	other := f.Again()
	other.Kind = kind
	return other
}

// Is reports whether a fault is of that kind: Is[*Outage](f).
func Is[K Kind](f *Fault) bool {
	_, is := f.Kind.(K)
	return is
}

// Name is the name of the fault's kind: "crash".
func (f *Fault) Name() string { return f.Kind.Info().Name }

// Anchor names a doorway call by its meaning, so that it survives changes of
// the system that a step number would not.
type Anchor struct {
	Process string
	Task    string
	Step    string // "-": outside every step
	Op      ops.Op
	Class   string // key class, as the system's Classify names it; "-": none
	Nth     int    // from 1, over all incarnations of the process
}

// String prints the anchor as plans do: w0/worker flip kv.commit batch #2.
func (a Anchor) String() string {
	return fmt.Sprintf("%s/%s %s %s %s #%d", a.Process, a.Task, Dash(a.Step), a.Op, Dash(a.Class), a.Nth)
}

// Dash returns the text, or "-" in place of none, as anchors write it.
func Dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// String prints the fault as a line of a plan, without the leading "fault".
func (f *Fault) String() string {
	return f.Name() + " at " + f.At.String() + Options(f.Kind)
}

// Options prints the options of a kind as a plan does, each behind a space.
func Options(k Kind) string {
	var b strings.Builder
	for _, o := range k.options() {
		if text := o.print(); text != "" {
			b.WriteString(" " + o.Name + "=" + text)
		}
	}
	return b.String()
}

// With makes a fault of a kind with those of the values that are its options.
func With(info *Info, values map[string]string) (Kind, error) {
	k := info.New()
	for _, o := range k.options() {
		value, ok := values[o.Name]
		if !ok {
			continue
		}
		if err := o.set(value); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// Parse reads what String printed. Errors say what is wrong and what is
// allowed; the caller adds file and line.
func Parse(text string) (*Fault, error) {
	words := strings.Fields(text)
	if len(words) < 7 || words[1] != "at" {
		return nil, fmt.Errorf("a fault reads: KIND at PROCESS/TASK STEP OP CLASS #N [name=value ...]")
	}
	info, ok := Named(words[0])
	if !ok {
		return nil, fmt.Errorf("unknown fault %q; known: %s", words[0], strings.Join(Names(), ", "))
	}
	at, err := parseAnchor(words[2:7])
	if err != nil {
		return nil, err
	}
	f := &Fault{Kind: info.New(), At: at}
	if err := parseOptions(f.Kind, words[7:]); err != nil {
		return nil, err
	}
	return f, f.checkPlace()
}

func parseAnchor(words []string) (Anchor, error) {
	process, task, ok := strings.Cut(words[0], "/")
	if !ok || process == "" || task == "" {
		return Anchor{}, fmt.Errorf("%q: want PROCESS/TASK", words[0])
	}
	op, ok := ops.Named(words[2])
	if !ok {
		return Anchor{}, fmt.Errorf("unknown operation %q; known: %s", words[2], strings.Join(ops.Names(), ", "))
	}
	nth, err := strconv.Atoi(strings.TrimPrefix(words[4], "#"))
	if err != nil || nth < 1 || !strings.HasPrefix(words[4], "#") {
		return Anchor{}, fmt.Errorf("%q: want #N with N at least 1", words[4])
	}
	return Anchor{Process: process, Task: task, Step: words[1], Op: op, Class: words[3], Nth: nth}, nil
}

// parseOptions reads each name=value, and refuses what the kind does not have
// and the absence of what it must have.
func parseOptions(k Kind, words []string) error {
	options := k.options()
	seen := map[string]bool{}
	for _, word := range words {
		name, value, ok := strings.Cut(word, "=")
		if !ok || seen[name] {
			return fmt.Errorf("%q: want each name=value once", word)
		}
		seen[name] = true
		i := slices.IndexFunc(options, func(o option) bool { return o.Name == name })
		if i < 0 {
			return fmt.Errorf("%s takes no %s=; allowed: %s", k.Info().Name, name, allowed(options))
		}
		if err := options[i].set(value); err != nil {
			return err
		}
	}
	for _, o := range options {
		if o.Otherwise == "" && !seen[o.Name] {
			return fmt.Errorf("%s needs %s=", k.Info().Name, o.Name)
		}
	}
	return nil
}

func allowed(options []option) string {
	if len(options) == 0 {
		return "no option"
	}
	names := make([]string, len(options))
	for i, o := range options {
		names[i] = o.Name
	}
	return strings.Join(names, ", ")
}

// checkPlace refuses a kind at a call that it cannot strike, whoever makes it.
func (f *Fault) checkPlace() error {
	info := f.Kind.Info()
	if info.Requests && !f.At.Op.IsRequest() && !(f.At.Op == ops.Step && info.Steps) {
		return fmt.Errorf("%s strikes requests only, not %s", info.Name, f.At.Op)
	}
	if phase, ok := f.Kind.Moment(); ok && phase != Before && !f.At.Op.IsRequest() {
		return fmt.Errorf("phase=%s: %s has only phase=before", phase, f.At.Op)
	}
	return nil
}

// CanStrike reports whether a kind of fault makes sense at a call; client says
// that a trusted client of the workload makes it.
func (i *Info) CanStrike(op ops.Op, client bool) bool {
	if client && i.SparesClients {
		return false
	}
	return i.Strikes(op) || op == ops.Step && i.Steps
}

// Magnitude is how long the fault lasts, or how far it goes; false for kinds
// without such an option, and for a crash without a restart.
func (f *Fault) Magnitude() (time.Duration, bool) {
	size := sizeOf(f.Kind)
	if crash, is := f.Kind.(*Crash); size == nil || is && crash.Never {
		return 0, false
	}
	return *size, true
}

// Lasting returns a copy of the fault, not yet struck, of another magnitude.
func (f *Fault) Lasting(d time.Duration) *Fault {
	values := map[string]string{}
	for _, o := range f.Kind.options() {
		if text := o.print(); text != "" {
			values[o.Name] = text
		}
	}
	kind, err := With(f.Kind.Info(), values)
	if err != nil {
		panic(err) // what is printed can be parsed
	}
	if size := sizeOf(kind); size != nil {
		*size = d
	}
	return f.With(kind)
}

func sizeOf(k Kind) *time.Duration {
	for _, o := range k.options() {
		if o.size != nil {
			return o.size
		}
	}
	return nil
}
