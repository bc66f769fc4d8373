package core

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/core/dataset"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

func TestDefaultConfigIsValid(t *testing.T) {
	c := DefaultConfig()
	require.NoError(t, c.Validate())
}

// TestDefaultsAreTheProtocols: no universe runs with all of the defaults, and each
// would pass with others. They are what operators were told.
func TestDefaultsAreTheProtocols(t *testing.T) {
	c := DefaultConfig()
	for name, want := range map[string][2]any{
		"poll":       {5 * time.Second, c.WorkerPoll},
		"heartbeat":  {30 * time.Second, c.Heartbeat},
		"stale":      {300 * time.Second, c.StaleAfter},
		"reaper":     {time.Minute, c.ReapEvery},
		"controller": {5 * time.Second, c.ControlEvery},
		"scanner":    {time.Minute, c.ScanEvery},
		"lead":       {180 * time.Second, c.ScannerLease},
		"merger":     {30 * time.Second, c.MergePoll},
		"attempts":   {3, c.MaxAttempts}, "limit": {10, c.BackoffLimit}, "chunk": {1000, c.EpisodesPerChunk},
		"back-off": {time.Second, c.UnitBackoff}, "most": {time.Minute, c.UnitBackoffMax},
		"timeout": {time.Hour, c.UnitTimeout}, "frames": {100, c.CheckpointFrames}, "checkpoint": {10 * time.Second, c.CheckpointEvery},
		"part": {int64(64 << 20), c.PartSize}, "multipart": {int64(100 << 20), c.MultipartAbove}, "in flight": {4, c.PartsInFlight},
		"tries": {5, c.StorageTries}, "pause": {100 * time.Millisecond, c.StorageBackoff}, "longest": {30 * time.Second, c.StorageBackoffMax},
		"conflicts": {10, c.ConflictTries}, "between": {50 * time.Millisecond, c.ConflictBackoff},
		"failures": {5, c.BreakerFailures}, "open": {30 * time.Second, c.BreakerOpen}, "successes": {3, c.BreakerSuccesses},
		"drain": {30 * time.Second, c.DrainTimeout},
	} {
		require.Equal(t, want[0], want[1], name)
	}
}

func TestConfigErrorsNameTheField(t *testing.T) {
	for name, spoil := range map[string]func(c *Config){
		"Slots":          func(c *Config) { c.Slots = 0 },
		"WorkerPoll":     func(c *Config) { c.WorkerPoll = -1 },
		"PartSize":       func(c *Config) { c.PartSize = 0 },
		"Heartbeat":      func(c *Config) { c.Heartbeat = c.StaleAfter - c.FenceMargin },
		"FenceMargin":    func(c *Config) { c.FenceMargin = c.StaleAfter },
		"UnitBackoffMax": func(c *Config) { c.UnitBackoffMax = c.UnitBackoff - 1 },
		"MaxInFlight":    func(c *Config) { c.MaxInFlight = c.StorageTimeout - 1 },
		"Page":           func(c *Config) { c.Page = 1001 },
		"Shards":         func(c *Config) { c.Shards = 1001 },
		"TxnBytes":       func(c *Config) { c.TxnBytes = 0 },
		"MergeMemory":    func(c *Config) { c.MergeMemory = 0 },

		"StorageBackoffMax": func(c *Config) { c.StorageBackoffMax = c.StorageBackoff - 1 },
		"MultipartAbove":    func(c *Config) { c.PartSize = maxPut + 1 },
		"Store.MinPart":     func(c *Config) { c.Store.MinPart = -1 },
		"Store.MaxRowKey":   func(c *Config) { c.Store.MaxRowKey = minRowKey - 1 },
		"Store.MaxKey":      func(c *Config) { c.Store.MaxKey, c.Store.Probe = minKey-1, "" },
		"Store.MaxSegment":  func(c *Config) { c.Store.MaxSegment = minSegment - 1 },
		"Store.MaxRow":      func(c *Config) { c.Store.MaxRow = minRow - 1 },
		"Store.MaxTxn":      func(c *Config) { c.Store.MaxTxn = c.Store.MaxRow - 1 },
		"Page 256 rows":     func(c *Config) { c.Store.MaxRow, c.Store.MaxTxn = minRow, (c.Page+1)*rowRoom-1 },
		`"probe/"`:          func(c *Config) { c.Store.Probe = "probe/" },
		`"pro\tbe"`:         func(c *Config) { c.Store.Probe = "pro\tbe" },
		`"a//b"`:            func(c *Config) { c.Store.Probe = "a//b" },
	} {
		c := DefaultConfig()
		spoil(&c)
		err := c.Validate()
		require.ErrorContains(t, err, name)
		require.NotContains(t, err.Error(), "\n", "one field, one line")
	}
	var none Config
	require.Greater(t, strings.Count(none.Validate().Error(), "\n"), 20, "every field is named")
}

