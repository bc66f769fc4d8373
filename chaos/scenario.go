package chaos

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Scenario is faults as data: what to break, what must have been
// observed for the run to prove anything, and what must hold.
type Scenario struct {
	// Name is the scenario's identifier: lower case and dashes.
	Name string
	// Title is the scenario in one sentence.
	Title string
	// Tests says which mechanisms it puts to the test.
	Tests string
	// Workers, Batches and Units (of each batch) are what it needs at
	// least.
	Workers, Batches, Units int
	// Inject is what to break. All entries apply in every run, each when its
	// place is reached. One call meets at most one of them, the first that
	// still waits for it.
	Inject []Injection
	// ClusterOnly are faults that the simulator cannot produce; Kubernetes
	// adds them to Inject.
	ClusterOnly []Injection
	// Observe are the marks that must each have been seen in some run.
	Observe []string
	// Hold are the names of the invariants that must hold; none means all.
	Hold []string
	// Liveness says what must come about once the faults have ended.
	Liveness string
}

// All as an Injection's Count hits every process of the role.
const All = -1

// StaleAfter is the production default of the time after which a silent lease
// may be reaped. Where no other configuration is known (in manifests and in
// staging), [Injection.Span] measures Leases in it.
const StaleAfter = 300 * time.Second

// Injection is one fault at one place. What the fields mean for each kind is
// said at the kind; what does not count is zero.
type Injection struct {
	Fault Fault
	// Role is the role of the process to hit: worker, merger, scanner, client
	// and so on. A process that has all roles has this one, too.
	Role string
	// Count is how many processes are hit, one after another as they reach the
	// place; 0 means one, All means all of them. By Time, the seed chooses.
	Count int
	// Every is the time from one hit process to the next, where Count is not
	// one; 0 means at once.
	Every time.Duration
	// At is the place.
	At At

	// For and Leases say how long the fault lasts: For plus Leases times the
	// run's configured stale period. Both 0 for a fault that lasts means to
	// the end of the run's chaos phase; for a fault of one request, only that
	// one. Otherwise that request and its repetitions: what its process sends
	// for the same call meanwhile, the retries of a store's client, too.
	For    time.Duration
	Leases float64
	// Restart is the time from a crash to the start of the next incarnation;
	// 0 means that there is none.
	Restart time.Duration
	// KeepTemp leaves the scratch space to the next incarnation.
	KeepTemp bool
	// Grace is the time from SIGTERM to SIGKILL.
	Grace time.Duration
	// Service and Direction are what a partition cuts off.
	Service   Service
	Direction Direction
	// Factor multiplies the duration of work; above 1 is slower.
	Factor float64
	// Offset is the step of a wall clock.
	Offset time.Duration
	// PPM is the drift of a monotonic clock in parts per million.
	PPM int
}

// Span returns how long the fault lasts where leases go stale after stale.
func (in *Injection) Span(stale time.Duration) time.Duration {
	return in.For + time.Duration(in.Leases*float64(stale))
}

// At is a place in a run: a call, or a time.
type At struct {
	// Step is a protocol step; with no Call it stands for the step's entry.
	Step string
	// Call is a store call made in that step (in any, with Step empty), or
	// Work. kv.prewrite and kv.commit are the two halves of a commit.
	Call string
	// Nth and NthTo bound the number of that call in its process, counted from
	// 1 over all its incarnations; the seed draws from between. Nth 0 means 1;
	// NthTo 0 means Nth.
	Nth, NthTo int
	// Phase is the instant in the call; "" means Before.
	Phase Phase
	// Time is the time since the start of the run, if Step and Call are empty.
	Time time.Duration
}

// Work, as a Call, stands for computing (env.Runtime's Work).
const Work = "work"

// LookupScenario returns the predefined scenario called name.
func LookupScenario(name string) (s Scenario, ok bool) {
	for _, s := range Scenarios() {
		if s.Name == name {
			return s, true
		}
	}
	return Scenario{}, false
}

// Config returns as much of the scenario as an Injector can produce around
// real stores: what concerns single calls. ok is false if that is nothing.
func (s Scenario) Config(seed uint64) (config Config, ok bool) {
	config.Seed = seed
	for i := range s.Inject {
		in := &s.Inject[i]
		info, _ := FaultInfoOf(in.Fault)
		name := in.At.operation()
		if info.Injector == "" || name == "" {
			continue
		}
		config.rule(name).set(in)
	}
	return config, len(config.Rules) > 0
}

// operation is the name of the place in the catalogue, or "".
func (at *At) operation() string {
	switch {
	case at.Call == Work:
		return ""
	case at.Call == "" || at.Step == "":
		return at.Step + at.Call
	}
	return at.Step + "/" + at.Call
}

// rule returns the rule of an operation, adding one if needed.
func (c *Config) rule(operation string) *Rule {
	for i := range c.Rules {
		if c.Rules[i].Operation == operation {
			return &c.Rules[i]
		}
	}
	c.Rules = append(c.Rules, Rule{Operation: operation})
	return &c.Rules[len(c.Rules)-1]
}

// stormRate is the share of commits that lose in a conflict storm.
const stormRate = 0.5

// set adds what an injection means for its call: the first of the call's
// numbers, since there is no seed to draw one.
func (r *Rule) set(in *Injection) {
	nth := Trigger{Nth: []int{max(in.At.Nth, 1)}}
	span := in.Span(StaleAfter)
	switch in.Fault {
	case Refuse:
		r.FailBefore = &Failure{Trigger: nth, Error: env.ClassUnavailable}
	case LoseRequest:
		r.FailBefore = &Failure{Trigger: nth, Error: env.ClassUndetermined}
	case ExpireUpload:
		r.FailBefore = &Failure{Trigger: nth, Error: env.ClassNotFound}
	case Conflict:
		r.FailBefore = &Failure{Trigger: Trigger{Rate: stormRate}, Error: env.ClassConflict}
	case LoseReply:
		r.FailAfter = &Failure{Trigger: nth}
	case Delay:
		r.DelayBefore = &Latency{Trigger: nth, Min: span, Max: span}
	case DelayReply:
		r.DelayAfter = &Latency{Trigger: nth, Min: span, Max: span}
	}
}
