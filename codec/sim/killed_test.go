package sim_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
)

// The only worker dies at ten places of a recording, each time right behind a
// checkpoint, and continues each time from there: no frame is converted twice but
// those behind the checkpoint, some checkpoints lie within one chunk, and what is
// published is what would have been (the invariants judge it).
func TestWorkerDiesAtTenPlaces(t *testing.T) {
	const deaths, frames = 10, 60
	codec := realCodec()
	batch := conversion.NewBatch("lab", "data", 1, frames)
	batch.MaxAttempts = deaths + 1
	batch.Sources[0].Recordings[0].ID = 4 // chunks of 4000 bytes, zstd
	require.Equal(t, "zstd", layouts[4].Compression)
	s := conversion.New(t, conversion.Setup{
		Batches: []workload.Batch{batch}, Codec: codec, Format: format(codec),
		Tune: func(c *core.Config) { c.BackoffLimit = 2 * deaths },
	}, suite.Target())
	w0 := s.Worker(0)
	last, lastOffset, sameOffset := 0, "", 0
	for range deaths {
		crash := w0.After(core.StepCheckpoint).On("kv.commit").Crash()
		s.Until(crash.Fired)
		keys := s.World().Keys(schema.CheckpointTable.Key(""))
		require.Len(t, keys, 1)
		row, _ := s.World().Get(keys[0])
		saved, err := strconv.Atoi(schema.Field(row, "frames"))
		require.NoError(t, err)
		require.Greater(t, saved, last)
		if offset := schema.Field(row, "offset"); offset == lastOffset {
			sameOffset++
		} else {
			lastOffset = offset
		}
		last = saved
		w0.Restart()
	}
	require.Positive(t, sameOffset, "no two checkpoints lie within one chunk")
	require.Less(t, last, frames)
	s.Until(func() bool { return s.Phase(0) == "complete" })
	row, _ := s.World().Get(s.Unit(0, 0))
	require.Equal(t, strconv.Itoa(deaths+1), schema.Field(row, "attempts"))
	require.Equal(t, strconv.Itoa(frames), schema.Field(row, "frames"))
	s.Settle()
}
