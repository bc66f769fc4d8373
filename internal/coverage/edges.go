package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// row notes the edge of a state machine that a written row is, if it is one. An edge
// is named by its ends and by the step that took it.
func (w *watcher) row(e *sim.Effect, key string, before, now []byte) {
	table, rest := schema.Split(key)
	edge := ""
	switch table {
	case schema.BatchTable:
		edge = w.batch(e, before, now)
	case schema.UnitTable:
		edge = w.unit(e, key, before, now)
	case schema.LeaseTable:
		_, _, unit, _ := schema.SplitLeaseKey(rest)
		edge = lease(before, now)
		w.beaten[schema.UnitTable.Key(unit)] = e.At
	case schema.MergeTable:
		edge = w.merge(e, before, now)
	case schema.LeaderTable:
		edge = w.leader(e, before, now)
	case schema.SweepTable:
		edge = fmt.Sprintf("remains: %s -> %s", state(before), state(now))
		if string(state(before)) == string(state(now)) {
			edge = "remains: watched longer"
		}
	case schema.CheckpointTable:
		w.checkpoint(e, key, now)
	}
	if edge != "" {
		w.note("edge/"+edge+" ("+e.Step+")", e.Process, e.Event)
	}
}

// state is a row's, "none" if there is no row.
func state(row []byte) string {
	if row == nil {
		return "none"
	}
	return schema.Field(row, "state")
}

func (w *watcher) batch(e *sim.Effect, before, now []byte) string {
	var was, is schema.Batch
	if now == nil || is.Decode(string(now)) != nil || before != nil && was.Decode(string(before)) != nil {
		return ""
	}
	switch {
	case before == nil:
		return "batch: none -> " + is.Phase
	case was.Gen != is.Gen:
		return "batch: " + was.Phase + " -> " + is.Phase + ", submitted again"
	case was.Phase != is.Phase:
		if is.Phase == "failed" {
			w.failed(e, &is)
		}
		if is.Phase == "cancelled" {
			w.cancelled(e)
		}
		return "batch: " + was.Phase + " -> " + is.Phase
	case was.Closing != is.Closing:
		return "batch: " + was.Phase + ", end announced"
	}
	return ""
}

func (w *watcher) unit(e *sim.Effect, key string, before, now []byte) string {
	var was, is schema.Unit
	if before != nil && was.Decode(string(before)) != nil || now != nil && is.Decode(string(now)) != nil {
		return ""
	}
	if now == nil {
		return "unit: row deleted"
	}
	if was.State == is.State {
		return ""
	}
	delete(w.busy, key)
	if is.State == schema.Processing {
		w.busy[key] = is.Worker
		w.holds[place{e.Process, e.Incarnation, e.Task}] = key
	}
	w.limitsOfUnit(e, key, &was, &is)
	edge := fmt.Sprintf("unit: %s -> %s", was.State, is.State)
	if was.State == schema.Processing && is.State == schema.Dead && e.Step == "fail_unit" && !strings.Contains(is.Error, "timeout") && is.Attempts < int64(w.core.MaxAttempts) {
		edge += ", poison"
	}
	return edge
}

func lease(before, now []byte) string {
	var was, is schema.Lease
	switch {
	case before == nil:
		return "lease: granted"
	case now == nil:
		return "lease: ended"
	case was.Decode(string(before)) != nil || is.Decode(string(now)) != nil:
		return ""
	case was.Beat == 1 && is.Beat == 2:
		return "lease: first beat"
	}
	return "lease: renewed"
}

func (w *watcher) merge(e *sim.Effect, before, now []byte) string {
	var was, is schema.Merge
	if before != nil && was.Decode(string(before)) != nil || now != nil && is.Decode(string(now)) != nil {
		return ""
	}
	switch {
	case now == nil:
		return "merge: row deleted"
	case before == nil:
		return "merge: unclaimed -> claimed"
	case is.Gen != was.Gen && was.Worker == "":
		return "merge: let go -> claimed"
	case is.Gen != was.Gen:
		w.note("limit/stale_after: a merge is taken over", e.Process, e.Event)
		return "merge: claimed -> claimed by another"
	case is.State == "published":
		return "merge: claimed -> published"
	case is.Worker == "":
		return "merge: claimed -> let go"
	}
	return "merge: renewed"
}

func (w *watcher) leader(e *sim.Effect, before, now []byte) string {
	var was, is schema.Leader
	if before != nil && was.Decode(string(before)) != nil || is.Decode(string(now)) != nil {
		return ""
	}
	switch {
	case before == nil:
		return "leader: none -> leads"
	case is.Epoch != was.Epoch && was.Worker == "":
		return "leader: let go -> leads"
	case is.Epoch != was.Epoch:
		w.note("limit/scanner_lease: the leadership is taken over", e.Process, e.Event)
		return "leader: leads -> another leads"
	case is.Worker == "":
		return "leader: leads -> let go"
	}
	return "leader: renewed"
}

// live follows which incarnations of a process live: its supervisor may have begun a
// second one beside the first.
func (w *watcher) live(e *sim.Effect) {
	living := w.living[e.Process]
	switch e.Happened {
	case sim.Booted:
		if len(living) > 0 {
			w.note("case/incarnations: two of one name live", e.Process, e.Event)
		}
		w.living[e.Process] = append(living, e.Incarnation)
	case sim.Crashed, sim.Exited, sim.Killed:
		w.living[e.Process] = slices.DeleteFunc(living, func(inc string) bool { return inc == e.Incarnation })
	}
}

// beside notes what an incarnation commits that has a successor.
func (w *watcher) beside(e *sim.Effect) {
	if living := w.living[e.Process]; len(living) > 1 && living[len(living)-1] != e.Incarnation {
		w.note("case/incarnations: the first of two commits", e.Process, e.Event)
	}
}

// befall follows the lives of processes, and notes the faults.
func (w *watcher) befall(e *sim.Effect) {
	w.live(e)
	works := "idle"
	for _, owner := range w.busy {
		if owner == e.Process {
			works = "busy"
		}
	}
	_, draining := w.draining[e.Process]
	edge := ""
	switch e.Happened {
	case sim.FaultFired:
		w.strikes[e.Process] = append(w.strikes[e.Process], e.Event)
		return
	case sim.Booted:
		edge = "starting"
	case sim.Crashed:
		edge = works + " -> gone, crashed"
		if draining {
			edge = "draining -> gone, crashed"
		}
	case sim.Terminated:
		edge = works + " -> draining"
		w.draining[e.Process] = e.At
	case sim.Exited:
		edge = works + " -> gone, by itself"
		if draining {
			edge = "draining -> gone, drained"
			w.drained(e)
		}
	case sim.Killed:
		edge = "draining -> gone, killed"
	case sim.Paused:
		edge = works + " -> frozen"
		if draining {
			edge = "draining -> frozen"
		}
	default:
		return
	}
	switch e.Happened {
	case sim.Booted, sim.Crashed, sim.Exited, sim.Killed:
		delete(w.draining, e.Process)
	}
	if e.Process == "client" {
		return
	}
	w.note("edge/process: "+edge, e.Process, e.Event)
}
