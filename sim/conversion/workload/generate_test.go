package workload_test

import (
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
)

var wide = workload.Limits{Batches: 3, Sources: 3, Recordings: 4, Frames: 12, PoisonPercent: 20, EmptyPercent: 20}

func TestGenerateIsAFunctionOfItsDraws(t *testing.T) {
	require.Equal(t, workload.Generate(keyed(3), wide), workload.Generate(keyed(3), wide))
	require.NotEqual(t, workload.Generate(keyed(3), wide), workload.Generate(keyed(4), wide))
}

// One decision does not shift another: only the recording whose number of
// frames is drawn differently differs.
func TestDrawsAreKeyed(t *testing.T) {
	const label = "b0/s0/r0/frames"
	asked := false
	other := func(l string) uint64 {
		if l == label {
			asked = true
			return keyed(3)(l) + 1
		}
		return keyed(3)(l)
	}
	limits := workload.Limits{Batches: 2, Sources: 2, Recordings: 3, Frames: 50}
	a, b := workload.Generate(keyed(3), limits), workload.Generate(other, limits)
	require.True(t, asked)
	require.NotEqual(t, a, b)
	b.Batches[0].Sources[0].Recordings[0].Frames = a.Batches[0].Sources[0].Recordings[0].Frames
	require.Equal(t, a, b)
}

// Every kind of workload that conversions get wrong comes up.
func TestGenerateReachesTheEdges(t *testing.T) {
	seen := make(map[string]int)
	see := func(what string, yes bool) {
		if yes {
			seen[what]++
		}
	}
	for seed := range uint64(200) {
		spec := workload.Generate(keyed(seed), wide)
		see("a batch whose name begins with another's", len(spec.Batches) > 1 &&
			strings.HasPrefix(spec.Batches[1].Name, spec.Batches[0].Name))
		keys := make(map[string]bool)
		for _, object := range spec.Objects() {
			require.False(t, keys[object.Key])
			keys[object.Key] = true
		}
		for i := range spec.Batches {
			b := &spec.Batches[i]
			see("no unit", b.Units() == 0)
			see("one unit", b.Units() == 1)
			see("several chunks", b.Units() > b.ChunkSize)
			see("a last chunk that is not full", b.Units() > b.ChunkSize && b.Units()%b.ChunkSize > 0)
			see("poison", b.Poisoned())
			names := make(map[string]bool)
			for _, source := range b.Sources {
				see("an empty source", len(source.Recordings) == 0)
				see("a filter that excludes files", len(source.Ignored) > 0)
				see("a source that is one file", !strings.HasSuffix(source.Prefix, "/"))
				for _, name := range source.Ignored {
					matches, err := path.Match(source.Filter, path.Base(name))
					require.NoError(t, err)
					require.False(t, matches)
				}
				for _, r := range source.Recordings {
					see("one name under two sources", names[r.Name])
					names[r.Name] = true
					see("one frame", r.Frames == 1)
					see("a file that is not there", r.Missing)
					see("no frames", r.Frames == 0)
					see("poison in the first frame", r.Poison == 1)
					see("poison in the last frame", r.Poison > 1 && r.Poison == r.Frames)
					require.LessOrEqual(t, r.Poison, r.Frames)
					matches, err := path.Match(source.Filter, path.Base(source.Prefix+r.Name))
					require.NoError(t, err)
					require.True(t, matches || source.Filter == "")
				}
			}
		}
	}
	require.Len(t, seen, 15)
}

// Batches of two namespaces share nothing but, perhaps, the name.
func TestForeign(t *testing.T) {
	limits := wide
	limits.ForeignPercent = 70
	seen := map[string]int{}
	for seed := range uint64(100) {
		spec := workload.Generate(keyed(seed), limits)
		names, outputs := map[string]bool{}, map[string]bool{}
		for i := range spec.Batches {
			b := &spec.Batches[i]
			full := b.Namespace + "/" + b.Name
			require.False(t, names[full])
			names[full] = true
			require.False(t, outputs[b.Output])
			outputs[b.Output] = true
			switch {
			case b.Namespace == "lab":
				seen["lab"]++
			case b.Name == spec.Batches[0].Name:
				seen["a namesake"]++
			default:
				seen["another name"]++
			}
		}
	}
	require.Len(t, seen, 3, "%v", seen)
}

// What a name is submitted as later reads recordings that were there before, and has an
// output that is the first one, or lies beside it.
func TestRevised(t *testing.T) {
	limits := wide
	limits.RevisePercent, limits.OverlapPercent, limits.MissingPercent = 70, 20, 10
	seen := map[string]int{}
	see := func(what string, yes bool) {
		if yes {
			seen[what]++
		}
	}
	for seed := range uint64(300) {
		spec := workload.Generate(keyed(seed), limits)
		for i := range spec.Batches {
			b := &spec.Batches[i]
			require.Same(t, b, b.Version(0))
			if b.Revised == nil {
				seen["the same again"]++
				require.Same(t, b, b.Version(2))
				continue
			}
			r := b.Version(2)
			require.Same(t, b.Revised, r)
			first := map[string]*workload.Recording{}
			for key, recording := range b.Recordings() {
				first[key] = recording
			}
			for key, recording := range r.Recordings() {
				require.Equal(t, first[key], recording)
			}
			require.False(t, strings.HasPrefix(r.Output, b.Output) && r.Output != b.Output, "an output in the other")
			require.Equal(t, [2]string{b.Namespace, b.Name}, [2]string{r.Namespace, r.Name})
			see("another output", r.Output != b.Output)
			see("the same output", r.Output == b.Output)
			see("fewer sources", len(r.Sources) < len(b.Sources))
			see("other sources first", len(r.Sources) > 1 && r.Sources[0].Prefix != b.Sources[0].Prefix)
			see("one of several recordings", len(r.Sources) == len(b.Sources) && r.Units() < b.Units())
			see("poison left out", b.Poisoned() && !r.Poisoned())
			see("other chunks", r.ChunkSize != b.ChunkSize)
			see("another priority", r.Priority != b.Priority)
			see("another parallelism", r.Parallelism != b.Parallelism)
			see("more attempts", r.MaxAttempts > b.MaxAttempts)
		}
	}
	require.Len(t, seen, 11)
}

// A recording that several sources name is one episode, of the first of them.
func TestSourcesOverlap(t *testing.T) {
	limits := wide
	limits.OverlapPercent, limits.PoisonPercent = 100, 0
	seen := map[string]int{}
	for seed := range uint64(200) {
		spec := workload.Generate(keyed(seed), limits)
		for i := range spec.Batches {
			b := &spec.Batches[i]
			owner := map[string]int{} // the source that has a recording
			for n := range b.Sources {
				for _, r := range b.Sources[n].Recordings {
					key := b.Sources[n].Prefix + r.Name
					require.NotContains(t, owner, key)
					owner[key] = n
				}
			}
			for n := range b.Sources {
				s := &b.Sources[n]
				for key, by := range owner {
					in := key == s.Prefix || strings.HasSuffix(s.Prefix, "/") && strings.HasPrefix(key, s.Prefix)
					if !in || by == n {
						continue
					}
					require.Less(t, by, n)
					switch {
					case key == s.Prefix:
						seen["a file behind its folder"]++
					case by == 0 && len(b.Sources[0].Recordings) == 1 && b.Sources[0].Prefix == key:
						seen["a folder behind one of its files"]++
					default:
						seen["a folder once more"]++
					}
				}
			}
		}
	}
	require.Len(t, seen, 3)
}
