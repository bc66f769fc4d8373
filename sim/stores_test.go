package sim_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
)

// Each test tells what goes wrong over a store that is not quite S3, and fails
// when what core does about it is taken out.

// TestLatePartDoesNotFailTheBatch: where ETags differ at every write a part that
// arrives late, after its caller has stored it again, makes the store refuse the
// completion.
//
//  1. The first try of a part is slow. Its caller gives up and stores it again.
//  2. The first try arrives and replaces the part: the same bytes, another ETag.
//  3. The completion names the second try's ETag: InvalidPart.
func TestLatePartDoesNotFailTheBatch(t *testing.T) {
	for _, step := range []env.Step{core.StepMerge, core.StepConvert} {
		t.Run(string(step), func(t *testing.T) {
			s := begin(t, conversion.Setup{Frames: 8, Stores: func(st *conversion.Stores) { st.OpaqueETags = true }})
			w0 := s.Worker(0)
			late := w0.Before(step).On("objects.upload_part").Nth(1).Delay(6 * time.Second)
			w0.Before(step).On("objects.upload_part").Nth(3).Delay(3 * time.Second) // so that there is a completion to come
			s.Until(late.Fired)
			s.Until(phaseIs(s, 0, "complete"))
			s.Settle()
			refused := 0
			for _, e := range s.Trace() {
				if e.What == "objects.complete_upload" && strings.Contains(e.Result, "InvalidPart") {
					refused++
				}
			}
			require.NotZero(t, refused, "no part came late in %s", step)
			requireUnit(t, s, 0, "attempts", "1")
		})
	}
}

// TestETagProvesNothing: what the answer to a repeated completion tells need not
// be what is stored: versitygw makes an ETag up. The unit is complete all the same.
func TestETagProvesNothing(t *testing.T) {
	for _, kind := range []string{"repeat", "once", "blind"} {
		t.Run(kind, func(t *testing.T) {
			s := begin(t, conversion.Setup{Stores: func(st *conversion.Stores) {
				st.Completions, st.OtherETags = kind, true
			}})
			lost := s.Worker(0).Before(core.StepStage).On("objects.complete_upload").LoseReply()
			s.Until(lost.Fired)
			s.Until(phaseIs(s, 0, "complete"))
			s.Settle()
			requireUnit(t, s, 0, "attempts", "1")
		})
	}
}

// TestOrphanUploadIsDroppedByKey: an upload that no row names is found, too, where
// uploads are listed by whole key only: from the rows that tell which keys there
// were, whether the process was told of it or found it out.
func TestOrphanUploadIsDroppedByKey(t *testing.T) {
	for _, probe := range []bool{false, true} {
		for _, step := range []env.Step{core.StepConvert, core.StepMerge} {
			t.Run(fmt.Sprintf("%s, probed: %t", step, probe), func(t *testing.T) {
				s := begin(t, conversion.Setup{Workers: 2, Frames: 6, Stores: func(st *conversion.Stores) {
					st.UploadsByKey, st.Probe = true, probe
				}})
				w0, w1 := s.Worker(0), s.Worker(1)
				w1.Pause()
				crash := w0.Applied(step).On("objects.create_upload").Crash()
				s.Until(crash.Fired)
				w1.Resume()
				s.Until(phaseIs(s, 0, "complete"))
				require.NotEmpty(t, s.World().Uploads())
				s.Settle()
				require.Empty(t, s.World().Uploads())
			})
		}
	}
}

// TestOrphanUploadOfTheLastMerge: so is one of a merge that nobody took over.
func TestOrphanUploadOfTheLastMerge(t *testing.T) {
	s := begin(t, conversion.Setup{Workers: 2, Frames: 6, Stores: func(st *conversion.Stores) { st.UploadsByKey = true }})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	crash := w0.Applied(core.StepMerge).On("objects.create_upload").Crash()
	s.Until(crash.Fired)
	cancel := s.Cancel(0)
	s.Until(cancel.Returned)
	require.NoError(t, cancel.Err())
	w1.Resume()
	require.NotEmpty(t, s.World().Uploads())
	s.Settle()
	require.Empty(t, s.World().Uploads())
}

// orphanOfALaterChunk begins a script of a batch that has other chunks later, until its
// first submission is published. A merge of it has died with an upload to the second chunk
// open, where uploads are listed by whole key only.
func orphanOfALaterChunk(t *testing.T) *conversion.Script {
	batch := conversion.NewBatch("lab", "data", 2, 6)
	batch.ChunkSize = 1
	revised := batch
	revised.ChunkSize = 1000
	batch.Revised = &revised
	s := begin(t, conversion.Setup{Workers: 2, Batches: []workload.Batch{batch}, Stores: func(st *conversion.Stores) { st.UploadsByKey = true }})
	w0, w1 := s.Worker(0), s.Worker(1)
	w1.Pause()
	crash := w0.Applied(core.StepMerge).On("objects.create_upload").Nth(2).Crash()
	s.Until(crash.Fired)
	w1.Resume()
	s.Until(phaseIs(s, 0, "complete"))
	uploads := s.World().Uploads()
	require.Len(t, uploads, 1)
	require.Contains(t, uploads[0].Key, "/data/chunk-001/")
	return s
}

