package objstore_test

import (
	"testing"

	"github.com/gauntlet-dst/gauntlet/fakes/objcontract"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

// TestContract: every flavour of the fake is an object store to its callers.
func TestContract(t *testing.T) {
	const minPart = 8
	flavours := map[string]objstore.Options{
		"s3":    {MinPart: minPart},
		"minio": {MinPart: minPart, MaxSegment: 255, UploadsByKey: true, Completions: objstore.CompletionsOnce},
		"oss":   {MinPart: minPart, MaxKey: 1023, ExistsCode409: true, Completions: objstore.CompletionsOnce},
		"azure": {MinPart: minPart, OpaqueETags: true},
		"weak":  {MinPart: minPart, WeakConditional: true},
	}
	for name, opts := range flavours {
		t.Run(name, func(t *testing.T) {
			objcontract.Run(t, func(*testing.T) objcontract.Store {
				return objcontract.Store{
					Client:       objstore.NewClient(&wire{store: objstore.New(opts)}, objstore.ClientConfig{}),
					MinPart:      minPart,
					UploadsByKey: opts.UploadsByKey, WeakCompletion: opts.WeakConditional,
				}
			})
		})
	}
}
