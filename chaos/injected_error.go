//go:build chaos_testing

package chaos

import "github.com/gauntlet-dst/gauntlet/core/env"

// InjectedError is an error that an Injector made. It satisfies errors.Is for
// the sentinel of its class, so that the system under test cannot tell it from
// a real one.
type InjectedError struct {
	// Op is the operation of the rule that made it.
	Op string
	// Applied tells whether the effect happened all the same.
	Applied bool
	// Class is its class.
	Class env.Class
	// Err is the cause, or nil.
	Err error
}

func (e *InjectedError) Error() string {
	text := "chaos: " + e.Op + ": " + e.Class.String() + " (injected, not applied)"
	if e.Applied {
		text = "chaos: " + e.Op + ": " + e.Class.String() + " (injected, applied)"
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Is reports whether target is the sentinel of e's class.
func (e *InjectedError) Is(target error) bool {
	switch e.Class {
	case env.ClassNotFound:
		return target == env.ErrNotFound
	case env.ClassConflict:
		return target == env.ErrConflict
	case env.ClassUnavailable:
		return target == env.ErrUnavailable
	case env.ClassUndetermined:
		return target == env.ErrUndetermined
	}
	return false
}

// Unwrap returns the cause.
func (e *InjectedError) Unwrap() error { return e.Err }
