package timeline

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// Chrome writes a recorded run in the Trace Event Format, as JSON, which Perfetto
// and chrome://tracing open: a process for each process with a thread for each of
// its tasks and one for what it holds, and a process with a thread for each
// store. Calls and work are slices, messages flows, faults and what befell
// processes instants. The error is the writer's.
//
// Readers bind arrows differently, and this is written for both ways: Perfetto
// binds an end to the innermost slice of its thread at that place in the file and
// in time, and drops a slice that overlaps another without lying in it; the
// developer tools of Chromium bind it to the slice that begins at the same instant
// with the same category.
//
// Source of the format: "Trace Event Format", Google, 2016.
func Chrome(w io.Writer, r *sim.Result) error {
	c := chrome{r: r, pids: map[string]int{}, tids: map[[2]string]int{}, threads: map[int]int{}, free: map[int][]float64{}, handled: handledAt(r.History)}
	c.name()
	c.requests()
	c.rest()
	return json.NewEncoder(w).Encode(map[string]any{
		"displayTimeUnit": "ms",
		"otherData":       map[string]any{"generator": "gauntlet", "schema": Schema, "seed": hex(r.Seed), "hash": hex(r.Hash)},
		"traceEvents":     c.events,
	})
}

// traceEvent is one event of the format. Times are microseconds.
type traceEvent struct {
	Name  string         `json:"name,omitempty"`
	Cat   string         `json:"cat,omitempty"`
	Phase string         `json:"ph"`
	TS    float64        `json:"ts"`
	Dur   *float64       `json:"dur,omitempty"`
	PID   int            `json:"pid"`
	TID   int            `json:"tid"`
	ID    int            `json:"id,omitempty"`
	Bind  string         `json:"bp,omitempty"`
	Scope string         `json:"s,omitempty"`
	Args  map[string]any `json:"args,omitempty"`
}

// storesProcess is the process whose threads are the stores.
const storesProcess = "stores"

var stores = [...]ops.Service{ops.PD, ops.KV, ops.Objects}

type chrome struct {
	r       *sim.Result
	events  []traceEvent
	pids    map[string]int
	tids    map[[2]string]int // by process and thread
	threads map[int]int       // of each process
	// free says from when on each row of what a process holds is free.
	free map[int][]float64
	// handled is when each store handled requests, in order.
	handled map[ops.Service][]int64
}

// name numbers the processes and names them.
func (c *chrome) name() {
	for _, process := range append(slices.Clone(c.r.History.Programs), storesProcess) {
		c.pids[process] = len(c.pids) + 1
		pid := c.pids[process]
		c.meta(pid, 0, "process_name", process)
		c.events = append(c.events, traceEvent{Name: "process_sort_index", Phase: "M", PID: pid, Args: map[string]any{"sort_index": pid}})
	}
	for _, store := range stores {
		c.thread(storesProcess, store.String())
	}
	for _, t := range c.r.History.Threads {
		c.thread(t.Process, t.Task)
	}
}

func (c *chrome) meta(pid, tid int, what, name string) {
	c.events = append(c.events, traceEvent{Name: what, Phase: "M", PID: pid, TID: tid, Args: map[string]any{"name": name}})
}

// thread returns the number of a process's thread, which is named when it is
// asked for first.
func (c *chrome) thread(process, name string) (pid, tid int) {
	pid = c.pids[process]
	tid, ok := c.tids[[2]string{process, name}]
	if !ok {
		c.threads[pid]++
		tid = c.threads[pid]
		c.tids[[2]string{process, name}] = tid
		c.meta(pid, tid, "thread_name", name)
	}
	return pid, tid
}

func micros[T ~int64](ns T) float64 { return float64(ns) / 1e3 }

// ended is when something was over: then, or at the end of the run.
func (c *chrome) ended(s sim.Stamp) float64 {
	if s == (sim.Stamp{}) {
		return micros(c.r.Virtual)
	}
	return micros(s.At)
}

// slice is an event that lasts.
func (c *chrome) slice(pid, tid int, name, category string, from, until float64, args map[string]any) {
	lasts := max(until-from, 0)
	c.events = append(c.events, traceEvent{Name: name, Cat: category, Phase: "X", TS: from, Dur: &lasts, PID: pid, TID: tid, Args: args})
}

// flow is one end of an arrow; way says which: "s" where it starts, "f" where it
// ends.
func (c *chrome) flow(pid, tid, id int, way, name string, at float64) {
	e := traceEvent{Name: name, Cat: message, Phase: way, TS: at, PID: pid, TID: tid, ID: id}
	if way == "f" {
		e.Bind = "e" // to the slice around it
	}
	c.events = append(c.events, e)
}

// message is the category of calls, of what stores do with them and of the arrows
// between them.
const message = "message"

// storeTakes is how long a store's slice is drawn at most, in virtual time: handling
// takes none, and a flow needs a slice to end in.
const storeTakes = time.Microsecond

// handledAt lists when each store handled requests.
func handledAt(h *sim.History) map[ops.Service][]int64 {
	times := map[ops.Service][]int64{}
	for i := range h.Requests {
		if q := &h.Requests[i]; q.Handled.Event != 0 {
			times[q.Op.Service()] = append(times[q.Op.Service()], int64(q.Handled.At))
		}
	}
	for _, store := range stores {
		slices.Sort(times[store])
	}
	return times
}

