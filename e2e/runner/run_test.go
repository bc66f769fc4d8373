package runner_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/e2e/runner"
)

// TestServerDoesNotStart: a server that cannot start ends the run with one line
// that says which, and what was begun before it is ended.
func TestServerDoesNotStart(t *testing.T) {
	for _, c := range []struct {
		bin  runner.Binaries
		want string
	}{
		{runner.Binaries{TiKVServer: "/no/such/tikv-server", S3Server: "true"}, "/no/such/tikv-server: no such file"},
		{runner.Binaries{TiKVServer: "false", S3Server: "true"}, "false ended before it was ready: exit status 1"},
	} {
		result := runner.Run(t.Context(), &runner.Conversion{}, chaos.Scenario{Name: "none", Workers: 2}, runner.Options{Bin: c.bin, Seed: 1}, nil)
		require.ErrorContains(t, result.Err, c.want)
		require.Equal(t, "none", result.Scenario)
	}
}
