//go:build !chaos_testing

package daemon

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCannotInject: without the tag the setting is refused.
func TestCannotInject(t *testing.T) {
	w := newWorld(t, nil)
	w.config.Settings.ChaosListen, w.config.Token = "127.0.0.1:0", "token"
	require.EqualError(t, Run(t.Context(), w.config, w.signals), "chaos-listen: this binary cannot inject, allowed: one built with -tags chaos_testing")
}