// takes is how long a store's slice is drawn that begins then: no longer than to its
// next one.
func (c *chrome) takes(store ops.Service, at time.Duration) float64 {
	times := c.handled[store]
	next, _ := slices.BinarySearch(times, int64(at)+1)
	if next == len(times) {
		return micros(storeTakes)
	}
	return min(micros(storeTakes), micros(times[next]-int64(at)))
}

func (c *chrome) requests() {
	h := c.r.History
	changes := map[int][]string{}
	for _, change := range h.Changes {
		changes[change.Request] = append(changes[change.Request], fmt.Sprintf("%s: %s -> %s", change.Key, orNone(change.Before), orNone(change.After)))
	}
	for i := range h.Requests {
		q := &h.Requests[i]
		pid, tid := c.thread(q.Process, q.Task)
		sent, until := micros(q.Sent.At), c.callEnded(q)
		args := map[string]any{
			"keys": strings.Join(q.Keys, " "), "fate": q.Fate.String(), "status": q.Status, "event": q.Sent.Event,
			"incarnation": q.Incarnation, "step": q.Step, "start_ts": q.StartTS, "commit_ts": q.CommitTS, "end": q.End.String(),
		}
		if q.By != nil {
			args["fault"] = q.By.String()
		}
		if q.Late {
			args["late"] = true
		}
		if !q.Copy { // what a fault repeats nobody waits for
			c.slice(pid, tid, strings.TrimSpace(q.Step+" "+q.Op.String()), message, sent, until, args)
		}
		if q.Handled.Event == 0 || q.Fate == sim.Refused {
			continue
		}
		at := micros(q.Handled.At)
		spid, stid := c.thread(storesProcess, q.Op.Service().String())
		done := map[string]any{"status": q.Status, "by": q.Process + "/" + q.Task, "event": q.Handled.Event}
		if rows := changes[i+1]; rows != nil {
			done["changes"] = rows
		}
		c.slice(spid, stid, q.Op.String()+" "+q.Primary, message, at, at+c.takes(q.Op.Service(), q.Handled.At), done)
		if !q.Copy {
			c.flow(pid, tid, 2*i+1, "s", "request", sent)
			c.flow(spid, stid, 2*i+1, "f", "request", at)
		}
		if q.End == sim.EndReply {
			c.flow(spid, stid, 2*i+2, "s", "reply", at)
			c.flow(pid, tid, 2*i+2, "f", "reply", until)
		}
	}
}

func orNone(words string) string {
	if words == "" {
		return "(none)"
	}
	return words
}

// callEnded is when a caller went on, or died, or the run ended.
func (c *chrome) callEnded(q *sim.Request) float64 {
	if q.Returned != (sim.Stamp{}) {
		return micros(q.Returned.At)
	}
	for _, t := range c.r.History.Threads {
		if t.Process == q.Process && t.Incarnation == q.Incarnation && t.Task == q.Task && t.From.Event <= q.Sent.Event && (t.Until.Event == 0 || t.Until.Event >= q.Sent.Event) {
			return c.ended(t.Until)
		}
	}
	return micros(c.r.Virtual)
}

// rest is everything but requests.
func (c *chrome) rest() {
	h := c.r.History
	for _, w := range h.Work {
		pid, tid := c.thread(w.Process, w.Task)
		c.slice(pid, tid, strings.TrimSpace(w.Step+" work"), "work", micros(w.From.At), c.ended(w.Until), nil)
	}
	for _, held := range h.Holdings {
		from, until := micros(held.From.At), c.ended(held.Until)
		pid := c.pids[held.Process]
		_, tid := c.thread(held.Process, c.row(pid, from, until))
		c.slice(pid, tid, held.Kind+" of "+held.Of, "holding", from, until, map[string]any{"key": held.Key, "renewed": len(held.Renewed), "protects_s": held.For.Seconds()})
	}
	for _, l := range h.Lives {
		e := traceEvent{Name: strings.TrimSpace(l.Happened.String() + " " + l.Detail), Cat: "life", Phase: "i", TS: micros(l.At), PID: c.pids[l.Process], Scope: "p"}
		if l.Process == "" {
			e.PID, e.Scope = c.pids[storesProcess], "g"
		}
		c.events = append(c.events, e)
	}
	for _, s := range h.Strikes {
		c.events = append(c.events, traceEvent{
			Name: "fault: " + s.Fault.Name(), Cat: "fault", Phase: "i", TS: micros(s.From.At), PID: c.pids[s.Fault.At.Process], Scope: "p",
			Args: map[string]any{"fault": s.Fault.String(), "until_s": s.Until.Seconds(), "fired": s.Fired.Event != 0},
		})
	}
	if v := c.r.Violation; v != nil {
		c.events = append(c.events, traceEvent{Name: "violation: " + v.Invariant, Cat: "violation", Phase: "i", TS: micros(v.At), PID: c.pids[storesProcess], Scope: "g", Args: map[string]any{"text": v.Text}})
	}
}

// row is the name of a thread on which what a process holds is drawn: slices of
// one thread must not overlap.
func (c *chrome) row(pid int, from, until float64) string {
	rows := c.free[pid]
	i := slices.IndexFunc(rows, func(free float64) bool { return free <= from })
	if i < 0 {
		i = len(rows)
		rows = append(rows, 0)
	}
	rows[i] = until
	c.free[pid] = rows
	return fmt.Sprintf("holds %d", i+1)
}
