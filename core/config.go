package core

import (
	"errors"
	"fmt"
	"time"
)

// Config is what an operator may set. [DefaultConfig] is a good start; every
// duration is of the process's own monotonic clock.
type Config struct {
	// Slots is how many units a worker executes at once.
	Slots int
	// WorkerPoll is the pause between two looks at an empty queue.
	WorkerPoll time.Duration
	// Heartbeat is the period at which an owner renews a unit's lease and a
	// merger its claim.
	Heartbeat time.Duration
	// StaleAfter is how long an observer must see a lease's or merge claim's
	// beat unchanged, on its own clock, before it takes it away. An owner
	// stops by itself FenceMargin earlier.
	StaleAfter  time.Duration
	FenceMargin time.Duration
	// ReapEvery, ControlEvery, ScanEvery, MergePoll and JanitorEvery are the
	// periods of the reaper, controller, scanner, merger and janitor.
	ReapEvery    time.Duration
	ControlEvery time.Duration
	ScanEvery    time.Duration
	MergePoll    time.Duration
	JanitorEvery time.Duration
	// ScannerLease is StaleAfter for the scanner's leadership, which is renewed
	// at a third of it.
	ScannerLease time.Duration

	// MaxAttempts and BackoffLimit are what a submission gets that names none:
	// attempts for each unit, failed attempts for the whole batch.
	MaxAttempts  int
	BackoffLimit int
	// EpisodesPerChunk is what a submission gets that names none.
	EpisodesPerChunk int
	// UnitBackoff is the pause before a unit's second attempt after a failure;
	// it doubles with each further attempt up to UnitBackoffMax.
	UnitBackoff    time.Duration
	UnitBackoffMax time.Duration
	// UnitTimeout stops an attempt that takes longer.
	UnitTimeout time.Duration
	// A checkpoint is written once a part is durable and CheckpointFrames
	// frames or CheckpointEvery have passed since the last.
	CheckpointFrames int
	CheckpointEvery  time.Duration

	// ReadChunk is how many bytes of a source are read at once.
	ReadChunk int64
	// Outputs above MultipartAbove bytes are uploaded in parts of PartSize
	// bytes (a little more, since parts end with a frame), PartsInFlight at
	// once.
	PartSize       int64
	MultipartAbove int64
	PartsInFlight  int

	// Shards is how many guard rows a new batch gets, 1 to 1000 (a batch with a
	// limit on its parallelism at most so many). Claims and completions of
	// units of one shard conflict when they meet; what ends a batch locks all
	// its shards at once. About a fifth of the workers is plenty.
	Shards int
	// MergeMemory bounds the rows of a merge's input, in bytes: a batch whose
	// complete units have more fails with an error that says so.
	MergeMemory int64

	// OpTimeout bounds one try of one transaction, StorageTimeout one call to
	// the object store.
	OpTimeout      time.Duration
	StorageTimeout time.Duration
	// A transaction that conflicts or finds the store unavailable is tried
	// ConflictTries times in all, with pauses that start at ConflictBackoff and
	// double.
	ConflictTries   int
	ConflictBackoff time.Duration
	// A call to the object store that fails is tried StorageTries times in all,
	// with pauses from StorageBackoff, doubling, to StorageBackoffMax. Owners of
	// a lease go on trying for as long as they hold it.
	StorageTries      int
	StorageBackoff    time.Duration
	StorageBackoffMax time.Duration
	// After BreakerFailures failures in a row a store counts as down: for
	// BreakerOpen it is not called, then BreakerSuccesses successes in a row
	// make it count as up again.
	BreakerFailures  int
	BreakerOpen      time.Duration
	BreakerSuccesses int

	// DrainTimeout bounds what a process does after it was told to drain.
	DrainTimeout time.Duration
	// MaxInFlight bounds how long a request may still execute after it was
	// sent. Nothing outside the key-value store is collected sooner (R15).
	MaxInFlight time.Duration
	// WatchFor is how long the prefixes of a finished batch are looked at for
	// what processes that were frozen for long still write to them.
	WatchFor time.Duration
	// Page is how many rows or objects are read, and about how many units are
	// written, at once. At most 1000.
	Page int
	// TxnBytes bounds what a transaction that works off a page writes, in bytes
	// of keys and values: the page is cut short where it would be exceeded, but
	// not before its first row.
	TxnBytes int

	// Store names what the stores have and allow.
	Store StoreTraits
}

