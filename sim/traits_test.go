package sim_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// avoided are the traits that change no answer which the processes get, and why:
// what the trait forbids, core does not do. Universes meet them through the
// neighbour only, who does.
var avoided = map[objstore.Trait]string{
	objstore.MinPart:      "a part of an upload is as large as the store's smallest: TestPartsTooSmallAreNoConfiguration",
	objstore.NoEmptyParts: "the last part holds what is left, if anything is",
	objstore.LaxParts:     "a completion lists parts that were stored, in order",
	objstore.MaxKey:       "Submit adds up the longest key: TestWhatCannotWorkIsRefused",
	objstore.MaxSegment:   "Submit measures the parts of an output: TestWhatCannotWorkIsRefused",
	objstore.Folders:      "no key that core writes is a folder of another",
	objstore.CleanKeys:    "Submit refuses outputs that are no clean paths",
	objstore.NoIfMatch:    "core has no condition on an ETag",
	objstore.KeyMarkers:   "the client's markers are keys",
}

// rare are the traits that decide an answer to a process only where several
// faults meet in one upload; more universes than a test runs meet them, or none.
var rare = map[objstore.Trait]string{
	objstore.ConditionFirst:  "a completion names a part that was replaced, and its key is taken",
	objstore.WeakConditional: "a completion's key is taken, and its upload is still open",
}

// refused is the trait with which core does not work at all.
const refused = objstore.Unordered

// TestTraitsAreDrawn: universes draw every trait of an object store, and each
// changes answers: the processes', or, of a trait that core keeps out of the way
// of, the neighbour's.
func TestTraitsAreDrawn(t *testing.T) {
	count := 2000
	if testing.Short() {
		count = 300
	}
	totals, err := sweep.Run(suite.Target(), sweep.Options{Base: 1, Count: count}, func(*sim.Result) bool { return true })
	require.NoError(t, err)
	for i := range (objstore.Shown{}) {
		trait := objstore.Trait(i)
		met, prepared := totals.Marks["store_"+trait.String()], totals.Marks["prepared_"+trait.String()]
		t.Logf("%-20s changed %6d answers in %4d universes, and %5d of the neighbour's in %4d",
			trait, met, totals.MarkSeeds["store_"+trait.String()], prepared, totals.MarkSeeds["prepared_"+trait.String()])
		why, isAvoided := avoided[trait]
		_, isRare := rare[trait]
		switch {
		case trait == refused:
			require.Zero(t, met+prepared, "%s: core refuses to start", trait)
		case isAvoided:
			require.Zero(t, met, "%s: %s", trait, why)
			require.Positive(t, prepared, "%s never shown", trait)
		case testing.Short() || isRare:
			require.Positive(t, met+prepared, "%s never shown", trait)
		default:
			require.Positive(t, met, "%s never met", trait)
		}
	}
}
