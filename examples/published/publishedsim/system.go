// Package publishedsim puts package published into simulated universes: its
// configuration, its processes, its bounds, what must hold, and what the design
// gets wrong.
package publishedsim

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/examples/published"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// Suite is all that can be asked of the system, with the named weaknesses
// switched on. It panics for a name that is none.
func Suite(weak ...string) harness.Suite {
	return harness.Suite{
		Target: sim.Target{
			Assemble:   func() sim.Assembly { return newSystem(weak) },
			Invariants: func(a sim.Assembly, _ sim.System) []sim.Invariant { return invariants(a.(*system)) },
		},
		Seeds:  "examples/published/seeds",
		Expect: []sweep.Expectation{{Outcome: "published", AtLeast: 0.8}},
	}
}

// system is the assembly and, once it has its configuration, the system.
type system struct {
	published.Config
	workers, scanners int
	jobs, frames      int // frames of each job
	poisoned          bool
}

func newSystem(weak []string) *system {
	s := &system{}
	for _, name := range weak {
		*named(name).setting(&s.Weak) = true
	}
	return s
}

func (s *system) Name() string { return "published" }

func (s *system) Settings() []plan.Setting {
	settings := []plan.Setting{
		{Name: "published.workers", Int: &s.workers, Min: 1, Max: 10},
		{Name: "published.scanners", Int: &s.scanners, Min: 1, Max: 10},
		{Name: "published.jobs", Int: &s.jobs, Min: 1, Max: 9},
		{Name: "published.frames", Int: &s.frames, Min: 1, Max: 8},
		{Name: "published.poisoned", Bool: &s.poisoned},
		{Name: "published.interval", Int: &s.Interval, Min: 1, Max: 8},
		{Name: "published.attempts", Int: &s.Attempts, Min: 1, Max: 100},
		{Name: "published.stale", Duration: &s.Stale, Min: 1e9, Max: 3600e9},
	}
	for _, w := range weaknesses() {
		settings = append(settings, plan.Setting{Name: "weak." + w.name, Bool: w.setting(&s.Weak)})
	}
	return settings
}

// Draw chooses small systems: what goes wrong in large ones goes wrong in them,
// sooner and more legibly.
func (s *system) Draw(d keyed.Draw) {
	s.workers = int(d.Between("workers", 2, 3))
	s.scanners = int(d.Between("scanners", 1, 2))
	s.jobs = int(d.Between("jobs", 1, 3))
	s.frames = int(d.Between("frames", 2, 6))
	s.poisoned = d.Chance("poisoned", 80)
	s.Interval = int(d.Between("interval", 1, 3))
	s.Attempts = int(d.Between("attempts", 3, 5))
	s.Stale = time.Duration(d.Between("stale", 4, 12)) * time.Second
}

func (s *system) New() (sim.System, error) { return s, nil }

func (s *system) Programs() []sim.Program {
	var programs []sim.Program
	for i := range s.workers {
		programs = append(programs, sim.Program{Name: "w" + strconv.Itoa(i), Main: s.Worker, Restart: 2 * time.Second, Expendable: true})
	}
	for i := range s.scanners {
		programs = append(programs, sim.Program{Name: "s" + strconv.Itoa(i), Main: s.Scanner, Restart: 2 * time.Second, Expendable: s.scanners > 1})
	}
	return programs
}

// Prepare stores the recordings and the rows of their jobs.
func (s *system) Prepare(stores *sim.Stores) {
	for i := range s.jobs {
		id := jobID(i)
		stores.Put(published.SourcePrefix+id, []byte(s.source(i)))
		stores.Write(published.JobPrefix+id, published.Encode(&published.Job{State: published.Pending}))
	}
	stores.Write(published.BatchKey, published.Encode(&published.Batch{State: published.Running, Total: s.jobs}))
}

func jobID(n int) string { return "j" + strconv.Itoa(n) }

// source is a recording: each frame is a letter that no other has, or poison.
func (s *system) source(job int) string {
	var b strings.Builder
	for frame := range s.frames {
		b.WriteByte('a' + byte((job*s.frames+frame)%26))
	}
	if s.poisoned && job == 0 {
		return b.String()[:s.frames-1] + string(published.Poison)
	}
	return b.String()
}

