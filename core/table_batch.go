package core

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// batchRow is batch/<ns>/<name>: what is to be done, and how far it is. What
// starts or ends work for a unit reads it and writes the unit's shard; what ends
// the batch writes it and locks the shards.
type batchRow struct {
	gen          uint64
	phase        Phase
	closing      Phase // what it is about to become: no unit starts or completes any more
	output       string
	sources      sourceList
	maxAttempts  int
	backoffLimit int
	parallelism  int
	shards       int
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

const batchPrefix = "batch/"

func batchKey(name string) string { return batchPrefix + name }

// splitBatchKey is batchKey's inverse.
func splitBatchKey(key string) (name string) { return key[len(batchPrefix):] }

func (b *batchRow) fields(f *fields) {
	f.uint("gen", &b.gen)
	f.text("phase", (*string)(&b.phase))
	f.text("closing", (*string)(&b.closing))
	f.text("output", &b.output)
	f.text("sources", (*string)(&b.sources))
	f.int("max_attempts", &b.maxAttempts)
	f.int("backoff_limit", &b.backoffLimit)
	f.int("parallelism", &b.parallelism)
	f.int("shards", &b.shards)
	f.int("priority", &b.priority)
	f.int64("ttl", &b.ttlMS)
	f.int("chunk", &b.chunk)
	f.int("units", &b.units)
	f.uint("merge_gen", &b.mergeGen)
	f.text("manifest", &b.manifest)
	f.text("manifest_etag", &b.manifestETag)
	f.text("error", &b.err)
	f.text("submitter", &b.submitter)
	f.int64("submitted_ms", &b.submittedMS)
	f.int64("finished_ms", &b.finishedMS)
}

func (b *batchRow) encode() []byte {
	f := writeRow("b1")
	b.fields(&f)
	return f.row
}

func decodeBatch(key string, row []byte) (batchRow, error) {
	var b batchRow
	f := readRow(key, row, "b1")
	b.fields(&f)
	if b.shards < 1 || b.shards > maxShards {
		f.fail("its number of shards is not 1 to 1000") // who locks them all would lock none
	}
	return b, f.end()
}

// sourceList is one source a line: the URL, then, if there is a filter, a tab and
// the filter. Only who lists the sources takes it apart; the row is read by all.
type sourceList string

func listOf(sources []Source) sourceList {
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
	return sourceList(text.String())
}

func (l sourceList) split() []Source {
	if l == "" {
		return nil
	}
	sources := make([]Source, 0, strings.Count(string(l), "\n")+1)
	for line := range strings.SplitSeq(string(l), "\n") {
		url, filter, _ := strings.Cut(line, "\t")
		sources = append(sources, Source{URL: url, Filter: filter})
	}
	return sources
}

// Phase is the phase of a batch.
type Phase string

const (
	PhasePending     Phase = "pending"     // submitted
	PhaseDiscovering Phase = "discovering" // its sources are being listed
	PhaseRunning     Phase = "running"     // every unit is known
	PhaseMerging     Phase = "merging"     // every unit is complete, a merge was claimed
	PhaseComplete    Phase = "complete"    // published
	PhaseFailed      Phase = "failed"      // a unit is dead, or a source cannot be read
	PhaseCancelled   Phase = "cancelled"   // by a client
	PhaseExpired     Phase = "expired"     // terminal for longer than its TTL; only this row is left
)

// Terminal reports whether nothing more will be done for a batch in this phase.
func (p Phase) Terminal() bool {
	switch p {
	case PhaseComplete, PhaseFailed, PhaseCancelled, PhaseExpired:
		return true
	}
	return false
}

// nextPhases are the legal edges of a batch. Terminal phases absorb, but for
// their expiry.
var nextPhases = map[Phase][]Phase{
	PhasePending:     {PhaseDiscovering, PhaseFailed, PhaseCancelled},
	PhaseDiscovering: {PhaseRunning, PhaseFailed, PhaseCancelled},
	PhaseRunning:     {PhaseMerging, PhaseFailed, PhaseCancelled},
	PhaseMerging:     {PhaseComplete, PhaseFailed, PhaseCancelled},
	PhaseComplete:    {PhaseExpired},
	PhaseFailed:      {PhaseExpired},
	PhaseCancelled:   {PhaseExpired},
}

// advance moves the batch to another phase, or refuses an illegal edge with
// env.ErrInvalid.
func (b *batchRow) advance(to Phase) error {
	if !slices.Contains(nextPhases[b.phase], to) {
		return &env.Error{Class: env.ClassInvalid, Op: "batch phase " + string(b.phase) + " to " + string(to)}
	}
	b.phase = to
	return nil
}

// startsUnits reports whether units of the submission id may start.
func (b *batchRow) startsUnits(id batchID) bool {
	return b.gen == id.gen() && b.closing == "" && (b.phase == PhaseDiscovering || b.phase == PhaseRunning)
}

// mergeable reports whether the submission id is at the point where it is
// merged, for the first time or again.
func (b *batchRow) mergeable(id batchID) bool {
	return b.gen == id.gen() && b.closing == "" && (b.phase == PhaseRunning || b.phase == PhaseMerging)
}

// slots is how many units a shard lets execute at once, if the batch has a
// limit: shares that add up to it.
func (b *batchRow) slots(shard int) int {
	share := b.parallelism / b.shards
	if shard < b.parallelism%b.shards {
		share++
	}
	return share
}

func readBatch(ctx context.Context, tx env.Txn, name string) (batchRow, error) {
	key := batchKey(name)
	row, err := tx.Get(ctx, key)
	if err != nil {
		return batchRow{}, err
	}
	return decodeBatch(key, row)
}

// batchRows remembers the batches that a process has read last. Idle roles read
// the same rows over and over, and a batch's is the longest: a row of the same
// bytes is not decoded again. The zero value is ready for use.
type batchRows struct {
	mu   sync.Mutex
	last map[string]*knownBatch // by name
}

type knownBatch struct {
	row   []byte
	batch batchRow
}

// maxKnownBatches bounds what a process remembers: about a megabyte.
const maxKnownBatches = 1000

// read is readBatch.
func (r *batchRows) read(ctx context.Context, tx env.Txn, name string) (batchRow, error) {
	key := batchKey(name)
	row, err := tx.Get(ctx, key)
	if err != nil {
		return batchRow{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.last[name]; known != nil && bytes.Equal(known.row, row) {
		return known.batch, nil
	}
	b, err := decodeBatch(key, row)
	if err != nil {
		return b, err
	}
	if r.last == nil || len(r.last) >= maxKnownBatches {
		r.last = make(map[string]*knownBatch)
	}
	r.last[name] = &knownBatch{row: row, batch: b}
	return b, nil
}

// readLastBatch returns the newest submission of a name, or one of generation 0
// if there is none.
func readLastBatch(ctx context.Context, tx env.Txn, name string) (batchRow, error) {
	b, err := readBatch(ctx, tx, name)
	if env.ClassOf(err) == env.ClassNotFound {
		return batchRow{}, nil
	}
	return b, err
}

// closeBatch buffers the end of a batch that is not published. All of its shards
// are locked: what starts or completes a unit meanwhile conflicts (R3, R16).
func closeBatch(tx env.Txn, clock env.Clock, id batchID, b *batchRow, to Phase, text string) error {
	if err := b.advance(to); err != nil {
		return err
	}
	b.err = text
	lockShards(tx, id, b)
	finishBatch(tx, clock, id, b)
	return nil
}

// finishBatch buffers the end of a batch whose row has just been given a
// terminal phase: the row, its place in the index of living batches, and the
// note of what is to be settled and collected after it, all in one transaction.
func finishBatch(tx env.Txn, clock env.Clock, id batchID, b *batchRow) {
	b.closing = ""
	b.finishedMS = clock.Now().UnixMilli()
	sweep := sweepRow{state: sweepSettle, output: b.output, priority: b.priority, mergeGen: b.mergeGen, chunk: b.chunk, ttlMS: b.ttlMS}
	tx.Put(batchKey(id.name()), b.encode())
	tx.Delete(activeKey(id.name()))
	tx.Put(sweepKey(id), sweep.encode())
}
