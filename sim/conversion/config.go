// Package conversion assembles the system under test: the real coordination
// core, its processes and roles, a workload for them, and the clients that
// submit it. It is the only place where the simulator meets core.
package conversion

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/dataset"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// Config is one system under test. A seed draws it; a plan sets every field.
// Bugs hide in the ratios of its durations, so they are drawn apart.
type Config struct {
	// Workers is the number of processes that play every role; with Split
	// that many workers, and two processes that play all other roles.
	Workers int
	Split   bool
	// WorkloadSeed and the limits after it determine what is converted.
	WorkloadSeed  uint64
	Batches       int
	Sources       int
	Recordings    int
	Frames        int
	PoisonPercent int
	EmptyPercent  int
	// MissingPercent of the batches name a recording that is not there.
	MissingPercent int
	// OverlapPercent of the others have a source that names what another one holds.
	OverlapPercent int
	// Poisoned is how many recordings of a poisoned batch are damaged, at most.
	Poisoned int
	// TersePercent of the batches are submitted without what a submission need not
	// name, and get what Core says; half of the others name all of it.
	TersePercent int
	// CancelPercent and ResubmitPercent of the batches are cancelled, or
	// submitted once more after they have ended.
	CancelPercent   int
	ResubmitPercent int
	// RetryPercent of the batches have somebody watching who asks for dead
	// units to be tried again.
	RetryPercent int
	// OperatorLooks is how often they look at most, and OperatorEvery how often; 0 is
	// three times for each look of a controller's.
	OperatorLooks int
	OperatorEvery time.Duration
	// ComebackPercent of the batches are submitted once more after their rows have
	// expired, which takes a TTL.
	ComebackPercent int
	// ForeignPercent of the batches but the first are in namespaces of their own.
	ForeignPercent int
	// RevisePercent of the batches that are submitted once more are submitted as something
	// else: with another output, other limits, fewer sources.
	RevisePercent int
	// MeddlePercent of the batches have other clients who cancel them, retry their dead units
	// or submit them while the first one asks for something.
	MeddlePercent int
	// Linger is how long the clients stay when all their batches have ended: faults
	// go on meanwhile, and meet what cleans up.
	Linger time.Duration
	// WatchPercent of the batches have somebody asking how they stand.
	WatchPercent int
	// TTL is how long the rows of ended batches are kept; 0 is for ever.
	TTL time.Duration
	// ClientPace is the time between a client's calls.
	ClientPace time.Duration
	// Regions is the number of TiKV regions that the rows are spread over.
	Regions int
	// RPCTimeout is the TiKV client's patience for one reply.
	RPCTimeout time.Duration
	// NoConditional makes the object store ignore conditional writes.
	NoConditional bool
	// Stores is what else differs from one store to the next.
	Stores Stores
	// Bystanders keeps objects and uploads of somebody else's under every output.
	Bystanders bool
	// LeakCheck lets the universe go on after its work is done, until everything
	// that the janitors must collect is overdue.
	LeakCheck bool
	// RestartAfter is how long a process stays away that ended by itself.
	RestartAfter time.Duration
	// Core is the configuration of every process. What it says of the stores
	// follows from Stores.
	Core core.Config

	focus  []ops.Op // of the faults: see sim.Bounds
	unrest int

	// Codec converts, and Format is of what into what; nil are package plain and
	// its format. They are the program's, neither drawn nor part of a plan.
	Codec  dataset.Codec
	Format *workload.Format
	// Alter, if set, changes what is to be converted, once it is drawn: for tests that
	// compare a universe with one that is asked for the same in another way. It is the
	// program's, too.
	Alter func(*workload.Spec)
}

// Stores are the stores' traits: one field for each way in which those in the
// field differ. The fields of objstore.Options tell whose they are.
type Stores struct {
	OpaqueETags   bool
	OtherETags    bool
	UploadsByKey  bool
	UploadsByTime bool
	KeyMarkers    bool
	// InclusiveMarkers begins pages of uploads with what was listed last.
	InclusiveMarkers bool
	Completions      string // "repeat", "once" or "blind"
	ConditionFirst   bool
	LaxParts         bool
	NoEmptyParts     bool
	ExistsCode409    bool
	NoIfMatch        bool
	WeakConditional  bool
	// Contention is for how many requests, and a second at most, a write is under
	// way; 0 is for none.
	Contention int
	// StrictParts makes the store's smallest part as large as the configured
	// one; else there is no smallest.
	StrictParts bool
	// MaxKey and MaxSegment bound keys of objects, MaxSegment 0 by nothing.
	MaxKey, MaxSegment int
	// Folders and CleanKeys are a file system's rules for keys.
	Folders, CleanKeys bool
	// MaxRow and MaxTxn bound a row and a transaction, in bytes.
	MaxRow, MaxTxn int
	// Probe lets processes find out what the object store has. Then they are told
	// that it lists uploads by prefix even if it does not.
	Probe bool
}

