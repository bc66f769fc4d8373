package core

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// BatchStatus tells how a batch stands.
type BatchStatus struct {
	Namespace  string
	Name       string
	Generation uint64
	Phase      Phase
	// Error says why the batch failed, or "".
	Error string
	Counts
	// Total is how many units there are, once discovery has ended; else 0.
	Total int
	// Frames is how many are converted: those of complete units, and while the
	// batch lives those of others up to their last checkpoints. Filled in by
	// Status, not by List.
	Frames int64
	// Sources and Failures are filled in by Status, not by List.
	Sources  []SourceStatus
	Failures []UnitStatus // units that are dead, or failed and waiting
	// Manifest is the key of the published dataset's manifest.json, or "".
	Manifest string
	// Submitted and Finished are by the wall clocks of the processes that wrote
	// them; Finished is zero while the batch lives.
	Submitted time.Time
	Finished  time.Time
}

// Counts is the number of units in each state.
type Counts struct {
	Pending    int
	Processing int
	Complete   int
	Failed     int
	Dead       int
	Cancelled  int
}

// SourceStatus is the progress of one source's discovery.
type SourceStatus struct {
	Source
	Found int // units so far
	Done  bool
	Error string // of the last listing, or ""
}

// UnitStatus is one unit that failed.
type UnitStatus struct {
	ID       string
	URL      string
	State    UnitState
	Attempts int
	Epoch    uint64
	Error    string
}

// Status tells how the newest submission of a name stands, all of it from one
// snapshot. Errors: ErrNoBatch, env.ErrUnavailable.
func (c *Client) Status(ctx context.Context, namespace, name string) (BatchStatus, error) {
	ctx, err := c.env.Runtime.Step(ctx, StepStatus)
	if err != nil {
		return BatchStatus{}, err
	}
	var status BatchStatus
	full := namespace + "/" + name
	err = c.kv.view(ctx, func(ctx context.Context, tx env.Txn) error {
		b, err := readBatch(ctx, tx, full)
		if env.ClassOf(err) == env.ClassNotFound {
			return ErrNoBatch
		}
		if err != nil {
			return err
		}
		status = b.status(full)
		id := newBatchID(full, b.gen)
		if b.phase != PhaseExpired { // else no other row is left, or will be
			if err := status.readUnits(ctx, tx, id, &b, c.cfg.Page); err != nil {
				return err
			}
		}
		for i, source := range b.sources.split() {
			d, err := readDiscovery(ctx, tx, discoveryKey(id, i))
			if err != nil {
				return err
			}
			status.Sources = append(status.Sources, SourceStatus{Source: source, Found: d.found, Done: d.done, Error: d.err})
		}
		return nil
	})
	return status, err
}

// readUnits fills in the counts, and the units that have failed.
func (s *BatchStatus) readUnits(ctx context.Context, tx env.Txn, id batchID, b *batchRow, page int) error {
	sum, err := readShards(ctx, tx, id, page)
	if err != nil {
		return err
	}
	found, err := readFound(ctx, tx, id, b, page)
	if err != nil {
		return err
	}
	s.Counts, s.Frames = sum.counts(found), sum.frames
	if !b.phase.Terminal() {
		under, err := readCheckpointed(ctx, tx, id, page)
		if err != nil {
			return err
		}
		s.Frames += under
	}
	var failed []string
	for _, prefix := range [...]string{deadsPrefix(id), failuresPrefix(id)} {
		err := scanFailed(ctx, tx, prefix, page, func(uid string, _ *failedRow) bool {
			failed = append(failed, uid)
			return true
		})
		if err != nil {
			return err
		}
	}
	slices.Sort(failed)
	for _, uid := range failed {
		u, err := readUnit(ctx, tx, unitKey(id, uid))
		if err != nil {
			return err
		}
		s.Failures = append(s.Failures, UnitStatus{
			ID: uid, URL: u.url, State: u.state, Attempts: u.attempts, Epoch: u.epoch, Error: u.err,
		})
	}
	return nil
}

// List tells how the newest submissions of all names of a namespace stand, in
// the order of the names. The counts are those of the controller's last look.
// Errors: env.ErrInvalid if namespace is no name, env.ErrUnavailable.
func (c *Client) List(ctx context.Context, namespace string) ([]BatchStatus, error) {
	if !validName(namespace) {
		return nil, invalid("list", namespace, "not a name")
	}
	ctx, err := c.env.Runtime.Step(ctx, StepList)
	if err != nil {
		return nil, err
	}
	var list []BatchStatus
	err = c.kv.view(ctx, func(ctx context.Context, tx env.Txn) error {
		list = list[:0]
		return scan(ctx, tx, batchPrefix+namespace+"/", c.cfg.Page, func(p env.Pair) (bool, error) {
			b, err := decodeBatch(p.Key, p.Value)
			if err != nil {
				return false, err
			}
			full := splitBatchKey(p.Key)
			status := b.status(full)
			last, err := readStatus(ctx, tx, full)
			if err != nil {
				return false, err
			}
			if last.gen == b.gen {
				status.Counts = last.counts
			}
			list = append(list, status)
			return true, nil
		})
	})
	return list, err
}

// status is what the batch's own row tells.
func (b *batchRow) status(full string) BatchStatus {
	namespace, name, _ := strings.Cut(full, "/")
	s := BatchStatus{
		Namespace: namespace, Name: name, Generation: b.gen,
		Phase: b.phase, Error: b.err, Total: b.units, Manifest: b.manifest,
		Submitted: time.UnixMilli(b.submittedMS).UTC(),
	}
	if b.finishedMS != 0 {
		s.Finished = time.UnixMilli(b.finishedMS).UTC()
	}
	return s
}
