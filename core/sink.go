package core

import (
	"context"
	"errors"

	"github.com/gauntlet-dst/gauntlet/core/dataset"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// sink stages an attempt's output: one put if it is small, else an upload in
// parts.
type sink struct {
	attempt *attempt
	slot    string
	buf     []byte // output behind the last part
	key     string
	upload  string     // "" until the first part is stored
	parts   []env.Part // durable
	pending [][]byte   // cut, not yet stored; their numbers follow the parts'
	size    int64      // of all parts, also of the pending ones
	// gone: the upload has ended, and an object has the key. It is what another
	// try of this or an earlier epoch completed, or it is of no use: which of
	// the two, is known when the conversion has ended.
	gone bool
}

// newSink returns a sink to the attempt's own key.
func newSink(a *attempt, slot string) *sink {
	return &sink{attempt: a, slot: slot, key: stagingKey(a.output, a.id, a.uid, a.epoch)}
}

// adopt goes on with the upload of a checkpoint.
func (s *sink) adopt(last *checkpointRow) {
	s.key = last.key
	s.upload = last.upload
	s.parts = append(s.parts, last.parts...)
	s.size = sizeOf(last.parts)
}

// cutAt is the number of bytes at which the next part ends.
func (s *sink) cutAt() int64 {
	if s.multipart() {
		return s.attempt.node.cfg.PartSize
	}
	return max(s.attempt.node.cfg.PartSize, s.attempt.node.cfg.MultipartAbove)
}

// multipart reports whether the output is known to need an upload.
func (s *sink) multipart() bool { return s.size > 0 }

// cut makes a part of what is buffered.
func (s *sink) cut() {
	s.size += int64(len(s.buf))
	s.pending = append(s.pending, s.buf)
	s.buf = make([]byte, 0, min(cap(s.buf), int(s.attempt.node.cfg.PartSize)))
}

// flush stores the pending parts. It returns a restartError if the upload is gone
// and nothing has come of it.
func (s *sink) flush(ctx context.Context) error {
	if s.gone {
		s.pending = s.pending[:0]
		return nil
	}
	if len(s.parts)+len(s.pending) > maxParts {
		return poison(invalid("stage", s.key, "it has more than 10000 parts: Config.PartSize is too small for it"))
	}
	if s.upload == "" {
		id, err := s.attempt.node.patient.CreateUpload(ctx, s.key)
		if err != nil {
			return err
		}
		s.upload = id
	}
	stored, err := s.uploadAll(ctx)
	if env.ClassOf(err) == env.ClassNotFound {
		return s.uploadGone(ctx, err)
	}
	if err != nil {
		return err
	}
	s.parts = append(s.parts, stored...)
	s.pending = s.pending[:0]
	return nil
}

// uploadAll stores the pending parts, all at once if there are several. Part
// numbers are explicit, so that a repetition replaces (R5).
func (s *sink) uploadAll(ctx context.Context) ([]env.Part, error) {
	first := len(s.parts) + 1
	stored := make([]env.Part, len(s.pending))
	if len(s.pending) == 1 {
		part, err := s.attempt.node.patient.UploadPart(ctx, s.key, s.upload, first, s.pending[0])
		stored[0] = part
		return stored, err
	}
	g := s.attempt.node.env.Runtime.Group(ctx)
	for i, body := range s.pending {
		g.Spawn(s.slot+"-part"+pad(uint64(i), 1), func(ctx context.Context) (err error) {
			stored[i], err = s.attempt.node.patient.UploadPart(ctx, s.key, s.upload, first+i, body)
			return err
		})
	}
	return stored, g.Wait()
}

// uploadGone looks for what became of an upload that is no more. Aborted or
// expired, it leaves nothing: start afresh. Completed, it left an object, which
// is this conversion's output, since nothing else is ever written under the
// key; so the conversion goes on without storing, to compare in the end.
func (s *sink) uploadGone(ctx context.Context, cause error) error {
	_, err := s.attempt.node.patient.Head(ctx, s.key)
	if env.ClassOf(err) == env.ClassNotFound {
		return restartError{cause}
	}
	if err != nil {
		return err
	}
	s.gone = true
	s.pending = s.pending[:0]
	return nil
}

// putWhole stages an output that needed no upload.
func (s *sink) putWhole(ctx context.Context) (env.Object, error) {
	return s.attempt.node.patient.Put(ctx, s.key, s.buf, env.IfAbsent)
}

// complete stores what is pending and completes the upload. digest is that of
// the whole output.
func (s *sink) complete(ctx context.Context, digest dataset.Digest) (env.Object, error) {
	if err := s.flush(ctx); err != nil {
		return env.Object{}, err
	}
	if s.gone {
		return s.verify(ctx, digest, errForeign)
	}
	obj, err := s.attempt.node.patient.CompleteUpload(ctx, s.key, s.upload, s.parts, env.IfAbsent)
	switch env.ClassOf(err) {
	case env.ClassNotFound, env.ClassConflict:
		return s.verify(ctx, digest, err)
	case env.ClassInvalid:
		if errors.Is(err, env.ErrPartTooSmall) {
			return obj, poison(err) // another conversion would cut the same parts
		}
		// A part is not what it was: an earlier try of it came late and replaced
		// it, where ETags are no digests; or another process cut parts elsewhere,
		// as one with another configuration would.
		return obj, restartError{err}
	}
	return obj, err
}

// verify reads the object under the key back and accepts it if it is, byte for
// byte, what the upload would have become; else the conversion starts afresh
// for the given cause.
func (s *sink) verify(ctx context.Context, digest dataset.Digest, cause error) (env.Object, error) {
	obj, err := s.attempt.node.patient.Head(ctx, s.key)
	if env.ClassOf(err) == env.ClassNotFound {
		return obj, restartError{cause}
	}
	if err != nil {
		return obj, err
	}
	if obj.Size != s.size {
		return obj, restartError{errForeign}
	}
	var sum dataset.Digest
	for at := int64(0); at < obj.Size; at += s.attempt.node.cfg.ReadChunk {
		body, _, err := s.attempt.node.patient.Get(ctx, s.key, at, s.attempt.node.cfg.ReadChunk)
		if err != nil {
			return obj, err
		}
		sum = sum.Append(body)
	}
	if sum != digest {
		return obj, restartError{errForeign}
	}
	return obj, nil
}
