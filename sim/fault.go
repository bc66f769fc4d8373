package sim

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// FaultKind is a way in which the world may deviate from the default run.
type FaultKind uint8

const (
	// Crash ends an incarnation between two instructions; memory is lost.
	Crash FaultKind = iota + 1
	// Terminate asks the process to stop (its main context ends with the
	// program's StopCause), and crashes it if it is still there after the
	// grace.
	Terminate
	// Pause freezes a process: replies and timers wait until it resumes. Its
	// monotonic clock goes on meanwhile, as under SIGSTOP, or stops, as when
	// its machine is suspended: then it cannot notice.
	Pause
	// Slow makes a process's work take longer.
	Slow
	// Partition cuts a process off from services: requests, replies or both
	// are lost.
	Partition
	// Refuse answers a request with "unavailable"; it is not applied.
	Refuse
	// LoseRequest loses a request; it is not applied.
	LoseRequest
	// LoseReply loses the reply of a request that was applied.
	LoseReply
	// Delay holds a request back: it may be applied after its caller gave up.
	Delay
	// DelayReply holds a reply back.
	DelayReply
	// Truncate cuts the body of a read short.
	Truncate
	// ExpireUpload makes the store drop the multipart upload that a request
	// names before it handles the request.
	ExpireUpload
	// Skew steps a process's wall clock.
	Skew
	// Drift makes a process's monotonic clock run fast or slow from its next
	// incarnation on.
	Drift
	// Conflict answers a prewrite, or a conditional write of an object, as if
	// another writer had come first; it is not applied.
	Conflict
	// RegionError answers a request to TiKV with an error of its key's region;
	// it is not applied.
	RegionError
	// ErrorBody answers the completion of an upload with 200 and an error
	// inside; it is not applied, which the caller cannot know.
	ErrorBody
	// Outage makes services refuse every process's requests; none is applied.
	Outage
	faultKinds
)

var faultNames = [faultKinds]string{"", "crash", "terminate", "pause", "slow", "partition", "refuse",
	"lose-request", "lose-reply", "delay", "delay-reply", "truncate", "expire-upload", "skew", "drift",
	"conflict", "region-error", "error-body", "outage"}

// String returns the fault's name as plans print it.
func (k FaultKind) String() string { return faultNames[k] }

// FaultKinds returns every kind, in a fixed order.
func FaultKinds() []FaultKind {
	kinds := make([]FaultKind, 0, faultKinds-1)
	for k := Crash; k < faultKinds; k++ {
		kinds = append(kinds, k)
	}
	return kinds
}

// Phase is the moment of a doorway call at which a crash, pause or terminate
// strikes.
type Phase uint8

const (
	// Before: the request is not sent (a paused process sends it later).
	Before Phase = iota
	// Applied: the store has handled the request, its reply is on the way.
	Applied
	// After: the reply is about to be received.
	After
)

var phaseNames = [...]string{"before", "applied", "after"}

// String returns the phase's name as plans print it.
func (p Phase) String() string { return phaseNames[p] }

// Direction says which way a partition cuts.
type Direction uint8

const (
	Both Direction = iota
	Requests
	Replies
)

var directionNames = [...]string{"both", "requests", "replies"}

// String returns the direction's name as plans print it.
func (d Direction) String() string { return directionNames[d] }

// Anchor names a doorway call by its meaning, so that it survives changes of
// the system that a step number would not.
type Anchor struct {
	Process string
	Task    string
	Step    string // "-": outside every step
	Op      Op
	Class   string // key class, as the system's Classify names it; "-": none
	Nth     int    // from 1, over all incarnations of the process
}