// completions are the names of objstore.Completions.
var completions = [...]string{"repeat", "once", "blind"}

// settings binds the fields to their names in a plan. Plans that are older know
// one store: it had S3's traits but for MinIO's completions, no limit, and was
// not probed.
func (s *Stores) settings() []plan.Setting {
	return []plan.Setting{
		{Name: "store.opaque_etags", Bool: &s.OpaqueETags, Absent: "false"},
		{Name: "store.uploads_by_key", Bool: &s.UploadsByKey, Absent: "false"},
		{Name: "store.completions", Text: &s.Completions, Allowed: completions[:], Absent: "once"},
		{Name: "store.exists_409", Bool: &s.ExistsCode409, Absent: "false"},
		{Name: "store.weak_conditional", Bool: &s.WeakConditional, Absent: "false"},
		{Name: "store.strict_parts", Bool: &s.StrictParts, Absent: "false"},
		{Name: "store.max_key", Int: &s.MaxKey, Min: 128, Max: 1 << 16, Absent: "1024"},
		{Name: "store.max_segment", Int: &s.MaxSegment, Min: 0, Max: 1 << 16, Absent: "0"},
		{Name: "store.max_row", Int: &s.MaxRow, Min: 1 << 16, Max: 1 << 30, Absent: "6291456"},
		{Name: "store.max_txn", Int: &s.MaxTxn, Min: 1 << 16, Max: 1 << 30, Absent: "104857600"},
		{Name: "store.probe", Bool: &s.Probe, Absent: "false"},
		{Name: "store.other_etags", Bool: &s.OtherETags, Absent: "false"},
		{Name: "store.uploads_by_time", Bool: &s.UploadsByTime, Absent: "false"},
		{Name: "store.key_markers", Bool: &s.KeyMarkers, Absent: "false"},
		{Name: "store.inclusive_markers", Bool: &s.InclusiveMarkers, Absent: "false"},
		{Name: "store.condition_first", Bool: &s.ConditionFirst, Absent: "false"},
		{Name: "store.lax_parts", Bool: &s.LaxParts, Absent: "false"},
		{Name: "store.no_empty_parts", Bool: &s.NoEmptyParts, Absent: "false"},
		{Name: "store.no_if_match", Bool: &s.NoIfMatch, Absent: "false"},
		{Name: "store.contention", Int: &s.Contention, Min: 0, Max: 1000, Absent: "0"},
		{Name: "store.folders", Bool: &s.Folders, Absent: "false"},
		{Name: "store.clean_keys", Bool: &s.CleanKeys, Absent: "false"},
	}
}

// draw chooses stores: each trait of its own, since it is for their pairs that no
// store was ever tried.
func (s *Stores) draw(d keyed.Draw) {
	*s = Stores{
		OpaqueETags: d.Chance("opaque_etags", 250), UploadsByKey: d.Chance("uploads_by_key", 250),
		Completions:   completions[d.Between("completions", 0, 2)],
		ExistsCode409: d.Chance("exists_409", 200), WeakConditional: d.Chance("weak_conditional", 100),
		StrictParts: d.Chance("strict_parts", 300), MaxKey: 1024, MaxRow: 6 << 20, MaxTxn: 100 << 20,
		Probe: d.Chance("probe", 250), OtherETags: d.Chance("other_etags", 150),
		UploadsByTime: d.Chance("uploads_by_time", 300), KeyMarkers: d.Chance("key_markers", 200), InclusiveMarkers: d.Chance("inclusive_markers", 150),
		ConditionFirst: d.Chance("condition_first", 200), LaxParts: d.Chance("lax_parts", 100),
		NoEmptyParts: d.Chance("no_empty_parts", 200), NoIfMatch: d.Chance("no_if_match", 200),
		Folders: d.Chance("folders", 200), CleanKeys: d.Chance("clean_keys", 200),
	}
	if d.Chance("contended", 250) {
		s.Contention = int(d.LogBetween("contention", 1, 30))
	}
	if d.Chance("posix", 200) {
		s.MaxSegment = 255
	}
	if d.Chance("other_keys", 200) {
		s.MaxKey = [...]int{1023, 1 << 16}[d.Between("max_key", 0, 1)]
	}
	if d.Chance("small_rows", 200) {
		s.MaxRow, s.MaxTxn = 64<<10, 4<<20
	}
}

