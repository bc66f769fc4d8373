// Command gauntlet runs the conversion in simulated universes. Its exit codes
// and its JSON are those of package command.
//
//	go run ./cmd/gauntlet run --seed 42
//	go run ./cmd/gauntlet sweep --seeds 20000 --out failures
//
// `gauntlet e2e` runs the same scenarios on real processes of this machine, by the
// program gauntlet-e2e, which is a module of its own.
package main

import (
	"os"

	"github.com/gauntlet-dst/gauntlet/command"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
)

func main() { command.Main(suite.Conversion(), e2eCommand(os.Exit)) }
