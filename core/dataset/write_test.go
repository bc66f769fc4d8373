package dataset_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/core/dataset"
	"github.com/gauntlet-dst/gauntlet/core/dataset/plain"
	"github.com/gauntlet-dst/gauntlet/core/dataset/plain/plaintest"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

const prefix = "out/g00000001-00000002/"

func defaultSpec() dataset.Spec {
	return dataset.Spec{
		Prefix: prefix, Name: "demo", Generation: "00000001-00000002",
		ChunkSize: 2, ReadSize: 100, PartSize: 1000, MultipartAbove: 2000,
	}
}

// stage converts a recording of n frames and stages the episode.
func stage(t require.TestingT, s *store, source uint64, task string, n int) dataset.Episode {
	rest := plaintest.Recording(source, task, plaintest.Frames(source, 10, n))
	converter, err := plain.Codec{}.NewConverter(nil)
	require.NoError(t, err)
	var staged []byte
	for len(rest) > 0 {
		out, consumed, _, err := converter.Frame(staged, rest, true)
		require.NoError(t, err)
		staged, rest = out, rest[consumed:]
	}
	staged, summary, err := converter.Finish(staged)
	require.NoError(t, err)
	key := fmt.Sprintf("staging/%d", source)
	object := s.store(key, staged, 0)
	return dataset.Episode{
		UnitID: fmt.Sprintf("u%d", source), Source: fmt.Sprintf("in/%d.rec", source),
		Key: key, Size: object.Size,
		Digest: dataset.Digest(0).Append(staged), Summary: summary,
	}
}

// example stages the episodes that most tests publish: the first two become
// multipart uploads.
func example(t require.TestingT, s *store) []dataset.Episode {
	return []dataset.Episode{
		stage(t, s, 3, "pick", 60),
		stage(t, s, 1, `open "it"`, 55),
		stage(t, s, 2, "pick", 4),
	}
}

func write(s *store, spec dataset.Spec, episodes []dataset.Episode) (dataset.Manifest, error) {
	return dataset.Write(context.Background(), dataset.Deps{
		Objects: s, Codec: plain.Codec{},
		Work: func(context.Context, int) error { return nil },
	}, spec, episodes)
}

func TestWriteGolden(t *testing.T) {
	datadriven.RunTest(t, "testdata/write", func(t *testing.T, d *datadriven.TestData) string {
		s := newStore()
		spec := defaultSpec()
		above := int(spec.MultipartAbove)
		for name, value := range map[string]*int{
			"chunk": &spec.ChunkSize, "read": &spec.ReadSize, "part": &spec.PartSize, "above": &above,
		} {
			if d.HasArg(name) {
				d.ScanArgs(t, name, value)
			}
		}
		spec.MultipartAbove = int64(above)
		var episodes []dataset.Episode
		for line := range strings.Lines(d.Input) {
			var source uint64
			var frames int
			_, err := fmt.Sscanf(line, "source=%d frames=%d", &source, &frames)
			require.NoError(t, err)
			_, task, _ := strings.Cut(strings.TrimSpace(line), "task=")
			episodes = append(episodes, stage(t, s, source, task, frames))
		}
		_, err := write(s, spec, episodes)
		require.NoError(t, err)
		switch d.Cmd {
		case "calls":
			return strings.ReplaceAll(strings.Join(s.calls, "\n"), prefix, "") + "\n"
		case "objects":
			return show(s.under(prefix))
		}
		d.Fatalf(t, "unknown command %s", d.Cmd)
		return ""
	})
}

func show(objects map[string]string) string {
	var text strings.Builder
	for _, path := range slices.Sorted(maps.Keys(objects)) {
		fmt.Fprintf(&text, "== %s\n%s", path, objects[path])
	}
	return text.String()
}

// The bytes do not depend on how they are read and written, nor on where and
// by whom; manifest.json, which records that, aside.
func TestBytesAreAFunctionOfTheInputs(t *testing.T) {
	s := newStore()
	episodes := example(t, s)
	_, err := write(s, defaultSpec(), episodes)
	require.NoError(t, err)
	want := s.under(prefix)
	delete(want, "manifest.json")
	rapid.Check(t, func(t *rapid.T) {
		s := newStore()
		example(t, s)
		s.getMax = rapid.IntRange(0, 500).Draw(t, "getMax")
		_, err := write(s, dataset.Spec{
			Prefix: "elsewhere/", Name: "other", Generation: "9", ChunkSize: 2,
			ReadSize:       rapid.IntRange(1, 5000).Draw(t, "read"),
			PartSize:       rapid.IntRange(50, 5000).Draw(t, "part"),
			MultipartAbove: rapid.Int64Range(0, 5000).Draw(t, "above"),
		}, episodes)
		require.NoError(t, err)
		got := s.under("elsewhere/")
		delete(got, "manifest.json")
		require.Equal(t, want, got)
		require.Empty(t, s.uploads)
	})
}

