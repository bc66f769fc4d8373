package plan_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// Whatever keys hold, reports and plans stay text.
func TestPrintable(t *testing.T) {
	require.Equal(t, "queue/ä b", plan.Printable("queue/ä b"))
	require.Equal(t, `queue/a\x00`, plan.Printable("queue/a\x00"))
	require.Equal(t, `a\nb\xff`, plan.Printable("a\nb\xff"))
}