// A configuration at a limit is accepted.
func TestConfigsAtTheirLimits(t *testing.T) {
	c := DefaultConfig()
	c.Page, c.Shards = 1000, maxShards
	c.UnitBackoffMax, c.StorageBackoffMax, c.MaxInFlight = c.UnitBackoff, c.StorageBackoff, c.StorageTimeout
	c.PartSize, c.MultipartAbove = maxPut, maxPut
	c.Heartbeat = c.StaleAfter - c.FenceMargin - 1
	c.Store = StoreTraits{MinPart: maxPut, MaxKey: minKey, MaxSegment: minSegment, MaxRowKey: minRowKey, MaxRow: minRow, MaxTxn: 1001 * rowRoom}
	require.NoError(t, c.Validate())
}

// A process is told at once if its name, or its codec's extension, cannot be a part of a key.
func TestNamesThatAreNoPartsOfKeys(t *testing.T) {
	valid := func(name, incarnation, ext string) bool {
		n := Node{cfg: DefaultConfig(), codec: extOnly{ext: ext}, env: &env.Env{Self: env.Process{Name: name, Incarnation: incarnation}}}
		return n.validate() == nil
	}
	long := strings.Repeat("x", maxProcessName)
	longest := strings.Repeat("x", dataset.MaxExt)
	require.True(t, valid(long, long, longest))
	for _, word := range []string{"", long + "x", "a/b", "a b", "a\tb", "a\n"} {
		require.False(t, valid(word, "1", "csv"), word)
		require.False(t, valid("w0", word, "csv"), word)
	}
	for _, ext := range []string{"", longest + "x", "a/b"} {
		require.False(t, valid("w0", "1", ext), ext)
	}
}

// extOnly is a codec of which nothing but the extension is asked.
type extOnly struct {
	dataset.Codec
	ext string
}

func (c extOnly) Ext() string { return c.ext }

func TestTerminalPhasesAbsorb(t *testing.T) {
	all := []Phase{PhasePending, PhaseDiscovering, PhaseRunning, PhaseMerging, PhaseComplete, PhaseFailed, PhaseCancelled, PhaseExpired}
	for _, from := range all {
		for _, to := range all {
			b := batchRow{phase: from}
			err := b.advance(to)
			if from.Terminal() && to != PhaseExpired || from == PhaseExpired || from == to {
				require.ErrorIs(t, err, env.ErrInvalid, "%s to %s", from, to)
				require.Equal(t, from, b.phase)
			}
			if err == nil {
				require.Equal(t, to, b.phase)
			}
		}
	}
}

func TestTerminalStatesAbsorb(t *testing.T) {
	all := []UnitState{UnitPending, UnitProcessing, UnitComplete, UnitFailed, UnitDead, UnitCancelled}
	for _, from := range all {
		for _, to := range all {
			u := unitRow{state: from}
			err := u.advance(to)
			retry := from == UnitDead && to == UnitPending
			if from.Terminal() && !retry || from == to {
				require.ErrorIs(t, err, env.ErrInvalid, "%s to %s", from, to)
				require.Equal(t, from, u.state)
			}
		}
	}
}

func TestBreaker(t *testing.T) {
	b := breaker{failures: 2, openFor: 10 * time.Second, successes: 2}
	at := func(s int) time.Duration { return time.Duration(s) * time.Second }

	b.report(at(0), false)
	b.report(at(1), true)
	b.report(at(2), false)
	require.True(t, b.allow(at(2)), "a success in between starts the count again")
	b.report(at(3), false)
	require.True(t, b.down())
	require.False(t, b.allow(at(12)), "open")
	require.True(t, b.allow(at(13)), "half open after openFor")
	b.report(at(13), false)
	require.False(t, b.allow(at(22)), "a failure while half open opens it again")
	require.True(t, b.allow(at(23)))
	b.report(at(23), true)
	require.True(t, b.down(), "one success is not enough")
	b.report(at(24), true)
	require.False(t, b.down())
	b.report(at(25), false)
	require.False(t, b.down(), "closed: one failure is not enough")

	cfg := Config{BreakerFailures: 3, BreakerOpen: 10 * time.Second, BreakerSuccesses: 9}
	c := newBreaker(&cfg)
	for s := range 12 {
		c.report(at(s), s%3 == 2)
		require.False(t, c.down(), "two failures, and a success, are no three in a row")
	}
	for s := range 3 {
		c.report(at(20+s), false)
	}
	require.False(t, c.allow(at(31)))
	for s := range 9 {
		require.True(t, c.down(), "%d successes are not enough", s)
		require.True(t, c.allow(at(32+s)))
		c.report(at(32+s), true)
	}
	require.False(t, c.down())
}

func TestBreakerTakesVitalCallsForProbes(t *testing.T) {
	b := breaker{failures: 1, openFor: time.Hour, successes: 2}
	b.report(0, false)
	b.report(1, true)
	require.True(t, b.down(), "one success is not enough, and what failed before is not counted with it")
	b.report(2, true)
	require.False(t, b.down())
}

