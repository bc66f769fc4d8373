package publishedsim

import (
	"testing"

	"github.com/gauntlet-dst/gauntlet/simtest"
)

func TestMain(m *testing.M)  { simtest.Main(m, Suite()) }
func TestSim(t *testing.T)   { simtest.Universes(t) }
func TestSeeds(t *testing.T) { simtest.Seeds(t) }