// minPart is the store's smallest part, in bytes.
func (s *Stores) minPart(partSize int64) int64 {
	if s.StrictParts {
		return partSize
	}
	return 1
}

// options is how the object store behaves.
func (s *Stores) options(partSize int64, noConditional bool) objstore.Options {
	return objstore.Options{
		MinPart: s.minPart(partSize), NoEmptyParts: s.NoEmptyParts, LaxParts: s.LaxParts,
		MaxKey: s.MaxKey, MaxSegment: s.MaxSegment, Folders: s.Folders, CleanKeys: s.CleanKeys,
		OpaqueETags: s.OpaqueETags, OtherETags: s.OtherETags,
		ExistsCode409: s.ExistsCode409, NoIfMatch: s.NoIfMatch, WeakConditional: s.WeakConditional, NoConditional: noConditional,
		Contention: s.Contention, ConditionFirst: s.ConditionFirst,
		Completions:  objstore.Completions(max(slices.Index(completions[:], s.Completions), 0)),
		UploadsByKey: s.UploadsByKey, UploadsByTime: s.UploadsByTime, KeyMarkers: s.KeyMarkers, InclusiveMarkers: s.InclusiveMarkers,
	}
}

// traits is what the processes are told of the stores.
func (s *Stores) traits(partSize int64) core.StoreTraits {
	t := core.DefaultStoreTraits()
	t.MinPart, t.MaxKey, t.MaxSegment = s.minPart(partSize), s.MaxKey, s.MaxSegment
	t.MaxRow, t.MaxTxn = s.MaxRow, s.MaxTxn
	t.UploadsByPrefix = !s.UploadsByKey || s.Probe
	t.Probe = ""
	if s.Probe {
		t.Probe = "probe"
	}
	return t
}

// Name is the system's name in plans.
func (c *Config) Name() string { return "conversion" }

