// Command gauntlet runs the conversion in simulated universes. Its exit codes
// and its JSON are those of package command.
//
//	go run ./cmd/gauntlet run --seed 42
//	go run ./cmd/gauntlet sweep --seeds 20000 --out failures
package main

import (
	"github.com/gauntlet-dst/gauntlet/command"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
)

func main() { command.Main(suite.Conversion()) }
