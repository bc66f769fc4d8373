package env

import (
	"context"
	"time"
)

// Clock is one process's view of time. The wall clock may step and differ
// between processes; the monotonic clock may drift but never goes back. No
// safety property may depend on either (rule R8).
type Clock interface {
	// Now is the wall clock, for people and logs only.
	Now() time.Time
	// Monotonic is the time since an arbitrary origin that is fixed for this
	// incarnation. It goes on while the process is frozen.
	Monotonic() time.Duration
	// Sleep blocks for d of monotonic time, or until ctx ends; then it returns
	// context.Cause(ctx). d <= 0 returns at once. It may sleep longer, never
	// shorter.
	Sleep(ctx context.Context, d time.Duration) error
	// WithTimeout returns a child of ctx that ends with
	// context.DeadlineExceeded after d of monotonic time. Calling cancel
	// releases its timer.
	WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc)
	// WithCancel returns a child of ctx that ends with the given cause.
	WithCancel(ctx context.Context) (context.Context, context.CancelCauseFunc)
}
