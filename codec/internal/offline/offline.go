// Package offline converts recordings and publishes a dataset of them in one go,
// without core, in memory: what must come of them whatever befalls the processes
// that do it. It is for tests.
package offline

import (
	"context"
	"strconv"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/dataset"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

// Episode is a recording that was converted.
type Episode struct {
	Source  string
	Body    []byte
	Summary dataset.Summary
}

// Convert converts a recording.
func Convert(codec dataset.Codec, source string, recording []byte) (Episode, error) {
	e := Episode{Source: source}
	converter, err := codec.NewConverter(nil)
	if err != nil {
		return e, err
	}
	for {
		out, consumed, frame, err := converter.Frame(e.Body, recording, true)
		if err != nil {
			return e, err
		}
		e.Body, recording = out, recording[consumed:]
		if consumed == 0 && !frame {
			break
		}
	}
	e.Body, e.Summary, err = converter.Finish(e.Body)
	return e, err
}

// direct hands every request straight to the store.
type direct struct{ store *objstore.Store }

func (d direct) Send(_ context.Context, req *objstore.Request, resp *objstore.Response, _ time.Duration) error {
	d.store.Handle(req, resp)
	return nil
}

// Publish writes the dataset of the episodes, in their order, and returns its
// objects but the manifest by their paths.
func Publish(codec dataset.Codec, name string, chunkSize int, episodes []Episode) (map[string][]byte, error) {
	ctx := context.Background()
	objects := objstore.NewClient(direct{objstore.New(objstore.Options{MinPart: -1})}, objstore.ClientConfig{})
	staged := make([]dataset.Episode, len(episodes))
	for i, e := range episodes {
		key := "staging/" + strconv.Itoa(i)
		object, err := objects.Put(ctx, key, e.Body, env.IfAbsent)
		if err != nil {
			return nil, err
		}
		staged[i] = dataset.Episode{
			UnitID: key, Source: e.Source, Key: key, Size: object.Size,
			Digest: dataset.Digest(0).Append(e.Body), Summary: e.Summary,
		}
	}
	const large = 1 << 30
	deps := dataset.Deps{Objects: objects, Codec: codec, Work: func(context.Context, int) error { return nil }}
	manifest, err := dataset.Write(ctx, deps, dataset.Spec{
		Prefix: "dataset/", Name: name, ChunkSize: chunkSize, ReadSize: 1 << 20, PartSize: large, MultipartAbove: large,
	}, staged)
	if err != nil {
		return nil, err
	}
	published := make(map[string][]byte)
	for _, o := range manifest.Objects {
		body, _, err := objects.Get(ctx, "dataset/"+o.Path, 0, o.Size)
		if err != nil {
			return nil, err
		}
		published[o.Path] = body
	}
	return published, nil
}
