package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/chaos"
)

// Stage is what a scenario must know of the system that it is played on.
type Stage struct {
	// Processes names those that have a role, in a fixed order; all of them for
	// the role "". The workload's clients are not among them.
	Processes func(role string) []string
	// StaleAfter is what an injection's Leases are counted in.
	StaleAfter time.Duration
}

// ScenarioDeviations compiles what a scenario injects at calls. What it changes
// in the system's configuration (the number of workers, an object store without
// conditions) is the assembly's: see suite.Scenario. The error names an
// injection that the simulator cannot produce.
func ScenarioDeviations(s chaos.Scenario, stage Stage) (Deviations, error) {
	story := &story{}
	for i := range s.Inject {
		in := &s.Inject[i]
		if in.Fault == chaos.WeakObjects {
			continue
		}
		inj, err := compile(in, stage)
		if err != nil {
			return nil, fmt.Errorf("scenario %s, injection %d: %w", s.Name, i+1, err)
		}
		inj.name = InjectionName(s, i)
		story.injections = append(story.injections, inj)
	}
	return story, nil
}

// InjectionName is how marks call an injection of a scenario:
// "2 crash at complete_unit/kv.prewrite".
func InjectionName(s chaos.Scenario, i int) string {
	in := &s.Inject[i]
	return fmt.Sprintf("%d %s at %s", i+1, in.Fault, strings.Trim(in.At.Step+"/"+in.At.Call, "/"))
}

// story is a scenario's injections. Each call meets at most one of them.
type story struct{ injections []*injection }

// injection is one fault that waits for processes to reach a place.
type injection struct {
	name      string
	fault     Fault
	processes []string
	step      string // "": any
	op        Op
	from, to  int // the first of a process's calls to be hit is drawn from here
	count     int // how many processes are hit
	every     int64
	lasts     int64 // for how long a hit process's further calls are hit, too
	hit       []victim
	calls     map[string]int
}

// victim is a process that an injection has hit.
type victim struct {
	process string
	at      int64
}

func (s *story) pick(u *Universe, t *task, _ *simCtx, cl call, _ *message, faults []*Fault) []*Fault {
	var struck *injection
	for _, in := range s.injections {
		if in.concerns(t, cl) && in.wants(u, t.proc.program.Name) && struck == nil {
			struck = in
		}
	}
	if struck == nil {
		return faults
	}
	return append(faults, struck.strike(u, t, cl))
}

func (in *injection) concerns(t *task, cl call) bool {
	return cl.site.op == in.op && (in.step == "" || in.step == cl.site.step.name) &&
		slices.Contains(in.processes, t.proc.program.Name) && applies(in.fault.Kind, in.op, t.proc.program.Client)
}

// wants counts a process's call and reports whether it is to be hit.
func (in *injection) wants(u *Universe, process string) bool {
	in.calls[process]++
	for _, v := range in.hit {
		if v.process == process {
			return u.now < v.at+in.lasts
		}
	}
	if n := len(in.hit); n >= in.count || n > 0 && u.now < in.hit[n-1].at+in.every {
		return false
	}
	first := NewDraw(u.seed, "injection").Sub(in.name).Between(process, int64(in.from), int64(in.to))
	return in.calls[process] >= int(first)
}

func (in *injection) strike(u *Universe, t *task, cl call) *Fault {
	process := t.proc.program.Name
	if !slices.ContainsFunc(in.hit, func(v victim) bool { return v.process == process }) {
		in.hit = append(in.hit, victim{process, u.now})
	}
	return u.inject(in.fault, in.name, t, cl)
}

// untilHealed is how long a fault lasts that lasts to the end of the chaos
// phase.
const untilHealed = maxFaultTime

// compile turns one injection into its fault and its place.
func compile(in *chaos.Injection, stage Stage) (*injection, error) {
	op, ok := opOf(in.At.Call)
	if !ok || in.At.Step == "" && in.At.Call == "" {
		return nil, fmt.Errorf("no such place: %+v", in.At)
	}
	out := &injection{
		processes: stage.Processes(in.Role), step: in.At.Step, op: op, calls: map[string]int{},
		from: max(in.At.Nth, 1), count: max(in.Count, 1), every: int64(in.Every),
	}
	out.to = max(in.At.NthTo, out.from)
	if in.Count == chaos.All {
		out.count = len(out.processes)
	}
	span := in.Span(stage.StaleAfter)
	f, err := faultOf(in, span)
	if err != nil {
		return nil, err
	}
	if f.needsRPC() && f.For == 0 && f.Kind != Outage {
		out.lasts = int64(span)
	}
	out.fault = f
	return out, nil
}

// faultOf translates the vocabulary of package chaos.
func faultOf(in *chaos.Injection, span time.Duration) (Fault, error) {
	lasting := span
	if lasting == 0 {
		lasting = untilHealed
	}
	phase := map[chaos.Phase]Phase{"": Before, chaos.Before: Before, chaos.Applied: Applied, chaos.After: After}[in.At.Phase]
	switch in.Fault {
	case chaos.Crash, chaos.OOM: // work is lost the same, whoever kills the process
		return Fault{Kind: Crash, Phase: phase, For: in.Restart, Never: in.Restart == 0, TempLost: !in.KeepTemp}, nil
	case chaos.Terminate:
		return Fault{Kind: Terminate, Phase: phase, For: in.Grace}, nil
	case chaos.Pause:
		return Fault{Kind: Pause, Phase: phase, For: lasting}, nil
	case chaos.Partition:
		service, direction := serviceOf[in.Service], directionOf[in.Direction]
		return Fault{Kind: Partition, Service: service, Direction: direction, For: lasting}, nil
	case chaos.Slow:
		return Fault{Kind: Slow, Factor: int64(in.Factor), For: lasting}, nil
	case chaos.Delay:
		return Fault{Kind: Delay, For: span}, nil
	case chaos.DelayReply:
		return Fault{Kind: DelayReply, For: span}, nil
	case chaos.Skew:
		return Fault{Kind: Skew, For: in.Offset}, nil
	case chaos.Drift:
		return Fault{Kind: Drift, Factor: int64(in.PPM)}, nil
	case chaos.Truncate:
		return Fault{Kind: Truncate, Factor: 500}, nil
	}
	kind, ok := plainKinds[in.Fault]
	if !ok {
		return Fault{}, fmt.Errorf("the simulator has no %s", in.Fault)
	}
	return Fault{Kind: kind}, nil
}

// plainKinds are the faults that have no options.
var plainKinds = map[chaos.Fault]FaultKind{
	chaos.Refuse: Refuse, chaos.LoseRequest: LoseRequest, chaos.LoseReply: LoseReply,
	chaos.Conflict: Conflict, chaos.ExpireUpload: ExpireUpload,
}

var serviceOf = map[chaos.Service]Service{
	chaos.ServiceKV: ServiceKV, chaos.ServicePD: ServicePD, chaos.ServiceObjects: ServiceObjects, chaos.ServiceAll: AllServices,
}

var directionOf = map[chaos.Direction]Direction{
	chaos.DirectionBoth: Both, chaos.DirectionRequest: Requests, chaos.DirectionReply: Replies,
}
