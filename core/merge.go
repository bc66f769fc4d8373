package core

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/dataset"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// merge is one merge of a batch under one generation (R11).
type merge struct {
	node   *Node
	id     batchID
	key    string
	gen    uint64
	output string
	chunk  int
	units  int           // of the input, from the claim's snapshot (R10)
	digest uint64        // of the input, from the same
	sentAt time.Duration // monotonic time at which the claim that landed was sent
}

// claimMerge claims the merge of a batch, or returns errNotClaimable. The
// precondition, all units complete, and what identifies the input come from the
// claim's own snapshot (R10): the sums of the shards, which are locked with the
// claim (R3). Complete units never change while the batch lives, so their rows
// can be read later, and are held against the digest. stalled tells
// whether a claim has not moved for long enough to be taken over (R8).
func (n *Node) claimMerge(ctx context.Context, id batchID, stalled func(claim *mergeRow) bool) (*merge, error) {
	ctx, err := n.env.Runtime.Step(ctx, StepTryClaim)
	if err != nil {
		return nil, err
	}
	m := &merge{node: n, id: id, key: mergeKey(id)}
	body := func(ctx context.Context, tx env.Txn) error {
		m.sentAt = n.env.Clock.Monotonic() // of the try that lands, as with units (R8)
		b, err := n.batches.read(ctx, tx, id.name())
		if err != nil {
			return err
		}
		last, err := readMerge(ctx, tx, m.key)
		if err != nil {
			return err
		}
		if !b.mergeable(id) {
			return errNotClaimable
		}
		if b.phase == PhaseMerging && last.worker != "" && !stalled(&last) {
			return errNotClaimable
		}
		sum, err := readShards(ctx, tx, id, n.cfg.Page)
		if err != nil {
			return err
		}
		if sum.counts(b.units) != (Counts{Complete: b.units}) {
			return errNotClaimable
		}
		m.units, m.digest = b.units, sum.digest
		lockShards(tx, id, &b)
		if b.phase == PhaseRunning {
			if err := b.advance(PhaseMerging); err != nil {
				return err
			}
		}
		m.gen = last.gen + 1 // R2
		m.output, m.chunk = b.output, b.chunk
		tx.Put(batchKey(id.name()), b.encode()) // R16: conflicts with cancel
		claim := m.row()
		tx.Put(m.key, claim.encode())
		return nil
	}
	if err := n.kv.update(ctx, &txn{whole: true, body: body, landed: m.landedClaim}); err != nil {
		return nil, err
	}
	n.env.Metrics.Add("merge_claims_total", 1)
	n.log(ctx, slog.LevelInfo, "merge claimed", datasetPrefix(m.output, id.gen(), m.gen), nil)
	return m, nil
}

// landedClaim tells whether an undetermined claim is there (R4).
func (m *merge) landedClaim(ctx context.Context, tx env.Txn) (bool, error) {
	last, err := readMerge(ctx, tx, m.key)
	return err == nil && m.gen != 0 && m.owns(&last), err
}

func (m *merge) owns(row *mergeRow) bool {
	return row.gen == m.gen &&
		row.state == mergeClaimed &&
		row.worker == m.node.env.Self.Name &&
		row.incarnation == m.node.env.Self.Incarnation
}

// row is the merge's row, as it is written with the claim.
func (m *merge) row() mergeRow {
	return mergeRow{
		gen: m.gen, state: mergeClaimed, beat: 1,
		worker: m.node.env.Self.Name, incarnation: m.node.env.Self.Incarnation,
		units: m.units, digest: hex16(m.digest),
	}
}

// input reads the staged episodes of all units, page by page, and returns them in
// the order of the sources and, within one, of the URLs. The unit rows are the
// input, not a listing (R10): they must be those that the claim counted. Every
// page is read while the claim is still this merge's, or it may be that the
// batch has ended and its rows name no staged object any more.
func (m *merge) input(ctx context.Context) ([]dataset.Episode, error) {
	read := mergeInput{merge: m}
	for from := unitsPrefix(m.id); from != ""; {
		next := ""
		var page []unitOf
		err := m.node.kv.update(ctx, &txn{patient: true, body: func(ctx context.Context, tx env.Txn) (err error) {
			page, next, err = m.readPage(ctx, tx, from)
			return err
		}})
		if err != nil {
			return nil, err
		}
		if err := read.add(page); err != nil {
			return nil, err
		}
		from = next
	}
	return read.episodes()
}

// unitOf is a unit with its id.
type unitOf struct {
	uid  string
	row  unitRow
	size int // of the row, in bytes
}

