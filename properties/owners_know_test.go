package properties

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The lock of a beat whose commit was lost stands in the way of the next ones for TiKV's 3 s,
// however short a try of a transaction is: that time was called quiet once (seed 0x4d96da
// at 62eeb00a0301, one of 250,000 universes).
func TestLocksOfALostBeatAreNoQuietTime(t *testing.T) {
	i := &ownersKnow{}
	i.view = &view{cfg: &Config{OpTimeout: 1280 * time.Millisecond, Heartbeat: 1110 * time.Millisecond}}
	require.False(t, i.quiet(0, 3300*time.Millisecond))
	require.True(t, i.quiet(0, 5500*time.Millisecond))
}
