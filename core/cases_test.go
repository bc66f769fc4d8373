package core_test

// Cases from the field: what people who run such systems report, each with the
// store's behaviour that it takes.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/backend/process/local"
	"github.com/gauntlet-dst/gauntlet/backend/process/processtest"
	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/dataset/plain"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

// over is run over an object store of another kind.
func over(t *testing.T, store objstore.Options, test func(w *world)) {
	config := local.Config{Seed: 3, MinLatency: time.Millisecond, MaxLatency: 20 * time.Millisecond, Store: store}
	processtest.Run(t, config, func(t *testing.T, pw *processtest.World) {
		w := &world{World: pw, t: t, config: core.DefaultConfig()}
		w.config.ReadChunk, w.config.PartSize, w.config.MultipartAbove, w.config.Store.MinPart = 256, 300, 500, 1
		w.config.CheckpointFrames = 5
		w.config.WatchFor = 30 * time.Minute
		test(w)
	})
}

func (w *world) uploads() (keys []string) {
	w.InspectObjects(func(store *objstore.Store) {
		for up := range store.Uploads() {
			keys = append(keys, up.Key)
		}
	})
	return keys
}

// working reports whether an attempt, or a merge, has an upload open.
func (w *world) working(path string) bool {
	return slices.ContainsFunc(w.uploads(), func(key string) bool { return strings.Contains(key, path) })
}

// through starts a process with all roles whose object store is seen through a
// wrapper.
func (w *world) through(name string, wrap func(env.Objects) env.Objects) {
	w.Start(name, func(ctx context.Context, e *env.Env) error {
		o := *e
		o.Objects = wrap(e.Objects)
		return core.New(&o, w.config, plain.Codec{}).Run(ctx, core.Unified)
	})
}

// lateParts refuses the first completions under a path, as a store does whose
// ETags differ at every write when an earlier try of a part arrives late.
type lateParts struct {
	env.Objects
	path string
	left *int
}

func (l lateParts) CompleteUpload(ctx context.Context, key, id string, parts []env.Part, cond env.Condition) (env.Object, error) {
	if strings.Contains(key, l.path) && *l.left > 0 {
		*l.left--
		return env.Object{}, &env.Error{Class: env.ClassInvalid, Op: "complete_upload", Key: key, Err: errors.New("InvalidPart")}
	}
	return l.Objects.CompleteUpload(ctx, key, id, parts, cond)
}

// A part that comes late is no reason to fail: what it belongs to is stored anew.
func TestInvalidPartDoesNotFailTheBatch(t *testing.T) {
	for path, refusals := range map[string]int{"/data/": 1, "/staging/": 2} {
		run(t, func(w *world) {
			w.record("in/arm/a.rec", recording(1, 200))
			left := refusals
			w.through("w0", func(o env.Objects) env.Objects { return lateParts{o, path, &left} })
			_, err := w.submit(spec("arm"))
			require.NoError(t, err)
			w.Clock.Advance(time.Hour)
			require.Zero(t, left)
			require.Equal(t, core.PhaseComplete, w.status("arm").Phase)
			require.Empty(t, w.status("arm").Error)
		})
	}
}

// When parts are refused again and again the unit says why, in the store's words.
func TestRefusedPartsKeepTheirCause(t *testing.T) {
	run(t, func(w *world) {
		w.record("in/arm/a.rec", recording(1, 200))
		left := 1 << 30
		w.through("w0", func(o env.Objects) env.Objects { return lateParts{o, "/staging/", &left} })
		_, err := w.submit(spec("arm"))
		require.NoError(t, err)
		status := w.await("arm", core.PhaseFailed)
		require.Equal(t, 3, status.Failures[0].Attempts)
		require.Contains(t, status.Error, "InvalidPart")
		require.LessOrEqual(t, 1<<30-left, 9, "three conversions an attempt")
	})
}

// What a cancelled batch leaves open is collected, also where uploads are listed
// by whole key only (MinIO): whether the process was told so, or found out.
func TestUploadsAreCollectedWhereNoPrefixListsThem(t *testing.T) {
	for _, probe := range []string{"", ".gauntlet"} {
		for _, path := range []string{"/staging/", "/data/"} {
			if testing.Short() && (probe == "") == (path == "/data/") {
				continue // one path by each way of knowing the store
			}
			over(t, objstore.Options{MinPart: 1, UploadsByKey: true}, func(w *world) {
				w.config.Store.Probe, w.config.Store.UploadsByPrefix = probe, probe != ""
				w.record("in/arm/a.rec", recording(1, 1000))
				w.node("w0")
				_, err := w.submit(spec("arm"))
				require.NoError(t, err)
				for !w.working(path) {
					w.Clock.Advance(10 * time.Millisecond)
				}
				require.NoError(t, w.cancel("arm"))
				w.Clock.Advance(3 * time.Hour)
				require.Empty(t, w.uploads())
				require.Empty(t, w.keys("out/arm/"))
			})
		}
	}
}

