package workload_test

import (
	"context"
	"hash/fnv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/core/dataset"
	"github.com/gauntlet-dst/gauntlet/core/dataset/plain"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
)

// direct hands every request straight to the store.
type direct struct{ store *objstore.Store }

func (d direct) Send(_ context.Context, req *objstore.Request, resp *objstore.Response, _ time.Duration) error {
	d.store.Handle(req, resp)
	return nil
}

func newStore() env.Objects {
	return objstore.NewClient(direct{objstore.New(objstore.Options{MinPart: -1})}, objstore.ClientConfig{})
}

// shape is everything about a conversion that must not show in its result.
type shape struct {
	read, part int
	above      int64
	cut        int // the greatest number of source bytes offered at once
	resume     bool
}

// convert runs core's codec over one source, offered in cuts, and stages the
// result.
func convert(t require.TestingT, objects env.Objects, source []byte, key string, s shape) (dataset.Episode, error) {
	ctx := context.Background()
	converter, err := plain.Codec{}.NewConverter(nil)
	require.NoError(t, err)
	var staged []byte
	offset, have := 0, 0
	for offset < len(source) {
		have = min(max(have, offset)+s.cut, len(source))
		out, consumed, _, err := converter.Frame(staged, source[offset:have], have == len(source))
		if err != nil {
			return dataset.Episode{}, err
		}
		staged, offset = out, offset+consumed
		if s.resume && consumed > 0 {
			converter, err = plain.Codec{}.NewConverter(converter.State())
			require.NoError(t, err)
		}
	}
	staged, summary, err := converter.Finish(staged)
	if err != nil {
		return dataset.Episode{}, err
	}
	object, err := objects.Put(ctx, key, staged, env.IfAbsent)
	require.NoError(t, err)
	return dataset.Episode{
		UnitID: key, Key: key, Size: object.Size,
		Digest: dataset.Digest(0).Append(staged), Summary: summary,
	}, nil
}

// publish converts a batch with core's code and returns the published dataset.
func publish(t require.TestingT, b *workload.Batch, s shape) (map[string][]byte, error) {
	ctx := context.Background()
	objects := newStore()
	spec := workload.Spec{Batches: []workload.Batch{*b}}
	sources := make(map[string][]byte)
	for _, object := range spec.Objects() {
		sources[object.Key] = object.Body
	}
	var episodes []dataset.Episode
	for _, key := range b.Keys() {
		e, err := convert(t, objects, sources[key], "staging/"+key, s)
		if err != nil {
			return nil, err
		}
		e.Source = "s3://bucket/" + key
		episodes = append(episodes, e)
	}
	const prefix = "out/g00000001-00000007/"
	_, err := dataset.Write(ctx, dataset.Deps{
		Objects: objects, Codec: plain.Codec{},
		Work: func(context.Context, int) error { return nil },
	}, dataset.Spec{
		Prefix: prefix, Name: b.Name, Generation: "00000001-00000007", ChunkSize: b.ChunkSize,
		ReadSize: s.read, PartSize: s.part, MultipartAbove: s.above,
	}, episodes)
	if err != nil {
		return nil, err
	}
	published := make(map[string][]byte)
	listing, err := objects.List(ctx, prefix, "", 1000)
	require.NoError(t, err)
	require.False(t, listing.More)
	for _, object := range listing.Objects {
		body, _, err := objects.Get(ctx, object.Key, 0, -1)
		require.NoError(t, err)
		path := strings.TrimPrefix(object.Key, prefix)
		published[path] = body
	}
	return published, nil
}

// check compares core's dataset with the reference.
func check(t require.TestingT, b *workload.Batch, s shape) {
	published, err := publish(t, b, s)
	reference := workload.Reference(b)
	if b.Poisoned() {
		require.ErrorIs(t, err, env.ErrInvalid)
		require.Nil(t, reference)
		return
	}
	require.NoError(t, err)
	require.NoError(t, workload.Diff(reference, published))
	manifest := published["manifest.json"]
	delete(published, "manifest.json")
	require.NoError(t, workload.CheckManifest(b, manifest, published))
}

var plainShape = shape{read: 4096, part: 1 << 20, above: 1 << 20, cut: 4096}