// Settings binds every field to its name in a plan.
func (c *Config) Settings() []plan.Setting {
	const day = int64(24 * time.Hour)
	number := func(name string, field *int, lo, hi int64) plan.Setting {
		return plan.Setting{Name: name, Int: field, Min: lo, Max: hi}
	}
	duration := func(name string, field *time.Duration) plan.Setting {
		return plan.Setting{Name: "core." + name, Duration: field, Min: 1, Max: day}
	}
	k := &c.Core
	return append([]plan.Setting{
		number("workers", &c.Workers, 1, 64),
		{Name: "split", Bool: &c.Split},
		{Name: "workload_seed", Seed: &c.WorkloadSeed},
		number("batches", &c.Batches, 1, 16), number("sources", &c.Sources, 1, 16),
		number("recordings", &c.Recordings, 1, 1000), number("frames", &c.Frames, 1, 10000),
		{Name: "poison_percent", Int: &c.PoisonPercent, Max: 100, Provokes: "100"}, number("empty_percent", &c.EmptyPercent, 0, 100),
		{Name: "cancel_percent", Int: &c.CancelPercent, Max: 100, Provokes: "100"}, number("resubmit_percent", &c.ResubmitPercent, 0, 100),
		number("retry_percent", &c.RetryPercent, 0, 100),
		{Name: "missing_percent", Int: &c.MissingPercent, Max: 100, Absent: "0"},
		{Name: "overlap_percent", Int: &c.OverlapPercent, Max: 100, Absent: "0"},
		{Name: "terse_percent", Int: &c.TersePercent, Max: 100, Absent: "0"},
		{Name: "poisoned", Int: &c.Poisoned, Min: 1, Max: 1000, Absent: "1"},
		{Name: "operator_looks", Int: &c.OperatorLooks, Min: 1, Max: 10000, Absent: "30"},
		{Name: "operator_every", Duration: &c.OperatorEvery, Max: day, Absent: "0s"},
		{Name: "comeback_percent", Int: &c.ComebackPercent, Max: 100, Absent: "0"},
		{Name: "foreign_percent", Int: &c.ForeignPercent, Max: 100, Absent: "0"},
		{Name: "revise_percent", Int: &c.RevisePercent, Max: 100, Absent: "0"},
		{Name: "meddle_percent", Int: &c.MeddlePercent, Max: 100, Absent: "0"},
		{Name: "linger", Duration: &c.Linger, Max: day, Absent: "0s"},
		number("watch_percent", &c.WatchPercent, 0, 100),
		{Name: "ttl", Duration: &c.TTL, Max: day},
		{Name: "client_pace", Duration: &c.ClientPace, Min: 1, Max: day},
		number("regions", &c.Regions, 1, 4),
		{Name: "rpc_timeout", Duration: &c.RPCTimeout, Min: 1e6, Max: day},
		{Name: "no_conditional", Bool: &c.NoConditional},
		{Name: "bystanders", Bool: &c.Bystanders, Absent: "false"},
		{Name: "leak_check", Bool: &c.LeakCheck},
		{Name: "restart_after", Duration: &c.RestartAfter, Min: 1, Max: day},
		number("core.slots", &k.Slots, 1, 16),
		duration("worker_poll", &k.WorkerPoll), duration("heartbeat", &k.Heartbeat),
		duration("stale_after", &k.StaleAfter), duration("fence_margin", &k.FenceMargin),
		duration("reap_every", &k.ReapEvery), duration("control_every", &k.ControlEvery),
		duration("scan_every", &k.ScanEvery), duration("merge_poll", &k.MergePoll),
		duration("janitor_every", &k.JanitorEvery), duration("scanner_lease", &k.ScannerLease),
		number("core.max_attempts", &k.MaxAttempts, 1, 100),
		// A limit that ends a batch at its first failure tells more than the usual one.
		{Name: "core.backoff_limit", Int: &k.BackoffLimit, Min: 1, Max: 1000, Simple: "10"},
		number("core.episodes_per_chunk", &k.EpisodesPerChunk, 1, 100000),
		duration("unit_backoff", &k.UnitBackoff), duration("unit_backoff_max", &k.UnitBackoffMax),
		{Name: "core.unit_timeout", Duration: &k.UnitTimeout, Min: 1, Max: day, Provokes: "10ms"},
		number("core.checkpoint_frames", &k.CheckpointFrames, 1, 100000), duration("checkpoint_every", &k.CheckpointEvery),
		bytes("core.read_chunk", &k.ReadChunk), bytes("core.part_size", &k.PartSize), bytes("core.multipart_above", &k.MultipartAbove),
		number("core.parts_in_flight", &k.PartsInFlight, 1, 16),
		duration("op_timeout", &k.OpTimeout), duration("storage_timeout", &k.StorageTimeout),
		number("core.conflict_tries", &k.ConflictTries, 1, 100), duration("conflict_backoff", &k.ConflictBackoff),
		number("core.storage_tries", &k.StorageTries, 1, 100), duration("storage_backoff", &k.StorageBackoff),
		duration("storage_backoff_max", &k.StorageBackoffMax),
		number("core.breaker_failures", &k.BreakerFailures, 1, 100), duration("breaker_open", &k.BreakerOpen),
		number("core.breaker_successes", &k.BreakerSuccesses, 1, 100),
		duration("drain_timeout", &k.DrainTimeout), duration("max_in_flight", &k.MaxInFlight),
		duration("watch_for", &k.WatchFor), number("core.page", &k.Page, 1, 1000),
		// Plans that are older know neither of these.
		{Name: "core.shards", Int: &k.Shards, Min: 1, Max: 1000, Absent: "1"},
		{Name: "core.txn_bytes", Int: &k.TxnBytes, Min: 1, Max: 1 << 30, Absent: "1048576"},
		{Name: "core.merge_memory", Size: &k.MergeMemory, Min: 1, Max: 1 << 40, Absent: "536870912"},
	}, c.Stores.settings()...)
}

// bytes binds a size; sizes are int64 in core and whole numbers in plans.
func bytes(name string, field *int64) plan.Setting {
	return plan.Setting{Name: name, Size: field, Min: 1, Max: 1 << 40}
}

