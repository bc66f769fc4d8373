package objstore_test

import (
	"testing"

	"github.com/gauntlet-dst/gauntlet/fakes/objcontract"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

// TestContract: every mode of the fake is an object store to its callers: each
// trait alone, and those that real stores have together.
func TestContract(t *testing.T) {
	const minPart = 8
	modes := map[string]objstore.Options{
		"s3":    {UploadsByTime: true, Contention: 3},
		"minio": {MaxSegment: 255, UploadsByKey: true, Completions: objstore.CompletionsOnce},
		"oss":   {MaxKey: 1023, ExistsCode409: true, NoIfMatch: true, Completions: objstore.CompletionsOnce},
		"azure": {OpaqueETags: true},
		"posix": {
			MaxKey: 1100, MaxSegment: 255, Folders: true, CleanKeys: true, Completions: objstore.CompletionsBlind,
			ConditionFirst: true, UploadsByTime: true, KeyMarkers: true,
		},
		"gofakes3": {
			NoEmptyParts: true, LaxParts: true, OtherETags: true, WeakConditional: true,
			Completions: objstore.CompletionsOnce, InclusiveMarkers: true,
		},
		"no conditions": {NoConditional: true},
		"plain":         {},
	}
	for trait, change := range traitOptions {
		opts := objstore.Options{}
		change(&opts)
		modes[trait] = opts
	}
	for name, opts := range modes {
		opts.MinPart = minPart
		t.Run(name, func(t *testing.T) {
			objcontract.Run(t, func(*testing.T) objcontract.Store {
				return objcontract.Store{
					Client:       objstore.NewClient(&wire{store: objstore.New(opts)}, objstore.ClientConfig{}),
					MinPart:      minPart,
					UploadsByKey: opts.UploadsByKey, WeakCompletion: opts.WeakConditional || opts.NoConditional,
					NoIfMatch: opts.NoIfMatch, NoConditions: opts.NoConditional, LaxParts: opts.LaxParts,
					OtherETag: opts.OtherETags, Blind: opts.Completions == objstore.CompletionsBlind, Contention: opts.Contention > 0,
				}
			})
		})
	}
}