func TestBreakerJudges(t *testing.T) {
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(ErrDrain)
	down := func(ctx context.Context, err error) bool {
		b := breaker{failures: 1, openFor: time.Hour, successes: 1}
		b.judge(ctx, 0, err)
		return b.down()
	}
	require.True(t, down(t.Context(), env.ErrUnavailable))
	require.True(t, down(t.Context(), env.ErrUndetermined))
	require.True(t, down(t.Context(), context.DeadlineExceeded), "the try's own deadline: nobody answered")
	require.False(t, down(t.Context(), env.ErrConflict), "a conflict is an answer")
	require.False(t, down(t.Context(), &env.Error{Class: env.ClassUnavailable, Op: "put", Err: env.ErrContended}), "the store is well")
	require.False(t, down(t.Context(), env.ErrNotFound))
	require.False(t, down(t.Context(), nil))
	require.False(t, down(ended, env.ErrUndetermined), "the caller went away, not the store")
	require.True(t, down(ended, env.ErrUnavailable), "the store has said so, whoever waits for it")

	b := breaker{failures: 1, openFor: time.Hour, successes: 1}
	b.judge(t.Context(), 0, env.ErrUnavailable)
	b.judge(ended, 1, env.ErrUnavailable)
	b.judge(ended, 2, context.Canceled)
	require.True(t, b.down(), "a call that its caller gave up is no answer")
	lost, give := context.WithCancelCause(t.Context())
	give(fenced("heartbeat", "unit"))
	b.judge(lost, 2, context.Cause(lost))
	require.True(t, b.down(), "and so is one whose caller was fenced meanwhile")
	b.judge(t.Context(), 3, env.ErrConflict)
	require.False(t, b.down())

	require.True(t, drained(ended))
	require.False(t, drained(t.Context()))
}

func TestPoison(t *testing.T) {
	require.True(t, isPoison(poison(invalid("convert", "in/a", "bad magic"))))
	require.False(t, isPoison(poison(env.ErrUnavailable)), "trouble is no poison")
	require.False(t, isPoison(invalid("complete upload", "out/x", "part missing")), "only sources are poison")
	require.ErrorIs(t, poison(invalid("convert", "in/a", "bad magic")), env.ErrInvalid)
}

func TestErrorTextsAreBounded(t *testing.T) {
	require.Len(t, errorText(errors.New(strings.Repeat("x", 10000))), maxErrorText)
	require.Equal(t, "short", errorText(errors.New("short")))
}

type fixedRand uint64

func (r fixedRand) Uint64() uint64 { return uint64(r) }

func TestJitter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "d"))
		got := jitter(fixedRand(rapid.Uint64().Draw(t, "draw")), d)
		require.GreaterOrEqual(t, got, d/2)
		require.LessOrEqual(t, got, d)
	})
	require.NotEqual(t, jitter(fixedRand(0), time.Hour), jitter(fixedRand(1<<40), time.Hour), "who failed together comes back together")
}

func TestSpecs(t *testing.T) {
	good := func() BatchSpec {
		return BatchSpec{Namespace: "lab", Name: "arm", Output: "out/arm", Sources: []Source{{URL: "in/", Filter: "*.bag"}}}
	}
	spec := good()
	traits := DefaultStoreTraits()
	require.NoError(t, spec.check(&traits))
	for name, spoil := range map[string]func(s *BatchSpec){
		"no namespace":     func(s *BatchSpec) { s.Namespace = "" },
		"slash in name":    func(s *BatchSpec) { s.Name = "a/b" },
		"long name":        func(s *BatchSpec) { s.Name = strings.Repeat("x", 129) },
		"no source":        func(s *BatchSpec) { s.Sources = nil },
		"empty URL":        func(s *BatchSpec) { s.Sources[0].URL = "" },
		"tab in URL":       func(s *BatchSpec) { s.Sources[0].URL = "in/\t/" },
		"bad pattern":      func(s *BatchSpec) { s.Sources[0].Filter = "[" },
		"no output":        func(s *BatchSpec) { s.Output = "" },
		"slash at the end": func(s *BatchSpec) { s.Output = "out/" },
		"output in source": func(s *BatchSpec) { s.Sources[0].URL = "out/" },
		"output is source": func(s *BatchSpec) { s.Sources[0].URL = "out/arm/" },
		"priority":         func(s *BatchSpec) { s.Priority = 1000 },
		"negative":         func(s *BatchSpec) { s.Parallelism = -1 },
	} {
		spec := good()
		spoil(&spec)
		require.ErrorIs(t, spec.check(&traits), env.ErrInvalid, name)
	}
	cfg := DefaultConfig()
	row := spec.row(&cfg)
	require.Equal(t, []int{3, 10, 1000}, []int{row.maxAttempts, row.backoffLimit, row.chunk})
}