// readPage reads a page of units and returns where the next begins, "" after the
// last.
func (m *merge) readPage(ctx context.Context, tx env.Txn, from string) (page []unitOf, next string, err error) {
	b, err := readBatch(ctx, tx, m.id.name())
	if err != nil {
		return nil, "", err
	}
	last, err := readMerge(ctx, tx, m.key)
	if err != nil {
		return nil, "", err
	}
	if b.gen != m.id.gen() || b.phase != PhaseMerging || !m.owns(&last) {
		return nil, "", fenced("read merge input", m.key)
	}
	pairs, err := tx.Scan(ctx, from, prefixEnd(unitsPrefix(m.id)), m.node.cfg.Page)
	if err != nil {
		return nil, "", err
	}
	for _, p := range pairs {
		u, err := decodeUnit(p.Key, p.Value)
		if err != nil {
			return nil, "", err
		}
		page = append(page, unitOf{uid: splitUnitKey(m.id, p.Key), row: u, size: len(p.Key) + len(p.Value)})
	}
	if len(pairs) == m.node.cfg.Page {
		next = pairs[len(pairs)-1].Key + "\x00"
	}
	return page, next, nil
}

// mergeInput gathers a merge's input.
type mergeInput struct {
	merge  *merge
	all    []orderedEpisode
	digest uint64
	bytes  int64
}

type orderedEpisode struct {
	source  int
	episode dataset.Episode
}

// add takes over a page. What is held in memory is bounded by
// Config.MergeMemory.
func (in *mergeInput) add(page []unitOf) error {
	limit := in.merge.node.cfg.MergeMemory
	for i := range page {
		u := &page[i]
		if in.bytes += int64(u.size); in.bytes > limit {
			return invalid("read merge input", string(in.merge.id), "the rows of its episodes need more than MergeMemory, "+strconv.FormatInt(limit, 10)+" bytes")
		}
		e, err := u.row.episode(u.uid)
		if err != nil {
			return err
		}
		in.digest ^= u.row.fingerprint(u.uid)
		in.all = append(in.all, orderedEpisode{source: u.row.source, episode: e})
	}
	return nil
}

// episodes returns the input in order, if it is what the claim counted.
func (in *mergeInput) episodes() ([]dataset.Episode, error) {
	if m := in.merge; len(in.all) != m.units || in.digest != m.digest {
		return nil, invalid("read merge input", string(m.id), strconv.Itoa(len(in.all))+" units with digest "+hex16(in.digest)+
			" are there; the claim counted "+strconv.Itoa(m.units)+" with "+hex16(m.digest))
	}
	slices.SortFunc(in.all, func(a, b orderedEpisode) int {
		return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.episode.Source, b.episode.Source))
	})
	input := make([]dataset.Episode, len(in.all))
	for i := range in.all {
		input[i] = in.all[i].episode
	}
	return input, nil
}

// episode is what the dataset needs to know of a complete unit.
func (u *unitRow) episode(uid string) (dataset.Episode, error) {
	digest, err := dataset.ParseDigest(u.digest)
	return dataset.Episode{
		UnitID: uid, Source: u.url, Key: u.staged, Size: u.stagedSize, Digest: digest,
		Summary: dataset.Summary{Frames: u.frames, Task: u.task, Stats: u.stats},
	}, err
}

// publish writes the dataset under the merge's own prefix and flips. It
// returns env.ErrFenced, and has harmed nobody, if another generation took
// over.
func (m *merge) publish(ctx context.Context) error {
	manifest, err := m.write(ctx)
	if err != nil {
		return err
	}
	return m.flip(ctx, manifest)
}

// write writes the dataset, one episode at a time. The store being down is
// waited out for as long as the claim holds.
func (m *merge) write(ctx context.Context) (dataset.Manifest, error) {
	ctx, err := m.node.env.Runtime.Step(ctx, StepMerge)
	if err != nil {
		return dataset.Manifest{}, err
	}
	input, err := m.input(ctx)
	if err != nil {
		return dataset.Manifest{}, err
	}
	deps := dataset.Deps{Objects: m.node.patient, Work: m.node.env.Runtime.Work, Codec: m.node.codec}
	spec := dataset.Spec{
		Prefix:         datasetPrefix(m.output, m.id.gen(), m.gen),
		Name:           m.id.name(),
		Generation:     pad(m.id.gen(), genDigits) + "-" + pad(m.gen, genDigits),
		ChunkSize:      m.chunk,
		ReadSize:       int(m.node.cfg.ReadChunk),
		PartSize:       int(m.node.cfg.PartSize),
		MultipartAbove: m.node.cfg.MultipartAbove,
	}
	manifest, err := dataset.Write(ctx, deps, spec, input)
	if err != nil {
		return manifest, err
	}
	// R6: the manifest is there before the batch's row names it.
	obj, err := m.node.patient.Head(ctx, manifest.Key)
	if err != nil {
		return manifest, err
	}
	if obj.Size != manifest.Size {
		return manifest, &env.Error{Class: env.ClassOther, Op: "merge", Key: manifest.Key, Err: errShortBody}
	}
	return manifest, nil
}

