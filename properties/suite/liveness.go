package suite

import (
	"fmt"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
)

// liveness judges what a scenario's liveness clause says beyond the invariants,
// which judge it only once the faults have stopped.
type liveness struct {
	scenario string
	system   *conversion.System
	facts    *facts
	ends     map[string]time.Duration // of the batches that were published
	waits    map[string]time.Duration // pending units, by key: since when
	healed   time.Duration            // the end of the last partition
}

func (l *liveness) Name() string { return "scenario-liveness" }

func (l *liveness) Observe(w *sim.World, e *sim.Effect) error {
	if l.scenario == "partition-tikv" {
		l.heal(e)
	}
	for key, row := range e.Writes(schema.BatchTable.Key("")) {
		if schema.Field(row, "phase") == "complete" {
			l.end(key, e.At)
		}
	}
	if l.scenario != "partition-tikv" {
		return nil
	}
	for key, row := range e.Writes(schema.UnitTable.Key("")) {
		if row == nil {
			continue
		}
		if err := l.rebuilt(key, schema.Field(row, "state"), e.At); err != nil {
			return err
		}
	}
	return nil
}

func (l *liveness) end(key string, at time.Duration) {
	if l.ends == nil {
		l.ends = map[string]time.Duration{}
	}
	if _, ended := l.ends[key]; !ended {
		l.ends[key] = at
	}
}

func (l *liveness) Settled(w *sim.World) error {
	switch l.scenario {
	case "slow-worker":
		if err := l.throughput(); err != nil {
			return err
		}
		return l.nobodyReaped()
	case "clock-skew":
		return l.nobodyReaped()
	case "storage-failure":
		return l.noAttemptConsumed(w)
	case "rolling-restart":
		return l.noAttemptConsumed(w)
	}
	return nil
}

func refuse(shape, format string, args ...any) error {
	return &sim.Violation{Shape: shape, Text: fmt.Sprintf(format, args...)}
}

// throughput: with one worker ten times slower, and another frozen past its
// lease once, a batch ends within
//
//   - the time that others need to carry it all out,
//   - what the slow worker needs for a unit in each of its slots, and to merge,
//   - what it takes until the frozen one's unit, leadership or merge is taken
//     over,
//   - and the polls in between.
//
// Giving the straggler its share, or waiting for it, takes longer.
func (l *liveness) throughput() error {
	const factor = 10
	c := l.system.Config()
	k := &c.Core
	takeover := k.StaleAfter + k.ReapEvery + k.WorkerPoll + max(k.ScannerLease+k.ScanEvery, k.StaleAfter+k.MergePoll)
	for i := range l.system.Workload().Batches {
		b := &l.system.Workload().Batches[i]
		frames, longest := framesOf(b)
		work := time.Duration(frames+factor*longest*k.Slots+factor*frames) * frameTimes[l.scenario]
		polls := time.Duration(b.Units()) * (k.WorkerPoll + k.Heartbeat)
		bound := c.ClientPace + work + takeover + polls + 2*(k.ScanEvery+k.ControlEvery+k.MergePoll) + time.Minute
		end, published := l.ends[schema.BatchTable.Key(b.Namespace+"/"+b.Name)]
		if !published {
			return refuse("unpublished", "with one worker %d times slower, %s (%d frames) was not published", factor, b.Name, frames)
		}
		if end > bound {
			return refuse("straggler", "with one worker %d times slower, %s (%d frames) ended at %s; the bound is %s", factor, b.Name, frames, end, bound)
		}
	}
	return nil
}

// framesOf counts a batch's frames, and those of its longest recording.
func framesOf(b *workload.Batch) (all, longest int) {
	for _, source := range b.Sources {
		for _, r := range source.Recordings {
			all += r.Frames
			longest = max(longest, r.Frames)
		}
	}
	return all, longest
}

// nobodyReaped: a worker that is slow, or whose clock is off, but beats keeps
// its units.
func (l *liveness) nobodyReaped() error {
	if l.facts.reaped == "" {
		return nil
	}
	return refuse("beating owner reaped", "%s was taken away although its owner lived and beat", l.facts.reaped)
}

// noAttemptConsumed: in a storage outage, and in a deployment, no attempt
// counts.
func (l *liveness) noAttemptConsumed(w *sim.World) error {
	for _, key := range w.Keys(schema.UnitTable.Key("")) {
		row, _ := w.Get(key)
		if state, attempts := schema.Field(row, "state"), schema.Field(row, "attempts"); state != "complete" || attempts != "1" {
			return refuse("attempt consumed", "%s ended %s with %s attempts counted; nothing that happened may cost one", key, state, attempts)
		}
	}
	return nil
}

// heal notes the end of partitions.
func (l *liveness) heal(e *sim.Effect) {
	if e.Happened == sim.FaultFired && fault.Is[*fault.Partition](e.Fault) {
		l.healed = max(l.healed, e.At+e.Fault.Kind.Lasts())
	}
}

// rebuilt: once the last partition is over every pending unit is claimed within
// stale + reaper + poll, after those that the workers are busy with.
func (l *liveness) rebuilt(key, state string, at time.Duration) error {
	since, waiting := l.waits[key]
	if state == "pending" && !waiting {
		if l.waits == nil {
			l.waits = map[string]time.Duration{}
		}
		l.waits[key] = at
	}
	if state == "pending" || !waiting {
		return nil
	}
	delete(l.waits, key)
	c := l.system.Config()
	k := &c.Core
	// Until a worker finds out that the partition is over: one time-out, one
	// pause, an open breaker.
	notice := k.OpTimeout + k.StorageBackoffMax + k.BreakerOpen + c.RPCTimeout
	bound := k.StaleAfter + k.ReapEvery + k.WorkerPoll + notice + l.busy()
	if from := max(since, l.healed); at > from+bound {
		return refuse("queue rebuild", "%s was claimable and everybody connected from %s on, and claimed at %s only; the bound is %s", key, from, at, bound)
	}
	return nil
}

// busy is how long the units before another one may take.
func (l *liveness) busy() time.Duration {
	total := time.Duration(0)
	for i := range l.system.Workload().Batches {
		b := &l.system.Workload().Batches[i]
		frames, _ := framesOf(b)
		total += time.Duration(frames)*frameTime + time.Duration(b.Units())*5*time.Second
	}
	return total
}
