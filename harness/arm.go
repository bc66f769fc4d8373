package harness

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// Choose lets one arm order the events of all universes; with "" each draws its
// arm.
func (s *Suite) Choose(arm string) error {
	if known := sim.Arms(); arm != "" && !slices.Contains(known, arm) {
		return fmt.Errorf("no arm is called %q; known: %s", arm, strings.Join(known, ", "))
	}
	s.Target.Arm = arm
	return nil
}