// The janitor deletes what the batch wrote, and nothing that anybody else keeps
// beside it; what lies in an output is no source.
func TestRecordingsAreNotDeleted(t *testing.T) {
	run(t, func(w *world) {
		w.record("lab/arm/staging/00000001/a.rec", recording(1, 20))
		w.record("lab/arm/g00000001-00000001/notes.txt", []byte("mine"))
		w.node("w0")
		s := spec("arm")
		s.Output = "lab/arm"
		for _, url := range []string{"lab/arm/staging/00000001/", "lab/arm/staging/00000001/a.rec", "lab/arm/", "lab/", "lab/arm"} {
			s.Sources = []core.Source{{URL: url, Filter: "*.rec"}}
			_, err := w.submit(s)
			require.ErrorIs(t, err, env.ErrInvalid, url)
		}
		s.Sources = []core.Source{{URL: "in/arm/"}}
		_, err := w.submit(s)
		require.NoError(t, err)
		w.await("arm", core.PhaseComplete)

		leg := spec("leg")
		for _, url := range []string{"lab/arm/staging/00000001/", "lab/arm/", "lab/", "lab/arm/staging/00000001/a.rec"} {
			leg.Sources = []core.Source{{URL: url, Filter: "*.rec"}}
			_, err := w.submit(leg)
			require.ErrorIs(t, err, env.ErrInvalid, "another batch's output: %s", url)
			require.ErrorContains(t, err, url)
		}
		leg.Sources = []core.Source{{URL: "lab/armadillo/"}, {URL: "lab/a.rec"}, {URL: "lab/ar/"}, {URL: "lab/ar"}}
		_, err = w.submit(leg)
		require.NoError(t, err)

		w.Clock.Advance(2 * time.Hour)
		require.Len(t, w.keys("lab/arm/staging/00000001/a.rec"), 1)
		require.Len(t, w.keys("lab/arm/g00000001-00000001/notes.txt"), 1)
	})
}

// An output is taken only if the longest key under it fits the store.
func TestOutputThatIsTooLongIsRefused(t *testing.T) {
	run(t, func(w *world) {
		w.record("in/arm/a.rec", recording(1, 20))
		s := spec("arm")
		for _, n := range []int{968, 976, 1000, 1020, 5000} {
			s.Output = "out/" + strings.Repeat("x", n)
			_, err := w.submit(s)
			require.ErrorIs(t, err, env.ErrInvalid, n)
			require.ErrorContains(t, err, "the store allows 1024")
		}
		w.node("w0")
		s.Output = "out/" + strings.Repeat("x", 960)
		_, err := w.submit(s)
		require.NoError(t, err)
		w.await("arm", core.PhaseComplete)
	})
	over(t, objstore.Options{MinPart: 1, MaxKey: 300, MaxSegment: 40}, func(w *world) {
		w.config.Store.MaxKey, w.config.Store.MaxSegment = 300, 40
		w.record("in/arm/a.rec", recording(1, 20))
		s := spec("arm")
		for _, output := range []string{"out/" + strings.Repeat("x", 41), strings.Repeat("x/", 121) + "y", "out//x", "out/../x", "./x", "/out"} {
			s.Output = output
			_, err := w.submit(s)
			require.ErrorIs(t, err, env.ErrInvalid, output)
		}
		w.node("w0")
		s.Output = strings.Repeat("x/", 100) + strings.Repeat("y", 40)
		_, err := w.submit(s)
		require.NoError(t, err)
		w.await("arm", core.PhaseComplete)
	})
}

// A submission that makes too large a row is refused, before TiKV does.
func TestSubmissionThatIsTooLargeIsRefused(t *testing.T) {
	run(t, func(w *world) {
		s := spec("arm")
		s.Sources = nil
		for i := range 9000 {
			s.Sources = append(s.Sources, core.Source{URL: fmt.Sprintf("in/%04d%s/a.rec", i, strings.Repeat("x", 800))})
		}
		_, err := w.submit(s)
		require.ErrorIs(t, err, env.ErrInvalid)
		require.ErrorContains(t, err, "the store allows 6291456")
	})
}

