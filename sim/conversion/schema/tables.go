package schema

import (
	"strconv"
	"strings"
)

// Batch is the row batch/<ns>/<name>.
type Batch struct {
	Gen          uint64
	Phase        string
	Closing      string // what it is about to become, or ""
	Output       string
	Sources      string // one a line: URL, or URL, tab, filter
	MaxAttempts  int64
	BackoffLimit int64
	Parallelism  int64
	Shards       int64
	Priority     int64
	Chunk        int64
	Units        int64
	MergeGen     uint64
	Manifest     string
	ManifestETag string
	Error        string
	TTLMS        int64
	SubmittedMS  int64
	FinishedMS   int64
}

// Decode reads a row.
func (b *Batch) Decode(row string) error {
	*b = Batch{}
	f := readFields(row, "b1")
	for f.next() {
		switch f.name {
		case "gen":
			b.Gen = f.uint()
		case "phase":
			b.Phase = f.value
		case "closing":
			b.Closing = f.value
		case "output":
			b.Output = f.value
		case "sources":
			b.Sources = f.value
		case "max_attempts":
			b.MaxAttempts = f.int()
		case "backoff_limit":
			b.BackoffLimit = f.int()
		case "parallelism":
			b.Parallelism = f.int()
		case "shards":
			b.Shards = f.int()
		case "priority":
			b.Priority = f.int()
		case "chunk":
			b.Chunk = f.int()
		case "units":
			b.Units = f.int()
		case "merge_gen":
			b.MergeGen = f.uint()
		case "manifest":
			b.Manifest = f.value
		case "manifest_etag":
			b.ManifestETag = f.value
		case "error":
			b.Error = f.value
		case "ttl":
			b.TTLMS = f.int()
		case "submitted_ms":
			b.SubmittedMS = f.int()
		case "finished_ms":
			b.FinishedMS = f.int()
		}
	}
	return f.err()
}

// Unit is the row unit/<bid>/<uid>.
type Unit struct {
	State       State
	Epoch       uint64
	Attempts    int64
	Releases    int64
	Retries     int64
	Shard       int64
	Slot        int64 // the shard whose room it takes, from 1; 0: none
	Source      int64
	URL         string
	Size        int64
	ETag        string
	Worker      string
	Incarnation string
	Staged      string
	StagedSize  int64
	StagedETag  string
	Digest      string
	Frames      int64
	Error       string
}

// Decode reads a row.
func (u *Unit) Decode(row string) error {
	*u = Unit{}
	state := ""
	f := readFields(row, "u1")
	for f.next() {
		switch f.name {
		case "state":
			state = f.value
			u.State = StateOf(state)
		case "epoch":
			u.Epoch = f.uint()
		case "attempts":
			u.Attempts = f.int()
		case "releases":
			u.Releases = f.int()
		case "retries":
			u.Retries = f.int()
		case "shard":
			u.Shard = f.int()
		case "slot":
			u.Slot = f.int()
		case "source":
			u.Source = f.int()
		case "frames":
			u.Frames = f.int()
		case "url":
			u.URL = f.value
		case "size":
			u.Size = f.int()
		case "etag":
			u.ETag = f.value
		case "worker":
			u.Worker = f.value
		case "incarnation":
			u.Incarnation = f.value
		case "staged":
			u.Staged = f.value
		case "staged_size":
			u.StagedSize = f.int()
		case "staged_etag":
			u.StagedETag = f.value
		case "digest":
			u.Digest = f.value
		case "error":
			u.Error = f.value
		}
	}
	if u.State == None {
		f.fail("there is no state " + state)
	}
	return f.err()
}

// Shard is the row shard/<bid>/<n>: what has become of the units of one shard.
type Shard struct {
	Counts   Counts // pending units are not counted
	Failures int64  // attempts that failed, of units that have not recovered
	Taken    int64  // of its share of the batch's parallelism
	Digest   uint64 // of the complete units
	Frames   int64  // of the complete units
}

// Decode reads a row.
func (s *Shard) Decode(row string) error {
	*s = Shard{}
	f := readFields(row, "h1")
	for f.next() {
		switch f.name {
		case "failures":
			s.Failures = f.int()
		case "taken":
			s.Taken = f.int()
		case "digest":
			s.Digest = f.uint()
		case "frames":
			s.Frames = f.int()
		default:
			if state := StateOf(f.name); state != None {
				s.Counts[state] = f.int()
			}
		}
	}
	return f.err()
}

// Failure is the row failed/<bid>/<uid>, or dead/<bid>/<uid>.
type Failure struct {
	Epoch    uint64
	Attempts int64
}

// Decode reads a row.
func (r *Failure) Decode(row string) error {
	*r = Failure{}
	f := readFields(row, "f1")
	for f.next() {
		switch f.name {
		case "epoch":
			r.Epoch = f.uint()
		case "attempts":
			r.Attempts = f.int()
		}
	}
	return f.err()
}

// Lease is the row lease/<worker>/<incarnation>/<bid>/<uid>.
type Lease struct {
	Epoch uint64
	Beat  uint64
}

// Decode reads a row.
func (l *Lease) Decode(row string) error {
	*l = Lease{}
	f := readFields(row, "l1")
	for f.next() {
		switch f.name {
		case "epoch":
			l.Epoch = f.uint()
		case "beat":
			l.Beat = f.uint()
		}
	}
	return f.err()
}

// Checkpoint is the row checkpoint/<bid>/<uid>.
type Checkpoint struct {
	Epoch  uint64
	Seq    uint64
	Offset int64
	Frames int64
	Key    string
	Upload string
	Parts  string // number:etag:size,...
}