// Each call in turn goes wrong in each way that may be repeated; the dataset
// comes out the same (rules R4, R5).
func TestEveryCallMayFailOnce(t *testing.T) {
	s := newStore()
	episodes := example(t, s)
	_, err := write(s, defaultSpec(), episodes)
	require.NoError(t, err)
	want, calls := s.under(prefix), s.calls
	require.Contains(t, strings.Join(calls, "\n"), "upload-part")

	for n, call := range calls {
		if strings.HasPrefix(call, "get") {
			continue
		}
		for _, applied := range []bool{false, true} {
			s := newStore()
			example(t, s)
			s.fate = func(k int, _, _ string) fate {
				if k == n {
					return fate{applied, env.ErrUndetermined}
				}
				return fine
			}
			_, err := write(s, defaultSpec(), episodes)
			require.NoError(t, err, "call %d (%s) undetermined, applied %v", n, call, applied)
			require.Equal(t, want, s.under(prefix))
		}
	}
}

// An upload that is collected while it is written is begun anew.
func TestVanishedUploadIsWrittenAgain(t *testing.T) {
	s := newStore()
	episodes := example(t, s)
	_, err := write(s, defaultSpec(), episodes)
	require.NoError(t, err)
	want, calls := s.under(prefix), s.calls

	vanished := 0
	for n, call := range calls {
		if !strings.HasPrefix(call, "upload-part") && !strings.HasPrefix(call, "complete-upload") {
			continue
		}
		vanished++
		s := newStore()
		example(t, s)
		s.fate = func(k int, _, _ string) fate {
			if k == n {
				clear(s.uploads)
			}
			return fine
		}
		_, err := write(s, defaultSpec(), episodes)
		require.NoError(t, err, "upload vanished at call %d (%s)", n, call)
		require.Equal(t, want, s.under(prefix))
	}
	require.Greater(t, vanished, 5)

	s = newStore()
	example(t, s)
	s.fate = func(int, string, string) fate { clear(s.uploads); return fine }
	_, err = write(s, defaultSpec(), episodes)
	require.ErrorIs(t, err, env.ErrUnavailable)
}

// TestRefusedPartsAreStoredAnew: a completion that is refused for its parts says
// nothing of the dataset. The object is begun anew, a bounded number of times,
// and the cause is kept; nothing stays open.
func TestRefusedPartsAreStoredAnew(t *testing.T) {
	s := newStore()
	episodes := example(t, s)
	_, err := write(s, defaultSpec(), episodes)
	require.NoError(t, err)
	want := s.under(prefix)
	refusal := &env.Error{Class: env.ClassInvalid, Op: "complete_upload", Err: errors.New("InvalidPart")}
	for _, refusals := range []int{1, 4, 5, 100} {
		s := newStore()
		example(t, s)
		refused := 0
		s.fate = func(_ int, op, _ string) fate {
			if op == "complete-upload" && refused < refusals {
				refused++
				return fate{err: refusal}
			}
			return fine
		}
		_, err := write(s, defaultSpec(), episodes)
		require.Empty(t, s.uploads)
		if refusals < 5 {
			require.NoError(t, err)
			require.Equal(t, want, s.under(prefix))
			continue
		}
		require.Equal(t, 5, refused)
		require.ErrorIs(t, err, env.ErrUnavailable)
		require.NotErrorIs(t, err, env.ErrInvalid, "nothing is wrong with the staged episodes")
		require.ErrorContains(t, err, "InvalidPart")
	}
}

