// Command published runs the published converter in simulated universes.
package main

import (
	"github.com/gauntlet-dst/gauntlet/command"
	"github.com/gauntlet-dst/gauntlet/examples/published/publishedsim"
)

func main() { command.Main(publishedsim.Suite()) }
