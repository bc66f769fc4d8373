package core

import (
	"strconv"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// batchRow is batch/<ns>/<name>: the guard of everything that starts or ends
// work for the batch.
type batchRow struct {
	gen          uint64
	phase        Phase
	output       string
	sources      []Source
	maxAttempts  int
	backoffLimit int
	parallelism  int
	priority     int
	ttlMS        int64
	chunk        int
	units        int
	mergeGen     uint64
	manifest     string
	manifestETag string
	err          string
	submitter    string
	submittedMS  int64
	finishedMS   int64
}

func (b *batchRow) encode() []byte {
	w := newRow("b1")
	w.uint("gen", b.gen)
	w.text("phase", string(b.phase))
	w.text("output", b.output)
	w.text("sources", joinSources(b.sources))
	w.int("max_attempts", int64(b.maxAttempts))
	w.int("backoff_limit", int64(b.backoffLimit))
	w.int("parallelism", int64(b.parallelism))
	w.int("priority", int64(b.priority))
	w.int("ttl", b.ttlMS)
	w.int("chunk", int64(b.chunk))
	w.int("units", int64(b.units))
	w.uint("merge_gen", b.mergeGen)
	w.text("manifest", b.manifest)
	w.text("manifest_etag", b.manifestETag)
	w.text("error", b.err)
	w.text("submitter", b.submitter)
	w.int("submitted_ms", b.submittedMS)
	w.int("finished_ms", b.finishedMS)
	return w.b
}

func decodeBatch(key string, row []byte) (batchRow, error) {
	var b batchRow
	r := readRow(key, row, "b1")
	for r.next() {
		switch r.name {
		case "gen":
			b.gen = r.uint()
		case "phase":
			b.phase = Phase(r.value)
		case "output":
			b.output = r.value
		case "sources":
			b.sources = splitSources(r.value)
		case "max_attempts":
			b.maxAttempts = r.int()
		case "backoff_limit":
			b.backoffLimit = r.int()
		case "parallelism":
			b.parallelism = r.int()
		case "priority":
			b.priority = r.int()
		case "ttl":
			b.ttlMS = r.int64()
		case "chunk":
			b.chunk = r.int()
		case "units":
			b.units = r.int()
		case "merge_gen":
			b.mergeGen = r.uint()
		case "manifest":
			b.manifest = r.value
		case "manifest_etag":
			b.manifestETag = r.value
		case "error":
			b.err = r.value
		case "submitter":
			b.submitter = r.value
		case "submitted_ms":
			b.submittedMS = r.int64()
		case "finished_ms":
			b.finishedMS = r.int64()
		default:
			r.unknown()
		}
	}
	return b, r.err
}

// joinSources writes one source a line: the URL, then, if there is a filter, a
// tab and the filter.
func joinSources(sources []Source) string {
	var text strings.Builder
	for i, s := range sources {
		if i > 0 {
			text.WriteByte('\n')
		}
		text.WriteString(s.URL)
		if s.Filter != "" {
			text.WriteByte('\t')
			text.WriteString(s.Filter)
		}
	}
	return text.String()
}

func splitSources(text string) []Source {
	sources := make([]Source, 0, strings.Count(text, "\n")+1)
	for line := range strings.SplitSeq(text, "\n") {
		url, filter, _ := strings.Cut(line, "\t")
		sources = append(sources, Source{URL: url, Filter: filter})
	}
	return sources
}

// unitRow is unit/<bid>/<uid>: the guard of an attempt.
type unitRow struct {
	state       UnitState
	epoch       uint64
	attempts    int
	releases    int
	retries     int
	source      int
	url         string
	size        int64
	etag        string
	worker      string
	incarnation string
	staged      string
	stagedSize  int64
	stagedETag  string
	digest      string
	frames      int64
	task        string
	stats       string
	err         string
}

func (u *unitRow) encode() []byte {
	w := newRow("u1")
	w.text("state", string(u.state))
	w.uint("epoch", u.epoch)
	w.int("attempts", int64(u.attempts))
	w.int("releases", int64(u.releases))
	w.int("retries", int64(u.retries))
	w.int("source", int64(u.source))
	w.text("url", u.url)
	w.int("size", u.size)
	w.text("etag", u.etag)
	w.text("worker", u.worker)
	w.text("incarnation", u.incarnation)
	w.text("staged", u.staged)
	w.int("staged_size", u.stagedSize)
	w.text("staged_etag", u.stagedETag)
	w.text("digest", u.digest)
	w.int("frames", u.frames)
	w.text("task", u.task)
	w.text("stats", u.stats)
	w.text("error", u.err)
	return w.b
}

func decodeUnit(key string, row []byte) (unitRow, error) {
	var u unitRow
	r := readRow(key, row, "u1")
	for r.next() {
		switch r.name {
		case "state":
			u.state = UnitState(r.value)
		case "epoch":
			u.epoch = r.uint()
		case "attempts":
			u.attempts = r.int()
		case "releases":
			u.releases = r.int()
		case "retries":
			u.retries = r.int()
		case "source":
			u.source = r.int()
		case "url":
			u.url = r.value
		case "size":
			u.size = r.int64()
		case "etag":
			u.etag = r.value
		case "worker":
			u.worker = r.value
		case "incarnation":
			u.incarnation = r.value
		case "staged":
			u.staged = r.value
		case "staged_size":
			u.stagedSize = r.int64()
		case "staged_etag":
			u.stagedETag = r.value
		case "digest":
			u.digest = r.value
		case "frames":
			u.frames = r.int64()
		case "task":
			u.task = r.value
		case "stats":
			u.stats = r.value
		case "error":
			u.err = r.value
		default:
			r.unknown()
		}
	}
	return u, r.err
}

// leaseRow is lease/<worker>/<incarnation>/<bid>/<uid>.
type leaseRow struct {
	epoch uint64
	beat  uint64
	ttlMS int64
}

func (l *leaseRow) encode() []byte {
	w := newRow("l1")
	w.uint("epoch", l.epoch)
	w.uint("beat", l.beat)
	w.int("ttl_ms", l.ttlMS)
	return w.b
}

func decodeLease(key string, row []byte) (leaseRow, error) {
	var l leaseRow
	r := readRow(key, row, "l1")
	for r.next() {
		switch r.name {
		case "epoch":
			l.epoch = r.uint()
		case "beat":
			l.beat = r.uint()
		case "ttl_ms":
			l.ttlMS = r.int64()
		default:
			r.unknown()
		}
	}
	return l, r.err
}

// checkpointRow is checkpoint/<bid>/<uid>: where a successor continues.
type checkpointRow struct {
	epoch  uint64
	seq    uint64
	offset int64 // of the first source byte not yet converted
	frames int64
	key    string // of the upload; carries the epoch that opened it
	upload string
	parts  []env.Part
	digest string // of the parts so far
	state  string // the codec's
}

func (c *checkpointRow) encode() []byte {
	w := newRow("c1")
	w.uint("epoch", c.epoch)
	w.uint("seq", c.seq)
	w.int("offset", c.offset)
	w.int("frames", c.frames)
	w.text("key", c.key)
	w.text("upload", c.upload)
	w.text("parts", joinParts(c.parts))
	w.text("digest", c.digest)
	w.text("state", c.state)
	return w.b
}

func decodeCheckpoint(key string, row []byte) (checkpointRow, error) {
	var c checkpointRow
	r := readRow(key, row, "c1")
	for r.next() {
		switch r.name {
		case "epoch":
			c.epoch = r.uint()
		case "seq":
			c.seq = r.uint()
		case "offset":
			c.offset = r.int64()
		case "frames":
			c.frames = r.int64()
		case "key":
			c.key = r.value
		case "upload":
			c.upload = r.value
		case "parts":
			parts, err := splitParts(r.value)
			if err != nil {
				r.fail("parts: " + r.value)
			}
			c.parts = parts
		case "digest":
			c.digest = r.value
		case "state":
			c.state = r.value
		default:
			r.unknown()
		}
	}
	return c, r.err
}

func joinParts(parts []env.Part) string {
	var b []byte
	for i, p := range parts {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(p.Number), 10)
		b = append(append(append(b, ':'), p.ETag...), ':')
		b = strconv.AppendInt(b, p.Size, 10)
	}
	return string(b)
}

