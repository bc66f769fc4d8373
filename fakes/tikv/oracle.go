package tikv

import "time"

// LogicalBits is how many bits of a timestamp are its logical part.
const LogicalBits = 18

// PhysicalMS returns the physical part of a timestamp, in milliseconds.
func PhysicalMS(ts uint64) int64 { return int64(ts >> LogicalBits) }

// Oracle is PD's timestamp oracle. Its timestamps always grow. Its clock is the
// one that requests for timestamps bring along (Request.PhysicalMS), unless told
// otherwise. The zero value is ready for use.
type Oracle struct {
	last    uint64
	aheadMS int64
	stalled bool
}

// timestamp returns a timestamp greater than all before it, also when the
// physical time repeats or goes back.
func (o *Oracle) timestamp(physicalMS int64) uint64 {
	o.last++
	if ts := uint64(physicalMS+o.aheadMS) << LogicalBits; ts > o.last && !o.stalled {
		o.last = ts
	}
	return o.last
}

// JumpAhead moves the oracle's clock ahead of the physical time by d more, in
// whole milliseconds. It moves it back if d is negative: the timestamps then
// grow in their logical part only until the time has caught up.
func (o *Oracle) JumpAhead(d time.Duration) { o.aheadMS += d.Milliseconds() }

// Stall stops the oracle's clock, or lets it go on: timestamps grow in their
// logical part only meanwhile.
func (o *Oracle) Stall(stalled bool) { o.stalled = stalled }
