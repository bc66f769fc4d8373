package sim_test

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// narrator tells what happened in a script: commits with the rows that they
// changed, effects on objects, refusals, losses, what befell processes, and
// what they said about errors. Reads, beats and status rows are left out.
type narrator struct {
	s       *conversion.Script
	rows    map[string]row
	names   map[string]string // of units, by uid
	told    int               // trace events so far
	effects map[uint64][]sim.Effect
	taken   int // effects so far
	said    map[string]bool
}

func newNarrator(s *conversion.Script) *narrator {
	return &narrator{s: s, rows: map[string]row{}, names: map[string]string{}, effects: map[uint64][]sim.Effect{}}
}

// row is a stored row: its fields in order.
type row []field

type field struct{ name, value string }

func (r row) get(name string) string {
	for _, f := range r {
		if f.name == name {
			return f.value
		}
	}
	return ""
}

// parseRow reads a row as package core documents it.
func parseRow(text string) row {
	var r row
	for name, value := range schema.Fields([]byte(text)) {
		r = append(r, field{name, value})
	}
	return r
}

// telling are the tables that a transcript shows, in the order in which it lists
// the rows of a commit, and the fields of each. A table without fields shows
// only that a row came or went.
var telling = []struct {
	table  string
	fields []string
}{
	{"batch", []string{"phase", "units", "merge_gen", "manifest", "error"}},
	{"unit", []string{"state", "epoch", "attempts", "releases", "owner", "staged", "error"}},
	{"merge", []string{"gen", "state", "owner"}},
	{"leader", []string{"epoch", "owner"}},
	{"discovery", []string{"after", "found", "done", "error"}},
	{"checkpoint", []string{"epoch", "seq", "frames", "parts", "upload"}},
	{"lease", []string{"epoch"}},
	{"queue", nil},
	{"active", nil},
	{"sweep", []string{"state"}},
}

// next returns what happened since it was last asked.
func (n *narrator) next() string {
	effects := n.s.Effects()
	for ; n.taken < len(effects); n.taken++ {
		e := effects[n.taken]
		n.effects[e.Event] = append(n.effects[e.Event], e)
	}
	n.said = map[string]bool{}
	var b strings.Builder
	trace := n.s.Trace()
	for ; n.told < len(trace); n.told++ {
		e := trace[n.told]
		for i, line := range n.tell(e) {
			if i > 0 {
				fmt.Fprintf(&b, "%49s%s\n", "", line)
				continue
			}
			who := e.Process
			if e.Task != "" && e.Task != "main" {
				who += "/" + e.Task
			}
			fmt.Fprintf(&b, "%9.3fs  %-20s %-15s %s\n", e.At.Seconds(), who, e.Step, line)
		}
	}
	return b.String()
}

// tell is what to say of one event, a line each.
func (n *narrator) tell(e sim.TraceEvent) []string {
	line := ""
	switch e.Level {
	case sim.TraceWorld:
		line = n.tellWorld(e)
	case sim.TraceFault:
	case sim.TraceLog:
		line = n.tellLog(e)
	default:
		done := n.effects[e.Event]
		delete(n.effects, e.Event)
		lines := n.effectLines(e, done)
		if len(lines) > 0 && strings.Contains(e.Result, "nobody waits") {
			lines = append(lines, "nobody waits for the reply")
		}
		if len(lines) > 0 {
			return lines
		}
		line = n.tellCall(e)
	}
	if line == "" {
		return nil
	}
	return []string{line}
}

