package loopback_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/internal/loopback"
)

// TestAddresses: what was returned is not returned again, nor given to somebody who
// listens at any port.
func TestAddresses(t *testing.T) {
	seen := map[string]bool{}
	for range 20 {
		addresses, err := loopback.Addresses(10)
		require.NoError(t, err)
		for _, a := range addresses {
			require.False(t, seen[a], a)
			seen[a] = true
		}
	}
	require.Len(t, seen, 200)
	for range 2000 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		require.False(t, seen[l.Addr().String()], l.Addr())
	}
	for a := range seen {
		l, err := net.Listen("tcp", a)
		require.NoError(t, err)
		require.NoError(t, l.Close())
	}
}

// TestTaken: an address at which somebody listens is passed over.
func TestTaken(t *testing.T) {
	before, err := loopback.Addresses(1)
	require.NoError(t, err)
	l, err := net.Listen("tcp", before[0])
	require.NoError(t, err)
	defer l.Close()
	all, err := loopback.Addresses(1000)
	require.NoError(t, err)
	require.NotContains(t, all, before[0])

	_, err = loopback.Addresses(30_000)
	require.ErrorContains(t, err, " of 30000 addresses of 127.0.0.1 are free, ports 10000 to 32767")
	none, err := loopback.Addresses(0)
	require.NoError(t, err)
	require.Empty(t, none)
}
