// Command lease runs the lease system in simulated universes.
package main

import (
	"github.com/gauntlet-dst/gauntlet/command"

	"example.org/lease/leasesim"
)

func main() { command.Main(leasesim.Suite()) }
