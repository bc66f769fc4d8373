package timeline

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// Schema is the version of the JSON lines. It is raised when a key changes its
// meaning or goes; new keys and new types of lines leave it as it is.
const Schema = 1

// Lines writes a recorded run as JSON lines: first the run itself, then its
// events in the order in which they began. The error is the writer's.
func Lines(w io.Writer, r *sim.Result) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	if err := out.Encode(head(r)); err != nil {
		return err
	}
	for _, l := range lines(r) {
		if err := out.Encode(l.line); err != nil {
			return err
		}
	}
	return nil
}

// The types of lines. Points of a run are "event" and "at_ns"; null is never, or
// nothing.
type (
	point struct {
		Event uint64 `json:"event"`
		At    int64  `json:"at_ns"`
	}
	runLine struct {
		Type      string            `json:"type"`
		Schema    int               `json:"schema"`
		Seed      string            `json:"seed"`
		Arm       string            `json:"arm"`
		Fields    map[string]string `json:"fields"`
		Outcome   string            `json:"outcome"`
		Events    uint64            `json:"events"`
		Virtual   int64             `json:"virtual_ns"`
		Hash      string            `json:"hash"`
		Processes []string          `json:"processes"`
		Violation *violation        `json:"violation"`
	}
	violation struct {
		Invariant string   `json:"invariant"`
		Rule      string   `json:"rule"`
		Shape     string   `json:"shape"`
		Text      string   `json:"text"`
		Subject   string   `json:"subject"`
		Also      []string `json:"also"`
		At        *point   `json:"at"`
		First     *ref     `json:"first"`
		Second    *ref     `json:"second"`
	}
	ref struct {
		point
		What string `json:"what"`
	}
	who struct {
		Process     string `json:"process"`
		Incarnation string `json:"incarnation"`
		Task        string `json:"task"`
		Step        string `json:"step"`
	}
	lifeLine struct {
		Type        string `json:"type"`
		At          *point `json:"at"`
		Process     string `json:"process"`
		Incarnation string `json:"incarnation"`
		Happened    string `json:"happened"`
		Detail      string `json:"detail"`
	}
	stepLine struct {
		Type string `json:"type"`
		At   *point `json:"at"`
		who
	}
	spanLine struct {
		Type  string `json:"type"`
		From  *point `json:"from"`
		Until *point `json:"until"`
		who
	}
	requestLine struct {
		Type     string `json:"type"`
		Request  int    `json:"request"`
		Sent     *point `json:"sent"`
		Handled  *point `json:"handled"`
		Replied  *point `json:"replied"`
		Returned *point `json:"returned"`
		who
		Op       string   `json:"op"`
		Store    string   `json:"store"`
		Keys     []string `json:"keys"`
		Primary  string   `json:"primary"`
		StartTS  uint64   `json:"start_ts"`
		CommitTS uint64   `json:"commit_ts"`
		Fate     string   `json:"fate"`
		Status   string   `json:"status"`
		End      string   `json:"end"`
		By       *string  `json:"by"`
		Met      []string `json:"met"`
		Late     bool     `json:"late"`
		Copy     bool     `json:"copy"`
	}
	changeLine struct {
		Type     string  `json:"type"`
		At       *point  `json:"at"`
		Request  *int    `json:"request"`
		StartTS  uint64  `json:"start_ts"`
		CommitTS uint64  `json:"commit_ts"`
		Key      string  `json:"key"`
		Before   *string `json:"before"`
		After    *string `json:"after"`
	}
	holdingLine struct {
		Type        string   `json:"type"`
		From        *point   `json:"from"`
		Until       *point   `json:"until"`
		Renewed     []*point `json:"renewed"`
		Key         string   `json:"key"`
		Process     string   `json:"process"`
		Incarnation string   `json:"incarnation"`
		Kind        string   `json:"kind"`
		Of          string   `json:"of"`
		For         int64    `json:"for_ns"`
	}
	faultLine struct {
		Type    string `json:"type"`
		From    *point `json:"from"`
		Fired   *point `json:"fired"`
		Until   int64  `json:"until_ns"`
		Name    string `json:"name"`
		Fault   string `json:"fault"`
		Process string `json:"process"`
		Request *int   `json:"request"`
		Source  string `json:"source"`
	}
	saidLine struct {
		Type    string `json:"type"`
		At      *point `json:"at"`
		Process string `json:"process"`
		Task    string `json:"task"`
		Step    string `json:"step"`
		Text    string `json:"text"`
		Result  string `json:"result"`
	}
)