func splitParts(text string) ([]env.Part, error) {
	var parts []env.Part
	for one := range strings.SplitSeq(text, ",") {
		number, rest, _ := strings.Cut(one, ":")
		at := max(strings.LastIndexByte(rest, ':'), 0)
		n, err := strconv.Atoi(number)
		if err != nil {
			return nil, err
		}
		size, err := strconv.ParseInt(strings.TrimPrefix(rest[at:], ":"), 10, 64)
		if err != nil {
			return nil, err
		}
		parts = append(parts, env.Part{Number: n, ETag: rest[:at], Size: size})
	}
	return parts, nil
}

// mergeRow is merge/<bid>: who may publish. An empty worker means that the
// owner has let go; the generation stays its own until it is taken over.
type mergeRow struct {
	gen         uint64
	state       string
	worker      string
	incarnation string
	beat        uint64
	units       int
	digest      string
}

const (
	mergeClaimed   = "claimed"
	mergePublished = "published"
)

func (m *mergeRow) encode() []byte {
	w := newRow("m1")
	w.uint("gen", m.gen)
	w.text("state", m.state)
	w.text("worker", m.worker)
	w.text("incarnation", m.incarnation)
	w.uint("beat", m.beat)
	w.int("units", int64(m.units))
	w.text("digest", m.digest)
	return w.b
}

func decodeMerge(key string, row []byte) (mergeRow, error) {
	var m mergeRow
	r := readRow(key, row, "m1")
	for r.next() {
		switch r.name {
		case "gen":
			m.gen = r.uint()
		case "state":
			m.state = r.value
		case "worker":
			m.worker = r.value
		case "incarnation":
			m.incarnation = r.value
		case "beat":
			m.beat = r.uint()
		case "units":
			m.units = r.int()
		case "digest":
			m.digest = r.value
		default:
			r.unknown()
		}
	}
	return m, r.err
}

