package core

import (
	"bytes"
	"context"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// objects is an object store that tries again. Every effect that core has on
// objects is idempotent, because a key's content is a function of the key (R5):
// so an undetermined effect is simply repeated until it is known.
type objects struct {
	env     *env.Env
	cfg     *Config
	breaker *breaker
	// patient callers hold a lease and go on trying until ctx ends, however
	// long the store is down; others give up after StorageTries.
	patient bool
}

var _ env.Objects = (*objects)(nil)

// retry calls op until it gives an answer. unsure tells op that an earlier try
// may have been applied.
func (o *objects) retry(ctx context.Context, op func(ctx context.Context, unsure bool) error) error {
	delay := o.cfg.StorageBackoff
	unsure := false
	for try := 1; ; try++ {
		err := o.try(ctx, op, unsure)
		switch env.ClassOf(err) {
		case env.ClassUndetermined, env.ClassDeadline: // the try's own deadline
			unsure = true
		case env.ClassUnavailable:
		default:
			return err
		}
		if ctx.Err() != nil {
			return err
		}
		if !o.patient && try >= o.cfg.StorageTries {
			return err
		}
		o.env.Metrics.Add("object_retries_total", 1)
		if err := o.env.Clock.Sleep(ctx, jitter(o.env.Rand, delay)); err != nil {
			return err
		}
		delay = min(2*delay, o.cfg.StorageBackoffMax)
	}
}

func (o *objects) try(ctx context.Context, op func(ctx context.Context, unsure bool) error, unsure bool) error {
	if !o.breaker.allow(o.env.Clock.Monotonic()) {
		return env.ErrUnavailable
	}
	call, cancel := o.env.Clock.WithTimeout(ctx, o.cfg.StorageTimeout)
	defer cancel()
	err := op(call, unsure)
	o.breaker.judge(ctx, o.env.Clock.Monotonic(), err)
	return err
}

// Put stores an object. If the key is taken and cond forbids to write, the
// object there counts as this one if its content is the same: then an earlier
// try, or an earlier life of the caller, wrote it.
func (o *objects) Put(ctx context.Context, key string, body []byte, cond env.Condition) (env.Object, error) {
	var obj env.Object
	err := o.retry(ctx, func(ctx context.Context, _ bool) (err error) {
		obj, err = o.env.Objects.Put(ctx, key, body, cond)
		return o.settleConflict(ctx, key, err)
	})
	if env.ClassOf(err) != env.ClassConflict {
		return obj, err
	}
	there, obj, getErr := o.Get(ctx, key, 0, -1)
	if getErr != nil {
		return obj, getErr
	}
	if !bytes.Equal(there, body) {
		return obj, err
	}
	return obj, nil
}

// Get reads a range and returns all of it: a body that was cut short is read
// again.
func (o *objects) Get(ctx context.Context, key string, offset, length int64) ([]byte, env.Object, error) {
	var body []byte
	var obj env.Object
	err := o.retry(ctx, func(ctx context.Context, _ bool) (err error) {
		body, obj, err = o.env.Objects.Get(ctx, key, offset, length)
		if err != nil {
			return err
		}
		want := max(obj.Size-offset, 0)
		if length >= 0 {
			want = min(want, length)
		}
		if int64(len(body)) != want {
			return &env.Error{Class: env.ClassUnavailable, Op: "get", Key: key, Err: errShortBody}
		}
		return nil
	})
	return body, obj, err
}

// Head describes an object.
func (o *objects) Head(ctx context.Context, key string) (env.Object, error) {
	var obj env.Object
	err := o.retry(ctx, func(ctx context.Context, _ bool) (err error) {
		obj, err = o.env.Objects.Head(ctx, key)
		return err
	})
	return obj, err
}

// List returns one page of objects.
func (o *objects) List(ctx context.Context, prefix, after string, limit int) (env.Listing, error) {
	var page env.Listing
	err := o.retry(ctx, func(ctx context.Context, _ bool) (err error) {
		page, err = o.env.Objects.List(ctx, prefix, after, limit)
		return err
	})
	if err == nil {
		err = checkPage(&page, prefix, after)
	}
	return page, err
}

// checkPage refuses a page that leads nowhere, and one that is not in the order
// of the keys, or does not follow after: the page behind it would miss what this
// one skipped (R18).
func checkPage(page *env.Listing, prefix, after string) error {
	if page.More && len(page.Objects) == 0 {
		return &env.Error{Class: env.ClassUnavailable, Op: "list", Key: prefix, Err: errEmptyPage}
	}
	for i := range page.Objects {
		key := page.Objects[i].Key
		if key <= after {
			return invalid("list", prefix, "the object store lists "+key+" behind "+after+": it must list in the order of the keys")
		}
		after = key
	}
	return nil
}

// refuses stores an object if nothing has the key, and reports whether the store
// refused to replace one that has.
func (o *objects) refuses(ctx context.Context, key string, body []byte) (refused bool, err error) {
	err = o.retry(ctx, func(ctx context.Context, _ bool) error {
		_, err := o.env.Objects.Put(ctx, key, body, env.IfAbsent)
		refused = env.ClassOf(err) == env.ClassConflict
		if refused {
			return nil
		}
		return err
	})
	return refused, err
}

// Delete removes an object.
func (o *objects) Delete(ctx context.Context, key string) error {
	return o.retry(ctx, func(ctx context.Context, _ bool) error {
		return o.env.Objects.Delete(ctx, key)
	})
}

// CreateUpload opens an upload. A try whose answer was lost may leave another
// one behind, which no row names; it is found by listing (R15).
func (o *objects) CreateUpload(ctx context.Context, key string) (string, error) {
	var id string
	err := o.retry(ctx, func(ctx context.Context, _ bool) (err error) {
		id, err = o.env.Objects.CreateUpload(ctx, key)
		return err
	})
	return id, err
}

// UploadPart stores a part under its explicit number, so that repeating it
// replaces it by itself.
func (o *objects) UploadPart(ctx context.Context, key, uploadID string, number int, body []byte) (env.Part, error) {
	var part env.Part
	err := o.retry(ctx, func(ctx context.Context, _ bool) (err error) {
		part, err = o.env.Objects.UploadPart(ctx, key, uploadID, number, body)
		return err
	})
	return part, err
}

// CompleteUpload turns the parts into the object. When an earlier try of this
// call may have done so and the upload is gone or the key taken, the object
// under the key is that try's, if its size is right.
func (o *objects) CompleteUpload(ctx context.Context, key, uploadID string, parts []env.Part, cond env.Condition) (env.Object, error) {
	var obj env.Object
	err := o.retry(ctx, func(ctx context.Context, unsure bool) (err error) {
		obj, err = o.env.Objects.CompleteUpload(ctx, key, uploadID, parts, cond)
		err = o.settleConflict(ctx, key, err)
		class := env.ClassOf(err)
		if !unsure || class != env.ClassNotFound && class != env.ClassConflict {
			return err
		}
		there, headErr := o.env.Objects.Head(ctx, key)
		if env.ClassOf(headErr) == env.ClassNotFound {
			return err
		}
		if headErr != nil {
			return headErr
		}
		if there.Size != sizeOf(parts) {
			return err
		}
		obj = there
		return nil
	})
	return obj, err
}

// AbortUpload drops an upload.
func (o *objects) AbortUpload(ctx context.Context, key, uploadID string) error {
	return o.retry(ctx, func(ctx context.Context, _ bool) error {
		return o.env.Objects.AbortUpload(ctx, key, uploadID)
	})
}

// ListUploads returns one page of open uploads.
func (o *objects) ListUploads(ctx context.Context, prefix, afterKey, afterID string, limit int) (env.UploadListing, error) {
	var page env.UploadListing
	err := o.retry(ctx, func(ctx context.Context, _ bool) (err error) {
		page, err = o.env.Objects.ListUploads(ctx, prefix, afterKey, afterID, limit)
		return err
	})
	if err == nil && page.More && len(page.Uploads) == 0 {
		err = &env.Error{Class: env.ClassUnavailable, Op: "list_uploads", Key: prefix, Err: errEmptyPage}
	}
	return page, err
}

// settleConflict tells a key that is taken from one that was only contended for
// a moment (S3's 409): if nothing is there, the write is worth another try.
func (o *objects) settleConflict(ctx context.Context, key string, err error) error {
	if env.ClassOf(err) != env.ClassConflict {
		return err
	}
	_, headErr := o.env.Objects.Head(ctx, key)
	switch env.ClassOf(headErr) {
	case env.ClassNone:
		return err
	case env.ClassNotFound:
		return &env.Error{Class: env.ClassUnavailable, Op: "write", Key: key, Err: err}
	}
	return headErr
}

func sizeOf(parts []env.Part) int64 {
	var size int64
	for _, p := range parts {
		size += p.Size
	}
	return size
}