// TestPartsTooSmallAreNotStoredAnew: they would be refused again.
func TestPartsTooSmallAreNotStoredAnew(t *testing.T) {
	s := newStore()
	episodes := example(t, s)
	completions := 0
	s.fate = func(_ int, op, _ string) fate {
		if op == "complete-upload" {
			completions++
			return fate{err: &env.Error{Class: env.ClassInvalid, Op: "complete_upload", Err: env.ErrPartTooSmall}}
		}
		return fine
	}
	_, err := write(s, defaultSpec(), episodes)
	require.ErrorIs(t, err, env.ErrUnavailable)
	require.ErrorContains(t, err, "too small")
	require.Equal(t, 1, completions)
	require.Empty(t, s.uploads)
}

// TestLateRepetitionChangesNothing: of an object that is there every byte and
// the ETag stay, whoever repeats what.
func TestLateRepetitionChangesNothing(t *testing.T) {
	s := newStore()
	episodes := example(t, s)
	_, err := write(s, defaultSpec(), episodes)
	require.NoError(t, err)
	want := maps.Clone(s.etags)
	for key := range s.etags {
		s.etags[key] += " kept"
		want[key] += " kept"
	}
	_, err = write(s, defaultSpec(), episodes)
	require.ErrorIs(t, err, env.ErrUnavailable, "manifest.json tells the ETags, which are others now")
	require.ErrorContains(t, err, "another object has the key")
	require.Equal(t, want, s.etags)
	require.Empty(t, s.uploads)
}

// Another object under the key is no proof that an upload was completed, even
// one of the same size; and it is not this generation's to replace.
func TestForeignObjectIsLeftAlone(t *testing.T) {
	path := "data/chunk-000/episode_000000.csv"
	s := newStore()
	episodes := example(t, s)
	_, err := write(s, defaultSpec(), episodes)
	require.NoError(t, err)
	same := slices.Clone(s.objects[prefix+path])
	same[7] ^= 1
	for _, vanish := range []bool{false, true} {
		for _, foreign := range [][]byte{[]byte("foreign"), same} {
			s := newStore()
			episodes := example(t, s)
			s.store(prefix+path, foreign, 0)
			s.fate = func(_ int, op, _ string) fate {
				if op == "complete-upload" && vanish {
					clear(s.uploads)
				}
				return fine
			}
			_, err := write(s, defaultSpec(), episodes)
			require.ErrorIs(t, err, env.ErrUnavailable, "the next generation has another prefix")
			require.Equal(t, foreign, s.objects[prefix+path])
			require.Empty(t, s.uploads)
		}
	}
}

// lazyCodec never consumes the last record.
type lazyCodec struct{ plain.Codec }

type lazyRewriter struct{ dataset.Rewriter }

func (c lazyCodec) NewRewriter(place dataset.Place) dataset.Rewriter {
	return lazyRewriter{c.Codec.NewRewriter(place)}
}

func (r lazyRewriter) Rewrite(dst, src []byte, eof bool) ([]byte, int, error) {
	if eof {
		return dst, 0, nil
	}
	return r.Rewriter.Rewrite(dst, src, eof)
}

func TestLeftOverBytesAreAnError(t *testing.T) {
	s := newStore()
	episodes := example(t, s)
	_, err := dataset.Write(context.Background(), dataset.Deps{
		Objects: s, Codec: lazyCodec{},
		Work: func(context.Context, int) error { return nil },
	}, defaultSpec(), episodes)
	require.ErrorIs(t, err, env.ErrInvalid)
	require.NotContains(t, s.under(prefix), "data/chunk-000/episode_000000.csv")
}

// A writer that dies at any call leaves no manifest (rule R6), and the same
// Write by a successor yields the same dataset (rule R5).
func TestCrashAtEveryCall(t *testing.T) {
	s := newStore()
	episodes := example(t, s)
	_, err := write(s, defaultSpec(), episodes)
	require.NoError(t, err)
	want, calls := s.under(prefix), s.calls
	require.Equal(t, "put "+prefix+"manifest.json", calls[len(calls)-1][:len("put "+prefix+"manifest.json")])

	crash := errors.New("crash")
	for n, call := range calls {
		s := newStore()
		example(t, s)
		s.fate = func(k int, _, _ string) fate {
			if k == n {
				return fate{err: crash}
			}
			return fine
		}
		_, err := write(s, defaultSpec(), episodes)
		require.ErrorIs(t, err, crash, call)
		require.NotContains(t, s.under(prefix), "manifest.json")
		s.fate = nil
		_, err = write(s, defaultSpec(), episodes)
		require.NoError(t, err)
		require.Equal(t, want, s.under(prefix))
	}
}

