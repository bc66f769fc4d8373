package page

import (
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/timeline"
)

// What the timeline's script reads: columns of numbers, and a dictionary of texts,
// so that fifty thousand events stay small. web/src/model.js reads it.

// document is the whole data of a timeline's page.
type document struct {
	Report string     `json:"report"`
	Runs   []*runData `json:"runs"`
	// First is the first event at which the two runs differ, 0 for none.
	First uint64 `json:"first"`
}

// runData is one run. Words stand for texts by their place in Words, processes,
// tasks and lists of keys by theirs; -1 is none. Times are virtual nanoseconds.
type runData struct {
	Label     string         `json:"label"`
	Line      string         `json:"line"`
	Violation *violationData `json:"violation"`
	Needed    []string       `json:"needed"` // the faults that fired, and the orderings
	Events    uint64         `json:"events"`
	Virtual   int64          `json:"virtual"`
	Words     []string       `json:"words"`
	Processes []string       `json:"processes"`
	Stores    []string       `json:"stores"`
	Tasks     [][2]int       `json:"tasks"` // process and name
	Keys      [][]int        `json:"keys"`
	Requests  columns        `json:"requests"`
	Changes   columns        `json:"changes"`
	Work      columns        `json:"work"`
	Lives     columns        `json:"lives"`
	Said      columns        `json:"said"`
	Strikes   columns        `json:"strikes"`
	Holdings  columns        `json:"holdings"`
	Renewed   [][]int64      `json:"renewed"` // of each holding
	Met       map[int][]int  `json:"met"`     // faults by request
	Chances   [][4]int64     `json:"chances"` // event, time, futures that fail, futures
	Only      []int          `json:"only"`    // requests that the other run has not
}

type violationData struct {
	Invariant string    `json:"invariant"`
	Rule      string    `json:"rule"`
	Text      string    `json:"text"`
	Subject   string    `json:"subject"`
	Blame     string    `json:"blame"`
	At        eventRef  `json:"at"` // where it is marked
	First     *eventRef `json:"first"`
	Second    *eventRef `json:"second"`
}

type eventRef struct {
	Event uint64 `json:"event"`
	At    int64  `json:"at"`
	What  string `json:"what"`
}

// columns are those of a table, by their names, all of the same length.
type columns map[string][]int64

// encoder turns a run into columns.
type encoder struct {
	data  *runData
	words map[string]int
	keys  map[string]int
	tasks map[[2]string]int
	procs map[string]int
}

// encode turns a run into columns. only are the numbers of requests that the other
// run has not, story the events that belong into the story whatever they are.
func encode(r *sim.Result, label string, only []int, story []uint64) *runData {
	e := encoder{
		data: &runData{
			Label: label, Line: r.Line(), Needed: []string{}, Events: r.Events, Virtual: int64(r.Virtual), Processes: r.History.Programs,
			Requests: columns{}, Changes: columns{}, Work: columns{}, Lives: columns{}, Said: columns{}, Strikes: columns{}, Holdings: columns{},
			Tasks: [][2]int{}, Keys: [][]int{}, Renewed: [][]int64{}, Met: map[int][]int{}, Chances: [][4]int64{}, Only: only,
		},
		words: map[string]int{}, keys: map[string]int{}, tasks: map[[2]string]int{}, procs: map[string]int{},
	}
	for i, name := range r.History.Programs {
		e.procs[name] = i
	}
	for _, f := range r.Fired {
		e.data.Needed = append(e.data.Needed, f.String())
	}
	for _, o := range r.Ordered {
		e.data.Needed = append(e.data.Needed, o.String())
	}
	for _, service := range []ops.Service{ops.PD, ops.KV, ops.Objects} {
		e.data.Stores = append(e.data.Stores, service.String())
	}
	e.data.Violation = violationOf(r.Violation)
	e.requests(r, story)
	e.happenings(r)
	return e.data
}

func violationOf(v *sim.Violation) *violationData {
	if v == nil {
		return nil
	}
	d := &violationData{
		Invariant: v.Invariant, Rule: v.Rule, Text: v.Text, Subject: v.Subject, Blame: v.Blame.String(),
		At: eventRef{v.Event, int64(v.At), ""}, First: refOf(v.First), Second: refOf(v.Second),
	}
	if d.Second != nil {
		d.At = *d.Second
	}
	return d
}

func refOf(r sim.EventRef) *eventRef {
	if r.Event == 0 {
		return nil
	}
	return &eventRef{r.Event, int64(r.At), r.What}
}

// word is the number of a text.
func (e *encoder) word(text string) int64 {
	i, ok := e.words[text]
	if !ok {
		i = len(e.words)
		e.words[text] = i
		e.data.Words = append(e.data.Words, text)
	}
	return int64(i)
}

// row is the number of what a row held, -1 if it was not there.
func (e *encoder) row(words string) int64 {
	if words == "" {
		return -1
	}
	return e.word(words)
}

func (e *encoder) process(name string) int64 {
	if i, ok := e.procs[name]; ok {
		return int64(i)
	}
	return -1
}

func (e *encoder) task(process, name string) int64 {
	id := [2]string{process, name}
	i, ok := e.tasks[id]
	if !ok {
		i = len(e.tasks)
		e.tasks[id] = i
		e.data.Tasks = append(e.data.Tasks, [2]int{int(e.process(process)), int(e.word(name))})
	}
	return int64(i)
}

