package properties_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
)

// wrong is an invariant that objects to what is right: to every claim of a unit.
type wrong struct{ name, shape string }

func (w wrong) Name() string { return w.name }

func (w wrong) Observe(_ *sim.World, e *sim.Effect) error {
	if e.Kind == sim.EffectCommit && e.Step == "claim_unit" {
		return &sim.Violation{Shape: w.shape, Text: "a unit was claimed"}
	}
	return nil
}

// TestSecondOpinion: where the model judges the same, an invariant that objects to a
// transition of the model is blamed, and not the system: unless it is about when, of which
// the model knows nothing. So three planted bugs of back-offs were called the oracle's.
func TestSecondOpinion(t *testing.T) {
	for w, blamed := range map[wrong]sim.Blame{
		{"legal-edges", "claimed"}:                                         sim.BlameOracle,
		{"something-else", "claimed"}:                                      sim.BlameSystem,
		{"attempts-bounded", "counts"}:                                     sim.BlameOracle,
		{"attempts-bounded", "queued again before its back-off (control)"}: sim.BlameSystem,
	} {
		target := suite.Target()
		judged := target.Invariants
		target.Invariants = func(a sim.Assembly, s sim.System) []sim.Invariant {
			all := judged(a, s)
			return append([]sim.Invariant{all[0], w}, all[1:]...)
		}
		r, err := sim.Run(target, 1)
		require.NoError(t, err)
		require.NotNil(t, r.Violation)
		require.Equal(t, w.name, r.Violation.Invariant)
		require.Equal(t, blamed, r.Violation.Blame, r.Violation.Text)
	}
}