// flip publishes: one transaction, conditional on the batch still merging and
// on the claim still being this one's (R11, R16).
func (m *merge) flip(ctx context.Context, manifest dataset.Manifest) error {
	ctx, err := m.node.env.Runtime.Step(ctx, StepFlip)
	if err != nil {
		return err
	}
	body := func(ctx context.Context, tx env.Txn) error {
		b, err := readBatch(ctx, tx, m.id.name())
		if err != nil {
			return err
		}
		if b.gen != m.id.gen() || b.phase != PhaseMerging {
			return fenced("flip", batchKey(m.id.name()))
		}
		last, err := readMerge(ctx, tx, m.key)
		if err != nil {
			return err
		}
		if !m.owns(&last) {
			return fenced("flip", m.key)
		}
		if err := b.advance(PhaseComplete); err != nil {
			return err
		}
		b.mergeGen, b.manifest, b.manifestETag = m.gen, manifest.Key, manifest.ETag
		finishBatch(tx, m.node.env.Clock, m.id, &b)
		last.state = mergePublished
		tx.Put(m.key, last.encode())
		return nil
	}
	landed := func(ctx context.Context, tx env.Txn) (bool, error) {
		last, err := readMerge(ctx, tx, m.key)
		return err == nil && last.gen == m.gen && last.state == mergePublished, err
	}
	if err := m.node.kv.update(ctx, &txn{patient: true, whole: true, body: body, landed: landed}); err != nil {
		return err
	}
	m.node.env.Metrics.Add("publications_total", 1)
	m.node.log(ctx, slog.LevelInfo, "dataset published", manifest.Key, nil)
	return nil
}

// fail ends the batch, whose staged episodes are not what their rows recorded.
func (m *merge) fail(ctx context.Context, cause error) error {
	err := m.node.kv.update(ctx, &txn{body: func(ctx context.Context, tx env.Txn) error {
		b, err := readBatch(ctx, tx, m.id.name())
		if err != nil {
			return err
		}
		if b.gen != m.id.gen() || b.phase != PhaseMerging {
			return fenced("fail merge", batchKey(m.id.name()))
		}
		last, err := readMerge(ctx, tx, m.key)
		if err != nil {
			return err
		}
		if !m.owns(&last) {
			return fenced("fail merge", m.key)
		}
		last.worker, last.incarnation = "", ""
		tx.Put(m.key, last.encode())
		if err := b.advance(PhaseFailed); err != nil {
			return err
		}
		b.err = errorText(cause)
		finishBatch(tx, m.node.env.Clock, m.id, &b)
		return nil
	}})
	if err == nil {
		m.node.env.Metrics.Add("batches_failed_total", 1)
		m.node.log(ctx, slog.LevelError, "batch failed", string(m.id), cause)
	}
	return err
}

// renew raises the claim's beat. It only extends a claim that is still this
// one's (R9).
func (m *merge) renew(ctx context.Context, until time.Duration) error {
	return m.node.kv.update(ctx, &txn{vital: true, whole: true, until: until, body: func(ctx context.Context, tx env.Txn) error {
		last, err := readMerge(ctx, tx, m.key)
		if err != nil {
			return err
		}
		if last.gen == m.gen && last.state == mergePublished {
			return nil // by this merge, whose flip waits for the answer (R4)
		}
		if !m.owns(&last) {
			return fenced("renew merge", m.key)
		}
		last.beat++
		tx.Put(m.key, last.encode())
		return nil
	}})
}

// letGo names no owner any more, so that another takes the merge over at once.
func (m *merge) letGo(ctx context.Context) error {
	return m.node.kv.update(ctx, &txn{body: func(ctx context.Context, tx env.Txn) error {
		last, err := readMerge(ctx, tx, m.key)
		if err != nil {
			return err
		}
		if !m.owns(&last) {
			return nil
		}
		last.worker, last.incarnation = "", ""
		tx.Put(m.key, last.encode())
		return nil
	}})
}
