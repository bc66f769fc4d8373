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
	errSpec      = errors.New("incomplete or impossible specification")
)

// The causes that an env.Error of class unavailable wraps. The first also
// tells object, inside the package, to write an object again.
var (
	errUploadGone = errors.New("the multipart upload is gone")
	errShort      = errors.New("reads return no bytes")
)

var powersOfTen = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}

func invalid(op, key string, cause error) error {
	return &env.Error{Class: env.ClassInvalid, Op: op, Key: key, Err: cause}
}