// A submission at a limit is accepted, and one beyond it is not.
func TestSpecsAtTheirLimits(t *testing.T) {
	traits := DefaultStoreTraits()
	traits.MaxRowKey = 200
	accepted := func(change func(s *BatchSpec)) bool {
		spec := BatchSpec{Namespace: "lab", Name: "arm", Output: "out/arm", Sources: []Source{{URL: "in/"}}}
		change(&spec)
		err := spec.check(&traits)
		if err != nil {
			require.ErrorIs(t, err, env.ErrInvalid)
		}
		return err == nil
	}
	const signs = "-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
	for c := range 256 {
		name := "a" + string([]byte{byte(c)})
		require.Equal(t, strings.IndexByte(signs, byte(c)) >= 0, accepted(func(s *BatchSpec) { s.Name = name }), "%q", name)
	}
	for name, limit := range map[string]struct {
		most   int
		change func(s *BatchSpec, n int)
	}{
		"name":      {128, func(s *BatchSpec, n int) { s.Name = strings.Repeat("x", n) }},
		"namespace": {128, func(s *BatchSpec, n int) { s.Namespace = strings.Repeat("x", n) }},
		"sources":   {9999, func(s *BatchSpec, n int) { s.Sources = slices.Repeat(s.Sources, n) }},
		"priority":  {999, func(s *BatchSpec, n int) { s.Priority = n }},
		"output":    {traits.MaxRowKey - len(outputPrefix), func(s *BatchSpec, n int) { s.Output = strings.Repeat("x", n) }},
		"source":    {traits.MaxKey, func(s *BatchSpec, n int) { s.Sources[0].URL = strings.Repeat("x", n) }},
	} {
		require.True(t, accepted(func(s *BatchSpec) { limit.change(s, limit.most) }), name)
		require.False(t, accepted(func(s *BatchSpec) { limit.change(s, limit.most+1) }), name)
	}
	for name, change := range map[string]func(s *BatchSpec, n int){
		"priority":    func(s *BatchSpec, n int) { s.Priority = n },
		"parallelism": func(s *BatchSpec, n int) { s.Parallelism = n },
		"attempts":    func(s *BatchSpec, n int) { s.MaxAttempts = n },
		"back-off":    func(s *BatchSpec, n int) { s.BackoffLimit = n },
		"chunk":       func(s *BatchSpec, n int) { s.EpisodesPerChunk = n },
		"TTL":         func(s *BatchSpec, n int) { s.TTL = time.Duration(n) },
	} {
		require.True(t, accepted(func(s *BatchSpec) { change(s, 0) }), name)
		require.False(t, accepted(func(s *BatchSpec) { change(s, -1) }), name)
	}
	require.False(t, accepted(func(s *BatchSpec) { s.Sources[0].URL = s.Output }), "a source that is the output")
	require.False(t, accepted(func(s *BatchSpec) { s.Sources[0].Filter = "a\tb" }), "a filter with a tab")
}

func TestSourcesTakeWhatTheyName(t *testing.T) {
	s := Source{URL: "in/", Filter: "*.bag"}
	require.True(t, s.takes("in/a.bag"))
	require.True(t, s.takes("in/deep/a.bag"), "the pattern is for the last part")
	require.False(t, s.takes("in/a.mcap"))
	require.False(t, s.takes("in/dir.bag/"), "a directory marker is no recording")
	require.True(t, s.listed())
	require.False(t, Source{URL: "in/a.bag"}.listed())
	require.True(t, Source{URL: "in/"}.takes("in/anything"))
}

// TestCheckpointsHoldTheirOwnParts: an attempt that is stopped while it stages
// has stored its last part already. The successor converts that part again, so
// the checkpoint must not name it.
func TestCheckpointsHoldTheirOwnParts(t *testing.T) {
	a := &attempt{epoch: 4}
	c := &conversion{attempt: a, out: &sink{attempt: a, key: "k", upload: "u"}}
	c.out.parts = []env.Part{{Number: 1, Size: 5}, {Number: 2, Size: 6}, {Number: 3, Size: 1}}
	c.durable = mark{parts: 2, offset: 100, frames: 9}
	row := c.row(7)
	require.Equal(t, c.out.parts[:2], row.parts)
	require.Equal(t, []int64{100, 9}, []int64{row.offset, row.frames})
	require.Equal(t, []uint64{4, 7}, []uint64{row.epoch, row.seq})
}

func TestBackoffDoublesUpToItsMaximum(t *testing.T) {
	cfg := DefaultConfig()
	clock := &handClock{}
	c := newController(&Node{cfg: cfg, env: &env.Env{Clock: clock}})
	over := func(attempts int, after time.Duration) bool {
		u := failedRow{epoch: 1, attempts: attempts}
		key := pad(uint64(attempts), 1)
		require.False(t, c.backedOff(key, &u), "just seen")
		clock.now += after
		return c.backedOff(key, &u)
	}
	require.False(t, over(1, time.Second-1))
	require.True(t, over(1, time.Second))
	require.False(t, over(3, 4*time.Second-1))
	require.True(t, over(3, 4*time.Second))
	require.False(t, over(20, time.Minute-1))
	require.True(t, over(20, time.Minute))
	again := failedRow{epoch: 2, attempts: 1}
	clock.now += time.Hour
	require.False(t, c.backedOff("1", &again), "another attempt failed: its back-off begins now")
}

