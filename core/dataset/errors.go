package dataset

import (
	"errors"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// The causes that an env.Error of class invalid wraps.
var (
	errStatRange = errors.New("too many or too large values for exact statistics")
	errChanged   = errors.New("the staged episode is not the one that was recorded")
	errFrames    = errors.New("the episode has not the recorded number of frames")
	errLeftOver  = errors.New("the staged episode ends inside a record")
	errManyParts = errors.New("the object needs more than 10000 parts")
	errLongPath  = errors.New("more episodes, or a longer extension, than paths have room for")
	errSpec      = errors.New("incomplete or impossible specification")
)

// The causes that an env.Error of class unavailable wraps.
var (
	errUploadGone = errors.New("the multipart upload is gone")
	errShort      = errors.New("reads return no bytes")
	errForeign    = errors.New("another object has the key")
)

// anewError tells publication.object to write an object again, and why.
type anewError struct{ cause error }

func (e anewError) Error() string { return e.cause.Error() }

// unwritten says that an object could not be written for a reason that lies
// with the store, not with what was to be written. The cause is kept as a text:
// it may have a class of its own (rule R17).
func unwritten(key string, cause error) error {
	return &env.Error{Class: env.ClassUnavailable, Op: "write object", Key: key, Err: errors.New(cause.Error())}
}

func invalid(op, key string, cause error) error {
	return &env.Error{Class: env.ClassInvalid, Op: op, Key: key, Err: cause}
}
