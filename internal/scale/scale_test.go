package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// at is a universe that is as it should be.
func at(workers, units int) *cost {
	return &cost{
		workers: workers, units: units, config: settings(), requests: 30 * units, scanned: 40 * units,
		commits: 3 * units, claims: units, conflicts: units / 10, largestKeys: 500, largestBytes: 70_000,
	}
}

func TestDemandsAreMade(t *testing.T) {
	good := func() []*cost { return []*cost{at(10, 1_000), at(10, 5_000), at(300, 1_000), at(300, 5_000)} }
	require.Empty(t, judge(good()))
	for want, spoil := range map[string]func(c *cost){
		"300 workers, 5000 units: a unit costs 37.0 requests; with 1,000 units it costs 30.0": func(c *cost) { c.requests = 37 * c.units },
		"a unit costs 49.0 scanned rows": func(c *cost) { c.scanned = 49 * c.units },
		"a unit costs 4.0 commits":       func(c *cost) { c.commits = 4 * c.units },
		"0.201 conflicts for each claim": func(c *cost) { c.conflicts = c.units*201/1000 + 1 },
		"a transaction has 2000 keys":    func(c *cost) { c.largestKeys = 2_000 },
		"a transaction has 9000000 byte": func(c *cost) { c.largestBytes = 9_000_000 },
		"the batch is failed":            func(c *cost) { c.failure = "the batch is failed" },
	} {
		all := good()
		spoil(all[3])
		require.Contains(t, append(judge(all), "")[0], want)
	}
	require.Len(t, judge(good()[:2]), 1, "too little was compared")
}

// TestAUniverseIsMeasured: what is counted adds up.
func TestAUniverseIsMeasured(t *testing.T) {
	c := measure(size{workers: 4, units: 12})
	require.Empty(t, c.failure)
	require.True(t, c.over)
	require.Equal(t, 12, c.claims)
	require.Greater(t, c.requests, 12*10)
	require.Greater(t, c.commits, 12*2)
	require.Greater(t, c.scanned, 12)
	require.Equal(t, 12-4, c.waited, "every claim but each worker's first")
	require.Less(t, c.meanWait(), unitTime)
	require.Greater(t, c.largestBytes, c.largestKeys)
	require.Greater(t, c.virtual, unitTime)
}