// Nothing is published of staged bytes that are not the recorded ones.
func TestStagedEpisodesAreVerified(t *testing.T) {
	cases := map[string]struct {
		spoil func(s *store, e *dataset.Episode)
		want  error
	}{
		"missing":        {func(s *store, e *dataset.Episode) { delete(s.objects, e.Key) }, env.ErrNotFound},
		"longer":         {func(s *store, e *dataset.Episode) { s.objects[e.Key] = append(s.objects[e.Key], '\n') }, env.ErrInvalid},
		"shorter":        {func(s *store, e *dataset.Episode) { s.objects[e.Key] = s.objects[e.Key][1:] }, env.ErrInvalid},
		"other bytes":    {func(s *store, e *dataset.Episode) { s.objects[e.Key][5] ^= 1 }, env.ErrInvalid},
		"other digest":   {func(_ *store, e *dataset.Episode) { e.Digest++ }, env.ErrInvalid},
		"no frames":      {func(_ *store, e *dataset.Episode) { e.Summary.Frames = 0 }, env.ErrInvalid},
		"other frames":   {func(_ *store, e *dataset.Episode) { e.Summary.Frames++ }, env.ErrInvalid},
		"no statistics":  {func(_ *store, e *dataset.Episode) { e.Summary.Stats = "" }, env.ErrInvalid},
		"bad statistics": {func(_ *store, e *dataset.Episode) { e.Summary.Stats = e.Summary.Stats[1:] }, env.ErrInvalid},
		"no bytes":       {func(_ *store, e *dataset.Episode) { e.Size = 0 }, env.ErrInvalid},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for _, i := range []int{0, 2} { // a multipart upload, a single put
				s := newStore()
				episodes := example(t, s)
				c.spoil(s, &episodes[i])
				_, err := write(s, defaultSpec(), episodes)
				require.ErrorIs(t, err, c.want)
				require.NotContains(t, s.under(prefix), "manifest.json")
			}
		})
	}
}

// Reads that yield nothing, again and again, are an outage.
func TestStalledReads(t *testing.T) {
	s := newStore()
	episodes := example(t, s)
	s.getMax = -1
	_, err := write(s, defaultSpec(), episodes)
	require.ErrorIs(t, err, env.ErrUnavailable)
	require.Empty(t, s.under(prefix))
}

// Memory is bounded by the configuration, not by the episode or the dataset.
func TestMemoryIsBounded(t *testing.T) {
	s := newStore()
	episodes := make([]dataset.Episode, 400)
	for i := range episodes {
		episodes[i] = stage(t, s, uint64(i), fmt.Sprintf("task %d", i), 1)
	}
	episodes = append(episodes, stage(t, s, 9999, "long", 20_000))
	require.Greater(t, len(s.objects["staging/9999"]), 500_000)
	spec := defaultSpec()
	spec.ReadSize, spec.PartSize, spec.MultipartAbove = 3000, 4000, 8000
	_, err := write(s, spec, episodes)
	require.NoError(t, err)
	require.LessOrEqual(t, s.biggest, 8000)
	for _, path := range []string{
		"meta/episodes.jsonl", "meta/episodes_stats.jsonl", "meta/tasks.jsonl", "manifest.json",
		"data/chunk-200/episode_000400.csv",
	} {
		require.Greater(t, len(s.under(prefix)[path]), 10_000, path)
		require.Contains(t, s.etags[prefix+path], "-", path)
		require.NotContains(t, s.etags[prefix+path], "-0", path)
	}

	// The largest object, in detail: what is alive at every 50th part.
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	parts, peak := 0, uint64(0)
	s.discard = true
	s.fate = func(_ int, op, _ string) fate {
		s.calls = s.calls[:0]
		if op != "upload-part" {
			return fine
		}
		if parts++; parts%50 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc)
		}
		return fine
	}
	spec.Prefix = "elsewhere/"
	_, err = write(s, spec, episodes[400:])
	require.NoError(t, err)
	require.Greater(t, parts, 200)
	require.Less(t, int(peak)-int(before.HeapAlloc), 200_000)
}

