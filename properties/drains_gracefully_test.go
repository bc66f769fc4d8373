package properties_test

import (
	"testing"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
)

// An owner that was suspended for longer than its fence has given its unit up, and the
// reaper has not noticed yet: who asks it to stop then has not cost the attempt. It was
// called a burnt attempt once (seed 0x27456e at fb03e01dc96f, one of 150,000 universes).
func TestDrainAfterTheFence(t *testing.T) {
	for silent, want := range map[time.Duration]string{8 * time.Second: "", 5 * time.Second: "drains-gracefully"} {
		s := newStory("drains-gracefully")
		s.process(sim.Booted, w0)
		s.faultOf("w0", &fault.Terminate{Grace: time.Hour})
		s.running().claim(w0, unitA, "1 1 0 0").pass(silent).process(sim.Terminated, w0)
		s.pass(time.Second).process(sim.Exited, w0)
		s.reap(w1, w0, unitA, "1 1 0 0", 1).settle()
		s.requireTold(t, want, silent)
	}
}

// A drain that is over before a checkpoint and a release can be, for the network is that
// slow, has burnt no attempt: 1.5 s were asked for once, where each of the two took half of
// that (seed 0x8a4d9 at 691c939060c2, one of 278,000 universes).
func TestDrainWithoutTime(t *testing.T) {
	for latency, want := range map[time.Duration]string{150 * time.Millisecond: "", 100 * time.Millisecond: "drains-gracefully"} {
		slow := config()
		slow.MaxLatency = latency
		s := newStoryOf(slow, "drains-gracefully")
		s.process(sim.Booted, w0)
		s.running().claim(w0, unitA, "1 1 0 0").process(sim.Terminated, w0)
		s.pass(slow.DrainTimeout).process(sim.Exited, w0)
		s.reap(w1, w0, unitA, "1 1 0 0", 1).settle()
		s.requireTold(t, want, latency)
	}
}