// Draw chooses a configuration: mostly small worlds, since most bugs need few
// actors, with the ratios between the durations spread widely.
func (c *Config) Draw(d keyed.Draw) {
	large := d.Chance("large", 80)
	pick := func(label string, small, big int64) int {
		if large {
			return int(d.Between(label, 1, big))
		}
		return int(d.Between(label, 1, small))
	}
	*c = Config{
		Codec: c.Codec, Format: c.Format, Alter: c.Alter,
		Workers:      2 + int(d.Between("workers", 0, 20))/10,
		Split:        d.Chance("split", 200),
		WorkloadSeed: d.Uint64("workload"),
		Batches:      1 + int(d.Between("batches", 0, 1)), Sources: pick("sources", 2, 3),
		Recordings: pick("recordings", 3, 6), Frames: int(d.LogBetween("frames", 6, 60)),
		ClientPace: quantised(d, "client_pace", 1e8, 60e9),
		Regions:    int(d.Between("regions", 1, 4)), RPCTimeout: quantised(d, "rpc_timeout", 3e8, 30e9),
		NoConditional: d.Chance("no_conditional", 50), RestartAfter: quantised(d, "restart_after", 1e8, 5e9),
		LeakCheck: d.Chance("leak_check", 50), Bystanders: d.Chance("bystanders", 300),
		Core: drawCore(d), Poisoned: 1, OperatorLooks: usualLooks,
	}
	c.Stores.draw(d.Sub("stores"))
	if d.Chance("poison", 80) {
		c.PoisonPercent = 60
		if d.Chance("poisoned", 300) { // a batch's failures are counted over its units
			c.Poisoned = int(d.Between("poisoned units", 2, 8))
		}
	}
	if d.Chance("terse", 400) {
		c.TersePercent = 60
		c.Core.EpisodesPerChunk = int(d.LogBetween("episodes_per_chunk", 1, 1000))
	}
	if d.Chance("empty", 100) {
		c.EmptyPercent = 40
	}
	if d.Chance("overlap", 40) {
		c.OverlapPercent = 70
	}
	if d.Chance("cancel", 80) {
		c.CancelPercent = 70
	}
	if d.Chance("retry", 100) {
		c.RetryPercent = 70
		if d.Chance("retry of several", 150) { // one retry is about all that are dead
			c.PoisonPercent, c.Poisoned = 80, int(d.Between("dead units", 2, 4))
		}
	}
	if d.Chance("watch", 300) {
		c.WatchPercent = 70
	}
	if d.Chance("ttl", 100) {
		c.TTL = quantised(d, "ttl_for", 1e9, 300e9)
		c.LeakCheck = c.LeakCheck || d.Chance("leak_check_ttl", 200)
	}
	if d.Chance("resubmit", 80) {
		c.ResubmitPercent = 70
	}
	if d.Chance("linger", 40) {
		c.Linger = quantised(d, "linger_for", 20e9, int64(c.hasten()))
		c.focus = collecting
		if d.Chance("linger cancel", 250) { // what is cancelled leaves most
			c.CancelPercent = 70
		}
	}
	if d.Chance("storm", 50) {
		c.storm(d)
	}
	if c.ComebackPercent > 0 || d.Chance("comeback", 15) {
		c.ComebackPercent, c.TTL = 80, quantised(d, "comeback_ttl", 1e9, 20e9)
		c.hasten()
		c.Linger = quantised(d, "comeback_linger", 1e9, 60e9)
	}
	if d.Chance("brink", 50) {
		c.brink(d)
	}
	if d.Chance("relapse", 40) {
		c.relapse(d)
	}
	if d.Chance("crowd", 20) {
		c.crowd(d)
	}
	if d.Chance("haul", 8) {
		c.haul(d)
	}
	if d.Chance("foreign", 200) {
		c.ForeignPercent = 70
	}
	if d.Chance("contest", 30) {
		c.contest(d)
	}
	if (c.ResubmitPercent > 0 || c.ComebackPercent > 0 || c.MeddlePercent > 0) && d.Chance("revise", 500) {
		c.RevisePercent = 70
	}
	if c.LeakCheck && d.Chance("leaks soon", 800) { // else most of the run is waiting
		c.hasten()
	}
}

// collecting are the operations of who collects what ended batches leave.
var collecting = []ops.Op{ops.Delete, ops.Delete, ops.AbortUpload, ops.ListUploads, ops.List}

// storm is the worst of days: whatever can go wrong with a batch does, its clients do
// all that they can do, and requests fail everywhere. What comes seldom happens right
// after a fault then.
func (c *Config) storm(d keyed.Draw) {
	c.unrest = int(d.LogBetween("unrest", 100, 400))
	c.focus = slices.Concat(collecting, []ops.Op{ops.Resolve, ops.CheckTxn, ops.Rollback, ops.CompleteUpload})
	c.Workers, c.Recordings = max(c.Workers, 2), max(c.Recordings, 3)
	c.PoisonPercent, c.RetryPercent, c.CancelPercent, c.ResubmitPercent, c.WatchPercent, c.ComebackPercent = 30, 60, 40, 50, 50, 60
	c.OperatorLooks = 10
	if d.Chance("storm meddle", 300) {
		c.MeddlePercent = 60
	}
	c.TersePercent = 100 // else the attempts would be the workload's
	k := &c.Core
	k.MaxAttempts, k.BackoffLimit = int(d.Between("storm attempts", 1, 3)), int(d.Between("storm backoff", 2, 6))
	k.UnitTimeout = quantised(d, "storm timeout", 2e9, 30e9)
	k.UnitBackoffMax = 2 * k.UnitBackoff
	c.MissingPercent = 15
	if d.Chance("storm control", 500) { // what has ended is seen late: reapers come first
		k.ControlEvery = quantised(d, "storm control every", 5e9, 60e9)
	}
}