// Whoever tries a store again waits longer each time, up to a maximum: a store that comes
// back is not kept down by those who wait for it, and is noticed.
func TestRetriesBackOffUpToTheMaximum(t *testing.T) {
	cfg := DefaultConfig()
	cfg.BreakerFailures = 1000
	const tries = 20
	requirePauses := func(base time.Duration, clock *napClock) {
		require.Len(t, clock.naps, tries)
		for _, nap := range clock.naps {
			require.GreaterOrEqual(t, nap, base/2)
			require.LessOrEqual(t, nap, base)
			base = min(2*base, cfg.StorageBackoffMax)
		}
	}
	refuse := func(clock *napClock, err error) error {
		if len(clock.naps) == tries {
			return env.ErrNotFound
		}
		return err
	}
	// The deadline is that of one try: the caller's own context has not ended.
	for _, again := range []error{env.ErrUnavailable, env.ErrUndetermined, context.DeadlineExceeded} {
		clock := &napClock{}
		e := &env.Env{Clock: clock, Rand: evenRand{}, Metrics: noMetrics{}}
		o := objects{env: e, cfg: &cfg, breaker: newBreaker(&cfg), patient: true}
		err := o.retry(context.Background(), func(context.Context, bool) error { return refuse(clock, again) })
		require.ErrorIs(t, err, env.ErrNotFound)
		requirePauses(cfg.StorageBackoff, clock)
	}
	for _, again := range []error{env.ErrConflict, env.ErrUnavailable, env.ErrUndetermined, context.DeadlineExceeded} {
		clock := &napClock{}
		e := &env.Env{Clock: clock, Rand: evenRand{}, Metrics: noMetrics{}, KV: noKV{func() error { return refuse(clock, again) }}}
		err := newStore(e, &cfg).update(context.Background(), &txn{patient: true})
		require.ErrorIs(t, err, env.ErrNotFound)
		requirePauses(cfg.ConflictBackoff, clock)
	}
}

// Whoever is not patient tries as often as is configured, and then says what the last try said.
func TestTriesAreCounted(t *testing.T) {
	cfg := DefaultConfig()
	cfg.BreakerFailures = 1000
	for _, want := range []int{1, 2, 7} {
		cfg.StorageTries, cfg.ConflictTries = want, want
		tries := 0
		refuse := func() error { tries++; return env.ErrUnavailable }
		e := &env.Env{Clock: &napClock{}, Rand: evenRand{}, Metrics: noMetrics{}, KV: noKV{refuse}}
		o := objects{env: e, cfg: &cfg, breaker: newBreaker(&cfg)}
		require.ErrorIs(t, o.retry(t.Context(), func(context.Context, bool) error { return refuse() }), env.ErrUnavailable)
		require.Equal(t, want, tries)
		tries = 0
		require.ErrorIs(t, newStore(e, &cfg).update(t.Context(), &txn{}), env.ErrUnavailable)
		require.Equal(t, want, tries)
	}
}

// Whatever a transaction's last try ended with: it has not happened, and may be tried again.
func TestGivenUpIsUnavailable(t *testing.T) {
	cfg := DefaultConfig()
	cfg.ConflictTries = 2
	for _, last := range []error{env.ErrConflict, env.ErrUnavailable, context.DeadlineExceeded} {
		e := &env.Env{Clock: &napClock{}, Rand: evenRand{}, Metrics: noMetrics{}, KV: noKV{func() error { return last }}}
		err := newStore(e, &cfg).update(t.Context(), &txn{})
		require.Equal(t, env.ClassUnavailable, env.ClassOf(err), "%v", last)
		require.ErrorIs(t, err, last)
	}
}

// A store that counts as down is not asked, either store.
func TestBreakersSpareBothStores(t *testing.T) {
	cfg := DefaultConfig()
	cfg.StorageTries, cfg.ConflictTries = 3*cfg.BreakerFailures, 3*cfg.BreakerFailures
	tries := 0
	refuse := func() error { tries++; return env.ErrUnavailable }
	e := &env.Env{Clock: &napClock{}, Rand: evenRand{}, Metrics: noMetrics{}, KV: noKV{refuse}}
	o := objects{env: e, cfg: &cfg, breaker: newBreaker(&cfg)}
	require.Error(t, o.retry(t.Context(), func(context.Context, bool) error { return refuse() }))
	require.Equal(t, cfg.BreakerFailures, tries)
	s := newStore(e, &cfg)
	tries = 0
	require.Error(t, s.update(t.Context(), &txn{}))
	require.Equal(t, cfg.BreakerFailures, tries)
	require.True(t, s.breaker.down())
	tries = 0
	require.Error(t, s.update(t.Context(), &txn{vital: true}))
	require.Equal(t, cfg.ConflictTries, tries, "what keeps a lease is tried all the same")
}

