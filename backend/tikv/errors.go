package tikv

import (
	"context"
	"errors"

	tikverr "github.com/tikv/client-go/v2/error"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// opaque keeps the text of a client's error for people, and hides its type: an
// error of env belongs to one class only.
type opaque struct{ text string }

func (e opaque) Error() string { return e.text }

// failed is an error after which nothing was applied and another try may help.
func failed(op, key string, err error) error {
	return &env.Error{Class: env.ClassUnavailable, Op: op, Key: key, Err: opaque{err.Error()}}
}

// readError classifies the failure of a call without effect.
func readError(ctx context.Context, op, key string, err error) error {
	switch {
	case tikverr.IsErrNotFound(err):
		return &env.Error{Class: env.ClassNotFound, Op: op, Key: key}
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return failed(op, key, err)
}

// commitError classifies the failure of a commit. The client says itself when
// it cannot tell; every other error is definite: nothing was applied, and its
// locks are being removed.
func commitError(ctx context.Context, err error) error {
	if tikverr.IsErrorUndetermined(err) {
		undetermined := &env.Error{Class: env.ClassUndetermined, Op: "commit", Err: opaque{err.Error()}}
		if ctx.Err() != nil {
			undetermined.Err = context.Cause(ctx)
		}
		return undetermined
	}
	switch {
	case isConflict(err):
		return &env.Error{Class: env.ClassConflict, Op: "commit", Err: opaque{err.Error()}}
	case isInvalid(err):
		return &env.Error{Class: env.ClassInvalid, Op: "commit", Err: opaque{err.Error()}}
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return failed("commit", "", err)
}

// isConflict: another transaction won, or (ErrRetryable: the lock is not found)
// rolled this one back.
func isConflict(err error) bool {
	var (
		conflict *tikverr.ErrWriteConflict
		latch    *tikverr.ErrWriteConflictInLatch
		rollback *tikverr.ErrRetryable
	)
	return errors.As(err, &conflict) || errors.As(err, &latch) || errors.As(err, &rollback)
}

// isInvalid: the same transaction can never commit.
func isInvalid(err error) bool {
	var (
		large *tikverr.ErrTxnTooLarge
		entry *tikverr.ErrEntryTooLarge
		key   *tikverr.ErrKeyTooLarge
	)
	return errors.As(err, &large) || errors.As(err, &entry) || errors.As(err, &key) ||
		errors.Is(err, tikverr.ErrCannotSetNilValue) || errors.Is(err, tikverr.ErrInvalidTxn)
}
