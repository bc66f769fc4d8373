package conversion

import (
	"cmp"
	"context"
	"strconv"
	"time"

	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/dataset"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
	"github.com/gauntlet-dst/gauntlet/sim/script"
)

// Setup is the system of a script. Its zero value is one worker process that
// plays every role, and one batch of one unit.
type Setup struct {
	// Workers is the number of processes w0, w1, ...; 0 means 1.
	Workers int
	// Units is the number of units of the only batch, lab/data, and Frames the
	// number of frames of each; 0 means 1 unit of 4 frames.
	Units, Frames int
	// Batches, if set, are what there is to convert, in place of Units.
	Batches []workload.Batch
	// TTL is how long the rows of the batches are kept once they have ended; 0 is
	// for ever.
	TTL time.Duration
	// Unsubmitted leaves it to the script to submit them.
	Unsubmitted bool
	// Tune, if set, changes the configuration of the processes, which is small
	// and fixed: a beat every 3 s, stale after 12 s, every role looks every 2 s
	// or so, each frame makes a part and every second frame a checkpoint.
	Tune func(*core.Config)
	// Bystanders keeps objects and uploads of somebody else's under every output.
	Bystanders bool
	// Stores, if set, changes the stores, which are S3 and TiKV with TiDB's limits.
	Stores func(*Stores)
	// Codec and Format are as in a Config.
	Codec  dataset.Codec
	Format *workload.Format
}

func scriptConfig() core.Config {
	k := core.DefaultConfig()
	k.WorkerPoll = time.Second
	k.Heartbeat, k.StaleAfter, k.FenceMargin = 3*time.Second, 12*time.Second, 2*time.Second
	k.ReapEvery, k.ControlEvery, k.ScanEvery, k.MergePoll = 2*time.Second, 2*time.Second, 2*time.Second, 2*time.Second
	k.JanitorEvery, k.ScannerLease = 10*time.Second, 12*time.Second
	k.UnitBackoffMax, k.UnitTimeout = 4*time.Second, 10*time.Minute
	k.CheckpointFrames, k.CheckpointEvery = 2, time.Hour
	k.ReadChunk, k.PartSize, k.MultipartAbove, k.PartsInFlight = 4096, 32, 32, 1
	k.OpTimeout, k.StorageTimeout = 4*time.Second, 4*time.Second
	k.StorageTries, k.StorageBackoffMax, k.BreakerOpen = 3, time.Second, 4*time.Second
	k.DrainTimeout, k.MaxInFlight, k.WatchFor = 10*time.Second, 20*time.Second, time.Minute
	k.Page, k.Shards = 100, 2
	return k
}

// Name, Settings and Draw make a Setup a sim.Assembly; nothing of it is drawn.
func (s *Setup) Name() string             { return "conversion" }
func (s *Setup) Settings() []plan.Setting { return nil }
func (s *Setup) Draw(keyed.Draw)          {}

// New assembles the system.
func (s *Setup) New() (sim.System, error) {
	batches := s.Batches
	if len(batches) == 0 {
		batches = []workload.Batch{NewBatch("lab", "data", max(s.Units, 1), s.Frames)}
	}
	c := Config{
		Workers: max(s.Workers, 1), Batches: len(batches), Frames: cmp.Or(s.Frames, scriptFrames),
		Regions: 1, RPCTimeout: time.Second, LeakCheck: true, Core: scriptConfig(), Bystanders: s.Bystanders, TTL: s.TTL,
		Stores: Stores{MaxKey: 1024, MaxRow: 6 << 20, MaxTxn: 100 << 20}, // S3's, not probed
		Codec:  s.Codec, Format: s.Format,
	}
	if s.Stores != nil {
		s.Stores(&c.Stores)
	}
	if s.Tune != nil {
		s.Tune(&c.Core)
	}
	c.Core.Store = c.Stores.traits(c.Core.PartSize)
	if err := c.Core.Validate(); err != nil {
		return nil, err
	}
	system := &System{config: c, workload: workload.Spec{Batches: batches, Format: s.Format}}
	system.client = newClient(system)
	system.client.told, system.client.finished = true, true
	return system, nil
}

// scriptFrames is how many frames a recording has if a script doesn't say.
const scriptFrames = 4