// TestOrphanUploadOfALaterChunk: keys are derived with the batch's own number of episodes in
// each chunk, not with that which submissions get that name none.
func TestOrphanUploadOfALaterChunk(t *testing.T) {
	s := orphanOfALaterChunk(t)
	s.Settle()
	require.Empty(t, s.World().Uploads())
}

// TestOrphanUploadOfAnEarlierSubmission: nor with that which the name has got since.
func TestOrphanUploadOfAnEarlierSubmission(t *testing.T) {
	s := orphanOfALaterChunk(t)
	again := s.SubmitVersion(0, 1)
	s.Until(again.Returned)
	require.NoError(t, again.Err())
	s.Until(phaseIs(s, 0, "complete"))
	s.Settle()
	require.Empty(t, s.World().Uploads())
}

// TestProbeIsDropped: what a process that died leaves open of its probe, its next life
// aborts.
func TestProbeIsDropped(t *testing.T) {
	s := begin(t, conversion.Setup{Stores: func(st *conversion.Stores) { st.Probe = true }})
	w0 := s.Worker(0)
	crash := w0.Applied(core.StepProbe).On("objects.create_upload").Crash()
	s.Until(crash.Fired)
	require.Len(t, s.World().Uploads(), 1)
	w0.Restart()
	s.Until(phaseIs(s, 0, "complete"))
	require.Empty(t, s.World().Uploads())
	s.Settle()
}

// TestBystandersStay: what somebody keeps beside the staged episodes is not the
// janitor's.
func TestBystandersStay(t *testing.T) {
	s := begin(t, conversion.Setup{Bystanders: true})
	s.Until(phaseIs(s, 0, "complete"))
	s.Settle()
	kept := s.World().ObjectKeys("out/lab/data/staging/")
	require.Subset(t, kept, []string{
		"out/lab/data/staging/00000001/kept.rec", "out/lab/data/staging/00000001/kept.rec/inside", "out/lab/data/staging/00000001/kept//x",
	})
	require.NotEmpty(t, s.World().Uploads(), "nor are their uploads")
	require.NotEmpty(t, stored(s, "w0", objstore.EffectDelete), "the janitor was there")
}

// TestWhatCannotWorkIsRefused: at the door, with nothing done.
func TestWhatCannotWorkIsRefused(t *testing.T) {
	const output = "out/lab/data"
	for name, spoil := range map[string]func(spec *core.BatchSpec){
		"output too long for the keys under it": func(spec *core.BatchSpec) { spec.Output = "out/" + strings.Repeat("x", 968) },
		"part of a key too long":                func(spec *core.BatchSpec) { spec.Output = "out/" + strings.Repeat("x", 256) },
		"source in the own output":              func(spec *core.BatchSpec) { spec.Sources[0].URL = "out/arm/staging/00000001/" },
		"source in another's output":            func(spec *core.BatchSpec) { spec.Sources[0].URL = output + "/staging/" },
		"source around another's output":        func(spec *core.BatchSpec) { spec.Sources[0].URL, spec.Output = "out/", "dst" },
		"row too large": func(spec *core.BatchSpec) {
			for range 100 {
				spec.Sources = append(spec.Sources, core.Source{URL: "in/" + strings.Repeat("x", 900)})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, conversion.Setup{Stores: func(st *conversion.Stores) { st.MaxSegment, st.MaxRow = 255, 64<<10 }})
			s.Until(phaseIs(s, 0, "running"))
			spec := core.BatchSpec{Namespace: "lab", Name: "arm", Output: "out/arm", Sources: []core.Source{{URL: "in/arm/"}}}
			spoil(&spec)
			job := s.Process("client").Do("arm", func(ctx context.Context, e *env.Env) error {
				_, err := core.NewClient(e, s.Core()).Submit(ctx, spec)
				return err
			})
			s.Until(job.Returned)
			require.ErrorIs(t, job.Err(), env.ErrInvalid, name)
			_, there := s.World().Get("batch/lab/arm")
			require.False(t, there, name)
			s.Settle()
		})
	}
}

// TestPartsTooSmallAreNoConfiguration: what the store would refuse at the end of
// every upload is refused before the first.
func TestPartsTooSmallAreNoConfiguration(t *testing.T) {
	config := core.DefaultConfig()
	config.PartSize = config.Store.MinPart - 1
	require.ErrorContains(t, config.Validate(), "Store.MinPart")
}
