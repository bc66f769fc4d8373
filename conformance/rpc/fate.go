package rpc

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// Hook decides the fate of a call. It is asked in the caller's place, on the
// caller's goroutine, before the call leaves, and may sleep and use other clients
// meanwhile: for the caller the call just takes that long. If the call's context has
// ended when it returns, the call is not sent.
type Hook func(c *Call) Fate

// Carrier carries calls in the place of the cluster, whose latencies and hooks have
// no part in them then: it lets work happen once, several times or not at all,
// whenever it likes, and returns what one of these times came to, or why no answer
// came. It is called on the caller's goroutine.
type Carrier func(ctx context.Context, c *Call, work func(Fate) (any, error)) (any, error)

// Fate is what becomes of a call. The zero value delivers it.
type Fate struct {
	// Lost: the request does not arrive.
	Lost bool
	// ReplyLost: the request arrives and its reply does not.
	ReplyLost bool
	// Silent: of a loss the caller learns by its time-out only, and not at once
	// as of a connection that broke.
	Silent bool
	// Hold and HoldReply are how much longer request and reply are on their way.
	// Whoever does not wait for them any more does not keep them from arriving.
	Hold, HoldReply time.Duration
	// Region: a store answers so instead of handling the request.
	Region tikv.RegionError
	// Err is what a caller that learns at once of a loss is told; nil means
	// ErrLost.
	Err error
	// TS: PD answers a call for a timestamp with this one, if it is not 0.
	TS uint64
	// Then, if set, is called in the caller's place once the answer has come.
	Then func()
}

// ErrLost is a broken connection.
var ErrLost = errors.New("connection lost")

// travel carries one call: there, the work, and back. It returns what work did,
// or why no answer came. The work may still be done, or be under way, when it
// returns with an error.
func travel[R any](ctx context.Context, w *way, call *Call, work func(Fate) (R, error)) (answer R, err error) {
	if w.carrier != nil {
		got, err := w.carrier(ctx, call, func(fate Fate) (any, error) { return work(fate) })
		if err != nil {
			return answer, err
		}
		return got.(R), nil
	}
	var fate Fate
	if w.hook != nil {
		fate = w.hook(call)
	}
	if err := ctx.Err(); err != nil {
		return answer, err
	}
	if call.Method == getStore {
		return atOnce(&fate, work)
	}
	extra := w.extra(call.subject())
	there, back := Latency/2+extra+fate.Hold, Latency/2+fate.HoldReply
	if fate.Lost {
		return answer, w.lose(ctx, &fate, there+back)
	}
	sent := time.Now()
	if !pause(ctx, there) {
		w.cluster.running.Go(func() { // the request goes on alone
			time.Sleep(time.Until(sent.Add(there)))
			_, _ = work(fate)
		})
		return answer, ctx.Err()
	}
	answer, err = work(fate)
	if fate.ReplyLost {
		return *new(R), w.lose(ctx, &fate, back)
	}
	if !pause(ctx, back) {
		return *new(R), ctx.Err()
	}
	if fate.Then != nil {
		fate.Then()
	}
	return answer, err
}

// atOnce carries a call that takes no time. The client asks where a store is while
// it holds a mutex, and a goroutine that waits for a mutex keeps the time of a bubble
// from passing: neither would ever go on.
func atOnce[R any](fate *Fate, work func(Fate) (R, error)) (answer R, err error) {
	if fate.Lost {
		return answer, cmp.Or(fate.Err, ErrLost)
	}
	answer, err = work(*fate)
	if fate.ReplyLost {
		return *new(R), cmp.Or(fate.Err, ErrLost)
	}
	return answer, err
}

// lose is what a caller meets whose call or answer is lost.
func (w *way) lose(ctx context.Context, fate *Fate, d time.Duration) error {
	if fate.Silent {
		<-ctx.Done()
		return ctx.Err()
	}
	if !pause(ctx, d) {
		return ctx.Err()
	}
	return cmp.Or(fate.Err, ErrLost)
}

// pause sleeps for d. It reports false if the context ends first.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