// NewBatch describes a batch of so many units with so many frames each (0
// means 4), all in one source of its own.
func NewBatch(namespace, name string, units, frames int) workload.Batch {
	source := workload.Source{Prefix: "in/" + namespace + "/" + name + "/"}
	for i := range units {
		source.Recordings = append(source.Recordings, workload.Recording{
			Name: "run-" + strconv.Itoa(i) + ".rec", ID: uint64(i + 1), Frames: cmp.Or(frames, scriptFrames), Task: "stack",
		})
	}
	return workload.Batch{
		Namespace: namespace, Name: name, Output: "out/" + namespace + "/" + name + "/",
		ChunkSize: 1000, MaxAttempts: 3, Sources: []workload.Source{source},
	}
}

// Script is a script about the conversion.
type Script struct {
	*script.Script
	system *System
	api    *core.Client // one for all calls: it numbers submissions
	calls  int          // that have not returned
}

// New begins a script: its processes are booted and its batches are being
// submitted, but nothing has moved yet. The target's invariants judge it.
func New(t script.TB, setup Setup, target sim.Target) *Script {
	t.Helper()
	s := &Script{}
	s.Script = script.New(t, sim.Target{
		Assemble: func() sim.Assembly { return &setup },
		Invariants: func(a sim.Assembly, system sim.System) []sim.Invariant {
			s.system = system.(*System)
			return target.Invariants(a, system)
		},
	})
	if !setup.Unsubmitted {
		for i := range s.system.workload.Batches {
			s.Submit(i)
		}
	}
	return s
}

// Core is the configuration of the processes.
func (s *Script) Core() core.Config { return s.system.config.Core }

// Worker is one worker process of a script.
type Worker struct {
	*script.Process
	s *Script
}

// Worker returns the process "w<i>".
func (s *Script) Worker(i int) Worker {
	return Worker{Process: s.Process("w" + strconv.Itoa(i)), s: s}
}

// Idle reports whether nothing is left to do for the worker: no batch lives,
// and it is neither calling a store nor computing.
func (w Worker) Idle() bool { return w.s.system.Done(w.s.World()) && w.Quiet() }

// Batch returns the description of batch i.
func (s *Script) Batch(i int) *workload.Batch { return &s.system.workload.Batches[i] }

// Submit lets the client submit batch i once.
func (s *Script) Submit(i int) *script.Job { return s.SubmitVersion(i, 0) }

// SubmitVersion lets the client submit a version of batch i once.
func (s *Script) SubmitVersion(i, version int) *script.Job {
	b := s.Batch(i).Version(version)
	return s.ask("submit", b.Namespace+"/"+b.Name, version, func(ctx context.Context, api *core.Client) (int64, error) {
		gen, err := api.Submit(ctx, specOf(b, s.system.config.TTL))
		return int64(gen), err
	})
}

// Cancel lets the client cancel batch i once.
func (s *Script) Cancel(i int) *script.Job {
	b := s.Batch(i)
	return s.Client("cancel", b.Namespace+"/"+b.Name, func(ctx context.Context, api *core.Client) (int64, error) {
		return 0, api.Cancel(ctx, b.Namespace, b.Name)
	})
}

// Client lets the workload's client make one call, about what of names, and
// records it with the number that it returns.
func (s *Script) Client(what, of string, call func(ctx context.Context, api *core.Client) (int64, error)) *script.Job {
	return s.ask(what, of, 0, call)
}

func (s *Script) ask(what, of string, with int, call func(ctx context.Context, api *core.Client) (int64, error)) *script.Job {
	s.calls++
	s.system.client.finished = false
	return s.Process("client").Do(what, func(ctx context.Context, e *env.Env) error {
		recorder, ok := sim.RecorderOf(e)
		if !ok {
			return env.ErrInvalid
		}
		if s.api == nil {
			s.api = core.NewClient(e, s.system.config.Core)
		}
		recorder.Ask(what, of, int64(with))
		value, err := call(ctx, s.api)
		s.calls--
		s.system.client.finished = s.calls == 0
		record(recorder, what, of, value, err)
		if what == "submit" {
			s.system.client.acked[of] = max(s.system.client.acked[of], int(value))
		}
		return err
	})
}

// Phase is the phase of batch i, "" before it was submitted.
func (s *Script) Phase(i int) string { return phaseOf(s.World(), s.Batch(i)) }

// Unit is the key of the row of batch i's unit j, "" before it was discovered.
// Units are counted in the order of their episodes.
func (s *Script) Unit(i, j int) string {
	b := s.Batch(i)
	url := b.Keys()[j]
	for _, key := range s.World().Keys(schema.UnitTable.Key(b.Namespace + "/" + b.Name + "/")) {
		row, _ := s.World().Get(key)
		if schema.Field(row, "url") == url {
			return key
		}
	}
	return ""
}
