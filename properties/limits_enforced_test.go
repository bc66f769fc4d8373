package properties_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A controller may queue units again though their batch is beyond its limit, as long as it
// cannot know: it looked before that.
//
//  1. w1's controller looks at the batch. Unit A waits for its back-off.
//  2. B fails for the last time that the batch allows.
//  3. The controller queues A again. It fails the batch when it looks again.
func TestLimitPassedAfterTheLook(t *testing.T) {
	s := newStory("limits-enforced").running().claim(w0, unitA, "1 1 0 0").fail(w0, unitA, "failed", "1 1 0 0", 1)
	s.claim(w0, unitB, "11 11 0 0").looks().within("fail_unit").fail(w0, unitB, "failed", "11 11 0 0", 11)
	s.within("control").requeue(unitA, "1 1 0 0", 1)
	require.NoError(t, s.err)
	s.looks().requeue(unitB, "11 11 0 0", 11)
	require.ErrorContains(t, s.err, "more than its back-off limit of 10; w1 saw that")
}

// A unit that is tried again counts no more among what has failed, until that fails, too.
func TestLimitNotPassedWhileAUnitIsTried(t *testing.T) {
	s := newStory("limits-enforced").running().claim(w0, unitA, "6 6 0 0").fail(w0, unitA, "failed", "6 6 0 0", 6)
	s.claim(w0, unitB, "5 5 0 0").fail(w0, unitB, "failed", "5 5 0 0", 5)
	s.claim(w0, unitB, "6 6 0 0").looks().requeue(unitA, "6 6 0 0", 6)
	require.NoError(t, s.err)
}
