package env

import (
	"context"
	"errors"
)

// The error classes. Every error that comes out of a seam satisfies errors.Is
// for exactly one of these or for a context's error; it is classified by type,
// never by text (rule R17).
var (
	// ErrNotFound: the key, object or upload does not exist.
	ErrNotFound error = classError(ClassNotFound)
	// ErrConflict: not applied; another writer was first, or a condition did
	// not hold. Never returned for an effect that happened.
	ErrConflict error = classError(ClassConflict)
	// ErrUnavailable: not applied; worth trying again.
	ErrUnavailable error = classError(ClassUnavailable)
	// ErrUndetermined: may have been applied, and may still be. Re-read by
	// identity, then decide (rule R4).
	ErrUndetermined error = classError(ClassUndetermined)
	// ErrFenced: the caller's lease, epoch or generation is no longer the
	// current one; it must stop without further effect.
	ErrFenced error = classError(ClassFenced)
	// ErrInvalid: not applied; the same request can never succeed.
	ErrInvalid error = classError(ClassInvalid)
)

// ErrPartTooSmall is the cause of an ErrInvalid of Objects.CompleteUpload: a
// part that is not the last is smaller than the store takes. Other parts of the
// same size would be refused, too.
var ErrPartTooSmall = errors.New("part too small")

// ErrContended is the cause of an ErrUnavailable of a write to the object store
// with a condition: another write of the key is under way, and nothing was decided.
// The store is well.
var ErrContended = errors.New("another write is under way")

// Class is the class of an error: what the caller may conclude from it.
type Class uint8

const (
	ClassNone Class = iota // no error
	ClassNotFound
	ClassConflict
	ClassUnavailable
	ClassUndetermined
	ClassFenced
	ClassInvalid
	ClassCancelled // the caller's context was cancelled
	ClassDeadline  // the caller's context reached its deadline
	ClassOther     // none of the above: a bug, or an error of the caller's own
)

var classNames = [...]string{
	"ok", "not found", "conflict", "unavailable", "undetermined",
	"fenced", "invalid", "cancelled", "deadline exceeded", "other",
}

// String returns the class's name, as traces and logs print it.
func (c Class) String() string { return classNames[c] }

type classError Class

func (e classError) Error() string { return Class(e).String() }

// Error is an error of one class with what it was about. It satisfies
// errors.Is for its class's sentinel and unwraps to Err.
type Error struct {
	Class Class
	Op    string // the operation: "commit", "put"
	Key   string // the key concerned, or ""
	Err   error  // the cause, or nil
}

func (e *Error) Error() string {
	text := e.Op + ": " + e.Class.String()
	if e.Key != "" {
		text = e.Op + " " + e.Key + ": " + e.Class.String()
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Is reports whether target is the sentinel of e's class.
func (e *Error) Is(target error) bool {
	class, ok := target.(classError)
	return ok && Class(class) == e.Class
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ClassOf classifies err by type. ErrUndetermined wins over a context's error
// that it wraps: what may have happened matters more than why it is unknown.
func ClassOf(err error) Class {
	if err == nil {
		return ClassNone
	}
	if e, ok := err.(*Error); ok {
		return e.Class
	}
	if c, ok := err.(classError); ok {
		return Class(c)
	}
	for _, c := range []Class{ClassUndetermined, ClassFenced, ClassConflict, ClassNotFound, ClassUnavailable, ClassInvalid} {
		if errors.Is(err, classError(c)) {
			return c
		}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return ClassDeadline
	case errors.Is(err, context.Canceled):
		return ClassCancelled
	}
	return ClassOther
}
