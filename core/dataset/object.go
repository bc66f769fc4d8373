package dataset

import (
	"context"
	"errors"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

const (
	// tries bounds how often an effect without an answer, or an object whose
	// upload has vanished, is repeated before the error is returned. Each
	// unanswered try has already lasted one request time-out.
	tries = 5
	// maxPartNumber is S3's limit on the parts of one upload.
	maxPartNumber = 10000
)

// objectWriter writes one object of the dataset: appended to buf by its owner,
// taken over by flush. Up to MultipartAbove bytes it is one put; beyond, a
// multipart upload whose parts are all PartSize but the last, so that the
// object's bytes alone decide where parts end (rule R5).
//
// Every object has a key that only this generation writes (rule R1), and bytes
// that depend on the inputs only. So an effect without an answer is simply
// repeated (rule R4): if the first one happens late, it finds the key taken, or
// writes the same bytes.
type objectWriter struct {
	objects env.Objects
	spec    *Spec
	key     string

	buf    []byte // not handed over yet; handed-over bytes are never touched again
	size   int64
	digest Digest
	upload string // multipart upload, "" while it is not needed
	parts  []env.Part
}

// flush hands over what no longer may be held back.
func (w *objectWriter) flush(ctx context.Context) error {
	if w.upload == "" && int64(len(w.buf)) <= w.spec.MultipartAbove {
		return nil
	}
	for len(w.buf) > w.spec.PartSize {
		body := w.buf[:w.spec.PartSize:w.spec.PartSize]
		w.buf = append(make([]byte, 0, w.spec.PartSize+w.spec.ReadSize), w.buf[w.spec.PartSize:]...)
		if err := w.uploadPart(ctx, body); err != nil {
			return err
		}
	}
	return nil
}

// close makes the object appear, and describes it.
func (w *objectWriter) close(ctx context.Context) (Object, error) {
	if err := w.flush(ctx); err != nil {
		return Object{}, err
	}
	stored, err := w.finish(ctx)
	if err != nil {
		return Object{}, err
	}
	return Object{Size: w.size, ETag: stored.ETag, Digest: w.digest}, nil
}

// finish makes the object appear if nothing has the key: a repetition of an
// earlier try that arrives late then changes nothing, not even the ETag.
func (w *objectWriter) finish(ctx context.Context) (env.Object, error) {
	body := w.buf
	w.buf = nil
	if w.upload == "" {
		w.count(body)
		stored, err := repeat(func() (env.Object, error) {
			return w.objects.Put(ctx, w.key, body, env.IfAbsent)
		})
		if errors.Is(err, env.ErrConflict) {
			return w.there(ctx)
		}
		return stored, err
	}
	if len(body) > 0 {
		if err := w.uploadPart(ctx, body); err != nil {
			return env.Object{}, err
		}
	}
	stored, err := repeat(func() (env.Object, error) {
		return w.objects.CompleteUpload(ctx, w.key, w.upload, w.parts, env.IfAbsent)
	})
	switch {
	case err == nil:
		return stored, nil
	case errors.Is(err, env.ErrNotFound):
		return w.there(ctx)
	case errors.Is(err, env.ErrConflict):
		w.drop(ctx)
		return w.there(ctx)
	case errors.Is(err, env.ErrPartTooSmall):
		w.drop(ctx)
		return env.Object{}, unwritten(w.key, err)
	case errors.Is(err, env.ErrInvalid):
		// A part is not the one that was stored: an earlier try of it came late
		// and replaced it, with the same bytes and another ETag. It says nothing
		// of what is written.
		w.drop(ctx)
		return env.Object{}, anewError{err}
	}
	return env.Object{}, err
}

// there accepts the object under the key if it is, byte for byte, what was to
// be written: then an earlier try of this wrote it. If nothing is there the
// upload was collected, and the object has to be written anew.
func (w *objectWriter) there(ctx context.Context) (env.Object, error) {
	stored, err := w.objects.Head(ctx, w.key)
	if errors.Is(err, env.ErrNotFound) {
		return env.Object{}, anewError{errUploadGone}
	}
	if err != nil {
		return env.Object{}, err
	}
	var digest Digest
	for at := int64(0); stored.Size == w.size && at < w.size; {
		body, _, err := w.objects.Get(ctx, w.key, at, int64(w.spec.ReadSize))
		if err != nil {
			return env.Object{}, err
		}
		if len(body) == 0 {
			return env.Object{}, unwritten(w.key, errShort)
		}
		digest = digest.Append(body)
		at += int64(len(body))
	}
	if stored.Size != w.size || digest != w.digest {
		return env.Object{}, unwritten(w.key, errForeign)
	}
	return stored, nil
}

// drop aborts an upload that will not be completed, if the store is there: no
// row names it.
func (w *objectWriter) drop(ctx context.Context) {
	_ = w.objects.AbortUpload(ctx, w.key, w.upload) // the janitor finds what stays
}

func (w *objectWriter) uploadPart(ctx context.Context, body []byte) error {
	if len(w.parts) == maxPartNumber {
		return invalid("upload part", w.key, errManyParts)
	}
	if w.upload == "" {
		id, err := repeat(func() (string, error) { return w.objects.CreateUpload(ctx, w.key) })
		if err != nil {
			return err
		}
		w.upload = id
	}
	w.count(body)
	part, err := repeat(func() (env.Part, error) {
		return w.objects.UploadPart(ctx, w.key, w.upload, len(w.parts)+1, body)
	})
	if errors.Is(err, env.ErrNotFound) {
		return anewError{errUploadGone}
	}
	if err != nil {
		return err
	}
	w.parts = append(w.parts, part)
	return nil
}

func (w *objectWriter) count(body []byte) {
	w.size += int64(len(body))
	w.digest = w.digest.Append(body)
}

// repeat calls an effect that may be repeated until it is known to have
// happened or not (rule R4).
func repeat[T any](effect func() (T, error)) (result T, err error) {
	for range tries {
		result, err = effect()
		if !errors.Is(err, env.ErrUndetermined) {
			return result, err
		}
	}
	return result, err
}
