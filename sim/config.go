package sim

import (
	"cmp"
	"slices"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
	"github.com/gauntlet-dst/gauntlet/sim/search"
)

// Config is the simulator's own part of a run's configuration. A plan embeds
// it whole; a seed draws it.
type Config struct {
	// Arm is how the order of events comes about. By latencies: "narrow" draws them,
	// "quantised" rounds them up so that they tie, "mixture" draws some just past a
	// time-out or a lease. By choice, with the earliest timer as one candidate:
	// "elastic" is a random walk, "pos" partial-order sampling, "surw" a walk that
	// makes all interleavings as likely, "ta-pct" and "pct" have priorities that
	// change a few times. "default" draws nothing: every message takes
	// latency_min, and at one instant what was sent or set first comes first.
	Arm string
	// LatencyMin is the shortest way of a request or a reply, before any fault.
	LatencyMin time.Duration
	// LatencyMax is the longest way.
	LatencyMax time.Duration
	// Quantum rounds every latency up to its multiples, so that ties occur; 0s
	// for none.
	Quantum time.Duration
	// TimerWeight is how eager time is. Under elastic, pos and surw: how eager the
	// earliest timer is beside the messages in flight, in permille of a message.
	// Under mixture: four times the permille of messages that are late.
	TimerWeight int
	// WorkTime is the cost of one piece of work.
	WorkTime time.Duration
	// MaxInFlight bounds how long a sent request may still be executed.
	MaxInFlight time.Duration
	// LockGC is the period of TiKV's garbage collection, which resolves the locks
	// that dead committers left; 0s for never.
	LockGC time.Duration
	// ChaosFor is how long faults happen, if the work is not done before.
	ChaosFor time.Duration
	// ChaosEvents is after how many events the faults end at the latest; then the
	// run is inconclusive.
	ChaosEvents int
	// Modes are what befalls requests all the time, in few runs.
	Modes search.Modes
	// OracleJump is by how much the clock of the timestamp oracle leaps ahead, as
	// when PD's leader changes, while faults happen; 0s for never.
	OracleJump time.Duration
	// OracleEvery is after how long it does so again.
	OracleEvery time.Duration
	// ReplaceAfter is after how long a process that is frozen, cut off or slow counts
	// as dead: it is started anew elsewhere under its name, and the first lives on
	// beside it, while faults happen; 0s for never.
	ReplaceAfter time.Duration
	// StrayFor is after how long somebody stops the first.
	StrayFor time.Duration
}

// replaceShare is in how many of a thousand runs processes that seem to be dead are
// replaced.
const replaceShare = 60

// usualWork is the longest that a piece of work takes in most universes.
const usualWork = 800 * time.Millisecond

// longestWork is the longest that one piece of work may take.
const longestWork = 10 * time.Second

// Settings are the simulator's part of a plan: what each may be, and the fields
// of c that they set.
func (c *Config) Settings() []plan.Setting {
	return append([]plan.Setting{
		{Name: "sim.arm", Text: &c.Arm, Allowed: Arms()},
		{Name: "sim.latency_min", Duration: &c.LatencyMin, Min: 1000, Max: 10e9},
		{Name: "sim.latency_max", Duration: &c.LatencyMax, Min: 1000, Max: 10e9},
		{Name: "sim.quantum", Duration: &c.Quantum, Max: 10e9},
		{Name: "sim.timer_weight", Int: &c.TimerWeight, Min: 1, Max: 1000},
		{Name: "sim.work_time", Formerly: "sim.frame_time", Duration: &c.WorkTime, Max: int64(longestWork), Provokes: "10s"},
		{Name: "sim.max_in_flight", Duration: &c.MaxInFlight, Min: 1e6, Max: int64(fault.MaxTime)},
		{Name: "sim.lock_gc", Duration: &c.LockGC, Max: int64(fault.MaxTime), Absent: "0s"},
		{Name: "sim.chaos_for", Duration: &c.ChaosFor, Max: int64(fault.MaxTime)},
		{Name: "sim.chaos_events", Int: &c.ChaosEvents, Max: 100_000_000},
		{Name: "sim.oracle_jump", Duration: &c.OracleJump, Max: int64(time.Hour), Absent: "0s"},
		{Name: "sim.oracle_every", Duration: &c.OracleEvery, Min: 1e6, Max: int64(fault.MaxTime), Absent: "1m0s"},
		{Name: "sim.replace_after", Duration: &c.ReplaceAfter, Max: int64(fault.MaxTime), Absent: "0s"},
		{Name: "sim.stray_for", Duration: &c.StrayFor, Min: 1e6, Max: int64(fault.MaxTime), Absent: "1m0s"},
	}, c.Modes.Settings()...)
}