// String prints the anchor as plans do: w0/worker flip kv.commit batch #2.
func (a Anchor) String() string {
	return fmt.Sprintf("%s/%s %s %s %s #%d", a.Process, a.Task, dash(a.Step), a.Op, dash(a.Class), a.Nth)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// Fault is one deviation from the default run: a kind, an anchor and how much.
type Fault struct {
	Kind  FaultKind
	At    Anchor
	Phase Phase // Crash, Pause, Terminate
	// For is how long it lasts or holds (virtual time): Pause, Slow,
	// Partition, Outage, Delay, DelayReply; Crash: until the restart; Terminate: the
	// grace; Skew: the step, which may be negative.
	For time.Duration
	// Never: a crash without restart, not even when the world heals.
	Never bool
	// TempLost: a crash also empties the temp dir.
	TempLost bool
	// Service: Partition, Outage; AllServices means every one.
	Service   Service
	Direction Direction
	// Factor: Slow, how many times longer (2 to 1000); Drift, parts per
	// million (-100000 to 100000); Truncate, permille of the body that
	// arrives (0 to 999).
	Factor int64
	// Reset: LoseRequest and LoseReply: the caller sees a broken connection
	// at once instead of waiting for its time-out.
	Reset bool
	// Stops: Pause, the monotonic clock stops, too.
	Stops bool
	// Until: Pause, what may end it before its time.
	Until Until
	// Region is what a RegionError says.
	Region tikv.RegionError

	source string // the injection of a scenario or configuration, or ""
	fired  int
	line   int
}

// Until says what ends a pause, if its time doesn't: what a zombie does depends
// on how far its successor is when it wakes up.
type Until uint8

const (
	// UntilTime: nothing else.
	UntilTime Until = iota
	// UntilRival: soon after another process has made a call in the step in
	// which the pause began; both want the same.
	UntilRival
	// UntilHeir: when half its time is over, soon after another process has made
	// a call in the step that came before that one; the successor is at work.
	UntilHeir
)

var untilNames = [...]string{"time", "rival", "heir"}

// AllServices as a Fault's Service means every service.
const AllServices = serviceCount

// regionErrors are the answers of a RegionError, by their names in plans.
var regionErrors = [...]struct {
	name  string
	error tikv.RegionError
}{
	{"not-leader", tikv.RegionNotLeader}, {"epoch-not-match", tikv.RegionEpochNotMatch}, {"server-is-busy", tikv.RegionServerIsBusy},
}

func regionErrorNamed(name string) (tikv.RegionError, error) {
	names := make([]string, len(regionErrors))
	for i, r := range regionErrors {
		if r.name == name {
			return r.error, nil
		}
		names[i] = r.name
	}
	return 0, fmt.Errorf("says=%s: want one of %s", name, strings.Join(names, ", "))
}

func regionErrorName(e tikv.RegionError) string {
	for _, r := range regionErrors {
		if r.error == e {
			return r.name
		}
	}
	return strconv.Itoa(int(e))
}

// String prints the fault as a line of a plan, without the leading "fault".
func (f *Fault) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s at %s", f.Kind, f.At)
	if f.hasPhase() {
		b.WriteString(" phase=" + f.Phase.String())
	}
	switch f.Kind {
	case Crash:
		if f.Never {
			b.WriteString(" restart=never")
		} else {
			b.WriteString(" restart=" + f.For.String())
		}
		if f.TempLost {
			b.WriteString(" temp=lost")
		}
	case Terminate:
		b.WriteString(" grace=" + f.For.String())
	case Partition, Outage:
		service := "all"
		if f.Service != AllServices {
			service = f.Service.String()
		}
		b.WriteString(" service=" + service)
		if f.Kind == Partition {
			b.WriteString(" direction=" + f.Direction.String())
		}
		b.WriteString(" for=" + f.For.String())
	case RegionError:
		b.WriteString(" says=" + regionErrorName(f.Region))
	case Slow:
		b.WriteString(" factor=" + strconv.FormatInt(f.Factor, 10) + " for=" + f.For.String())
	case Pause, Delay, DelayReply:
		b.WriteString(" for=" + f.For.String())
		if f.Stops {
			b.WriteString(" clock=stops")
		}
		if f.Until != UntilTime {
			b.WriteString(" until=" + untilNames[f.Until])
		}
	case Skew:
		b.WriteString(" by=" + f.For.String())
	case Drift:
		b.WriteString(" ppm=" + strconv.FormatInt(f.Factor, 10))
	case Truncate:
		b.WriteString(" permille=" + strconv.FormatInt(f.Factor, 10))
	case LoseRequest, LoseReply:
		if f.Reset {
			b.WriteString(" seen=reset")
		}
	}
	return b.String()
}

