package core

import (
	"context"
	"errors"
	"log/slog"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// discover lists the sources of a batch, one after another, and creates their
// units; then the batch runs. It goes on where the rows say that it, or a
// leader before, has stopped (R19).
func (s *scanner) discover(ctx context.Context, id batchID) error {
	ctx, err := s.env.Runtime.Step(ctx, StepDiscover)
	if err != nil {
		return err
	}
	b, err := s.startDiscovery(ctx, id)
	if err != nil || b.phase != PhaseDiscovering {
		return err
	}
	for i, from := range b.sources.split() {
		if err := s.discoverSource(ctx, id, i, from); err != nil {
			return err
		}
	}
	return s.endDiscovery(ctx, id)
}

// startDiscovery moves a pending batch to discovering and returns its row.
func (s *scanner) startDiscovery(ctx context.Context, id batchID) (batchRow, error) {
	var b batchRow
	err := s.update(ctx, func(ctx context.Context, tx env.Txn) (err error) {
		if b, err = s.batches.read(ctx, tx, id.name()); err != nil {
			return err
		}
		if b.gen != id.gen() {
			b = batchRow{}
			return nil
		}
		if b.phase != PhasePending {
			return nil
		}
		if _, err := s.guard(ctx, tx); err != nil { // R20
			return err
		}
		if err := b.advance(PhaseDiscovering); err != nil {
			return err
		}
		tx.Put(batchKey(id.name()), b.encode())
		return nil
	})
	return b, err
}

// discoverSource lists one source to its end. The progress is in a row, so
// that a page is looked at once, whoever leads.
func (s *scanner) discoverSource(ctx context.Context, id batchID, source int, from Source) error {
	key := discoveryKey(id, source)
	for {
		if err := s.renewIfDue(ctx); err != nil {
			return err
		}
		var at discoveryRow
		err := s.kv.view(ctx, func(ctx context.Context, tx env.Txn) (err error) {
			at, err = readDiscovery(ctx, tx, key)
			return err
		})
		if err != nil || at.done {
			return err
		}
		page, err := s.list(ctx, from, at.after)
		if err != nil {
			return s.listingFailed(ctx, id, source, at, err)
		}
		err = s.createUnits(ctx, id, source, from, at, page)
		if err != nil && !errors.Is(err, errUnchanged) {
			return err
		}
	}
}

// list returns the next page of a source: of a prefix, or the one object.
func (s *scanner) list(ctx context.Context, source Source, after string) (env.Listing, error) {
	if source.listed() {
		return s.objects.List(ctx, source.URL, after, s.cfg.Page)
	}
	obj, err := s.objects.Head(ctx, source.URL)
	return env.Listing{Objects: []env.Object{obj}}, err
}

// createUnits creates the units of one page, queues them, and moves the
// source's progress behind the page, all in one transaction. It returns
// errUnchanged if the page was dealt with meanwhile.
func (s *scanner) createUnits(ctx context.Context, id batchID, source int, from Source, at discoveryRow, page env.Listing) error {
	key := discoveryKey(id, source)
	body := func(ctx context.Context, tx env.Txn) error {
		b, err := s.guardDiscovery(ctx, tx, id)
		if err != nil {
			return err
		}
		now, err := readDiscovery(ctx, tx, key)
		if err != nil {
			return err
		}
		if now.done || now.after != at.after {
			return errUnchanged
		}
		now.done = !page.More
		bytes := 0
		for _, obj := range page.Objects {
			if bytes > s.cfg.TxnBytes {
				now.done = false
				break
			}
			now.after = obj.Key
			if !from.takes(obj.Key) {
				continue
			}
			wrote, err := createUnit(ctx, tx, id, &b, source, obj)
			if err != nil {
				return err
			}
			if bytes += wrote; wrote > 0 {
				now.found++
			}
		}
		now.err = ""
		tx.Put(key, now.encode())
		return nil
	}
	err := s.update(ctx, body)
	if env.ClassOf(err) == env.ClassInvalid {
		return s.failBatch(ctx, id, err)
	}
	return err
}

// createUnit buffers a new pending unit and its queue row (R13), unless the
// unit is there already: from an earlier source that overlaps this one. It
// returns how many bytes it has buffered.
func createUnit(ctx context.Context, tx env.Txn, id batchID, b *batchRow, source int, obj env.Object) (wrote int, err error) {
	uid := unitID(id, obj.Key)
	key := unitKey(id, uid)
	row, ok, err := get(ctx, tx, key)
	if err != nil {
		return 0, err
	}
	if ok {
		there, err := decodeUnit(key, row)
		if err == nil && there.url != obj.Key {
			err = invalid("create unit", obj.Key, "has the id of "+there.url)
		}
		return 0, err
	}
	u := unitRow{state: UnitPending, shard: shardOf(uid, b.shards), source: source, url: obj.Key, size: obj.Size, etag: obj.ETag}
	created := u.encode()
	tx.Put(key, created)
	enqueue(tx, b.priority, id, uid, &u)
	return 2*len(key) + len(created), nil
}

// guardDiscovery refuses unless this process leads and the batch is being
// discovered. Both rows are locked (R3, R16, R20).
func (s *scanner) guardDiscovery(ctx context.Context, tx env.Txn, id batchID) (batchRow, error) {
	if _, err := s.guard(ctx, tx); err != nil {
		return batchRow{}, err
	}
	b, err := readBatch(ctx, tx, id.name())
	if err != nil {
		return b, err
	}
	if !b.startsUnits(id) || b.phase != PhaseDiscovering {
		return b, errNotClaimable
	}
	tx.Lock(batchKey(id.name()))
	return b, nil
}

// listingFailed records why a source could not be listed; the next round tries
// again. A failed listing is not an empty one (R19). A single object that does
// not exist, or a listing that can never succeed, fails the batch.
func (s *scanner) listingFailed(ctx context.Context, id batchID, source int, at discoveryRow, cause error) error {
	switch env.ClassOf(cause) {
	case env.ClassNotFound, env.ClassInvalid:
		return s.failBatch(ctx, id, cause)
	}
	if ctx.Err() != nil {
		return cause
	}
	text := errorText(cause)
	if at.err == text {
		return cause
	}
	err := s.update(ctx, func(ctx context.Context, tx env.Txn) error {
		if _, err := s.guardDiscovery(ctx, tx, id); err != nil {
			return err
		}
		now, err := readDiscovery(ctx, tx, discoveryKey(id, source))
		if err != nil || now.after != at.after || now.done {
			return err
		}
		now.err = text
		tx.Put(discoveryKey(id, source), now.encode())
		return nil
	})
	if env.ClassOf(err) == env.ClassFenced {
		return err
	}
	return cause
}

// failBatch ends a batch whose sources cannot be discovered.
func (s *scanner) failBatch(ctx context.Context, id batchID, cause error) error {
	body := func(ctx context.Context, tx env.Txn) error {
		b, err := s.guardDiscovery(ctx, tx, id)
		if errors.Is(err, errNotClaimable) {
			return nil // it has ended, perhaps by an earlier try of this
		}
		if err != nil {
			return err
		}
		return closeBatch(tx, s.env.Clock, id, &b, PhaseFailed, errorText(cause))
	}
	crowded := func(ctx context.Context) error {
		return s.kv.announce(ctx, id, func(ctx context.Context, tx env.Txn) (Phase, string, error) {
			_, err := s.guardDiscovery(ctx, tx, id) // R20
			return PhaseFailed, errorText(cause), err
		})
	}
	err := s.kv.update(ctx, &txn{whole: true, body: body, before: s.renewIfDue, crowded: crowded})
	if err != nil {
		return err
	}
	s.env.Metrics.Add("batches_failed_total", 1)
	s.log(ctx, slog.LevelError, "batch failed", string(id), cause)
	return errNotClaimable
}

// endDiscovery lets the batch run, once all of its sources are done.
func (s *scanner) endDiscovery(ctx context.Context, id batchID) error {
	started := false
	err := s.update(ctx, func(ctx context.Context, tx env.Txn) error {
		started = false
		b, err := s.guardDiscovery(ctx, tx, id)
		if errors.Is(err, errNotClaimable) {
			return nil // running already, or ended
		}
		if err != nil {
			return err
		}
		units := 0
		for i := range b.sources.split() {
			d, err := readDiscovery(ctx, tx, discoveryKey(id, i))
			if err != nil {
				return err
			}
			if !d.done {
				return errNotClaimable
			}
			units += d.found
		}
		if err := b.advance(PhaseRunning); err != nil {
			return err
		}
		b.units = units
		tx.Put(batchKey(id.name()), b.encode())
		started = true
		return nil
	})
	if err == nil && started {
		s.log(ctx, slog.LevelInfo, "batch runs", string(id), nil)
	}
	return err
}
