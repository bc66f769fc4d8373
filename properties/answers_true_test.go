package properties

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// An answer that is not true differs in few words from one that is: these are said.
func TestNearest(t *testing.T) {
	const later, now = "running total=2 pending=1 complete=1 frames=1", "running total=2 pending=2"
	for told, says := range map[string]string{
		"running total=2 pending=2 frames=1":                     "the nearest of 2 states does not say frames=1",
		"running total=2 pending=1 complete=1":                   "the nearest of 2 states says frames=1, too",
		"running total=2 pending=1 processing=1 dead=1 frames=1": "the nearest of 2 states says complete=1, not processing=1 dead=1",
	} {
		require.Equal(t, says, nearest(told, []string{now, later}))
	}
	require.Equal(t, "the only state says running total=2 pending=2, not none", nearest("none", []string{now}))
}
