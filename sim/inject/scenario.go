package inject

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// Stage is what a scenario must know of the system that it is played on.
type Stage struct {
	// Processes names those that have a role, in a fixed order; all of them for
	// the role "". The workload's clients are not among them.
	Processes func(role string) []string
	// StaleAfter is what an injection's Leases are counted in.
	StaleAfter time.Duration
}

// Scenario compiles what a scenario injects at calls. What it changes
// in the system's configuration (the number of workers, an object store without
// conditions) is the assembly's: see suite.Scenario. The error names an
// injection that the simulator cannot produce.
func Scenario(s chaos.Scenario, stage Stage) (fault.Injector, error) {
	p := &played{}
	for i := range s.Inject {
		in := &s.Inject[i]
		if in.Fault == chaos.WeakObjects {
			continue
		}
		inj, err := compile(in, stage)
		if err != nil {
			return nil, fmt.Errorf("scenario %s, injection %d: %w", s.Name, i+1, err)
		}
		inj.name = Name(s, i)
		p.injections = append(p.injections, inj)
	}
	return p, nil
}

// Name is how marks call an injection of a scenario:
// "2 crash at complete_unit/kv.prewrite".
func Name(s chaos.Scenario, i int) string {
	in := &s.Inject[i]
	return fmt.Sprintf("%d %s at %s", i+1, in.Fault, strings.Trim(in.At.Step+"/"+in.At.Call, "/"))
}

// played is a scenario's injections. Each call meets at most one of them.
type played struct{ injections []*injection }

// injection is one fault that waits for processes to reach a place.
type injection struct {
	name      string
	kind      fault.Kind
	processes []string
	step      string // "": any
	op        ops.Op
	from, to  int // the first of a process's calls to be hit is drawn from here
	count     int // how many processes are hit
	every     time.Duration
	lasts     time.Duration // for how long a hit process's further calls are hit, too
	hit       []victim
	calls     map[string]int
}

// victim is a process that an injection has hit.
type victim struct {
	process string
	at      time.Duration
}

func (p *played) Strike(c *fault.Crossing, faults []*fault.Fault) []*fault.Fault {
	var struck *injection
	for _, in := range p.injections {
		if in.concerns(c) && in.wants(c) && struck == nil {
			struck = in
		}
	}
	if struck == nil {
		return faults
	}
	return append(faults, struck.strike(c))
}

func (in *injection) concerns(c *fault.Crossing) bool {
	return c.Op == in.op && (in.step == "" || in.step == c.Step) &&
		slices.Contains(in.processes, c.Process) && in.kind.Info().CanStrike(in.op, c.Client)
}

// wants counts a process's call and reports whether it is to be hit.
func (in *injection) wants(c *fault.Crossing) bool {
	in.calls[c.Process]++
	for _, v := range in.hit {
		if v.process == c.Process {
			return c.Now < v.at+in.lasts
		}
	}
	if n := len(in.hit); n >= in.count || n > 0 && c.Now < in.hit[n-1].at+in.every {
		return false
	}
	first := keyed.New(c.Seed, "injection").Sub(in.name).Between(c.Process, int64(in.from), int64(in.to))
	return in.calls[c.Process] >= int(first)
}

func (in *injection) strike(c *fault.Crossing) *fault.Fault {
	if !slices.ContainsFunc(in.hit, func(v victim) bool { return v.process == c.Process }) {
		in.hit = append(in.hit, victim{c.Process, c.Now})
	}
	return write(in.kind, in.name, c)
}

// untilHealed is how long a fault lasts that lasts to the end of the chaos
// phase.
const untilHealed = fault.MaxTime

// compile turns one injection into its fault and its place.
func compile(in *chaos.Injection, stage Stage) (*injection, error) {
	op, ok := opOf(in.At.Call)
	if !ok || in.At.Step == "" && in.At.Call == "" {
		return nil, fmt.Errorf("no such place: %+v", in.At)
	}
	out := &injection{
		processes: stage.Processes(in.Role), step: in.At.Step, op: op, calls: map[string]int{},
		from: max(in.At.Nth, 1), count: max(in.Count, 1), every: in.Every,
	}
	out.to = max(in.At.NthTo, out.from)
	if in.Count == chaos.All {
		out.count = len(out.processes)
	}
	span := in.Span(stage.StaleAfter)
	k, err := kindOf(in, span)
	if err != nil {
		return nil, err
	}
	if k.Info().Requests && k.Lasts() == 0 {
		out.lasts = span // what strikes one call strikes all of that time
	}
	out.kind = k
	return out, nil
}

// kindOf translates an injection: each field is the option that it is called
// after, for the kinds that have it.
func kindOf(in *chaos.Injection, span time.Duration) (fault.Kind, error) {
	name := in.Fault
	if name == chaos.OOM { // work is lost the same, whoever kills the process
		name = chaos.Crash
	}
	info, ok := fault.Named(string(name))
	if !ok {
		return nil, fmt.Errorf("the simulator has no %s", in.Fault)
	}
	lasting := span
	if lasting == 0 && !info.Requests {
		lasting = untilHealed
	}
	values := map[string]string{
		"phase": string(cmp.Or(in.At.Phase, chaos.Before)), "restart": in.Restart.String(), "temp": "lost", "grace": in.Grace.String(),
		"for": lasting.String(), "after": span.String(), "by": in.Offset.String(), "ppm": strconv.Itoa(in.PPM),
		"factor": strconv.Itoa(int(in.Factor)), "permille": "500", // half of a body
		"service": string(cmp.Or(in.Service, chaos.ServiceAll)), "direction": string(cmp.Or(in.Direction, chaos.DirectionBoth)),
	}
	if in.Restart == 0 {
		values["restart"] = "never"
	}
	if in.KeepTemp {
		values["temp"] = "kept"
	}
	return fault.With(info, values)
}
