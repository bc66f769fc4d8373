package sim_test

import (
	"fmt"
	"sync"

	"github.com/gauntlet-dst/gauntlet/codec/example"
	"github.com/gauntlet-dst/gauntlet/codec/internal/offline"
	"github.com/gauntlet-dst/gauntlet/codec/lerobot"
	"github.com/gauntlet-dst/gauntlet/codec/mcap"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
)

// side is the height and width of the images, in pixels: recordings are tiny, as
// everything in the simulator, so that many of them are converted a second.
const side = 2

// realCodec is the production codec for the example robot with a tiny camera.
func realCodec() *lerobot.Codec {
	config := lerobot.DefaultConfig()
	config.Cameras[0].Height, config.Cameras[0].Width = side, side
	codec, err := lerobot.New(config)
	if err != nil {
		panic(err) // the configuration is part of the program
	}
	return codec
}

// format puts MCAP recordings and LeRobot datasets in the place of the plain ones.
//
// The reference is what the codec and dataset.Write make of a recording in one
// go, without core: that the contents are right, other tests say; here it counts
// that no fault shows in them.
func format(codec *lerobot.Codec) *workload.Format {
	r := references{codec: codec, staged: map[staging]offline.Episode{}}
	return &workload.Format{Recording: recording, Reference: r.of}
}

// layouts are those of the recordings: in pieces, so that there is something to
// be killed in the middle of.
var layouts = [...]mcap.WriterOptions{
	{NoIndex: true}, {}, {ChunkSize: 1500, NoCRC: true}, {ChunkSize: 1500, Compression: "lz4"},
	{ChunkSize: 4000, Compression: "zstd"}, {ChunkSize: 600, Compression: "zstd", NoIndex: true},
}

// recording is the file of a recording. Its poison is an image that is no image.
func recording(r *workload.Recording) []byte {
	return example.With(r.ID, r.Frames, example.Options{
		WriterOptions: layouts[r.ID%uint64(len(layouts))], Task: r.Task,
		Height: side, Width: side, PNG: true, Damaged: r.Poison,
	})
}

// references computes what must be published. Universes ask at the same time, and
// several times for the same recording.
type references struct {
	codec  *lerobot.Codec
	mutex  sync.Mutex
	staged map[staging]offline.Episode
}

// staging is a recording's contents.
type staging struct {
	id     uint64
	frames int
	task   string
}

func (r *references) of(b *workload.Batch) map[string][]byte {
	if b.Poisoned() {
		return nil
	}
	var episodes []offline.Episode
	for key, recording := range b.Recordings() {
		e, err := r.convert(key, recording)
		if err != nil {
			panic(fmt.Sprintf("reference of %s: %v", key, err))
		}
		episodes = append(episodes, e)
	}
	published, err := offline.Publish(r.codec, b.Name, b.ChunkSize, episodes)
	if err != nil {
		panic(fmt.Sprintf("reference of %s: %v", b.Name, err))
	}
	return published
}

// remembered bounds how many recordings a long sweep remembers.
const remembered = 1000

func (r *references) convert(source string, recorded *workload.Recording) (offline.Episode, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	key := staging{recorded.ID, recorded.Frames, recorded.Task}
	if e, ok := r.staged[key]; ok {
		return e, nil
	}
	e, err := offline.Convert(r.codec, source, recording(recorded))
	if err == nil && len(r.staged) < remembered {
		r.staged[key] = e
	}
	return e, err
}
