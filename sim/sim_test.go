package sim_test

import (
	"testing"

	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/simtest"
)

func TestMain(m *testing.M)       { simtest.Main(m, suite.Conversion()) }
func TestSim(t *testing.T)        { simtest.Universes(t) }
func TestEveryFault(t *testing.T) { simtest.EveryFault(t) }
func TestSeeds(t *testing.T)      { simtest.Seeds(t) }
func TestScenario(t *testing.T)   { simtest.Scenarios(t) }
