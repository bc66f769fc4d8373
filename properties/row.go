package properties

import (
	"strconv"
	"strings"
)

// fields reads a row: a version word and name=value fields, values with spaces,
// quotes, '=' or control characters quoted as Go strings.
type fields struct {
	rest        string
	name, value string
	bad         string // what is wrong with the row, "" if nothing yet
}

func readFields(row, version string) fields {
	rest, ok := strings.CutPrefix(row, version)
	f := fields{rest: rest}
	if !ok || rest != "" && rest[0] != ' ' {
		f.bad = "its version is not " + version
	}
	return f
}

// next moves to the next field and reports whether there is one.
func (f *fields) next() bool {
	if f.rest == "" || f.bad != "" {
		return false
	}
	equals := strings.IndexByte(f.rest, '=')
	if f.rest[0] != ' ' || equals < 2 {
		f.bad = "it has no name= at " + strconv.Quote(f.rest)
		return false
	}
	f.name, f.rest = f.rest[1:equals], f.rest[equals+1:]
	if strings.HasPrefix(f.rest, `"`) {
		return f.quoted()
	}
	end := strings.IndexByte(f.rest, ' ')
	if end < 0 {
		end = len(f.rest)
	}
	f.value, f.rest = f.rest[:end], f.rest[end:]
	return true
}

func (f *fields) quoted() bool {
	quoted, err := strconv.QuotedPrefix(f.rest)
	if err == nil {
		f.value, err = strconv.Unquote(quoted)
	}
	if err != nil {
		f.bad = "the value of " + f.name + " is not quoted as a Go string"
		return false
	}
	f.rest = f.rest[len(quoted):]
	return true
}

func (f *fields) uint() uint64 {
	n, err := strconv.ParseUint(f.value, 10, 64)
	if err != nil && f.bad == "" {
		f.bad = f.name + " is not a number: " + f.value
	}
	return n
}

func (f *fields) int() int64 {
	n, err := strconv.ParseInt(f.value, 10, 64)
	if err != nil && f.bad == "" {
		f.bad = f.name + " is not a number: " + f.value
	}
	return n
}

// batchRow is batch/<ns>/<name>.
type batchRow struct {
	gen          uint64
	phase        string
	output       string
	sources      string // one a line: URL, or URL, tab, filter
	maxAttempts  int64
	backoffLimit int64
	parallelism  int64
	priority     int64
	chunk        int64
	units        int64
	mergeGen     uint64
	manifest     string
	manifestETag string
	err          string
	ttl          int64 // ms
	submittedMS  int64
	finishedMS   int64
}

func (b *batchRow) decode(row string) string {
	*b = batchRow{}
	f := readFields(row, "b1")
	for f.next() {
		switch f.name {
		case "gen":
			b.gen = f.uint()
		case "phase":
			b.phase = f.value
		case "output":
			b.output = f.value
		case "sources":
			b.sources = f.value
		case "max_attempts":
			b.maxAttempts = f.int()
		case "backoff_limit":
			b.backoffLimit = f.int()
		case "parallelism":
			b.parallelism = f.int()
		case "priority":
			b.priority = f.int()
		case "chunk":
			b.chunk = f.int()
		case "units":
			b.units = f.int()
		case "merge_gen":
			b.mergeGen = f.uint()
		case "manifest":
			b.manifest = f.value
		case "manifest_etag":
			b.manifestETag = f.value
		case "error":
			b.err = f.value
		case "ttl":
			b.ttl = f.int()
		case "submitted_ms":
			b.submittedMS = f.int()
		case "finished_ms":
			b.finishedMS = f.int()
		}
	}
	return f.bad
}

// terminal reports whether nothing more is done for a batch in this phase.
func terminal(phase string) bool {
	switch phase {
	case "complete", "failed", "cancelled", "expired":
		return true
	}
	return false
}

// unitRow is unit/<bid>/<uid>.
type unitRow struct {
	state       string
	epoch       uint64
	attempts    int64
	releases    int64
	retries     int64
	source      int64
	url         string
	size        int64
	etag        string
	worker      string
	incarnation string
	staged      string
	stagedSize  int64
	stagedETag  string
	digest      string
	err         string
}

func (u *unitRow) decode(row string) string {
	*u = unitRow{}
	f := readFields(row, "u1")
	for f.next() {
		switch f.name {
		case "state":
			u.state = f.value
		case "epoch":
			u.epoch = f.uint()
		case "attempts":
			u.attempts = f.int()
		case "releases":
			u.releases = f.int()
		case "retries":
			u.retries = f.int()
		case "source":
			u.source = f.int()
		case "url":
			u.url = f.value
		case "size":
			u.size = f.int()
		case "etag":
			u.etag = f.value
		case "worker":
			u.worker = f.value
		case "incarnation":
			u.incarnation = f.value
		case "staged":
			u.staged = f.value
		case "staged_size":
			u.stagedSize = f.int()
		case "staged_etag":
			u.stagedETag = f.value
		case "digest":
			u.digest = f.value
		case "error":
			u.err = f.value
		}
	}
	return f.bad
}