// Parts that the store would refuse are a bad configuration.
func TestPartsTooSmallAreRefused(t *testing.T) {
	config := core.DefaultConfig()
	config.PartSize, config.MultipartAbove = 1<<20, 1<<20
	require.ErrorContains(t, config.Validate(), "PartSize 1048576 must not be below Store.MinPart 5242880")
	config.Store.MinPart = 100 << 10
	require.NoError(t, config.Validate())

	// A configuration that does not tell the truth costs one conversion, and the
	// unit tells why.
	over(t, objstore.Options{}, func(w *world) {
		w.record("in/arm/a.rec", recording(1, 600))
		w.node("w0")
		_, err := w.submit(spec("arm"))
		require.NoError(t, err)
		status := w.await("arm", core.PhaseFailed)
		require.Contains(t, status.Error, "EntityTooSmall")
		require.Equal(t, 1, status.Failures[0].Attempts)
		require.Len(t, w.uploads(), 1, "one conversion")
	})
}

// A store that lists out of order is refused at the start, in one line, as is
// one that lists no uploads. Any other is worked with as it is.
func TestStoresAreProbed(t *testing.T) {
	start := func(w *world, wrap func(env.Objects) env.Objects) error {
		p := w.Start("w0", func(ctx context.Context, e *env.Env) error {
			o := *e
			o.Objects = wrap(e.Objects)
			return core.New(&o, w.config, plain.Codec{}).Run(ctx, core.Unified)
		})
		if !w.Drive(time.Hour, p.Done) {
			return nil
		}
		return p.Wait()
	}
	same := func(o env.Objects) env.Objects { return o }
	over(t, objstore.Options{MinPart: 1, Unordered: true}, func(w *world) {
		err := start(w, same)
		require.ErrorIs(t, err, env.ErrInvalid)
		require.ErrorContains(t, err, "in the order of the keys")
		require.NotContains(t, err.Error(), "\n")
	})
	over(t, objstore.Options{MinPart: 1}, func(w *world) {
		err := start(w, func(o env.Objects) env.Objects { return noUploads{o} })
		require.ErrorIs(t, err, env.ErrInvalid)
		require.ErrorContains(t, err, "lists no open uploads")
		require.Empty(t, w.uploads())
	})
	for _, options := range []objstore.Options{
		{}, {NoConditional: true}, {WeakConditional: true}, {OpaqueETags: true}, {UploadsByKey: true},
		{Completions: objstore.CompletionsOnce}, {Completions: objstore.CompletionsBlind}, {ExistsCode409: true, MaxSegment: 255},
		{OpaqueETags: true, NoConditional: true, UploadsByKey: true, Completions: objstore.CompletionsBlind},
	} {
		options.MinPart = 1
		over(t, options, func(w *world) {
			w.record("in/arm/a.rec", recording(1, 200))
			w.node("w0")
			w.node("w1")
			_, err := w.submit(spec("arm"))
			require.NoError(t, err)
			w.await("arm", core.PhaseComplete)
			require.Empty(t, w.uploads())
			require.Len(t, w.keys(".gauntlet/"), 4, "however many processes ask")
		})
	}
}

// Without a probe a listing out of order is noticed when it is read, and nothing is
// discovered by it; a listing that leads nowhere is no end.
func TestListingsAreChecked(t *testing.T) {
	over(t, objstore.Options{MinPart: 1, Unordered: true}, func(w *world) {
		w.config.Store.Probe = ""
		for i := range 8 {
			w.record(fmt.Sprintf("in/arm/%d.rec", i), recording(uint64(i), 5))
		}
		w.node("w0")
		_, err := w.submit(spec("arm"))
		require.NoError(t, err)
		require.Contains(t, w.await("arm", core.PhaseFailed).Error, "it must list in the order of the keys")
	})
	run(t, func(w *world) {
		w.record("in/arm/a.rec", recording(1, 5))
		empty := 3
		w.through("w0", func(o env.Objects) env.Objects { return emptyPages{o, &empty} })
		_, err := w.submit(spec("arm"))
		require.NoError(t, err)
		require.Equal(t, 1, w.await("arm", core.PhaseComplete).Complete)
		require.Zero(t, empty)
	})
}

// emptyPages answers the first listings of sources with a page that is empty, and
// not the last.
type emptyPages struct {
	env.Objects
	left *int
}

func (e emptyPages) List(ctx context.Context, prefix, after string, limit int) (env.Listing, error) {
	if strings.HasPrefix(prefix, "in/") && *e.left > 0 {
		*e.left--
		return env.Listing{More: true}, nil
	}
	return e.Objects.List(ctx, prefix, after, limit)
}

type noUploads struct{ env.Objects }

func (noUploads) ListUploads(context.Context, string, string, string, int) (env.UploadListing, error) {
	return env.UploadListing{}, nil
}