// dataset is what must be published: computed from the sources, by nothing that
// the system has.
func (s *system) dataset() string {
	var b strings.Builder
	for job := range s.jobs {
		b.WriteString(strings.ToUpper(s.source(job)))
	}
	return b.String()
}

func (s *system) StoreOptions() objstore.Options { return objstore.Options{} }
func (s *system) Region(string) int              { return 0 }

func (s *system) Classify(key string) string {
	class, _, _ := strings.Cut(key, "/")
	return class
}

// Bounds: whoever was late still meets what came of it in Quiesce; the settling
// spans every attempt of every job on a single worker.
func (s *system) Bounds() sim.Bounds {
	return sim.Bounds{
		RPCTimeout: time.Second, MaxInFlight: 30 * time.Second, Leases: []time.Duration{s.Stale},
		ChaosFor: 4 * time.Minute, Settle: 8 * time.Minute, Quiesce: 5 * time.Second,
	}
}

func (s *system) Done(w *sim.World) bool {
	var batch published.Batch
	stored(w, published.BatchKey, &batch)
	return batch.Ended()
}

func (s *system) Quiet(*sim.World) bool { return false }

// Show is a row in reports: its JSON without what is in the way.
func (s *system) Show(key string, value []byte) string {
	var job published.Job
	if strings.HasPrefix(key, published.JobPrefix) && json.Unmarshal(value, &job) == nil {
		job.Parts = nil
		value = published.Encode(&job)
	}
	return strings.NewReplacer("{", "", "}", "", `"`, "", ",", " ", ":", "=").Replace(string(value))
}

// Describe counts the batch as published or failed, or says what it waits for.
func (s *system) Describe(w *sim.World, sum *sim.Summary) {
	number := func(name string, n int) {
		sum.Fields = append(sum.Fields, plan.Field{Name: name, Value: strconv.Itoa(n)})
	}
	number("workers", s.workers)
	number("jobs", s.jobs)
	number("frames", s.frames)
	for _, weak := range weaknesses() {
		if *weak.setting(&s.Weak) {
			sum.Fields = append(sum.Fields, plan.Field{Name: "weak", Value: weak.name})
		}
	}
	var batch published.Batch
	stored(w, published.BatchKey, &batch)
	var complete, failed int
	switch batch.State {
	case published.Complete:
		sum.Outcome, complete = "published", 1
	case published.Failed:
		sum.Outcome, failed = "failed", 1
	default:
		sum.Outcome, sum.Unfinished = "unfinished", s.unfinished(w, &batch)
	}
	sum.Outcomes = []sim.Count{{Name: "published", N: complete}, {Name: "failed", N: failed}}
}

// unfinished names what a batch waits for: jobs, else its counts, else the merge.
func (s *system) unfinished(w *sim.World, batch *published.Batch) (left []sim.Unfinished) {
	for _, key := range w.Keys(published.JobPrefix) {
		var job published.Job
		if stored(w, key, &job); !job.Ended() {
			text := fmt.Sprintf("%s is %s, attempt %d", key, job.State, job.Attempt)
			if job.Owner != "" {
				text += " by " + job.Owner
			}
			left = append(left, sim.Unfinished{Subject: key, Shape: "a job is " + job.State, Text: text})
		}
	}
	var merge published.Merge
	switch claimed := stored(w, published.MergeKey, &merge); {
	case len(left) > 0:
	case batch.Done+batch.Dead != batch.Total:
		left = []sim.Unfinished{{Subject: published.BatchKey, Shape: "the counts are wrong", Text: fmt.Sprintf("all %d jobs have ended, and the batch has counted %d", batch.Total, batch.Done+batch.Dead)}}
	case claimed:
		left = []sim.Unfinished{{Subject: published.MergeKey, Shape: "the merge is claimed", Text: "the merge is claimed by " + merge.Owner}}
	default:
		left = []sim.Unfinished{{Subject: published.MergeKey, Shape: "nobody merges", Text: "nobody merges"}}
	}
	return left
}

// stored decodes a row as of the observed effect; it reports whether there is
// one.
func stored(w *sim.World, key string, row any) bool {
	value, ok := w.Get(key)
	return ok && json.Unmarshal(value, row) == nil
}