// contest is several clients who cancel, retry and submit the same batches, each as if it
// were the only one: calls meet, and what one has looked at another changes.
func (c *Config) contest(d keyed.Draw) {
	c.MeddlePercent, c.CancelPercent, c.ResubmitPercent = 100, 50, 70
	c.ClientPace = quantised(d, "contest pace", 1e8, 5e9)
	c.Frames = min(c.Frames, 12)
	switch d.Between("contest of", 0, 2) {
	case 0:
		c.unrest = int(d.LogBetween("contest unrest", 50, 300))
	case 1:
		c.PoisonPercent, c.RetryPercent, c.OperatorLooks = 60, 70, 6
	}
}

// brink is life on the brink: leases as short as they can be, controllers that look
// seldom, requests that fail. Reapers meet what has ended, and what has had its last
// attempt; drains run out of time.
func (c *Config) brink(d keyed.Draw) {
	c.unrest = int(d.LogBetween("brink unrest", 250, 600))
	c.focus = []ops.Op{ops.Get, ops.UploadPart} // whoever is lost owns a unit
	c.Workers, c.CancelPercent, c.RetryPercent, c.ClientPace = 3, 80, 70, quantised(d, "brink pace", 1e8, 2e9)
	c.MissingPercent = 10
	c.Linger = quantised(d, "brink linger", 20e9, 120e9)
	k := &c.Core
	if d.Chance("brink attempts", 200) {
		k.MaxAttempts, c.TersePercent = 1, 100
	}
	if d.Chance("brink timeout", 500) {
		c.hurry(quantised(d, "brink timeout after", 3e9, 8e9))
	}
	k.Heartbeat = quantised(d, "brink heartbeat", 3e8, 1e9)
	k.StaleAfter = 3 * k.Heartbeat
	k.FenceMargin = (k.StaleAfter / 8).Truncate(10 * time.Millisecond)
	k.ReapEvery = quantised(d, "brink reap", 2e8, 2e9)
	k.ControlEvery = quantised(d, "brink control", 20e9, 120e9)
	k.DrainTimeout = quantised(d, "brink drain", 5e8, 5e9)
	k.UnitBackoffMax = k.UnitBackoff * time.Duration(d.Between("brink backoff ratio", 1, 4))
}

// relapse lets the same units fail again and again: work is slow, now and then, and
// attempts are given up. Their back-offs are long beside what else is under way, so
// that a cancel, a limit of failures or an operator finds units that wait.
func (c *Config) relapse(d keyed.Draw) {
	c.unrest = int(d.LogBetween("relapse unrest", 350, 600))
	c.focus = []ops.Op{ops.Work}
	k := &c.Core
	k.MaxAttempts, k.BackoffLimit = int(d.Between("relapse attempts", 3, 8)), int(d.LogBetween("relapse limit", 1, 30))
	c.TersePercent = 100
	k.UnitBackoff = quantised(d, "relapse backoff", 5e8, 20e9)
	if d.Chance("relapse cancel", 450) { // faults end when all clients have left: they stay for what is swept
		c.CancelPercent, c.ClientPace = 80, quantised(d, "relapse pace", 8e9, 30e9)
		c.Linger = quantised(d, "relapse linger", 20e9, 60e9)
		k.UnitBackoff = quantised(d, "relapse long backoff", 10e9, 40e9)
	}
	k.UnitBackoffMax = k.UnitBackoff * time.Duration(d.Between("relapse backoff ratio", 1, 8))
	timeout := quantised(d, "relapse timeout", 3e9, 8e9)
	switch d.Between("relapse control", 0, 2) {
	case 0: // looks so often that it tells one back-off from the next
		k.ControlEvery = max(k.UnitBackoff/8, 200*time.Millisecond).Truncate(10 * time.Millisecond)
	case 1: // does not see a unit that failed, was tried again, and failed again
		k.ControlEvery, k.UnitBackoff = 2*timeout, max(k.UnitBackoff, timeout)
		k.UnitBackoffMax = 4 * k.UnitBackoff
	}
	c.hurry(timeout)
}