func (e *encoder) keyList(keys []string) int64 {
	id := strings.Join(keys, "\x00")
	i, ok := e.keys[id]
	if !ok {
		i = len(e.keys)
		e.keys[id] = i
		list := []int{}
		for _, key := range keys {
			list = append(list, int(e.word(key)))
		}
		e.data.Keys = append(e.data.Keys, list)
	}
	return int64(i)
}

// cell is a column's name and the value of a row in it.
type cell struct {
	name  string
	value int64
}

func (c columns) add(cells ...cell) {
	for _, cell := range cells {
		c[cell.name] = append(c[cell.name], cell.value)
	}
}

// point is the two cells of a point of the run: event 0 is never.
func point(name string, s sim.Stamp) (event, at cell) {
	return cell{name + "E", int64(s.Event)}, cell{name + "T", int64(s.At)}
}

func flags(set ...bool) (bits int64) {
	for i, is := range set {
		if is {
			bits |= 1 << i
		}
	}
	return bits
}

func (e *encoder) requests(r *sim.Result, story []uint64) {
	levels := timeline.Levels(r)
	for i := range r.History.Requests {
		q := &r.History.Requests[i]
		by := int64(-1)
		if q.By != nil {
			by = e.word(q.By.String())
		}
		for _, f := range q.Met {
			e.data.Met[i] = append(e.data.Met[i], int(e.word(f.String())))
		}
		if q.Handled.Event != 0 && slices.Contains(story, q.Handled.Event) {
			levels[i] = timeline.Story
		}
		sentE, sentT := point("sent", q.Sent)
		handledE, handledT := point("handled", q.Handled)
		repliedE, repliedT := point("replied", q.Replied)
		returnedE, returnedT := point("returned", q.Returned)
		e.data.Requests.add(
			cell{"task", e.task(q.Process, q.Task)}, cell{"inc", e.word(q.Incarnation)}, cell{"step", e.word(q.Step)}, cell{"op", e.word(q.Op.String())},
			cell{"store", int64(q.Op.Service())}, cell{"keys", e.keyList(q.Keys)}, cell{"startTS", int64(q.StartTS)}, cell{"commitTS", int64(q.CommitTS)},
			sentE, sentT, handledE, handledT, repliedE, repliedT, returnedE, returnedT,
			cell{"fate", e.word(q.Fate.String())}, cell{"status", e.word(q.Status)}, cell{"end", e.word(q.End.String())}, cell{"by", by},
			cell{"flags", flags(q.Late, q.Copy, q.Op.HasEffect())}, cell{"level", int64(levels[i])},
		)
	}
}

// happenings are everything but requests.
func (e *encoder) happenings(r *sim.Result) {
	h := r.History
	for _, c := range h.Changes {
		atE, atT := point("at", c.Stamp)
		e.data.Changes.add(cell{"request", int64(c.Request) - 1}, cell{"key", e.word(c.Key)}, cell{"before", e.row(c.Before)}, cell{"after", e.row(c.After)},
			cell{"commitTS", int64(c.Commit)}, cell{"startTS", int64(c.Start)}, atE, atT)
	}
	for _, w := range h.Work {
		fromE, fromT := point("from", w.From)
		untilE, untilT := point("until", w.Until)
		e.data.Work.add(cell{"task", e.task(w.Process, w.Task)}, cell{"step", e.word(w.Step)}, fromE, fromT, untilE, untilT)
	}
	for _, l := range h.Lives {
		atE, atT := point("at", l.Stamp)
		e.data.Lives.add(cell{"process", e.process(l.Process)}, cell{"inc", e.word(l.Incarnation)}, cell{"happened", e.word(l.Happened.String())}, cell{"detail", e.word(l.Detail)}, atE, atT)
	}
	for _, s := range h.Strikes {
		fromE, fromT := point("from", s.From)
		firedE, firedT := point("fired", s.Fired)
		task := int64(-1)
		if s.Fault.At.Task != "-" {
			task = e.task(s.Fault.At.Process, s.Fault.At.Task)
		}
		e.data.Strikes.add(cell{"name", e.word(s.Fault.Name())}, cell{"fault", e.word(s.Fault.String())}, cell{"process", e.process(s.Fault.At.Process)}, cell{"task", task},
			cell{"request", int64(s.Request) - 1}, cell{"untilT", int64(s.Until)}, fromE, fromT, firedE, firedT)
	}
	for _, held := range h.Holdings {
		fromE, fromT := point("from", held.From)
		untilE, untilT := point("until", held.Until)
		e.data.Holdings.add(cell{"process", e.process(held.Process)}, cell{"inc", e.word(held.Incarnation)}, cell{"kind", e.word(held.Kind)}, cell{"of", e.word(held.Of)},
			cell{"key", e.word(held.Key)}, cell{"for", int64(held.For)}, fromE, fromT, untilE, untilT)
		renewed := []int64{}
		for _, s := range held.Renewed {
			renewed = append(renewed, int64(s.At))
		}
		e.data.Renewed = append(e.data.Renewed, renewed)
	}
	for i := range r.Trace {
		t := &r.Trace[i]
		kind := timeline.Said(t)
		if kind == "" {
			continue
		}
		atE, atT := point("at", sim.Stamp{Event: t.Event, At: t.At})
		e.data.Said.add(cell{"kind", e.word(kind)}, cell{"task", e.task(t.Process, t.Task)}, cell{"step", e.word(t.Step)}, cell{"text", e.word(t.What)}, cell{"result", e.word(t.Result)}, atE, atT)
	}
}
