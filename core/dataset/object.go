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
// repeated (rule R4): if the first one happens late, it writes the same bytes.
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

func (w *objectWriter) finish(ctx context.Context) (env.Object, error) {
	body := w.buf
	w.buf = nil
	if w.upload == "" {
		w.count(body)
		return repeat(func() (env.Object, error) {
			return w.objects.Put(ctx, w.key, body, env.Always)
		})
	}
	if len(body) > 0 {
		if err := w.uploadPart(ctx, body); err != nil {
			return env.Object{}, err
		}
	}
	stored, err := repeat(func() (env.Object, error) {
		return w.objects.CompleteUpload(ctx, w.key, w.upload, w.parts, env.Always)
	})
	if errors.Is(err, env.ErrNotFound) {
		return w.completed(ctx)
	}
	return stored, err
}

// completed decides what became of an upload that is gone. Either an earlier
// try of this very completion happened without telling: then the object is
// there, with this size, since nothing else writes this key. Or the upload was
// collected: then the object has to be written again.
func (w *objectWriter) completed(ctx context.Context) (env.Object, error) {
	stored, err := w.objects.Head(ctx, w.key)
	if err == nil && stored.Size == w.size {
		return stored, nil
	}
	if err == nil || errors.Is(err, env.ErrNotFound) {
		return env.Object{}, errUploadGone
	}
	return env.Object{}, err
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
		return errUploadGone
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