// crowd lets many slots look for the units of one batch, which take long and have
// limits that their shards do not divide evenly: what stays idle, takes what is
// taken, or does not stop, has the time to show.
func (c *Config) crowd(d keyed.Draw) {
	c.Workers, c.Batches, c.Sources, c.Recordings, c.TersePercent = 3, 1, 2, 4, 1
	c.Frames = int(d.Between("crowd frames", 20, 60))
	k := &c.Core
	k.Slots, k.Shards = 2, int(d.Between("crowd shards", 2, 4))
	k.WorkerPoll, k.OpTimeout = quantised(d, "crowd poll", 2e8, 1e9), quantised(d, "crowd patience", 1e9, 2e9)
	k.UnitTimeout = max(k.UnitTimeout, 10*time.Minute)
	switch d.Between("crowd of", 0, 2) {
	case 0: // who is asked to stop has little time beside what a unit takes
		k.DrainTimeout = quantised(d, "crowd drain", 1e9, 5e9)
	case 1: // the outcomes of claims are unknown for longer than their locks last
		c.unrest = int(d.LogBetween("crowd unrest", 600, 2000))
		c.Sources, c.Recordings, k.Slots = 1, 2, 3
		c.RPCTimeout, k.OpTimeout = quantised(d, "crowd timeout", 10e9, 30e9), quantised(d, "crowd doubt", 6e9, 9e9)
		k.Heartbeat, k.StaleAfter = quantised(d, "crowd heartbeat", 3e8, 1e9), max(k.StaleAfter, 30*time.Second)
		k.MaxInFlight = max(k.MaxInFlight, k.OpTimeout+k.StorageTimeout+10*time.Second)
		k.WatchFor = max(k.WatchFor, k.MaxInFlight)
	}
}

// hurry gives attempts little time, and units that need less of it than they have,
// unless a fault costs some.
func (c *Config) hurry(timeout time.Duration) {
	k := &c.Core
	c.Frames = min(c.Frames, 6)
	k.UnitTimeout, k.ReadChunk, k.PartSize, k.CheckpointFrames = timeout, 4096, 600, max(k.CheckpointFrames, 6)
}

// usualLooks is how often an operator looks who asks for dead units to be tried again.
const usualLooks = 30

// hasten lets what ended batches leave be collected, and be forgotten, as soon as a
// configuration may; it returns after how long that has happened.
func (c *Config) hasten() time.Duration {
	k := &c.Core
	k.MaxInFlight = k.OpTimeout + k.StorageTimeout
	k.WatchFor = k.MaxInFlight
	k.JanitorEvery = min(k.JanitorEvery, 20*time.Second)
	return c.forgotten()
}

// forgotten is when at the latest the remains of a batch have been collected, and its
// rows have expired.
func (c *Config) forgotten() time.Duration {
	k := &c.Core
	return 2*max(k.WatchFor, c.TTL) + 2*k.MaxInFlight + 6*k.JanitorEvery + time.Minute
}

// haul lets an operator retry a unit that can never be converted, tens of times and
// up to hundreds: the controllers look seldom, for they would fail the batch.
func (c *Config) haul(d keyed.Draw) {
	k := &c.Core
	c.PoisonPercent, c.RetryPercent, c.CancelPercent = 100, 100, 0
	c.OperatorLooks = int(d.LogBetween("haul looks", 60, 500))
	c.OperatorEvery = quantised(d, "haul pace", 2e8, 1e9)
	c.Batches, c.Sources, c.Recordings, c.Frames = 1, 1, 2, 6
	c.ClientPace = time.Second
	k.BackoffLimit, k.WorkerPoll = 1000, time.Second/2
	k.ControlEvery = quantised(d, "haul control", 30e9, 120e9)
}

// operatorEvery is how often an operator looks.
func (c *Config) operatorEvery() time.Duration {
	return cmp.Or(c.OperatorEvery, c.Core.ControlEvery/3)
}

// quantised draws a duration, in nanoseconds, whose logarithm is about uniform,
// rounded to 10 ms: only equal durations make ties, and only ties tell > from
// >=.
func quantised(d keyed.Draw, label string, lo, hi int64) time.Duration {
	const quantum = 10 * time.Millisecond
	return max(time.Duration(d.LogBetween(label, lo, hi)).Truncate(quantum), quantum)
}

