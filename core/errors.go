package core

import (
	"errors"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// ErrDrain is the cause with which the context of [Node.Run] ends when the
// process is asked to stop gracefully (SIGTERM): units are released, claims let
// go, and Run returns nil within Config.DrainTimeout.
var ErrDrain = errors.New("draining")

// What a client's request is refused with. Nothing has happened.
var (
	// ErrLive: Submit; the name's newest submission has not ended yet.
	ErrLive = errors.New("a batch of this name is live")
	// ErrOutputTaken: Submit; the output is, holds or lies in another name's.
	ErrOutputTaken = errors.New("the output belongs to another batch")
	// ErrNoBatch: no batch of this name was ever submitted.
	ErrNoBatch = errors.New("no batch of this name")
	// ErrEnded: Cancel and Retry; the batch has ended. To run it again, submit
	// it again.
	ErrEnded = errors.New("the batch has ended: submit it again")
	// ErrSuperseded: Cancel; the submission that it was meant for ended, and
	// another took the name meanwhile.
	ErrSuperseded = errors.New("another submission took the name meanwhile")
)

// What ends something inside a process.
var (
	// errNotClaimable: the unit or merge cannot be claimed now.
	errNotClaimable = errors.New("not claimable")
	// errBatchFull: the batch executes as many units as it may.
	errBatchFull = errors.New("batch at its parallelism limit")
	// errUnchanged: a transaction found nothing to do.
	errUnchanged = errors.New("nothing to do")
	// errOver: a task's work ended, so its companions end, too.
	errOver = errors.New("over")
	// errUnitTimeout: an attempt took longer than Config.UnitTimeout.
	errUnitTimeout = errors.New("unit timeout")
	// errForeign: another object has the key.
	errForeign = errors.New("another object has the key")
	// errEmptyPage: a listing claims to go on, but does not.
	errEmptyPage = errors.New("empty page within a listing")
	// errShortBody: a body was cut short on its way.
	errShortBody = errors.New("body cut short")
)

// fenced says what made a step notice that its epoch or generation is over.
func fenced(op, key string) error {
	return &env.Error{Class: env.ClassFenced, Op: op, Key: key}
}

// invalid says that something can never succeed.
func invalid(op, key, text string) error {
	return &env.Error{Class: env.ClassInvalid, Op: op, Key: key, Err: errors.New(text)}
}

// restartError ends a conversion that cannot be continued and starts afresh. Its
// cause is told, but is not the attempt's: it has no class (R17).
type restartError struct{ cause error }

func (e restartError) Error() string { return "conversion starts afresh: " + e.cause.Error() }

// restarts reports whether err ends a conversion that starts afresh.
func restarts(err error) bool {
	var r restartError
	return errors.As(err, &r)
}

// poisonError marks the error of a source that can never be converted: another
// attempt would end like this one (R12). Only the codec's and the source's own
// errors are, and of those of the stores the one that says that parts are too
// small.
type poisonError struct{ cause error }

func (e poisonError) Error() string { return e.cause.Error() }
func (e poisonError) Unwrap() error { return e.cause }

// poison marks err, if it is of class env.ErrInvalid.
func poison(err error) error {
	if env.ClassOf(err) != env.ClassInvalid {
		return err
	}
	return poisonError{cause: err}
}

func isPoison(err error) bool {
	var p poisonError
	return errors.As(err, &p)
}

// maxErrorText bounds the error texts that rows hold.
const maxErrorText = 512

// errorText is err as a row holds it.
func errorText(err error) string {
	return cutText(err.Error())
}

func cutText(text string) string { return text[:min(len(text), maxErrorText)] }