// Decode reads a row.
func (c *Checkpoint) Decode(row string) error {
	*c = Checkpoint{}
	f := readFields(row, "c1")
	for f.next() {
		switch f.name {
		case "epoch":
			c.Epoch = f.uint()
		case "seq":
			c.Seq = f.uint()
		case "offset":
			c.Offset = f.int()
		case "frames":
			c.Frames = f.int()
		case "key":
			c.Key = f.value
		case "upload":
			c.Upload = f.value
		case "parts":
			c.Parts = f.value
		}
	}
	return f.err()
}

// Part is one part that a checkpoint names.
type Part struct {
	Number int
	ETag   string
	Size   int64
}

// percents undoes what keeps an ETag's commas apart from those between parts.
var percents = strings.NewReplacer("%25", "%", "%2C", ",")

// NextPart cuts the first part off a checkpoint's parts. ok is false if that
// cannot be read.
func NextPart(parts string) (p Part, rest string, ok bool) {
	one, rest, _ := strings.Cut(parts, ",")
	number, sized, ok1 := strings.Cut(one, ":")
	at := strings.LastIndexByte(sized, ':')
	if !ok1 || at < 0 {
		return p, "", false
	}
	n, err1 := strconv.Atoi(number)
	size, err2 := strconv.ParseInt(sized[at+1:], 10, 64)
	return Part{Number: n, ETag: percents.Replace(sized[:at]), Size: size}, rest, err1 == nil && err2 == nil
}

// Merge is the row merge/<bid>.
type Merge struct {
	Gen         uint64
	State       string
	Worker      string
	Incarnation string
	Beat        uint64
	Units       int64
	Digest      string
}

// Decode reads a row.
func (m *Merge) Decode(row string) error {
	*m = Merge{}
	f := readFields(row, "m1")
	for f.next() {
		switch f.name {
		case "gen":
			m.Gen = f.uint()
		case "state":
			m.State = f.value
		case "worker":
			m.Worker = f.value
		case "incarnation":
			m.Incarnation = f.value
		case "beat":
			m.Beat = f.uint()
		case "units":
			m.Units = f.int()
		case "digest":
			m.Digest = f.value
		}
	}
	return f.err()
}

// Leader is the row leader/scanner.
type Leader struct {
	Epoch       uint64
	Worker      string
	Incarnation string
	Beat        uint64
}

// Decode reads a row.
func (l *Leader) Decode(row string) error {
	*l = Leader{}
	f := readFields(row, "s1")
	for f.next() {
		switch f.name {
		case "epoch":
			l.Epoch = f.uint()
		case "worker":
			l.Worker = f.value
		case "incarnation":
			l.Incarnation = f.value
		case "beat":
			l.Beat = f.uint()
		}
	}
	return f.err()
}

// Discovery is the row discovery/<bid>/<source>.
type Discovery struct {
	After string
	Done  bool
	Found int64
	Error string
}

// Decode reads a row.
func (d *Discovery) Decode(row string) error {
	*d = Discovery{}
	f := readFields(row, "d1")
	for f.next() {
		switch f.name {
		case "after":
			d.After = f.value
		case "done":
			d.Done = f.int() == 1
		case "found":
			d.Found = f.int()
		case "error":
			d.Error = f.value
		}
	}
	return f.err()
}

// Status is the row status/<ns>/<name>.
type Status struct {
	Gen    uint64
	Phase  string
	Error  string
	Counts Counts
}

// Decode reads a row.
func (s *Status) Decode(row string) error {
	*s = Status{}
	f := readFields(row, "t1")
	for f.next() {
		switch f.name {
		case "gen":
			s.Gen = f.uint()
		case "phase":
			s.Phase = f.value
		case "error":
			s.Error = f.value
		default:
			if state := StateOf(f.name); state != None {
				s.Counts[state] = f.int()
			}
		}
	}
	return f.err()
}

// Sweep is the row sweep/<bid>: the remains of an ended batch.
type Sweep struct {
	State    string
	Output   string
	Priority int64
	MergeGen uint64 // that was published, or 0
	Chunk    int64
	AgeMS    int64
	TTLMS    int64
}

// Decode reads a row.
func (s *Sweep) Decode(row string) error {
	*s = Sweep{}
	f := readFields(row, "w1")
	for f.next() {
		switch f.name {
		case "state":
			s.State = f.value
		case "output":
			s.Output = f.value
		case "priority":
			s.Priority = f.int()
		case "merge_gen":
			s.MergeGen = f.uint()
		case "chunk":
			s.Chunk = f.int()
		case "age_ms":
			s.AgeMS = f.int()
		case "ttl_ms":
			s.TTLMS = f.int()
		}
	}
	return f.err()
}

// Queue is the row queue/<priority>/<bid>/<uid>.
type Queue struct {
	Epoch uint64
}

// Decode reads a row.
func (q *Queue) Decode(row string) error {
	*q = Queue{}
	f := readFields(row, "q1")
	for f.next() {
		if f.name == "epoch" {
			q.Epoch = f.uint()
		}
	}
	return f.err()
}

// Active is the row active/<ns>/<name>.
type Active struct {
	Gen      uint64
	Priority int64
}

// Decode reads a row.
func (a *Active) Decode(row string) error {
	*a = Active{}
	f := readFields(row, "a1")
	for f.next() {
		switch f.name {
		case "gen":
			a.Gen = f.uint()
		case "priority":
			a.Priority = f.int()
		}
	}
	return f.err()
}