func (f *Fault) hasPhase() bool {
	return f.Kind == Crash || f.Kind == Pause || f.Kind == Terminate
}

// parseFault reads what String printed. Errors say what is wrong and what is
// allowed; the caller adds file and line.
func parseFault(text string) (*Fault, error) {
	words := strings.Fields(text)
	if len(words) < 7 || words[1] != "at" {
		return nil, fmt.Errorf("a fault reads: KIND at PROCESS/TASK STEP OP CLASS #N [name=value ...]")
	}
	f := &Fault{}
	i := slices.Index(faultNames[1:], words[0])
	if i < 0 {
		return nil, fmt.Errorf("unknown fault %q; known: %s", words[0], strings.Join(faultNames[1:], ", "))
	}
	f.Kind = FaultKind(i + 1)
	if err := f.parseAnchor(words[2:7]); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, word := range words[7:] {
		name, value, ok := strings.Cut(word, "=")
		if !ok || seen[name] {
			return nil, fmt.Errorf("%q: want each name=value once", word)
		}
		seen[name] = true
		if err := f.parseOption(name, value); err != nil {
			return nil, err
		}
	}
	return f, f.check(seen)
}

func (f *Fault) parseAnchor(words []string) error {
	process, task, ok := strings.Cut(words[0], "/")
	if !ok || process == "" || task == "" {
		return fmt.Errorf("%q: want PROCESS/TASK", words[0])
	}
	op, ok := OpNamed(words[2])
	if !ok {
		return fmt.Errorf("unknown operation %q; known: %s", words[2], strings.Join(opNames[1:], ", "))
	}
	nth, err := strconv.Atoi(strings.TrimPrefix(words[4], "#"))
	if err != nil || nth < 1 || !strings.HasPrefix(words[4], "#") {
		return fmt.Errorf("%q: want #N with N at least 1", words[4])
	}
	f.At = Anchor{Process: process, Task: task, Step: words[1], Op: op, Class: words[3], Nth: nth}
	return nil
}

// parseOption reads one name=value of a fault's line.
func (f *Fault) parseOption(name, value string) error {
	pick := func(names []string) (int, error) {
		i := slices.Index(names, value)
		if i < 0 {
			return 0, fmt.Errorf("%s=%s: want one of %s", name, value, strings.Join(names, ", "))
		}
		return i, nil
	}
	var i int
	var err error
	switch name {
	case "phase":
		i, err = pick(phaseNames[:])
		f.Phase = Phase(i)
	case "temp":
		i, err = pick([]string{"kept", "lost"})
		f.TempLost = i == 1
	case "seen":
		i, err = pick([]string{"timeout", "reset"})
		f.Reset = i == 1
	case "until":
		i, err = pick(untilNames[:])
		f.Until = Until(i)
	case "clock":
		i, err = pick([]string{"runs", "stops"})
		f.Stops = i == 1
	case "service":
		i, err = pick(append(slices.Clone(serviceNames[:]), "all"))
		f.Service = Service(i)
	case "direction":
		i, err = pick(directionNames[:])
		f.Direction = Direction(i)
	case "says":
		f.Region, err = regionErrorNamed(value)
	case "factor", "ppm", "permille":
		f.Factor, err = strconv.ParseInt(value, 10, 64)
	case "restart":
		if value == "never" {
			f.Never = true
			return nil
		}
		fallthrough
	case "for", "grace", "by":
		f.For, err = time.ParseDuration(value)
	default:
		return fmt.Errorf("unknown option %q of a fault", name)
	}
	return err
}

