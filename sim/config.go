package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Config is the simulator's own part of a run's configuration. A plan embeds
// it whole; a seed draws it.
type Config struct {
	// Arm is the search strategy: "elastic" or "narrow".
	Arm string
	// LatencyMin and LatencyMax bound a request's and a reply's way (1us to
	// 10s), before any fault.
	LatencyMin, LatencyMax time.Duration
	// Quantum rounds every latency up to its multiples, so that ties occur;
	// 0s for none.
	Quantum time.Duration
	// TimerWeight is how eager the earliest timer is beside the messages in
	// flight under the elastic clock, in permille of a message (1 to 1000).
	TimerWeight int
	// FrameTime is the cost of one frame of work (0s to 10s).
	FrameTime time.Duration
	// MaxInFlight bounds how long a sent request may still be executed.
	MaxInFlight time.Duration
	// ChaosFor and ChaosEvents end the chaos phase.
	ChaosFor    time.Duration
	ChaosEvents int
}

// maxFrameTime is the longest that one frame of work may take.
const maxFrameTime = 10 * time.Second

// arms names the search strategies.
var arms = []string{"elastic", "narrow"}

func (c *Config) settings() []Setting {
	return []Setting{
		{Name: "sim.arm", Text: &c.Arm, Allowed: arms},
		{Name: "sim.latency_min", Duration: &c.LatencyMin, Min: 1000, Max: 10e9},
		{Name: "sim.latency_max", Duration: &c.LatencyMax, Min: 1000, Max: 10e9},
		{Name: "sim.quantum", Duration: &c.Quantum, Max: 10e9},
		{Name: "sim.timer_weight", Int: &c.TimerWeight, Min: 1, Max: 1000},
		{Name: "sim.frame_time", Duration: &c.FrameTime, Max: int64(maxFrameTime)},
		{Name: "sim.max_in_flight", Duration: &c.MaxInFlight, Min: 1e6, Max: int64(maxFaultTime)},
		{Name: "sim.chaos_for", Duration: &c.ChaosFor, Max: int64(maxFaultTime)},
		{Name: "sim.chaos_events", Int: &c.ChaosEvents, Max: 100_000_000},
	}
}

// draw chooses the simulator's configuration for a seed.
func (c *Config) draw(d Draw, b Bounds) {
	*c = Config{
		Arm:         "elastic",
		LatencyMin:  time.Duration(d.LogBetween("latency_min", 50e3, max(int64(b.MaxLatency)/2, 60e3))),
		TimerWeight: int(d.LogBetween("timer_weight", 2, 400)),
		FrameTime:   time.Duration(d.LogBetween("frame_time", 1e5, max(int64(b.MaxFrameTime), 2e5))),
		MaxInFlight: b.MaxInFlight,
		ChaosFor:    b.ChaosFor,
		ChaosEvents: 60_000,
	}
	if d.Chance("long_work", 500) {
		// As long as leases: whoever wakes up late finds a successor at work.
		c.FrameTime = time.Duration(d.LogBetween("long_frame_time", int64(b.Leases[0])/100+1, int64(b.Leases[0])/4+1))
	}
	if d.Chance("early", 350) {
		// Most work is done when the world heals if it heals late: then nobody
		// sees how the healed system works.
		c.ChaosFor = time.Duration(d.LogBetween("chaos_for", 3e9, max(int64(b.ChaosFor), 4e9)))
	}
	c.FrameTime = min(c.FrameTime, b.MaxFrame)
	c.LatencyMax = max(min(c.LatencyMin*time.Duration(d.Between("latency_spread", 2, 10)), b.MaxLatency), c.LatencyMin)
	if d.Chance("narrow", 500) {
		c.Arm = "narrow"
		if d.Chance("quantised", 400) {
			c.Quantum = 10 * time.Millisecond
			c.FrameTime = min(c.FrameTime.Truncate(c.Quantum)+c.Quantum, maxFrameTime)
		}
	}
}

// Setting binds a name in a plan to a field of a configuration. Exactly one of
// Int, Size, Seed, Duration, Text and Bool is set.
type Setting struct {
	Name     string
	Int      *int
	Size     *int64
	Duration *time.Duration
	Text     *string
	Seed     *uint64
	Bool     *bool
	Min, Max int64    // Int, Size; Duration in nanoseconds
	Allowed  []string // Text; empty for any
}

// String returns the setting's value as a plan prints it.
func (s Setting) String() string {
	switch {
	case s.Int != nil:
		return strconv.Itoa(*s.Int)
	case s.Seed != nil:
		return fmt.Sprintf("0x%016x", *s.Seed)
	case s.Size != nil:
		return strconv.FormatInt(*s.Size, 10)
	case s.Duration != nil:
		return s.Duration.String()
	case s.Bool != nil:
		return strconv.FormatBool(*s.Bool)
	}
	return *s.Text
}

// parse sets the field from a plan's text. The error names what is allowed.
func (s Setting) parse(text string) error {
	switch {
	case s.Int != nil:
		n, err := strconv.Atoi(text)
		if err != nil || int64(n) < s.Min || int64(n) > s.Max {
			return fmt.Errorf("%s = %s: want a whole number from %d to %d", s.Name, text, s.Min, s.Max)
		}
		*s.Int = n
	case s.Seed != nil:
		seed, err := ParseSeed(text)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		*s.Seed = seed
	case s.Size != nil:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < s.Min || n > s.Max {
			return fmt.Errorf("%s = %s: want a whole number from %d to %d", s.Name, text, s.Min, s.Max)
		}
		*s.Size = n
	case s.Duration != nil:
		d, err := time.ParseDuration(text)
		if err != nil || int64(d) < s.Min || int64(d) > s.Max {
			return fmt.Errorf("%s = %s: want a duration from %s to %s", s.Name, text, time.Duration(s.Min), time.Duration(s.Max))
		}
		*s.Duration = d
	case s.Bool != nil:
		if text != "true" && text != "false" {
			return fmt.Errorf("%s = %s: want true or false", s.Name, text)
		}
		*s.Bool = text == "true"
	default:
		if len(s.Allowed) > 0 && !slices.Contains(s.Allowed, text) {
			return fmt.Errorf("%s = %s: want one of %s", s.Name, text, strings.Join(s.Allowed, ", "))
		}
		*s.Text = text
	}
	return nil
}