// draw chooses the simulator's configuration for a seed; arm is set, or "" to draw
// it, too.
func (c *Config) draw(d keyed.Draw, b Bounds, arm string) {
	*c = Config{
		Arm:         cmp.Or(arm, drawArm(d)),
		LatencyMin:  time.Duration(d.LogBetween("latency_min", 50e3, max(int64(b.MaxLatency)/2, 60e3))),
		TimerWeight: int(d.LogBetween("timer_weight", 2, 400)),
		WorkTime:    time.Duration(d.LogBetween("frame_time", 1e5, max(int64(min(usualWork, b.MaxWork/2)), 2e5))),
		MaxInFlight: b.MaxInFlight,
		ChaosFor:    b.ChaosFor,
		ChaosEvents: 60_000,
		// TiDB's collector runs every ten minutes: less often and more often than
		// that, so that it also meets transactions that are still at work.
		Modes: search.None(), OracleEvery: time.Minute, StrayFor: time.Minute,
		LockGC: time.Duration(d.LogBetween("lock_gc", min(60e9, int64(b.Settle)/8), max(int64(min(30*time.Minute, b.Settle/3)), 1e9))),
	}
	if d.Chance("long_work", 250) {
		// As long as leases: whoever wakes up late finds a successor at work. Such runs
		// are long, mostly of polling, and show no more than others.
		c.WorkTime = time.Duration(d.LogBetween("long_frame_time", int64(b.Leases[0])/100+1, int64(b.Leases[0])/4+1))
	}
	if d.Chance("early", 350) {
		// Most work is done when the world heals if it heals late: then nobody
		// sees how the healed system works.
		c.ChaosFor = time.Duration(d.LogBetween("chaos_for", 3e9, max(int64(b.ChaosFor), 4e9)))
	}
	c.WorkTime = min(c.WorkTime, b.MaxWork)
	c.LatencyMax = max(min(c.LatencyMin*time.Duration(d.Between("latency_spread", 2, 10)), b.MaxLatency), c.LatencyMin)
	if c.Arm == quantisedArm {
		c.Quantum = 10 * time.Millisecond
		c.WorkTime = min(c.WorkTime.Truncate(c.Quantum)+c.Quantum, longestWork)
	}
}

// drawModes chooses what befalls the whole run. It is no part of draw: a run that is
// to meet no fault has none.
func (c *Config) drawModes(d keyed.Draw, o search.Options, b *Bounds) {
	c.Modes = search.DrawModes(d, o, b.scale())
	if d.Chance("oracle", 20) && len(o.Kinds) == 0 {
		// Short of the life of TiKV's locks, which their owners must outlive, and far
		// beyond: then every lock counts as expired.
		c.OracleJump = time.Duration(d.LogBetween("oracle_jump", int64(lockLife)/4, 1200e9))
		c.OracleEvery = time.Duration(d.LogBetween("oracle_every", 1e9, 120e9))
	}
	if d.Chance("replace", replaceShare) && len(o.Kinds) == 0 {
		// Sooner than any lease is over, so that both own something, and later.
		long := int64(slices.Max(b.Leases))
		c.ReplaceAfter = time.Duration(d.LogBetween("replace_after", 1e8, 2*long))
		c.StrayFor = time.Duration(d.LogBetween("stray_for", 1e9, 20*long))
	}
}

// calm are the settings without anything that befalls requests.
func (c *Config) calm() {
	c.Modes, c.OracleJump, c.OracleEvery = search.None(), 0, time.Minute
	c.ReplaceAfter, c.StrayFor = 0, time.Minute
}
