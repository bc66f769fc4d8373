//go:build chaos_testing

package chaos

import (
	"context"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// WrapRuntime returns r with the Injector at the entry of every step.
func (i *Injector) WrapRuntime(r env.Runtime) env.Runtime { return &runtime{r, i} }

// WrapKV returns kv with the Injector around every call.
func (i *Injector) WrapKV(kv env.KV) env.KV { return &store{kv, i} }

// WrapObjects returns o with the Injector around every call.
func (i *Injector) WrapObjects(o env.Objects) env.Objects { return &objects{o, i} }

// around makes one call of op: delayed, failed before, made, delayed, failed
// after. conditional tells that a conflict is among what the call may answer.
func (i *Injector) around(ctx context.Context, op string, conditional bool, call func() error) error {
	if err := i.MaybeDelay(ctx, op); err != nil {
		return err
	}
	if err := i.failBefore(ctx, op, conditional); err != nil {
		return err
	}
	if err := call(); err != nil {
		return err
	}
	if err := i.MaybeDelayAfter(ctx, op); err != nil {
		return err
	}
	return i.MaybeFailAfter(ctx, op)
}

type runtime struct {
	env.Runtime
	injector *Injector
}

func (r *runtime) Step(ctx context.Context, step env.Step) (context.Context, error) {
	if err := r.injector.MaybeDelay(ctx, string(step)); err != nil {
		return nil, err
	}
	if err := r.injector.MaybeFail(ctx, string(step)); err != nil {
		return nil, err
	}
	return r.Runtime.Step(ctx, step)
}

type store struct {
	env.KV
	injector *Injector
}

func (s *store) Begin(ctx context.Context) (env.Txn, error) {
	var inner env.Txn
	err := s.injector.around(ctx, KVBegin, false, func() (err error) {
		inner, err = s.KV.Begin(ctx)
		return err
	})
	if err == nil {
		return &txn{Txn: inner, injector: s.injector}, nil
	}
	if inner != nil {
		inner.Rollback() // begun, but the caller will never hear of it
	}
	return nil, err
}

type txn struct {
	env.Txn
	injector *Injector
	writes   bool
}

func (t *txn) Get(ctx context.Context, key string) (value []byte, err error) {
	err = t.injector.around(ctx, KVGet, false, func() (err error) {
		value, err = t.Txn.Get(ctx, key)
		return err
	})
	if err != nil {
		return nil, err
	}
	return value, nil
}

func (t *txn) Scan(ctx context.Context, from, to string, limit int) (page []env.Pair, err error) {
	err = t.injector.around(ctx, KVScan, false, func() (err error) {
		page, err = t.Txn.Scan(ctx, from, to, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

func (t *txn) Put(key string, value []byte) {
	t.writes = true
	t.Txn.Put(key, value)
}

func (t *txn) Delete(key string) {
	t.writes = true
	t.Txn.Delete(key)
}

func (t *txn) Lock(keys ...string) {
	t.writes = t.writes || len(keys) > 0
	t.Txn.Lock(keys...)
}

// Commit leaves a transaction without writes alone: it makes no call that
// could fail.
func (t *txn) Commit(ctx context.Context) error {
	if !t.writes {
		return t.Txn.Commit(ctx)
	}
	made := false
	err := t.injector.around(ctx, KVCommit, true, func() error {
		made = true
		return t.Txn.Commit(ctx)
	})
	if !made {
		t.Txn.Rollback() // the transaction is spent either way
	}
	return err
}

type objects struct {
	env.Objects
	injector *Injector
}

func (o *objects) Put(ctx context.Context, key string, body []byte, cond env.Condition) (object env.Object, err error) {
	err = o.injector.around(ctx, ObjectsPut, cond != env.Always, func() (err error) {
		object, err = o.Objects.Put(ctx, key, body, cond)
		return err
	})
	if err != nil {
		return env.Object{}, err
	}
	return object, nil
}

func (o *objects) Get(ctx context.Context, key string, offset, length int64) (body []byte, object env.Object, err error) {
	err = o.injector.around(ctx, ObjectsGet, false, func() (err error) {
		body, object, err = o.Objects.Get(ctx, key, offset, length)
		return err
	})
	if err != nil {
		return nil, env.Object{}, err
	}
	return body, object, nil
}

func (o *objects) Head(ctx context.Context, key string) (object env.Object, err error) {
	err = o.injector.around(ctx, ObjectsHead, false, func() (err error) {
		object, err = o.Objects.Head(ctx, key)
		return err
	})
	if err != nil {
		return env.Object{}, err
	}
	return object, nil
}

func (o *objects) List(ctx context.Context, prefix, after string, limit int) (page env.Listing, err error) {
	err = o.injector.around(ctx, ObjectsList, false, func() (err error) {
		page, err = o.Objects.List(ctx, prefix, after, limit)
		return err
	})
	if err != nil {
		return env.Listing{}, err
	}
	return page, nil
}

func (o *objects) Delete(ctx context.Context, key string) error {
	return o.injector.around(ctx, ObjectsDelete, false, func() error {
		return o.Objects.Delete(ctx, key)
	})
}

func (o *objects) CreateUpload(ctx context.Context, key string) (id string, err error) {
	err = o.injector.around(ctx, ObjectsCreateUpload, false, func() (err error) {
		id, err = o.Objects.CreateUpload(ctx, key)
		return err
	})
	if err != nil {
		return "", err
	}
	return id, nil
}

func (o *objects) UploadPart(ctx context.Context, key, uploadID string, number int, body []byte) (part env.Part, err error) {
	err = o.injector.around(ctx, ObjectsUploadPart, false, func() (err error) {
		part, err = o.Objects.UploadPart(ctx, key, uploadID, number, body)
		return err
	})
	if err != nil {
		return env.Part{}, err
	}
	return part, nil
}

func (o *objects) CompleteUpload(ctx context.Context, key, uploadID string, parts []env.Part, cond env.Condition) (object env.Object, err error) {
	err = o.injector.around(ctx, ObjectsCompleteUpload, cond != env.Always, func() (err error) {
		object, err = o.Objects.CompleteUpload(ctx, key, uploadID, parts, cond)
		return err
	})
	if err != nil {
		return env.Object{}, err
	}
	return object, nil
}

func (o *objects) AbortUpload(ctx context.Context, key, uploadID string) error {
	return o.injector.around(ctx, ObjectsAbortUpload, false, func() error {
		return o.Objects.AbortUpload(ctx, key, uploadID)
	})
}

func (o *objects) ListUploads(ctx context.Context, prefix, afterKey, afterID string, limit int) (page env.UploadListing, err error) {
	err = o.injector.around(ctx, ObjectsListUploads, false, func() (err error) {
		page, err = o.Objects.ListUploads(ctx, prefix, afterKey, afterID, limit)
		return err
	})
	if err != nil {
		return env.UploadListing{}, err
	}
	return page, nil
}