// leaderRow is leader/scanner. An empty worker means that the leader has let
// go.
type leaderRow struct {
	epoch       uint64
	worker      string
	incarnation string
	beat        uint64
}

func (l *leaderRow) encode() []byte {
	w := newRow("s1")
	w.uint("epoch", l.epoch)
	w.text("worker", l.worker)
	w.text("incarnation", l.incarnation)
	w.uint("beat", l.beat)
	return w.b
}

func decodeLeader(key string, row []byte) (leaderRow, error) {
	var l leaderRow
	r := readRow(key, row, "s1")
	for r.next() {
		switch r.name {
		case "epoch":
			l.epoch = r.uint()
		case "worker":
			l.worker = r.value
		case "incarnation":
			l.incarnation = r.value
		case "beat":
			l.beat = r.uint()
		default:
			r.unknown()
		}
	}
	return l, r.err
}

// discoveryRow is discovery/<bid>/<source>: how far one source was listed.
type discoveryRow struct {
	after string
	done  bool
	found int
	err   string
}

func (d *discoveryRow) encode() []byte {
	w := newRow("d1")
	w.text("after", d.after)
	done := int64(0)
	if d.done {
		done = 1
	}
	w.int("done", done)
	w.int("found", int64(d.found))
	w.text("error", d.err)
	return w.b
}

func decodeDiscovery(key string, row []byte) (discoveryRow, error) {
	var d discoveryRow
	r := readRow(key, row, "d1")
	for r.next() {
		switch r.name {
		case "after":
			d.after = r.value
		case "done":
			d.done = r.int() == 1
		case "found":
			d.found = r.int()
		case "error":
			d.err = r.value
		default:
			r.unknown()
		}
	}
	return d, r.err
}

// sweepRow is sweep/<bid>: what a finished batch has left to be collected.
type sweepRow struct {
	state    string
	output   string
	priority int
	mergeGen uint64 // the one that was published, or 0
	ageMS    int64
	ttlMS    int64
}

// The states of a sweep, in order.
const (
	// sweepSettle: units may still be queued or leased, rows may still point
	// to staged objects.
	sweepSettle = "settle"
	// sweepCollect: no row points to a staged object any more.
	sweepCollect = "collect"
)

func (s *sweepRow) encode() []byte {
	w := newRow("w1")
	w.text("state", s.state)
	w.text("output", s.output)
	w.int("priority", int64(s.priority))
	w.uint("merge_gen", s.mergeGen)
	w.int("age_ms", s.ageMS)
	w.int("ttl_ms", s.ttlMS)
	return w.b
}

func decodeSweep(key string, row []byte) (sweepRow, error) {
	var s sweepRow
	r := readRow(key, row, "w1")
	for r.next() {
		switch r.name {
		case "state":
			s.state = r.value
		case "output":
			s.output = r.value
		case "priority":
			s.priority = r.int()
		case "merge_gen":
			s.mergeGen = r.uint()
		case "age_ms":
			s.ageMS = r.int64()
		case "ttl_ms":
			s.ttlMS = r.int64()
		default:
			r.unknown()
		}
	}
	return s, r.err
}

// statusRow is status/<ns>/<name>: the controller's summary, for people.
type statusRow struct {
	gen   uint64
	phase Phase
	Counts
	err string
}

func (s *statusRow) encode() []byte {
	w := newRow("t1")
	w.uint("gen", s.gen)
	w.text("phase", string(s.phase))
	w.int("pending", int64(s.Pending))
	w.int("processing", int64(s.Processing))
	w.int("complete", int64(s.Complete))
	w.int("failed", int64(s.Failed))
	w.int("dead", int64(s.Dead))
	w.int("cancelled", int64(s.Cancelled))
	w.text("error", s.err)
	return w.b
}

func decodeStatus(key string, row []byte) (statusRow, error) {
	var s statusRow
	r := readRow(key, row, "t1")
	for r.next() {
		switch r.name {
		case "gen":
			s.gen = r.uint()
		case "phase":
			s.phase = Phase(r.value)
		case "pending":
			s.Pending = r.int()
		case "processing":
			s.Processing = r.int()
		case "complete":
			s.Complete = r.int()
		case "failed":
			s.Failed = r.int()
		case "dead":
			s.Dead = r.int()
		case "cancelled":
			s.Cancelled = r.int()
		case "error":
			s.err = r.value
		default:
			r.unknown()
		}
	}
	return s, r.err
}

// activeRow is active/<ns>/<name>: the index of the batches that live.
type activeRow struct{ gen uint64 }

func (a *activeRow) encode() []byte {
	w := newRow("a1")
	w.uint("gen", a.gen)
	return w.b
}

func decodeActive(key string, row []byte) (activeRow, error) {
	var a activeRow
	r := readRow(key, row, "a1")
	for r.next() {
		switch r.name {
		case "gen":
			a.gen = r.uint()
		default:
			r.unknown()
		}
	}
	return a, r.err
}

// queueValue is queue/...: the unit's epoch when it was queued.
func queueValue(epoch uint64) []byte {
	w := newRow("q1")
	w.uint("epoch", epoch)
	return w.b
}
