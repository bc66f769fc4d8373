package tikv

import (
	"context"
	"time"
)

// refreshEvery is how often the real client asks the oracle for a timestamp by
// itself.
const refreshEvery = 2 * time.Second

// heard notes a timestamp of the oracle.
func (c *Client) heard(ts uint64) {
	c.mu.Lock()
	if ts > c.last {
		c.last, c.lastAt = ts, c.clock.Monotonic()
	}
	c.mu.Unlock()
}

// lowResolution returns the newest timestamp that any task of the process has
// had from the oracle. Locks are judged by it, which costs no call and finds
// them expired up to refreshEvery too late.
func (c *Client) lowResolution() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// keepFresh lets the low-resolution timestamp move on as long as somebody waits
// for a lock, which is until the returned function is called.
//
// The real client fetches one every two seconds all its life. Here a task does,
// at the same moments, counted from the start of the process, but only while
// somebody waits. The first who does may find a timestamp that the real client
// would have replaced a moment ago, if no transaction of the process began or
// committed in the last two seconds. It is fetched then, and the first pause is
// no longer than 100 ms.
func (c *Client) keepFresh(ctx context.Context) (waited func()) {
	if c.cfg.Group == nil {
		c.fetch(ctx)
		return func() {}
	}
	c.mu.Lock()
	idle := !c.ticking
	c.ticking = true
	c.waiting++
	c.mu.Unlock()
	if idle {
		c.behind(ctx, jobOracle, c.tick)
	}
	return c.waited
}

func (c *Client) waited() {
	c.mu.Lock()
	c.waiting--
	c.mu.Unlock()
}

// tick fetches timestamps until nobody waits any more.
func (c *Client) tick(ctx context.Context) {
	for {
		now := c.clock.Monotonic()
		c.mu.Lock()
		late := max(c.lastAt, c.ticked)/refreshEvery < now/refreshEvery
		c.mu.Unlock()
		if !late && c.clock.Sleep(ctx, refreshEvery-now%refreshEvery) != nil {
			return
		}
		c.mu.Lock()
		c.ticking = c.waiting > 0
		goOn := c.ticking
		if goOn { // else whoever waits next must not take this moment for served
			c.ticked = c.clock.Monotonic()
		}
		c.mu.Unlock()
		if !goOn {
			return
		}
		c.fetch(ctx)
	}
}

// fetch asks the oracle once.
func (c *Client) fetch(ctx context.Context) {
	x := exchange{req: Request{Kind: KindTSO}}
	if c.transport.Send(ctx, &x.req, &x.resp, c.cfg.PDTimeout) == nil && x.resp.Region == RegionOK {
		c.heard(x.resp.TS)
	}
}