// A renewal that failed is tried again soon, and not a heartbeat later, for as long as the lease holds; one that
// got through is followed by the next after a heartbeat (R8).
func TestFailedRenewalsAreTriedSoon(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Heartbeat, cfg.StorageBackoffMax = 60*time.Second, 20*time.Second
	clock := &runClock{}
	n := &Node{cfg: cfg, env: &env.Env{Clock: clock, Runtime: plainRuntime{}, Log: noLog{}, Metrics: noMetrics{}}}
	sent := 0
	err := n.keepLease(t.Context(), StepHeartbeat, "unit/x", 0, func(context.Context, time.Duration) error {
		if sent++; sent <= 3 {
			return nil
		}
		return env.ErrUnavailable
	})
	require.ErrorIs(t, err, env.ErrFenced)
	require.Equal(t, 2*cfg.Heartbeat+cfg.StaleAfter-cfg.FenceMargin, clock.now, "two heartbeats, and what the last lease held")
	require.Greater(t, len(clock.naps), 3+int((cfg.StaleAfter-cfg.FenceMargin-cfg.Heartbeat)/cfg.StorageBackoffMax))
	for i, nap := range clock.naps {
		if i < 3 {
			require.Equal(t, cfg.Heartbeat, nap)
			continue
		}
		require.LessOrEqual(t, nap, cfg.StorageBackoffMax/4+1)
	}
}

// runClock goes on while somebody sleeps.
type runClock struct{ napClock }

func (c *runClock) Sleep(ctx context.Context, d time.Duration) error {
	c.now += d
	return c.napClock.Sleep(ctx, d)
}

// plainRuntime begins every step.
type plainRuntime struct{ env.Runtime }

func (plainRuntime) Step(ctx context.Context, _ env.Step) (context.Context, error) { return ctx, nil }

// A call that ran into its own time limit tells of a store that says nothing, and one that its caller
// gave up tells of nobody: the breaker is told with the caller's context, not with the call's.
func TestSilenceOpensTheBreaker(t *testing.T) {
	cfg := DefaultConfig()
	silent := func(ctx context.Context) bool {
		e := &env.Env{Clock: &silentClock{}, Rand: evenRand{}, Metrics: noMetrics{}}
		e.Objects = silentObjects{}
		o := objects{env: e, cfg: &cfg, breaker: newBreaker(&cfg)}
		for range cfg.BreakerFailures {
			require.Error(t, o.Delete(ctx, "out/a"))
		}
		return o.breaker.down()
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.True(t, silent(t.Context()))
	require.False(t, silent(ended))
}

// silentClock ends every time limit before anybody has answered.
type silentClock struct{ napClock }

func (*silentClock) WithTimeout(ctx context.Context, _ time.Duration) (context.Context, context.CancelFunc) {
	return context.WithDeadline(ctx, time.Time{})
}

// silentObjects never answers.
type silentObjects struct{ env.Objects }

func (silentObjects) Delete(ctx context.Context, _ string) error {
	<-ctx.Done()
	return ctx.Err()
}

// A leader that drains and cannot let the lead go has drained all the same: its process was asked to stop,
// and has not failed.
func TestDrainOfALeaderIsNoFailure(t *testing.T) {
	refuse := func() error { return env.ErrInvalid }
	n := &Node{cfg: DefaultConfig(), env: &env.Env{
		Clock: &napClock{}, Runtime: endedRuntime{}, Log: noLog{}, Metrics: noMetrics{}, Rand: evenRand{}, KV: noKV{refuse},
	}}
	n.kv = newStore(n.env, &n.cfg)
	s := newScanner(n)
	s.epoch = 1
	ctx, stop := context.WithCancelCause(t.Context())
	stop(ErrDrain)
	require.ErrorIs(t, s.run(ctx), ErrDrain)
}

// endedRuntime begins no step.
type endedRuntime struct{ env.Runtime }

func (endedRuntime) Step(ctx context.Context, _ env.Step) (context.Context, error) {
	return ctx, context.Cause(ctx)
}

type noLog struct{}

func (noLog) Enabled(slog.Level) bool                               { return false }
func (noLog) Log(context.Context, slog.Level, string, ...slog.Attr) {}

// Scratch space spares a fetch, and nobody's attempt fails because it is full.
func TestFullScratchFailsNothing(t *testing.T) {
	cfg := DefaultConfig()
	body := []byte("a recording")
	e := &env.Env{Clock: &napClock{}, Log: noLog{}, Temp: fullTemp{}, Objects: oneObject{body: body}}
	n := &Node{cfg: cfg, env: e, patient: &objects{env: e, cfg: &cfg, breaker: newBreaker(&cfg), patient: true}}
	s := source{attempt: &attempt{node: n, unit: unitRow{url: "in/a", etag: "1", size: int64(len(body))}}}
	chunk, err := s.chunk(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, body, chunk)
}

type fullTemp struct{ env.TempDir }

func (fullTemp) Read(string) ([]byte, error) { return nil, env.ErrNotFound }
func (fullTemp) Write(string, []byte) error  { return errors.New("no space left") }

// oneObject answers every read with the same object.
type oneObject struct {
	env.Objects
	body []byte
}

func (o oneObject) Get(context.Context, string, int64, int64) ([]byte, env.Object, error) {
	return o.body, env.Object{Size: int64(len(o.body)), ETag: "1"}, nil
}

// A role whose round failed pauses as after any other: what fails at once would else be tried all the time.
func TestFailedRoundsPauseToo(t *testing.T) {
	clock := &napClock{}
	n := &Node{env: &env.Env{Clock: clock, Log: noLog{}, Metrics: noMetrics{}, Rand: evenRand{}}}
	ctx, stop := context.WithCancelCause(t.Context())
	rounds := 0
	err := n.every(ctx, "reaper", time.Minute, func(context.Context) error {
		if rounds++; rounds == 4 {
			stop(ErrDrain)
		}
		return env.ErrInvalid
	})
	require.ErrorIs(t, err, ErrDrain)
	require.Len(t, clock.naps, 3)
	for _, nap := range clock.naps {
		require.GreaterOrEqual(t, nap, time.Minute*3/4)
		require.LessOrEqual(t, nap, time.Minute)
	}
}

// A role that is asked to stop while it pauses says why it has ended.
func TestPausesEndWithTheirCause(t *testing.T) {
	n := &Node{env: &env.Env{Clock: endedClock{}, Log: noLog{}, Metrics: noMetrics{}, Rand: evenRand{}}}
	require.ErrorIs(t, n.every(t.Context(), "reaper", time.Minute, func(context.Context) error { return nil }), ErrDrain)
}

// endedClock is that of a process that is asked to stop whenever it sleeps.
type endedClock struct{ env.Clock }

func (endedClock) Sleep(context.Context, time.Duration) error { return ErrDrain }

// All that a process still does after it was asked to stop ends within DrainTimeout of
// the first of it: not each thing by itself.
func TestDrainHasOneTimeLimit(t *testing.T) {
	clock := &limitClock{handClock: handClock{now: time.Hour}}
	n := &Node{cfg: Config{DrainTimeout: 30 * time.Second}, env: &env.Env{Clock: clock}}
	for _, after := range []time.Duration{0, 10 * time.Second, time.Minute} {
		clock.now += after
		_, cancel := n.afterwards(context.Background())
		cancel()
	}
	require.Equal(t, []time.Duration{30 * time.Second, 20 * time.Second, 1}, clock.limits)
}

// limitClock notes the time limits that it was asked for.
type limitClock struct {
	handClock
	limits []time.Duration
}

func (c *limitClock) WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	c.limits = append(c.limits, d)
	return ctx, func() {}
}

