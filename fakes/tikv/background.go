package tikv

import (
	"context"
	"math/bits"
	"strconv"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// job is a kind of work that the client does beside its caller, in a task of
// its own.
type job uint8

const (
	jobPrewrite job = iota // several batches at once; the caller waits for them
	jobCommit              // the other batches, once the primary's has committed
	jobRollback            // a transaction that has failed
	jobResolve             // a lock that a reader has passed
	jobOracle              // fetch timestamps, while somebody waits for a lock
	jobCount
)

var jobNames = [jobCount]string{"tikv-prewrite", "tikv-commit", "tikv-rollback", "tikv-resolve", "tikv-oracle"}

// The real client's budgets for what it does behind its caller's back.
const (
	commitBudget   = 82 * time.Second
	rollbackBudget = 40 * time.Second
	resolveBudget  = 80 * time.Second
)

// group makes a group of tasks under ctx.
func (c *Client) group(ctx context.Context) env.Group {
	if c.cfg.Group == nil {
		return &inPlace{ctx: ctx}
	}
	return c.cfg.Group(ctx)
}

// spawn starts a task of g. Its name is the job's, with the lowest number that
// no running task has.
func (c *Client) spawn(g env.Group, what job, do func(ctx context.Context) error) {
	c.mu.Lock()
	slot := bits.TrailingZeros64(^c.running[what])
	c.running[what] |= 1 << slot
	c.mu.Unlock()
	name := jobNames[what]
	if slot > 0 {
		name += "-" + strconv.Itoa(slot+1)
	}
	g.Spawn(name, func(ctx context.Context) error {
		err := do(ctx)
		c.mu.Lock()
		c.running[what] &^= 1 << slot
		c.mu.Unlock()
		return err
	})
}

// behind does something behind the caller's back: it goes on when ctx ends, and
// ends with the process.
func (c *Client) behind(ctx context.Context, what job, do func(ctx context.Context)) {
	c.spawn(c.group(context.WithoutCancel(ctx)), what, func(ctx context.Context) error {
		do(ctx)
		return nil
	})
}

// sendBehind sends req behind the caller's back until the store has handled it.
func (c *Client) sendBehind(ctx context.Context, what job, budget time.Duration, req Request) {
	c.behind(ctx, what, func(ctx context.Context) { c.sent(ctx, budget, req) })
}

// sent sends req and reports whether the store did what it says.
func (c *Client) sent(ctx context.Context, budget time.Duration, req Request) bool {
	x := exchange{req: req}
	bo := backoff{budget: budget}
	return c.send(ctx, &x, &bo) == nil && x.resp.Status == StatusOK
}

// inPlace is a group whose tasks run in the caller's place.
type inPlace struct {
	ctx   context.Context
	first error
}

func (g *inPlace) Spawn(_ string, fn func(ctx context.Context) error) {
	if err := fn(g.ctx); g.first == nil {
		g.first = err
	}
}

func (g *inPlace) Wait() error  { return g.first }
func (g *inPlace) Cancel(error) {}