// effectLines tells the effects of a request.
func (n *narrator) effectLines(e sim.TraceEvent, done []sim.Effect) []string {
	var lines []string
	for i := range done {
		switch done[i].Kind {
		case sim.EffectCommit:
			lines = append(lines, n.commit(&done[i])...)
		case sim.EffectObject:
			if line := n.object(&done[i]); line != "" {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// tellWorld is what befell a process, or what a client called.
func (n *narrator) tellWorld(e sim.TraceEvent) string {
	switch {
	case e.What == "boot" && e.Result == "1":
		return ""
	case e.What == "boot":
		return "-- boots, incarnation " + e.Result
	case e.What == "pause":
		return "-- pause"
	case e.Task != "" && e.Result == "":
		return "calls " + e.What
	case e.Task != "":
		return e.What + " returns " + e.Result
	}
	return strings.TrimSpace("-- " + e.What + " " + e.Result)
}

var errorClass = regexp.MustCompile(` class=(\w+( \w+)?) error=`)

// tellLog is what the system said, if it was about an error or a resumption.
func (n *narrator) tellLog(e sim.TraceEvent) string {
	msg, _, _ := strings.Cut(e.What, " key=")
	msg, _, _ = strings.Cut(msg, " class=")
	if class := errorClass.FindStringSubmatch(e.What); class != nil && !strings.HasSuffix(msg, " round failed") {
		return n.once(e, fmt.Sprintf("says: %s (%s)", msg, class[1]))
	}
	switch msg {
	case "conversion continued", "conversion starts afresh":
		return "says: " + msg
	}
	return ""
}

// tellCall is a request that did not do what it was sent for.
func (n *narrator) tellCall(e sim.TraceEvent) string {
	op, _ := ops.Named(e.What)
	switch {
	case strings.HasSuffix(e.Result, ": partition") && !writes[e.What]:
		return ""
	case e.What == "kv.resolve" && e.Result == "ok":
		return "resolves the lock on " + n.shortAll(e.Key)
	case e.Result == "locked" && e.What != "kv.prewrite":
		return ""
	case !op.IsRequest() || e.Result == "" || e.Result == "ok" || e.Result == "not found":
		return ""
	case e.Result == "reply dropped", e.Result == "timed out", strings.HasPrefix(e.Result, "ok"):
		return ""
	}
	return n.once(e, fmt.Sprintf("%s %s: %s", e.What, n.shortAll(e.Key), e.Result))
}

// writes are the requests whose loss is worth a line.
var writes = map[string]bool{
	"kv.prewrite": true, "kv.commit": true, "objects.put": true, "objects.list": true,
	"objects.upload_part": true, "objects.complete_upload": true,
}

// once drops what a task has already said in this answer.
func (n *narrator) once(e sim.TraceEvent, line string) string {
	key := e.Process + e.Task + line
	if n.said[key] {
		return ""
	}
	n.said[key] = true
	return line
}

// commit lists the rows that a transaction changed in a way that matters.
func (n *narrator) commit(e *sim.Effect) []string {
	var lines []string
	for _, m := range e.Commit.Writes {
		if url := parseRow(string(m.Value)).get("url"); url != "" {
			n.names[m.Key[strings.LastIndexByte(m.Key, '/')+1:]] = strings.TrimSuffix(url[strings.LastIndexByte(url, '/')+1:], ".rec")
		}
	}
	for _, t := range telling {
		for _, m := range e.Commit.Writes {
			if line := n.change(&m, t.fields); strings.HasPrefix(m.Key, t.table+"/") && line != "" {
				lines = append(lines, line)
			}
		}
	}
	for _, m := range e.Commit.Writes {
		switch m.Op {
		case tikv.OpPut:
			n.rows[m.Key] = parseRow(string(m.Value))
		case tikv.OpDelete:
			delete(n.rows, m.Key)
		}
	}
	return lines
}

// change tells how a write changed a row, "" if not in a way that matters.
func (n *narrator) change(m *tikv.Mutation, fields []string) string {
	old := n.rows[m.Key]
	switch {
	case m.Op == tikv.OpDelete && old != nil:
		return n.short(m.Key) + ": gone"
	case m.Op != tikv.OpPut:
		return ""
	}
	now := parseRow(string(m.Value))
	var list []string
	for _, name := range fields {
		was, is := n.value(old, name), n.value(now, name)
		switch {
		case was == is:
		case old == nil || was == "":
			list = append(list, name+"="+is)
		case is == "" && name == "error":
			list = append(list, "error cleared")
		case is == "":
			list = append(list, name+"="+was+" -> none")
		default:
			list = append(list, name+"="+was+" -> "+is)
		}
	}
	switch {
	case len(list) > 0:
		return n.short(m.Key) + ": " + strings.Join(list, ", ")
	case old == nil:
		return n.short(m.Key) + ": new"
	}
	return ""
}

// value is a field as transcripts show it.
func (n *narrator) value(r row, name string) string {
	value := r.get(name)
	switch name {
	case "owner":
		if r.get("worker") == "" {
			return ""
		}
		return r.get("worker") + "/" + r.get("incarnation")
	case "parts":
		if value == "" {
			return ""
		}
		return strconv.Itoa(strings.Count(value, ",") + 1)
	case "error":
		return strings.TrimSpace(value)
	}
	return n.short(value)
}

// object is an effect on an object or an upload. Of what a merge writes only
// the manifest, which comes last, is worth a line.
func (n *narrator) object(e *sim.Effect) string {
	o := &e.Object
	key := n.short(o.Key)
	if e.Step == "merge" && (!strings.HasSuffix(key, "manifest.json") || o.Kind != objstore.EffectComplete) {
		return ""
	}
	switch o.Kind {
	case objstore.EffectCreateUpload:
		return "opens upload of " + key
	case objstore.EffectUploadPart:
		return "part " + strconv.Itoa(o.Number) + " of " + key
	case objstore.EffectPut, objstore.EffectComplete:
		return "writes " + key
	case objstore.EffectDelete:
		return "deletes " + key
	case objstore.EffectAbort:
		return "drops upload of " + key
	}
	return o.Kind.String() + " " + key
}

var (
	batchPart   = regexp.MustCompile(`/lab/data/(\d{8})(/|$)`)
	epochPart   = regexp.MustCompile(`/e0*([1-9]\d*)/episode`)
	mergePart   = regexp.MustCompile(`out/lab/data/g0*([1-9]\d*)-0*([1-9]\d*)/`)
	stagingPart = regexp.MustCompile(`out/lab/data/staging/0*([1-9]\d*)/`)
	unitPart    = regexp.MustCompile(`[0-9a-f]{16}`)
	zerosPart   = regexp.MustCompile(`/0+([1-9]\d*|0)(/|$)`)
)

// short shortens a key: the only batch's name goes without saying, units have
// the names of their sources, numbers no zeros in front.
func (n *narrator) short(key string) string {
	key = batchPart.ReplaceAllString(key, "/$1/")
	key = strings.ReplaceAll(key, "/00000001/", "/")
	key = strings.Replace(key, "queue/999/", "queue/", 1)
	key = strings.TrimSuffix(key, "/lab/data")
	key = mergePart.ReplaceAllString(key, "g$1-$2/")
	key = stagingPart.ReplaceAllString(key, "staging/$1/")
	key = strings.ReplaceAll(key, "out/lab/data/", "")
	key = epochPart.ReplaceAllString(key, "/e$1")
	key = unitPart.ReplaceAllStringFunc(key, func(id string) string {
		if name, ok := n.names[id]; ok {
			return name
		}
		return id
	})
	key = strings.ReplaceAll(key, "in/lab/data/", "")
	key = zerosPart.ReplaceAllString(key, "/$1$2")
	return strings.TrimSuffix(key, "/")
}

// shortAll shortens the first of a request's keys.
func (n *narrator) shortAll(keys string) string {
	first, _, more := strings.Cut(keys, " ")
	first = n.short(first)
	if more {
		first += " ..."
	}
	return first
}

// storedRow returns a stored row as the last commit left it, for assertions.
func storedRow(s *conversion.Script, key string) row {
	value, ok := s.World().Get(key)
	if !ok {
		return nil
	}
	return parseRow(string(value))
}

// fieldsOf prints some fields of a row.
func fieldsOf(r row, names ...string) string {
	var parts []string
	for _, f := range r {
		if slices.Contains(names, f.name) {
			parts = append(parts, f.name+"="+f.value)
		}
	}
	return strings.Join(parts, " ")
}
