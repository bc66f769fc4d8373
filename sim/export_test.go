package sim

import "github.com/gauntlet-dst/gauntlet/sim/plan"

// Printable is printable.
var Printable = printable

// Settings are the simulator's part of a plan.
func (c *Config) Settings() []plan.Setting { return c.settings() }
