package suite

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
)

// smallFrames is how many frames a recording of a small schedule has at most.
const smallFrames = 5

// small pins the drawn configuration of a seed to a world in which every fault can
// be placed: two workers, one batch of one unit or two, few frames. The stores'
// traits, the latencies and the ratios of the times stay as drawn; what the client
// does goes round with the seeds.
func small(seed uint64, c *sim.Config, a sim.Assembly) {
	k := a.(*conversion.Config)
	calm(c, k)
	scripts[seed%uint64(len(scripts))](c, k)
	k.WorkloadSeed = units(*k)
}

// calm takes away all that makes a world large or its work fail, and lets the
// processes look seldom: most calls of a schedule should be its work.
func calm(c *sim.Config, k *conversion.Config) {
	k.Workers, k.Split = 2, false
	k.Batches, k.Sources, k.Recordings, k.Frames = 1, 1, 2, smallFrames
	k.PoisonPercent, k.EmptyPercent, k.CancelPercent, k.ResubmitPercent, k.RetryPercent, k.WatchPercent = 0, 0, 0, 0, 0, 0
	k.MissingPercent, k.OverlapPercent, k.TersePercent, k.ComebackPercent, k.Linger, k.OperatorLooks, k.OperatorEvery = 0, 0, 0, 0, 0, 30, 0
	k.ForeignPercent, k.RevisePercent, k.MeddlePercent = 0, 0, 0
	k.TTL, k.LeakCheck, k.NoConditional = 0, false, false
	k.ClientPace = min(k.ClientPace, 2*time.Second)
	k.Core.PartSize, k.Core.MultipartAbove = 600, 900
	k.Core.UnitTimeout = max(k.Core.UnitTimeout, 2*time.Minute)
	for _, every := range []*time.Duration{&k.Core.WorkerPoll, &k.Core.ControlEvery, &k.Core.MergePoll, &k.Core.ReapEvery} {
		*every = max(*every, 3*time.Second)
	}
	lease := max(k.Core.ScannerLease-k.Core.ScanEvery, 5*time.Second)
	k.Core.ScanEvery = max(k.Core.ScanEvery, 6*time.Second)
	k.Core.ScannerLease = k.Core.ScanEvery + lease
	c.WorkTime = min(c.WorkTime, k.Core.StaleAfter/8)
	c.TimerWeight = min(c.TimerWeight, 10)
	c.ChaosFor = max(c.ChaosFor, time.Hour)
}

// leaks lets the janitors' time pass, which is short.
func leaks(k *conversion.Config) {
	k.LeakCheck = true
	k.Core.MaxInFlight = k.Core.OpTimeout + k.Core.StorageTimeout + 10*time.Second
	k.Core.WatchFor = k.Core.MaxInFlight + 20*time.Second
	k.Core.JanitorEvery, k.Core.DrainTimeout = 10*time.Second, 5*time.Second
	for _, every := range []*time.Duration{&k.Core.WorkerPoll, &k.Core.ControlEvery, &k.Core.MergePoll, &k.Core.ReapEvery} {
		*every = max(*every, 6*time.Second)
	}
}

// again submits the batch once more when it has ended, and asks now and then
// whether it has.
func again(c *sim.Config, k *conversion.Config) {
	k.ResubmitPercent, k.Recordings, k.ClientPace = 100, 1, 2*time.Second
	c.Arm = "narrow"
}

// scripts are what happens in the small schedules.
var scripts = []func(c *sim.Config, k *conversion.Config){
	func(c *sim.Config, k *conversion.Config) { // an upload of many parts, and a checkpoint due after each
		k.Recordings, k.Frames = 1, 12
		k.Core.PartSize, k.Core.MultipartAbove, k.Core.PartsInFlight = 64, 64, 1
		k.Core.CheckpointFrames, k.Core.CheckpointEvery = 4, 500*time.Millisecond
		c.Arm, c.WorkTime = "narrow", 400*time.Millisecond
	},
	func(c *sim.Config, k *conversion.Config) { c.Arm, c.Quantum = "narrow", 10*time.Millisecond },
	func(c *sim.Config, k *conversion.Config) { c.Arm, k.Recordings = "elastic", 1 },
	func(c *sim.Config, k *conversion.Config) { k.CancelPercent = 100 },
	again,
	func(c *sim.Config, k *conversion.Config) { k.PoisonPercent, k.RetryPercent, k.Recordings = 100, 100, 1 },
	func(c *sim.Config, k *conversion.Config) { leaks(k); k.TTL = time.Minute },
	func(c *sim.Config, k *conversion.Config) { k.Split = true },
	func(c *sim.Config, k *conversion.Config) { k.WatchPercent, k.Sources = 100, 2 },
	func(c *sim.Config, k *conversion.Config) { leaks(k); k.CancelPercent = 100 },
	func(c *sim.Config, k *conversion.Config) { k.Batches, k.Recordings = 2, 1 },
	func(c *sim.Config, k *conversion.Config) { again(c, k); k.PoisonPercent = 100 },
}

// units finds a workload seed, from the drawn one on, whose batches have one unit
// or two each, about as many frames, and as many batches and sources as they may.
func units(k conversion.Config) uint64 {
	for range 10_000 {
		spec := k.Workload()
		fits := len(spec.Batches) == k.Batches
		for i := range spec.Batches {
			b := &spec.Batches[i]
			fits = fits && b.Units() >= 1 && b.Units() <= 2 && len(b.Sources) == k.Sources
			_, longest := framesOf(b)
			fits = fits && (k.PoisonPercent > 0 || 2*longest > k.Frames)
		}
		if fits {
			break
		}
		k.WorkloadSeed++
	}
	return k.WorkloadSeed
}
