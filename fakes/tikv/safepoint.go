package tikv

import (
	"context"
	"time"
)

// How often the real client asks PD for the safe point of garbage collection, how
// soon again after a failure, and for how long it believes what it was told.
const (
	safePointEvery = 10 * time.Second
	safePointRetry = time.Second
	safePointHolds = 90 * time.Second
)

// safePoint is what PD has said of garbage collection. Below it, versions that a
// snapshot needs may be gone.
type safePoint struct {
	ts      uint64
	told    time.Duration // when PD said so, on the process's monotonic clock
	refused time.Duration // when it was last asked and did not answer
}

// visible refuses what a snapshot has read that the safe point has passed, and
// what any has read once PD has been silent for too long. The store does not know.
//
// The real client asks every ten seconds all its life. Here whoever has read
// does, if it matters: if the transaction began before the last such moment,
// counted from the start of the process, or if what is known is too old. So a
// short transaction hardly ever asks, and the answers are the same, with three
// exceptions. The safe point may have moved since that moment. A silent PD costs the
// reader a time-out. A process that was frozen for 90 s asks before it is refused;
// the real client refuses its first reads.
func (c *Client) visible(ctx context.Context, t *txn) error {
	now := c.clock.Monotonic()
	moment := now - now%safePointEvery
	c.mu.Lock()
	known := c.safe
	c.mu.Unlock()
	crossed := t.begun < moment && known.told < moment
	if (crossed || now-known.told > safePointHolds) && (known.refused == 0 || now-known.refused >= safePointRetry) {
		known = c.askSafePoint(ctx)
		now = c.clock.Monotonic()
	}
	if t.startTS < known.ts || now-known.told > safePointHolds {
		return unavailable(&t.lane.req)
	}
	return nil
}

// askSafePoint asks PD once, and returns what is known then.
func (c *Client) askSafePoint(ctx context.Context) safePoint {
	x := exchange{req: Request{Kind: KindSafePoint}}
	err := c.transport.Send(ctx, &x.req, &x.resp, c.cfg.PDTimeout)
	now := c.clock.Monotonic()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || x.resp.Region != RegionOK {
		c.safe.refused = now
		return c.safe
	}
	c.safe = safePoint{ts: max(c.safe.ts, x.resp.TS), told: now}
	return c.safe
}