// napClock notes for how long it was slept.
type napClock struct {
	handClock
	naps []time.Duration
}

func (c *napClock) Sleep(_ context.Context, d time.Duration) error {
	c.naps = append(c.naps, d)
	return nil
}

func (*napClock) WithTimeout(ctx context.Context, _ time.Duration) (context.Context, context.CancelFunc) {
	return ctx, func() {}
}

type evenRand struct{ env.Rand }

func (evenRand) Uint64() uint64 { return 1 << 20 }

type noMetrics struct{ env.Metrics }

func (noMetrics) Add(string, int64) {}

// noKV begins no transaction.
type noKV struct{ refuse func() error }

func (k noKV) Begin(context.Context) (env.Txn, error) { return nil, k.refuse() }

func TestObserversCountUnchangedBeats(t *testing.T) {
	clock := &handClock{}
	o := newObserver(clock)
	clock.now = time.Hour
	require.Zero(t, o.unchanged("k", beat{3, 7}))
	clock.now += time.Minute
	require.Equal(t, time.Minute, o.unchanged("k", beat{3, 7}))
	require.Zero(t, o.unchanged("k", beat{3, 8}), "it moved")
	clock.now += time.Minute
	require.Zero(t, o.unchanged("k", beat{4, 8}), "another attempt")
	o.endRound()
	o.keep("k", beat{5, 1})
	clock.now += time.Minute
	o.endRound()
	require.Equal(t, time.Minute, o.unchanged("k", beat{4, 8}), "kept, though not looked at for a round")
	o.endRound()
	o.endRound()
	require.Zero(t, o.unchanged("k", beat{4, 8}), "not seen for a round")
	clock.now += time.Hour
	o.keep("new", beat{})
	clock.now += time.Minute
	require.Equal(t, time.Minute, o.unchanged("new", beat{}), "kept before it was looked at")
	o.note("k", beat{4, 9}, clock.now-time.Second)
	require.Equal(t, time.Second, o.unchanged("k", beat{4, 9}), "its own beat")
}

// handClock is moved by hand.
type handClock struct {
	env.Clock
	now time.Duration
}

func (c *handClock) Monotonic() time.Duration { return c.now }

func TestFailuresOfRecoveredUnitsDoNotCount(t *testing.T) {
	for state, want := range map[UnitState]int{
		UnitPending: 2, UnitFailed: 2, UnitDead: 2, UnitProcessing: 0, UnitComplete: 0,
	} {
		u := unitRow{state: state, attempts: 2}
		require.Equal(t, want, u.failures(), state)
	}
}

func TestVerdicts(t *testing.T) {
	running := batchRow{phase: PhaseRunning, backoffLimit: 2}
	dead := survey{batch: running, dead: "u", counts: Counts{Dead: 1, Pending: 1}}
	require.Empty(t, dead.verdict(), "another unit is still to be executed")
	dead.counts.Pending = 0
	require.Contains(t, dead.verdict(), "dead unit")
	dead.batch.phase = PhaseDiscovering
	require.Empty(t, dead.verdict(), "more units may come")
	many := survey{batch: running, failures: 2}
	require.Empty(t, many.verdict(), "the limit itself is allowed")
	many.failures = 3
	require.Contains(t, many.verdict(), "more than 2 failed attempts")
}