func drawCore(d keyed.Draw) core.Config {
	k := core.DefaultConfig()
	span := func(label string, lo, hi time.Duration) time.Duration {
		return quantised(d, label, int64(lo), int64(hi))
	}
	k.Slots = 1 + int(d.Between("slots", 0, 9))/7
	k.Heartbeat = span("heartbeat", time.Second/2, 8*time.Second)
	k.StaleAfter = k.Heartbeat * time.Duration(d.Between("stale_ratio", 3, 8))
	k.FenceMargin = (k.StaleAfter / time.Duration(d.Between("margin_ratio", 5, 12))).Truncate(10 * time.Millisecond)
	k.WorkerPoll = span("worker_poll", time.Second/2, 6*time.Second)
	k.ReapEvery = span("reap_every", time.Second, 20*time.Second)
	k.ControlEvery = span("control_every", time.Second, 8*time.Second)
	k.ScanEvery = span("scan_every", time.Second, 20*time.Second)
	k.ScannerLease = k.ScanEvery + span("scanner_lease", 5*time.Second, 60*time.Second)
	if d.Chance("short_lead", 150) { // so that rounds are due to renewals
		k.ScannerLease = span("short_scanner_lease", 3*time.Second, 20*time.Second)
	}
	k.MergePoll = span("merge_poll", time.Second, 12*time.Second)
	k.JanitorEvery = span("janitor_every", 10*time.Second, 60*time.Second)
	k.MaxAttempts = int(d.Between("max_attempts", 2, 4))
	k.BackoffLimit = int(d.LogBetween("backoff_limit", 2, 12))
	k.UnitBackoff = span("unit_backoff", time.Second/2, 4*time.Second)
	if d.Chance("short_backoff", 500) { // most units have few attempts: else none would get to the longest
		k.UnitBackoffMax = k.UnitBackoff * time.Duration(d.Between("backoff_ratio", 1, 4))
	}
	k.UnitTimeout = span("unit_timeout", 30*time.Second, 20*time.Minute)
	k.CheckpointFrames = int(d.LogBetween("checkpoint_frames", 1, 12))
	k.CheckpointEvery = span("checkpoint_every", time.Second/5, 20*time.Second)
	k.ReadChunk = d.LogBetween("read_chunk", 64, 4096)
	k.PartSize = d.LogBetween("part_size", 64, 600)
	k.MultipartAbove = d.LogBetween("multipart_above", 64, 900)
	k.PartsInFlight = int(d.Between("parts_in_flight", 1, 3))
	k.OpTimeout = span("op_timeout", time.Second, 10*time.Second)
	k.StorageTimeout = span("storage_timeout", time.Second, 8*time.Second)
	k.ConflictTries = int(d.Between("conflict_tries", 3, 10))
	k.StorageTries = int(d.Between("storage_tries", 1, 5))
	k.ConflictBackoff = span("conflict_backoff", 20*time.Millisecond, 100*time.Millisecond)
	k.StorageBackoffMax = span("storage_backoff_max", time.Second, 20*time.Second)
	k.BreakerFailures = int(d.Between("breaker_failures", 3, 6))
	k.BreakerOpen = span("breaker_open", 2*time.Second, 30*time.Second)
	k.DrainTimeout = span("drain_timeout", 5*time.Second, 30*time.Second)
	if d.Chance("short_drain", 300) { // so that a unit takes longer
		k.DrainTimeout = span("short_drain_timeout", time.Second, 5*time.Second)
	}
	k.MaxInFlight = k.OpTimeout + k.StorageTimeout + span("max_in_flight", 10*time.Second, 120*time.Second)
	k.WatchFor = k.MaxInFlight + span("watch_for", 20*time.Second, 120*time.Second)
	k.Page = int(d.LogBetween("page", 1, 200))
	k.Shards = int(d.LogBetween("shards", 1, 4))
	k.TxnBytes = int(d.LogBetween("txn_bytes", 100, 1<<16))
	return k
}

// Workload is what the configuration's system is asked to convert.
func (c *Config) Workload() workload.Spec {
	draw := keyed.New(c.WorkloadSeed, "workload")
	spec := workload.Generate(draw.Uint64, workload.Limits{
		Batches: c.Batches, Sources: c.Sources, Recordings: c.Recordings, Frames: c.Frames,
		PoisonPercent: c.PoisonPercent, Poisoned: c.Poisoned, EmptyPercent: c.EmptyPercent,
		MissingPercent: c.MissingPercent, OverlapPercent: c.OverlapPercent,
		ForeignPercent: c.ForeignPercent, RevisePercent: c.RevisePercent,
	})
	spec.Format = c.Format
	if c.TersePercent > 0 {
		for i := range spec.Batches {
			d, b := keyed.New(c.WorkloadSeed, "submission").Sub(strconv.Itoa(i)), &spec.Batches[i]
			c.name(d, b)
			if b.Revised != nil {
				c.name(d.Sub("revised"), b.Revised)
			}
		}
	}
	if c.Alter != nil {
		c.Alter(&spec)
	}
	return spec
}

// name chooses what the submission of a batch names.
func (c *Config) name(d keyed.Draw, b *workload.Batch) {
	switch {
	case d.Chance("terse", 10*c.TersePercent):
		b.Terse, b.MaxAttempts, b.ChunkSize = true, c.Core.MaxAttempts, c.Core.EpisodesPerChunk
	case d.Chance("all", 500):
		b.MaxAttempts, b.BackoffLimit = int(d.Between("attempts", 2, 5)), int(d.LogBetween("backoff limit", 3, 12))
		b.Parallelism = int(d.Between("parallelism", 0, 6))
	}
}
