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
	input  []dataset.Episode // from the claim's snapshot (R10)
	sentAt time.Duration     // monotonic time at which the claim that landed was sent
}

// claimMerge claims the merge of a batch, or returns errNotClaimable. The
// precondition, all units complete, and the input come from the claim's own
// snapshot (R10): complete units never change, and the batch row, which this
// transaction writes, is locked by everything that could add one. stalled tells
// whether a claim has not moved for long enough to be taken over (R8).
func (n *Node) claimMerge(ctx context.Context, id batchID, stalled func(claim *mergeRow) bool) (*merge, error) {
	ctx, err := n.env.Runtime.Step(ctx, StepTryClaim)
	if err != nil {
		return nil, err
	}
	m := &merge{node: n, id: id, key: mergeKey(id)}
	body := func(ctx context.Context, tx env.Txn) error {
		m.sentAt = n.env.Clock.Monotonic() // of the try that lands, as with units (R8)
		b, err := readBatch(ctx, tx, id.name())
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
		if m.input, err = n.mergeInput(ctx, tx, id, b.units); err != nil {
			return err
		}
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
	if err := n.kv.update(ctx, &txn{body: body, landed: m.landedClaim}); err != nil {
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
		units: len(m.input), digest: digestOf(m.input),
	}
}

// mergeInput reads the staged episodes of all units, in the order of the
// sources and, within one, of the URLs; or returns errNotClaimable if a unit is
// not complete. The unit rows are the input, not a listing (R10).
func (n *Node) mergeInput(ctx context.Context, tx env.Txn, id batchID, units int) ([]dataset.Episode, error) {
	type ordered struct {
		source  int
		episode dataset.Episode
	}
	var all []ordered
	err := scanUnits(ctx, tx, id, n.cfg.Page, func(uid string, u *unitRow) (bool, error) {
		if u.state != UnitComplete {
			return false, errNotClaimable
		}
		e, err := u.episode(uid)
		all = append(all, ordered{source: u.source, episode: e})
		return true, err
	})
	if err != nil {
		return nil, err
	}
	if len(all) != units {
		return nil, invalid("claim merge", string(id), "there are "+strconv.Itoa(len(all))+" units, not "+strconv.Itoa(units))
	}
	slices.SortFunc(all, func(a, b ordered) int {
		return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.episode.Source, b.episode.Source))
	})
	input := make([]dataset.Episode, len(all))
	for i := range all {
		input[i] = all[i].episode
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

// digestOf identifies a merge's input.
func digestOf(input []dataset.Episode) string {
	h := uint64(14695981039346656037)
	for i := range input {
		h = fnv(h, input[i].UnitID)
		h = fnv(h, input[i].Key)
		h = mix(h ^ uint64(input[i].Digest))
	}
	return hex16(h)
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
	manifest, err := dataset.Write(ctx, deps, spec, m.input)
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
	if err := m.node.kv.update(ctx, &txn{patient: true, body: body, landed: landed}); err != nil {
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
func (m *merge) renew(ctx context.Context) error {
	return m.node.kv.update(ctx, &txn{vital: true, body: func(ctx context.Context, tx env.Txn) error {
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
