package harness

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// Progress says how far, how fast and how long still, twice a second at most,
// and leaves an empty line behind.
func TestProgress(t *testing.T) {
	var terminal strings.Builder
	p := NewProgress(&terminal, 100)
	now := p.began
	p.now = func() time.Time { return now }
	for n := range 60 {
		now = now.Add(100 * time.Millisecond)
		r := &sim.Result{}
		if n == 30 {
			r.Violation = &sim.Violation{}
		}
		p.add(r)
	}
	lines := strings.Split(terminal.String(), "\r")
	require.Len(t, lines, 1+12)
	require.Equal(t, "1 of 100 universes, 10/s, 10s left, 0 failed\x1b[K", lines[1])
	require.Equal(t, "56 of 100 universes, 10/s, 4s left, 1 failed\x1b[K", lines[12])
	p.end()
	require.True(t, strings.HasSuffix(terminal.String(), "\r\x1b[K"))
}

// Nobody's progress is no trouble.
func TestNoProgress(t *testing.T) {
	var p *Progress
	p.add(&sim.Result{})
	p.end()
}