// leaseRow is lease/<worker>/<incarnation>/<bid>/<uid>.
type leaseRow struct {
	epoch uint64
	beat  uint64
}

func (l *leaseRow) decode(row string) string {
	*l = leaseRow{}
	f := readFields(row, "l1")
	for f.next() {
		switch f.name {
		case "epoch":
			l.epoch = f.uint()
		case "beat":
			l.beat = f.uint()
		}
	}
	return f.bad
}

// checkpointRow is checkpoint/<bid>/<uid>.
type checkpointRow struct {
	epoch  uint64
	seq    uint64
	offset int64
	frames int64
	key    string
	upload string
	parts  string // number:etag:size,...
}

func (c *checkpointRow) decode(row string) string {
	*c = checkpointRow{}
	f := readFields(row, "c1")
	for f.next() {
		switch f.name {
		case "epoch":
			c.epoch = f.uint()
		case "seq":
			c.seq = f.uint()
		case "offset":
			c.offset = f.int()
		case "frames":
			c.frames = f.int()
		case "key":
			c.key = f.value
		case "upload":
			c.upload = f.value
		case "parts":
			c.parts = f.value
		}
	}
	return f.bad
}

// part is one part that a checkpoint names.
type part struct {
	number int
	etag   string
	size   int64
}

// nextPart cuts the first part off a checkpoint's parts.
func nextPart(parts string) (p part, rest string, ok bool) {
	one, rest, _ := strings.Cut(parts, ",")
	number, sized, ok1 := strings.Cut(one, ":")
	at := strings.LastIndexByte(sized, ':')
	if !ok1 || at < 0 {
		return p, "", false
	}
	n, err1 := strconv.Atoi(number)
	size, err2 := strconv.ParseInt(sized[at+1:], 10, 64)
	return part{number: n, etag: sized[:at], size: size}, rest, err1 == nil && err2 == nil
}

// mergeRow is merge/<bid>.
type mergeRow struct {
	gen         uint64
	state       string
	worker      string
	incarnation string
	beat        uint64
	units       int64
	digest      string
}

func (m *mergeRow) decode(row string) string {
	*m = mergeRow{}
	f := readFields(row, "m1")
	for f.next() {
		switch f.name {
		case "gen":
			m.gen = f.uint()
		case "state":
			m.state = f.value
		case "worker":
			m.worker = f.value
		case "incarnation":
			m.incarnation = f.value
		case "beat":
			m.beat = f.uint()
		case "units":
			m.units = f.int()
		case "digest":
			m.digest = f.value
		}
	}
	return f.bad
}

// leaderRow is leader/scanner.
type leaderRow struct {
	epoch       uint64
	worker      string
	incarnation string
	beat        uint64
}

func (l *leaderRow) decode(row string) string {
	*l = leaderRow{}
	f := readFields(row, "s1")
	for f.next() {
		switch f.name {
		case "epoch":
			l.epoch = f.uint()
		case "worker":
			l.worker = f.value
		case "incarnation":
			l.incarnation = f.value
		case "beat":
			l.beat = f.uint()
		}
	}
	return f.bad
}

// discoveryRow is discovery/<bid>/<source>.
type discoveryRow struct {
	after string
	done  bool
	found int64
	err   string
}

func (d *discoveryRow) decode(row string) string {
	*d = discoveryRow{}
	f := readFields(row, "d1")
	for f.next() {
		switch f.name {
		case "after":
			d.after = f.value
		case "done":
			d.done = f.int() == 1
		case "found":
			d.found = f.int()
		case "error":
			d.err = f.value
		}
	}
	return f.bad
}

// statusRow is status/<ns>/<name>.
type statusRow struct {
	gen    uint64
	phase  string
	err    string
	counts [unitStates]int64
}

func (s *statusRow) decode(row string) string {
	*s = statusRow{}
	f := readFields(row, "t1")
	for f.next() {
		switch f.name {
		case "gen":
			s.gen = f.uint()
		case "phase":
			s.phase = f.value
		case "error":
			s.err = f.value
		default:
			if state := stateOf(f.name); state != stateNone {
				s.counts[state] = f.int()
			}
		}
	}
	return f.bad
}

// The states of a unit, as indices; stateNone is that of one that is not there.
const (
	stateNone = iota
	statePending
	stateProcessing
	stateComplete
	stateFailed
	stateDead
	stateCancelled
	unitStates
)

var stateNames = [unitStates]string{"absent", "pending", "processing", "complete", "failed", "dead", "cancelled"}

func stateOf(text string) int {
	for state := statePending; state < unitStates; state++ {
		if stateNames[state] == text {
			return state
		}
	}
	return stateNone
}

// decodeGen reads the only field of rows that have just one number: a1 gen=,
// q1 epoch=.
func decodeNumber(row, version, name string) (n uint64, bad string) {
	f := readFields(row, version)
	for f.next() {
		if f.name == name {
			n = f.uint()
		}
	}
	return n, f.bad
}