// keyed is a Draw of the given seed.
func keyed(seed uint64) workload.Draw {
	return func(label string) uint64 {
		h := fnv.New64a()
		h.Write([]byte(label))
		z := h.Sum64() ^ seed*0x9e3779b97f4a7c15
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		return z ^ z>>31
	}
}

func TestReferenceAgreesWithCore(t *testing.T) {
	limits := workload.Limits{Batches: 2, Sources: 3, Recordings: 5, Frames: 25, PoisonPercent: 15, EmptyPercent: 20}
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		s := shape{
			read:   rapid.IntRange(1, 3000).Draw(t, "read"),
			part:   rapid.IntRange(64, 3000).Draw(t, "part"),
			above:  rapid.Int64Range(0, 3000).Draw(t, "above"),
			cut:    rapid.IntRange(1, 200).Draw(t, "cut"),
			resume: rapid.Bool().Draw(t, "resume"),
		}
		spec := workload.Generate(keyed(seed), limits)
		for i := range spec.Batches {
			check(t, &spec.Batches[i], s)
		}
	})
}

func TestReferenceEdges(t *testing.T) {
	one := workload.Recording{Name: "a.rec", ID: 7, Frames: 1, Task: "t"}
	same := workload.Recording{Name: "a.rec", ID: 8, Frames: 3, First: 5, Task: "t"}
	last := workload.Recording{Name: "b.rec", ID: 9, Frames: 2, Task: `"`}
	cases := map[string][]workload.Source{
		"no source":                   nil,
		"no recording":                {{Prefix: "in/"}},
		"one frame":                   {{Prefix: "in/", Recordings: []workload.Recording{one}}},
		"same name under two sources": {{Prefix: "in/b/", Recordings: []workload.Recording{one}}, {Prefix: "in/a/", Recordings: []workload.Recording{same}}},
		"three chunks":                {{Prefix: "in/", Recordings: []workload.Recording{last, one}}, {Prefix: "other/", Recordings: []workload.Recording{same}}},
		"large numbers":               {{Prefix: "in/", Recordings: []workload.Recording{{Name: "c", ID: 1 << 63, Frames: 5000, First: 1 << 30}}}},
		"no frames":                   {{Prefix: "in/", Recordings: []workload.Recording{one, {Name: "c", ID: 1}}}},
		"poison in the first frame":   {{Prefix: "in/", Recordings: []workload.Recording{one, {Name: "c", ID: 1, Frames: 2, Poison: 1}}}},
		"poison in the last frame":    {{Prefix: "in/", Recordings: []workload.Recording{one, {Name: "c", ID: 1, Frames: 2, Poison: 2}}}},
	}
	for name, sources := range cases {
		t.Run(name, func(t *testing.T) {
			for chunk := 1; chunk <= 2; chunk++ {
				check(t, &workload.Batch{Name: "x", ChunkSize: chunk, Sources: sources}, plainShape)
			}
		})
	}
}

// A format stands in for the plain one wherever bytes are asked for.
func TestFormat(t *testing.T) {
	spec := workload.Generate(keyed(3), workload.Limits{Batches: 2, Sources: 3, Recordings: 5, Frames: 25})
	spec.Format = &workload.Format{
		Recording: func(r *workload.Recording) []byte { return []byte(r.Task) },
		Reference: func(b *workload.Batch) map[string][]byte { return map[string][]byte{b.Name: nil} },
	}
	bodies := make(map[string]string)
	for _, object := range spec.Objects() {
		bodies[object.Key] = string(object.Body)
	}
	recordings := 0
	for i := range spec.Batches {
		b := &spec.Batches[i]
		var keys []string
		for key, r := range b.Recordings() {
			keys = append(keys, key)
			require.Equal(t, r.Task, bodies[key])
			recordings++
		}
		require.Equal(t, b.Keys(), keys)
		require.Equal(t, map[string][]byte{b.Name: nil}, spec.Reference(b))
		spec := workload.Spec{Batches: spec.Batches}
		require.Equal(t, workload.Reference(b), spec.Reference(b))
	}
	require.Positive(t, recordings)
}

func BenchmarkReference(b *testing.B) {
	spec := workload.Generate(keyed(1), workload.Limits{Sources: 2, Recordings: 3, Frames: 30})
	b.ReportAllocs()
	for b.Loop() {
		workload.Reference(&spec.Batches[0])
	}
	b.ReportMetric(float64(spec.Batches[0].Units()), "episodes")
}