// TestSlotsAddUp: the shards' shares are the batch's parallelism, and each shard
// has one.
func TestSlotsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := batchRow{parallelism: rapid.IntRange(1, 5000).Draw(t, "parallelism")}
		b.shards = shardsFor(b.parallelism, rapid.IntRange(1, maxShards).Draw(t, "shards"))
		sum := 0
		for shard := range b.shards {
			require.Positive(t, b.slots(shard))
			sum += b.slots(shard)
		}
		require.Equal(t, b.parallelism, sum)
	})
	require.Equal(t, 64, shardsFor(0, 64), "without a limit there are as many as configured")
}

// TestShardsCountWhatMoves: along any way of a unit through its states the
// shard's counts are those of the unit as it stands, and none is left when it is
// taken out again.
func TestShardsCountWhatMoves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s shardRow
		u := unitRow{state: UnitPending}
		for range rapid.IntRange(1, 12).Draw(t, "edges") {
			next := nextStates[u.state]
			if len(next) == 0 {
				break
			}
			was := u
			u.state = rapid.SampledFrom(next).Draw(t, "state")
			u.attempts += rapid.IntRange(0, 1).Draw(t, "attempt")
			u.staged = rapid.StringMatching("[a-z]{0,3}").Draw(t, "staged")
			u.frames = rapid.Int64Range(0, 9).Draw(t, "frames")
			s.count("0123456789abcdef", &was, -1)
			s.count("0123456789abcdef", &u, +1)
			counts := s.counts(1)
			require.Equal(t, 1, counts.Pending+counts.Processing+counts.Complete+counts.Failed+counts.Dead+counts.Cancelled)
			require.Equal(t, u.failures(), s.failures)
			require.Equal(t, u.state == UnitComplete, s.digest != 0)
			require.Equal(t, u.state == UnitPending, counts.Pending == 1)
			require.Equal(t, int64(counts.Complete)*u.frames, s.frames)
		}
		s.count("0123456789abcdef", &u, -1)
		require.Equal(t, shardRow{}, s)
	})
}

// TestShardsAreEqualRanges: every unit has a shard, and the units of one shard
// are neighbours.
func TestShardsAreEqualRanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shards := rapid.IntRange(1, maxShards).Draw(t, "shards")
		a, b := rapid.Uint64().Draw(t, "a"), rapid.Uint64().Draw(t, "b")
		one, other := shardOf(hex16(min(a, b)), shards), shardOf(hex16(max(a, b)), shards)
		require.LessOrEqual(t, 0, one)
		require.LessOrEqual(t, one, other)
		require.Less(t, other, shards)
	})
}

// TestTurnsBeginBehindTheLast: workers take turns at the batches of one priority, or the
// first of them would starve the others for as long as its queue is.
func TestTurnsBeginBehindTheLast(t *testing.T) {
	live := []liveBatch{{"a", 0}, {"b", 0}, {"c", 0}, {"d", 7}}
	takeTurns(live, "b")
	require.Equal(t, []liveBatch{{"d", 7}, {"c", 0}, {"a", 0}, {"b", 0}}, live)

	want := []liveBatch{{"d", 7}, {"c", 1}, {"g", 0}, {"h", 0}, {"a", 0}, {"b", 0}, {"f", 0}}
	rapid.Check(t, func(t *rapid.T) {
		live := rapid.Permutation(want).Draw(t, "live")
		takeTurns(live, "f")
		require.Equal(t, want, live)
	})
}

// TestChunksAreNamedByContent: scratch space outlives a process, and a recording may be
// replaced under its URL.
func TestChunksAreNamedByContent(t *testing.T) {
	name := func(url, etag string, size int64) string {
		a := attempt{node: &Node{cfg: Config{ReadChunk: size}}, unit: unitRow{url: url, etag: etag}}
		return a.chunkName(1)
	}
	one := name("in/a.rec", "1", 64)
	require.Equal(t, one, name("in/a.rec", "1", 64))
	require.NotEqual(t, one, name("in/a.rec", "2", 64))
	require.NotEqual(t, one, name("in/b.rec", "1", 64))
	require.NotEqual(t, one, name("in/a.rec", "1", 65), "chunks of another size begin elsewhere")
}

// TestReadyWhileBothStoresAnswer: an outage of either store is a reason for no more work.
func TestReadyWhileBothStoresAnswer(t *testing.T) {
	cfg := DefaultConfig()
	for _, down := range []bool{false, true} {
		for _, name := range []string{"key-value", "object"} {
			kv, objs := newBreaker(&cfg), newBreaker(&cfg)
			of := map[string]*breaker{"key-value": kv, "object": objs}[name]
			for range cfg.BreakerFailures {
				of.report(0, !down)
			}
			n := Node{kv: &store{breaker: kv}, objects: &objects{breaker: objs}}
			require.Equal(t, Health{Alive: true, Ready: !down, Reason: map[bool]string{true: "the " + name + " store is down"}[down]}, n.Health())
		}
	}
}
