package plan_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// A setting's simplest value is what it says, what older plans mean, or else the
// smallest, false or the first; a setting that is at it has none that is simpler.
func TestSimplest(t *testing.T) {
	n, size, yes, text, d, seed := 7, int64(40), true, "b", 3*time.Second, uint64(9)
	for _, c := range []struct {
		setting plan.Setting
		simple  string
		towards []string
	}{
		{plan.Setting{Int: &n, Min: 1, Max: 9}, "1", []string{"2", "4", "6"}},
		{plan.Setting{Int: &n, Min: 7, Max: 9}, "", nil},
		{plan.Setting{Int: &n, Min: 1, Max: 99, Absent: "16"}, "16", []string{"15", "14", "12", "8"}},
		{plan.Setting{Size: &size, Min: 1, Simple: "8"}, "8", []string{"9", "16", "24", "39"}},
		{plan.Setting{Bool: &yes}, "false", nil},
		{plan.Setting{Bool: &yes, Simple: "true"}, "", nil},
		{plan.Setting{Text: &text, Allowed: []string{"a", "b"}}, "a", nil},
		{plan.Setting{Duration: &d, Max: 10e9}, "0s", nil},
		{plan.Setting{Duration: &d, Min: 1, Max: 10e9}, "", nil},
		{plan.Setting{Duration: &d, Min: 1, Simple: "1s"}, "1s", nil},
		{plan.Setting{Seed: &seed}, "", nil},
	} {
		require.Equal(t, c.simple, c.setting.Simplest(), "%+v", c.setting)
		require.Equal(t, c.towards, c.setting.Towards(), "%+v", c.setting)
	}
}