func TestWorkAddsUpToTheFrames(t *testing.T) {
	s := newStore()
	episodes := example(t, s)
	frames, steps := 0, 0
	deps := dataset.Deps{Objects: s, Codec: plain.Codec{}, Work: func(_ context.Context, n int) error {
		frames += n
		steps++
		return nil
	}}
	manifest, err := dataset.Write(context.Background(), deps, defaultSpec(), episodes)
	require.NoError(t, err)
	require.Equal(t, 60+55+4, frames)
	require.EqualValues(t, frames, manifest.Frames)
	require.Greater(t, steps, 40)

	stop := errors.New("stop")
	deps.Work = func(context.Context, int) error { return stop }
	_, err = dataset.Write(context.Background(), deps, defaultSpec(), episodes)
	require.ErrorIs(t, err, stop)
}

// Every key that is written lies under the prefix, which carries the
// generation (rule R1), and the manifest names all of them.
func TestKeysLieUnderThePrefix(t *testing.T) {
	s := newStore()
	manifest, err := write(s, defaultSpec(), example(t, s))
	require.NoError(t, err)
	for _, call := range s.calls {
		if !strings.HasPrefix(call, "get ") {
			require.Contains(t, call, " "+prefix)
		}
	}
	named := []string{"manifest.json"}
	for _, o := range manifest.Objects {
		named = append(named, o.Path)
		require.Equal(t, dataset.Digest(0).Append(s.objects[prefix+o.Path]), o.Digest)
		require.Equal(t, s.etags[prefix+o.Path], o.ETag)
		require.Len(t, s.objects[prefix+o.Path], int(o.Size))
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(s.under(prefix))), named)
	require.Equal(t, prefix+"manifest.json", manifest.Key)
	require.Equal(t, s.etags[manifest.Key], manifest.ETag)
}

func TestImpossibleSpecs(t *testing.T) {
	for name, spoil := range map[string]func(s *dataset.Spec){
		"prefix without separator": func(s *dataset.Spec) { s.Prefix = "out/g1" },
		"no prefix":                func(s *dataset.Spec) { s.Prefix = "" },
		"no chunk size":            func(s *dataset.Spec) { s.ChunkSize = 0 },
		"no read size":             func(s *dataset.Spec) { s.ReadSize = 0 },
		"no part size":             func(s *dataset.Spec) { s.PartSize = 0 },
		"parts below nothing":      func(s *dataset.Spec) { s.MultipartAbove = -1 },
	} {
		s := newStore()
		spec := defaultSpec()
		spoil(&spec)
		_, err := write(s, spec, nil)
		require.ErrorIs(t, err, env.ErrInvalid, name)
		require.Empty(t, s.calls)
	}
}

// TestPathsAreToldFromOthers: janitors delete what has the path of a dataset's object, and nothing else.
func TestPathsAreToldFromOthers(t *testing.T) {
	for path := range dataset.Paths(12, 10, "csv") {
		require.True(t, dataset.IsPath(path, "csv"), path)
	}
	require.True(t, dataset.IsPath("data/chunk-1234/episode_12345678.csv", "csv"), "more digits than most have")
	for _, path := range []string{
		"", "notes.txt", "meta/notes.txt", "data/chunk-000/episode_000000", "data/chunk-000/episode_000000.csv.old",
		"data/chunk-000/episode_00000a.csv", "data/chunk-000/episode_00000.csv", "data/chunk-00a/episode_000000.csv",
		"data/chunk-00/episode_000000.csv", "chunk-000/episode_000000.csv", "000/episode_000000.csv",
	} {
		require.False(t, dataset.IsPath(path, "csv"), path)
	}
}

func TestTooManyParts(t *testing.T) {
	s := newStore()
	episode := stage(t, s, 1, "t", 300)
	spec := defaultSpec()
	spec.PartSize, spec.MultipartAbove = 1, 0
	_, err := write(s, spec, []dataset.Episode{episode})
	require.ErrorIs(t, err, env.ErrInvalid)
}

func BenchmarkWrite(b *testing.B) {
	s := newStore()
	var episodes []dataset.Episode
	for i := range 5 {
		episodes = append(episodes, stage(b, s, uint64(i), "pick", 20))
	}
	spec := defaultSpec()
	spec.ReadSize, spec.PartSize, spec.MultipartAbove = 1<<16, 1<<16, 1<<16
	b.ReportAllocs()
	for b.Loop() {
		s.calls = s.calls[:0]
		if _, err := write(s, spec, episodes); err != nil {
			b.Fatal(err)
		}
	}
}