// DefaultConfig returns the configuration for production.
func DefaultConfig() Config {
	return Config{
		Slots:             1,
		WorkerPoll:        5 * time.Second,
		Heartbeat:         30 * time.Second,
		StaleAfter:        300 * time.Second,
		FenceMargin:       30 * time.Second,
		ReapEvery:         60 * time.Second,
		ControlEvery:      5 * time.Second,
		ScanEvery:         60 * time.Second,
		MergePoll:         30 * time.Second,
		JanitorEvery:      5 * time.Minute,
		ScannerLease:      180 * time.Second,
		MaxAttempts:       3,
		BackoffLimit:      10,
		EpisodesPerChunk:  1000,
		UnitBackoff:       time.Second,
		UnitBackoffMax:    60 * time.Second,
		UnitTimeout:       time.Hour,
		CheckpointFrames:  100,
		CheckpointEvery:   10 * time.Second,
		ReadChunk:         8 << 20,
		PartSize:          64 << 20,
		MultipartAbove:    100 << 20,
		PartsInFlight:     4,
		OpTimeout:         15 * time.Second,
		StorageTimeout:    5 * time.Minute,
		ConflictTries:     10,
		ConflictBackoff:   50 * time.Millisecond,
		StorageTries:      5,
		StorageBackoff:    100 * time.Millisecond,
		StorageBackoffMax: 30 * time.Second,
		BreakerFailures:   5,
		BreakerOpen:       30 * time.Second,
		BreakerSuccesses:  3,
		DrainTimeout:      30 * time.Second,
		MaxInFlight:       10 * time.Minute,
		WatchFor:          24 * time.Hour,
		Page:              256,
		Store:             DefaultStoreTraits(),
		TxnBytes:          1 << 20,
		Shards:            64,
		MergeMemory:       512 << 20,
	}
}

// Validate returns an error that names every field out of range, one a line,
// or nil.
func (c *Config) Validate() error {
	var errs []error
	positive := func(name string, value int64) {
		if value <= 0 {
			errs = append(errs, fmt.Errorf("config: %s must be positive, is %d", name, value))
		}
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"WorkerPoll", c.WorkerPoll}, {"Heartbeat", c.Heartbeat}, {"StaleAfter", c.StaleAfter},
		{"FenceMargin", c.FenceMargin}, {"ReapEvery", c.ReapEvery}, {"ControlEvery", c.ControlEvery},
		{"ScanEvery", c.ScanEvery}, {"MergePoll", c.MergePoll}, {"JanitorEvery", c.JanitorEvery},
		{"ScannerLease", c.ScannerLease}, {"UnitBackoff", c.UnitBackoff}, {"UnitBackoffMax", c.UnitBackoffMax},
		{"UnitTimeout", c.UnitTimeout}, {"CheckpointEvery", c.CheckpointEvery}, {"OpTimeout", c.OpTimeout},
		{"StorageTimeout", c.StorageTimeout}, {"ConflictBackoff", c.ConflictBackoff},
		{"StorageBackoff", c.StorageBackoff}, {"StorageBackoffMax", c.StorageBackoffMax},
		{"BreakerOpen", c.BreakerOpen}, {"DrainTimeout", c.DrainTimeout}, {"MaxInFlight", c.MaxInFlight},
		{"WatchFor", c.WatchFor},
	} {
		positive(d.name, int64(d.value))
	}
	for _, n := range []struct {
		name  string
		value int64
	}{
		{"Slots", int64(c.Slots)}, {"MaxAttempts", int64(c.MaxAttempts)}, {"BackoffLimit", int64(c.BackoffLimit)},
		{"EpisodesPerChunk", int64(c.EpisodesPerChunk)}, {"CheckpointFrames", int64(c.CheckpointFrames)},
		{"ReadChunk", c.ReadChunk}, {"PartSize", c.PartSize}, {"MultipartAbove", c.MultipartAbove},
		{"PartsInFlight", int64(c.PartsInFlight)}, {"ConflictTries", int64(c.ConflictTries)},
		{"StorageTries", int64(c.StorageTries)}, {"BreakerFailures", int64(c.BreakerFailures)},
		{"BreakerSuccesses", int64(c.BreakerSuccesses)}, {"Page", int64(c.Page)},
		{"TxnBytes", int64(c.TxnBytes)}, {"Shards", int64(c.Shards)}, {"MergeMemory", c.MergeMemory},
	} {
		positive(n.name, n.value)
	}
	if c.Heartbeat >= c.StaleAfter-c.FenceMargin {
		errs = append(errs, fmt.Errorf("config: Heartbeat %v must be below StaleAfter %v less FenceMargin %v", c.Heartbeat, c.StaleAfter, c.FenceMargin))
	}
	if c.UnitBackoffMax < c.UnitBackoff {
		errs = append(errs, fmt.Errorf("config: UnitBackoffMax %v must not be below UnitBackoff %v", c.UnitBackoffMax, c.UnitBackoff))
	}
	if c.StorageBackoffMax < c.StorageBackoff {
		errs = append(errs, fmt.Errorf("config: StorageBackoffMax %v must not be below StorageBackoff %v", c.StorageBackoffMax, c.StorageBackoff))
	}
	if c.MaxInFlight < c.StorageTimeout || c.MaxInFlight < c.OpTimeout {
		errs = append(errs, fmt.Errorf("config: MaxInFlight %v must not be below StorageTimeout %v or OpTimeout %v", c.MaxInFlight, c.StorageTimeout, c.OpTimeout))
	}
	if c.Page > 1000 {
		errs = append(errs, fmt.Errorf("config: Page must be at most 1000, is %d", c.Page))
	}
	errs = append(errs, c.Store.validate(c.PartSize, c.MultipartAbove, c.Page)...)
	if c.Shards > maxShards {
		errs = append(errs, fmt.Errorf("config: Shards must be at most %d, is %d", maxShards, c.Shards))
	}
	return errors.Join(errs...)
}