// faultOptions lists, for each kind, the options that it must have and those
// that it may have.
var faultOptions = [faultKinds]struct{ must, may []string }{
	Crash:        {[]string{"phase", "restart"}, []string{"temp"}},
	Terminate:    {[]string{"phase", "grace"}, nil},
	Pause:        {[]string{"phase", "for"}, []string{"clock", "until"}},
	Slow:         {[]string{"factor", "for"}, nil},
	Partition:    {[]string{"service", "direction", "for"}, nil},
	LoseRequest:  {nil, []string{"seen"}},
	LoseReply:    {nil, []string{"seen"}},
	Delay:        {[]string{"for"}, nil},
	DelayReply:   {[]string{"for"}, nil},
	Truncate:     {[]string{"permille"}, nil},
	Skew:         {[]string{"by"}, nil},
	Drift:        {[]string{"ppm"}, nil},
	RegionError:  {[]string{"says"}, nil},
	Outage:       {[]string{"service", "for"}, nil},
	Refuse:       {},
	ExpireUpload: {},
	Conflict:     {},
	ErrorBody:    {},
}

// maxFaultTime bounds every duration of a plan: a hundred days.
const maxFaultTime = 100 * 24 * time.Hour

// check refuses options that the kind doesn't have, lacks, or has out of range.
func (f *Fault) check(seen map[string]bool) error {
	options := faultOptions[f.Kind]
	for _, name := range options.must {
		if !seen[name] {
			return fmt.Errorf("%s needs %s=", f.Kind, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		if !slices.Contains(options.must, name) && !slices.Contains(options.may, name) {
			return fmt.Errorf("%s takes no %s=; allowed: %s", f.Kind, name, strings.Join(append(slices.Clone(options.must), options.may...), ", "))
		}
	}
	ranged := func(what string, v, lo, hi int64) error {
		if v < lo || v > hi {
			return fmt.Errorf("%s=%d: want %d to %d", what, v, lo, hi)
		}
		return nil
	}
	switch f.Kind {
	case Slow:
		if err := ranged("factor", f.Factor, 2, 1000); err != nil {
			return err
		}
	case Drift:
		return ranged("ppm", f.Factor, -100000, 100000)
	case Truncate:
		return ranged("permille", f.Factor, 0, 999)
	case Skew:
		if f.For < -maxFaultTime || f.For > maxFaultTime {
			return fmt.Errorf("by=%s: want -%s to %s", f.For, maxFaultTime, maxFaultTime)
		}
		return nil
	}
	if f.For < 0 || f.For > maxFaultTime {
		return fmt.Errorf("%s: want a duration from 0s to %s", f.For, maxFaultTime)
	}
	if !f.At.Op.isRPC() && f.needsRPC() && !(f.At.Op == opStep && f.refusesSteps()) {
		return fmt.Errorf("%s strikes requests only, not %s", f.Kind, f.At.Op)
	}
	if f.hasPhase() && f.Phase != Before && !f.At.Op.isRPC() {
		return fmt.Errorf("phase=%s: %s has only phase=before", f.Phase, f.At.Op)
	}
	return nil
}

func (f *Fault) needsRPC() bool {
	switch f.Kind {
	case Refuse, LoseRequest, LoseReply, Delay, DelayReply, Truncate, ExpireUpload, Conflict, RegionError, ErrorBody, Outage:
		return true
	}
	return false
}

// refusesSteps reports whether the fault, made for requests, can also strike
// the entry of a step: chaos configurations want that, no store does it.
func (f *Fault) refusesSteps() bool { return f.Kind == Refuse || f.Kind == Conflict || f.Kind == Delay }
