package tikv

import (
	"context"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// reason is why a call is tried again; each has its own series of pauses.
type reason uint8

const (
	reasonRPC reason = iota
	reasonPD
	reasonRegion
	reasonBusy
	reasonDiskFull
	reasonStale
	reasonMaxTS
	reasonTxnLock
	reasonTxnLockFast
	reasonTxnNotFound
	reasonCount
)

// pauses are the real client's: exponential from base to limit, and with jitter
// between half of that and all of it.
var pauses = [reasonCount]struct {
	base, limit time.Duration
	jitter      bool
}{
	reasonRPC:         {100 * time.Millisecond, 2 * time.Second, true},
	reasonPD:          {500 * time.Millisecond, 3 * time.Second, true},
	reasonRegion:      {2 * time.Millisecond, 500 * time.Millisecond, false},
	reasonBusy:        {2 * time.Second, 10 * time.Second, true},
	reasonDiskFull:    {500 * time.Millisecond, 5 * time.Second, false},
	reasonStale:       {2 * time.Millisecond, time.Second, false},
	reasonMaxTS:       {2 * time.Millisecond, 500 * time.Millisecond, false},
	reasonTxnLock:     {100 * time.Millisecond, 3 * time.Second, true},
	reasonTxnLockFast: {2 * time.Millisecond, 3 * time.Second, true},
	reasonTxnNotFound: {2 * time.Millisecond, 500 * time.Millisecond, false},
}

var regionReasons = [...]reason{
	RegionNotLeader:      reasonRegion,
	RegionEpochNotMatch:  reasonRegion,
	RegionNotFound:       reasonRegion,
	RegionStaleCommand:   reasonStale,
	RegionServerIsBusy:   reasonBusy,
	RegionDiskFull:       reasonDiskFull,
	RegionMaxTSNotSynced: reasonMaxTS,
	RegionUndetermined:   reasonRegion,
}

// backoff is the patience of one operation: what it has spent of its budget
// and how often it has paused for each reason.
type backoff struct {
	budget time.Duration
	spent  time.Duration
	busy   time.Duration // pauses for a busy server, which have their own budget
	tries  [reasonCount]uint8
	// silent and silence are how many tries a region has not answered, and for how
	// long, since the client last looked for it anew.
	silent  uint8
	silence time.Duration
	// maybe: a try since the last answer may have been handled, or may still be.
	maybe bool
}

// As the real client, this one takes a region for moved after so many tries that
// it did not answer, or after so long. Then it looks for it anew, after a pause of
// its own.
const (
	silentTries = 10
	silentFor   = 50 * time.Second
)

// givesUpRegion notes a try that was not answered for d, and reports whether the
// region counts as moved.
func (bo *backoff) givesUpRegion(d time.Duration) bool {
	bo.silent++
	bo.silence += d
	if bo.silent < silentTries && bo.silence < silentFor {
		return false
	}
	bo.silent, bo.silence = 0, 0
	return true
}

// pause sleeps before the next try, for at most limit if that is positive. It
// fails when the budget is spent, or with the context's cause.
func (c *Client) pause(ctx context.Context, bo *backoff, why reason, limit time.Duration, req *Request) error {
	if bo.spent >= bo.budget || why == reasonBusy && bo.busy >= c.cfg.BusyBudget {
		return unavailable(req)
	}
	series := &pauses[why]
	d := series.limit
	if n := bo.tries[why]; n < 16 {
		d = min(d, series.base<<n)
		bo.tries[why]++
	}
	if series.jitter {
		d = d/2 + time.Duration(c.rand.Uint64()%uint64(d/2))
	}
	if limit > 0 {
		d = min(d, limit)
	}
	if why == reasonBusy {
		bo.busy += d
	} else {
		bo.spent += d
	}
	return c.clock.Sleep(ctx, d)
}

func unavailable(req *Request) error {
	return &env.Error{Class: env.ClassUnavailable, Op: req.Kind.String(), Key: req.subject()}
}

// subject is the key that an error about req names.
func (r *Request) subject() string {
	switch {
	case r.Key != "":
		return r.Key
	case r.Primary != "":
		return r.Primary
	case len(r.Keys) > 0:
		return r.Keys[0]
	}
	return ""
}
