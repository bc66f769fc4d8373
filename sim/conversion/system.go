package conversion

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/dataset"
	"github.com/gauntlet-dst/gauntlet/core/dataset/plain"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// System is the conversion, assembled for one universe.
type System struct {
	config   Config
	workload workload.Spec
	client   client
}

// New assembles the system.
func (c *Config) New() (sim.System, error) { return c.For(c.Workload()) }

// For assembles the system for a workload that is not the drawn one.
func (c *Config) For(w workload.Spec) (*System, error) {
	c.Core.Store = c.Stores.traits(c.Core.PartSize)
	if err := c.Core.Validate(); err != nil {
		return nil, fmt.Errorf("%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	s := &System{config: *c, workload: w}
	s.client = newClient(s)
	return s, nil
}

// Workload is what the system is asked to convert.
func (s *System) Workload() *workload.Spec { return &s.workload }

// Config is the system's configuration.
func (s *System) Config() *Config { return &s.config }

// Programs returns the workers w0, w1, ..., with Split the controllers c0 and
// c1, and the client.
func (s *System) Programs() []sim.Program {
	c := &s.config
	roles := core.Unified
	if c.Split {
		roles = core.Worker
	}
	var programs []sim.Program
	for i := range c.Workers {
		programs = append(programs, s.node("w"+strconv.Itoa(i), roles, c.Workers > 1))
	}
	if c.Split {
		for i := range 2 {
			programs = append(programs, s.node("c"+strconv.Itoa(i), core.Unified&^core.Worker, true))
		}
	}
	return append(programs, sim.Program{Name: "client", Main: s.client.main, Client: true})
}

func (c *Config) codec() dataset.Codec {
	if c.Codec == nil {
		return plain.Codec{}
	}
	return c.Codec
}

func (s *System) node(name string, roles core.Role, expendable bool) sim.Program {
	return sim.Program{
		Name: name, Restart: s.config.RestartAfter, Expendable: expendable, StopCause: core.ErrDrain,
		Main: func(ctx context.Context, e *env.Env) error {
			return core.New(e, s.config.Core, s.config.codec()).Run(ctx, roles)
		},
	}
}

// Prepare stores the recordings, and what is nobody's of the system.
func (s *System) Prepare(stores *sim.Stores) {
	for _, o := range s.workload.Objects() {
		stores.Put(o.Key, o.Body)
	}
	if !s.config.Bystanders {
		return
	}
	for i := range s.workload.Batches {
		n := neighbour{stores: stores, prefix: s.workload.Batches[i].Output + "staging/00000001/"}
		n.moveIn()
		n.prefix = s.workload.Batches[i].Output
		n.moveInBeside()
	}
}

// StoreOptions returns how the object store behaves. Parts may be tiny, so that
// small recordings have several, whatever the store.
func (s *System) StoreOptions() objstore.Options {
	return s.config.Stores.options(s.config.Core.PartSize, s.config.NoConditional)
}

// regionBounds are where the regions after the first begin: a claim, a
// completion and a flip each touch two or three of them.
var regionBounds = [...]string{"c", "m", "r"}

// Region spreads the tables over the regions, in the order of the keys, so that
// a transaction on several tables takes several RPCs to prewrite.
func (s *System) Region(key string) int {
	region := 0
	for region < s.config.Regions-1 && key >= regionBounds[region] {
		region++
	}
	return region
}

// Classify returns a row's table, or what an object belongs to.
func (s *System) Classify(key string) string {
	if table, _ := schema.Split(key); table != schema.Other {
		return table.String()
	}
	switch {
	case strings.HasPrefix(key, "in/"):
		return "source"
	case strings.Contains(key, "/staging/"):
		return "staging"
	case strings.HasSuffix(key, "/manifest.json"):
		return "manifest"
	case strings.Contains(key, "/meta/"):
		return "meta"
	case strings.Contains(key, "/data/"):
		return "episode"
	}
	return "object"
}

// Bounds derives the simulator's times from the configuration.
func (s *System) Bounds() sim.Bounds {
	c, k := &s.config, &s.config.Core
	units, frames, attempts := 0, 0, k.MaxAttempts
	for i := range s.workload.Batches {
		b := &s.workload.Batches[i]
		attempts = max(attempts, b.MaxAttempts, b.Version(1).MaxAttempts)
		units += b.Units() + 1
		for _, source := range b.Sources {
			for _, r := range source.Recordings {
				frames += r.Frames
			}
		}
	}
	takeover := k.StaleAfter + k.ReapEvery + k.WorkerPoll + k.MergePoll
	round := takeover + k.UnitBackoffMax + k.ControlEvery + k.BreakerOpen + time.Duration(k.StorageTries)*(k.StorageTimeout+k.StorageBackoffMax)
	// A frame takes as long as it may, but not so long that a large workload's
	// would take hours. Each is converted, perhaps again, and merged.
	maxFrame := min(10*time.Second, k.UnitTimeout/time.Duration(3*max(c.Frames, 1)), 30*time.Minute/time.Duration(max(frames, 1)))
	work := 3 * time.Duration(frames) * maxFrame
	// Even without a leak check summaries need a moment to agree: at worst until
	// a process that was asked to stop is back. Most runs are quiet at once.
	quiesce := takeover + c.RestartAfter + 3*(k.ControlEvery+k.OpTimeout+k.BreakerOpen) + 2*time.Minute
	if c.LeakCheck {
		watch := max(k.WatchFor, c.TTL)
		quiesce = 2*watch + 2*k.MaxInFlight + 6*k.JanitorEvery + 2*k.DrainTimeout + 2*time.Minute
	}
	clients := time.Duration(0)
	if c.RetryPercent > 0 {
		clients += time.Duration(c.OperatorLooks) * (c.operatorEvery() + time.Second)
	}
	if c.ComebackPercent > 0 { // all is done once more
		units, work = 2*units, 2*work
		clients += c.forgotten() + c.ClientPace
	}
	if c.MeddlePercent > 0 {
		units, work = (1+maxRivals)*units, (1+maxRivals)*work
		clients += maxRivals * (rivalAfter + c.ClientPace)
	}
	clients += c.Linger
	return sim.Bounds{
		MaxLatency: min(c.RPCTimeout/20, k.OpTimeout/100, k.StorageTimeout/20, (k.StaleAfter-k.FenceMargin-k.Heartbeat)/100),
		MaxWork:    maxFrame,
		MaxEntry:   c.Stores.MaxRow, MaxTxn: c.Stores.MaxTxn,
		RPCTimeout: c.RPCTimeout, ObjectTimeout: k.StorageTimeout, MaxInFlight: k.MaxInFlight,
		ChaosFor: 10*k.StaleAfter + time.Hour,
		Settle:   k.MaxInFlight + 2*(k.ScannerLease+k.ScanEvery) + time.Duration(units*attempts)*round + work + clients + c.RestartAfter + 10*time.Minute,
		Quiesce:  quiesce,
		GiveUp:   k.OpTimeout, LongWork: k.UnitTimeout, Focus: c.focus, Unrest: c.unrest,
		Magnitudes: []time.Duration{
			c.RPCTimeout, k.OpTimeout, k.StorageTimeout, k.Heartbeat, k.StaleAfter - k.FenceMargin,
			k.StaleAfter, k.StaleAfter + k.ReapEvery, 2 * k.StaleAfter, k.ScannerLease, 3 * time.Second,
		},
		Leases: []time.Duration{k.StaleAfter + k.MergePoll, k.StaleAfter + k.ReapEvery, 2 * (k.StaleAfter + k.ReapEvery), k.ScannerLease + k.ScanEvery},
	}
}

// Done reports whether every batch is terminal and the client has nothing more
// to do. What the client was told may not be judged yet: it is waited for.
func (s *System) Done(w *sim.World) bool {
	if !s.client.finished {
		return false
	}
	for i := range s.workload.Batches {
		b := &s.workload.Batches[i]
		if !schema.Terminal(phaseOf(w, b)) || generationOf(w, b) < s.client.acked[b.Namespace+"/"+b.Name] {
			return false
		}
	}
	return true
}

// Quiet reports whether the controllers have settled every batch. With a leak
// check the janitors' time must pass first.
func (s *System) Quiet(w *sim.World) bool {
	if s.config.LeakCheck {
		return false
	}
	for i := range s.workload.Batches {
		b := &s.workload.Batches[i]
		name := b.Namespace + "/" + b.Name
		var row schema.Batch
		var status schema.Status
		read(w, schema.BatchTable, name, &row)
		read(w, schema.StatusTable, name, &status)
		if status.Phase != row.Phase || status.Gen != row.Gen {
			return false
		}
		var sweep schema.Sweep
		if read(w, schema.SweepTable, schema.BatchID(name, row.Gen), &sweep) && sweep.State == "settle" {
			return false
		}
	}
	return true
}

// read reads the row of a table, as of the observed effect. What there is not,
// or cannot be read, is left as it is.
func read(w *sim.World, table schema.Table, key string, row interface{ Decode(string) error }) bool {
	text, ok := w.Get(table.Key(key))
	return ok && row.Decode(string(text)) == nil
}

// phaseOf and generationOf read no more of a batch's row than that: they are
// asked for at every effect. A batch that is not there has neither.
func phaseOf(w *sim.World, b *workload.Batch) string { return fieldOf(w, b, "phase") }

func generationOf(w *sim.World, b *workload.Batch) int {
	gen, _ := strconv.Atoi(fieldOf(w, b, "gen"))
	return gen
}

func fieldOf(w *sim.World, b *workload.Batch, name string) string {
	row, _ := w.Get(schema.BatchTable.Key(b.Namespace + "/" + b.Name))
	return schema.Field(row, name)
}

// unfinished says how far a batch that has not ended is. Its parts are the units that
// wait or are worked on.
func (s *System) unfinished(w *sim.World, b *workload.Batch) sim.Unfinished {
	name := b.Namespace + "/" + b.Name
	phase := phaseOf(w, b)
	if phase == "" {
		text := name + " is not there"
		if why := s.client.refused[name]; why != "" {
			text += ", its submission was answered last: " + why
		}
		return sim.Unfinished{Subject: name, Shape: "batch is not there", Text: text}
	}
	id := schema.BatchID(name, uint64(generationOf(w, b)))
	left := sim.Unfinished{Key: schema.BatchTable.Key(name)}
	var units []string
	states := map[string]bool{}
	for _, key := range w.Keys(schema.UnitTable.Key(id + "/")) {
		row, _ := w.Get(key)
		state := schema.Field(row, "state")
		states[state] = true
		unit := key[strings.LastIndexByte(key, '/')+1:]
		units = append(units, unit+" "+state)
		if state == "pending" || state == "processing" {
			left.Parts = append(left.Parts, sim.Part{Subject: id + "/" + unit, Key: key})
		}
	}
	left.Subject = name // its rows are named by it or by its id
	if len(left.Parts) > 0 {
		left.Subject, left.Key = left.Parts[0].Subject, left.Parts[0].Key
	}
	if len(units) > 6 {
		units = append(units[:6], "...")
	}
	left.Shape = strings.TrimSpace("batch " + phase + ", units " + cmp.Or(strings.Join(slices.Sorted(maps.Keys(states)), " "), "none"))
	left.Text = name + " is " + phase + ", its units: " + cmp.Or(strings.Join(units, ", "), "none")
	return left
}

// shown are the fields of each table's rows that reports show.
var shown = map[string][]string{
	"batch": {"gen", "phase", "closing", "merge_gen", "manifest"}, "active": {}, "unit": {"state", "epoch", "attempts", "worker", "error"}, "lease": {"epoch", "beat"},
	"merge": {"gen", "state", "worker", "beat"}, "leader": {"epoch", "worker"}, "checkpoint": {"epoch", "seq", "frames"},
	"queue": {"epoch"}, "discovery": {"after", "found", "done"}, "failed": {"epoch", "attempts"}, "dead": {"epoch", "attempts"}, "sweep": {"state"},
	"status": append([]string{"gen", "phase"}, counted...), "shard": append(slices.Clone(counted), "failures", "taken", "frames"),
}

// counted are the fields of rows that count units; what is 0 is not shown.
var counted = []string{"pending", "processing", "complete", "failed", "dead", "cancelled"}

// Show says in a few words what a row holds.
func (s *System) Show(key string, value []byte) string {
	var words []string
	table := s.Classify(key)
	for _, name := range shown[table] {
		text := schema.Field(value, name)
		if name == "worker" {
			text = owner(table, text, schema.Field(value, "incarnation"))
		}
		if text != "" && (text != "0" || name == "epoch" || name == "beat") {
			words = append(words, name+"="+text)
		}
	}
	if len(words) == 0 && table == "shard" {
		return "all 0"
	}
	return strings.Join(words, " ")
}

// owner is who has what a row is about: a worker and its incarnation, or nobody where the
// row outlives its owners.
func owner(table, worker, incarnation string) string {
	switch {
	case worker != "" && incarnation != "":
		return worker + "/" + incarnation
	case worker == "" && (table == "merge" || table == "leader"):
		return "nobody"
	}
	return worker
}

// Describe sums up how the batches ended.
func (s *System) Describe(w *sim.World, sum *sim.Summary) {
	units, published, failed, cancelled := 0, 0, 0, 0
	for i := range s.workload.Batches {
		b := &s.workload.Batches[i]
		units += b.Units()
		switch phaseOf(w, b) {
		case "complete":
			published++
		case "failed":
			failed++
		case "cancelled":
			cancelled++
		case "expired":
		default:
			sum.Unfinished = append(sum.Unfinished, s.unfinished(w, b))
		}
	}
	sum.Fields = []plan.Field{
		{Name: "workers", Value: strconv.Itoa(s.config.Workers)},
		{Name: "batches", Value: strconv.Itoa(len(s.workload.Batches))},
		{Name: "units", Value: strconv.Itoa(units)},
	}
	sum.Outcomes = []sim.Count{{Name: "published", N: published}, {Name: "failed", N: failed}, {Name: "cancelled", N: cancelled}}
	sum.Outcome = "mixed"
	for _, o := range sum.Outcomes {
		if o.N == len(s.workload.Batches) {
			sum.Outcome = o.Name
		}
	}
}
