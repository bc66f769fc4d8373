package sim_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gauntlet-dst/gauntlet/codec/example"
	"github.com/gauntlet-dst/gauntlet/codec/lerobot"
	"github.com/gauntlet-dst/gauntlet/codec/mcap"
	"github.com/gauntlet-dst/gauntlet/core/dataset"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
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
	r := references{codec: codec, staged: map[staging]episode{}}
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
	staged map[staging]episode
}

// staging is a recording's contents.
type staging struct {
	id     uint64
	frames int
	task   string
}

type episode struct {
	body    []byte
	summary dataset.Summary
}

func (r *references) of(b *workload.Batch) map[string][]byte {
	if b.Poisoned() {
		return nil
	}
	published, err := r.publish(b)
	if err != nil {
		panic(fmt.Sprintf("reference of %s: %v", b.Name, err))
	}
	return published
}

// direct hands every request straight to the store.
type direct struct{ store *objstore.Store }

func (d direct) Send(_ context.Context, req *objstore.Request, resp *objstore.Response, _ time.Duration) error {
	d.store.Handle(req, resp)
	return nil
}

func (r *references) publish(b *workload.Batch) (map[string][]byte, error) {
	ctx := context.Background()
	objects := objstore.NewClient(direct{objstore.New(objstore.Options{MinPart: -1})}, objstore.ClientConfig{})
	var episodes []dataset.Episode
	for key, recording := range b.Recordings() {
		e, err := r.convert(recording)
		if err != nil {
			return nil, err
		}
		object, err := objects.Put(ctx, "staging/"+key, e.body, env.IfAbsent)
		if err != nil {
			return nil, err
		}
		episodes = append(episodes, dataset.Episode{
			UnitID: key, Source: key, Key: "staging/" + key, Size: object.Size, Digest: dataset.Digest(0).Append(e.body), Summary: e.summary,
		})
	}
	const prefix = "reference/"
	manifest, err := dataset.Write(ctx, dataset.Deps{
		Objects: objects, Codec: r.codec, Work: func(context.Context, int) error { return nil },
	}, dataset.Spec{
		Prefix: prefix, Name: b.Name, ChunkSize: b.ChunkSize, ReadSize: 1 << 20, PartSize: 1 << 30, MultipartAbove: 1 << 30,
	}, episodes)
	if err != nil {
		return nil, err
	}
	published := make(map[string][]byte)
	for _, o := range manifest.Objects {
		body, _, err := objects.Get(ctx, prefix+o.Path, 0, o.Size)
		if err != nil {
			return nil, err
		}
		published[strings.TrimPrefix(o.Path, prefix)] = body
	}
	return published, nil
}

// convert converts a recording in one go.
func (r *references) convert(rec *workload.Recording) (episode, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	key := staging{rec.ID, rec.Frames, rec.Task}
	if e, ok := r.staged[key]; ok {
		return e, nil
	}
	converter, err := r.codec.NewConverter(nil)
	if err != nil {
		return episode{}, err
	}
	var e episode
	for source := recording(rec); ; {
		out, consumed, frame, err := converter.Frame(e.body, source, true)
		if err != nil {
			return episode{}, err
		}
		e.body, source = out, source[consumed:]
		if consumed == 0 && !frame {
			break
		}
	}
	e.body, e.summary, err = converter.Finish(e.body)
	if len(r.staged) < 1000 { // a universe asks for a few; a long sweep is not remembered
		r.staged[key] = e
	}
	return e, err
}