// head is the run itself.
func head(r *sim.Result) runLine {
	l := runLine{
		Type: "run", Schema: Schema, Seed: hex(r.Seed), Arm: r.Arm, Fields: map[string]string{}, Outcome: r.Summary.Outcome,
		Events: r.Events, Virtual: int64(r.Virtual), Hash: hex(r.Hash), Processes: r.History.Programs,
	}
	for _, f := range r.Summary.Fields {
		l.Fields[f.Name] = f.Value
	}
	if v := r.Violation; v != nil {
		l.Violation = &violation{
			Invariant: v.Invariant, Rule: v.Rule, Shape: v.Shape, Text: v.Text, Subject: v.Subject, Also: v.Also,
			At: at(sim.Stamp{Event: v.Event, At: v.At}), First: refOf(v.First), Second: refOf(v.Second),
		}
	}
	return l
}

func hex(n uint64) string { return fmt.Sprintf("0x%016x", n) }

func refOf(r sim.EventRef) *ref {
	if r.Event == 0 {
		return nil
	}
	return &ref{point{r.Event, int64(r.At)}, r.What}
}

// at is a point of the run, nil for never.
func at(s sim.Stamp) *point {
	if s == (sim.Stamp{}) {
		return nil
	}
	return &point{s.Event, int64(s.At)}
}

func whoOf(w sim.Who) who { return who{w.Process, w.Incarnation, w.Task, w.Step} }

// ordered is a line with its place.
type ordered struct {
	event uint64
	line  any
}

// lines are all lines but the first.
func lines(r *sim.Result) []ordered {
	h := r.History
	var all []ordered
	add := func(event uint64, l any) { all = append(all, ordered{event, l}) }
	for _, l := range h.Lives {
		add(l.Event, lifeLine{"life", at(l.Stamp), l.Process, l.Incarnation, l.Happened.String(), l.Detail})
	}
	for _, t := range h.Threads {
		add(t.From.Event, spanLine{"task", at(t.From), at(t.Until), whoOf(t.Who)})
	}
	for _, s := range h.Steps {
		add(s.Event, stepLine{"step", at(s.Stamp), whoOf(s.Who)})
	}
	for _, w := range h.Work {
		add(w.From.Event, spanLine{"work", at(w.From), at(w.Until), whoOf(w.Who)})
	}
	for i := range h.Requests {
		add(h.Requests[i].Sent.Event, requestOf(i+1, &h.Requests[i]))
	}
	for _, c := range h.Changes {
		add(c.Event, changeLine{"change", at(c.Stamp), some(c.Request), c.Start, c.Commit, c.Key, some(c.Before), some(c.After)})
	}
	for _, held := range h.Holdings {
		l := holdingLine{
			Type: "holding", From: at(held.From), Until: at(held.Until), Renewed: []*point{}, Key: held.Key,
			Process: held.Process, Incarnation: held.Incarnation, Kind: held.Kind, Of: held.Of, For: int64(held.For),
		}
		for _, s := range held.Renewed {
			l.Renewed = append(l.Renewed, at(s))
		}
		add(held.From.Event, l)
	}
	for _, s := range h.Strikes {
		f := s.Fault
		add(s.From.Event, faultLine{"fault", at(s.From), at(s.Fired), int64(s.Until), f.Name(), f.String(), f.At.Process, some(s.Request), f.Source})
	}
	for i := range r.Trace {
		if e := &r.Trace[i]; Said(e) != "" {
			add(e.Event, saidLine{Said(e), at(sim.Stamp{Event: e.Event, At: e.At}), e.Process, e.Task, e.Step, e.What, e.Result})
		}
	}
	slices.SortStableFunc(all, func(a, b ordered) int { return cmp.Compare(a.event, b.event) })
	return all
}

func requestOf(n int, q *sim.Request) requestLine {
	l := requestLine{
		Type: "request", Request: n, who: whoOf(q.Who), Op: q.Op.String(), Store: q.Op.Service().String(),
		Keys: q.Keys, Primary: q.Primary, StartTS: q.StartTS, CommitTS: q.CommitTS,
		Sent: at(q.Sent), Handled: at(q.Handled), Replied: at(q.Replied), Returned: at(q.Returned),
		Fate: q.Fate.String(), Status: q.Status, End: q.End.String(), Met: []string{}, Late: q.Late, Copy: q.Copy,
	}
	for _, f := range q.Met {
		l.Met = append(l.Met, f.String())
	}
	if q.By != nil {
		l.By = some(q.By.String())
	}
	return l
}

// some is a value, or nil for none.
func some[T comparable](value T) *T {
	var none T
	if value == none {
		return nil
	}
	return &value
}

// Said tells what a trace says that the history does not: "log" for a line of the
// system's log, "client" for a record of a client's call, "" for the rest.
func Said(e *sim.TraceEvent) string {
	switch {
	case e.Level == sim.TraceLog:
		return "log"
	case e.Level == sim.TraceWorld && e.Happened == 0:
		return "client"
	}
	return ""
}
