package inject

import "github.com/gauntlet-dst/gauntlet/sim/fault"

// anchored are the faults of a plan, each at its own call.
type anchored struct {
	places map[fault.Anchor][]*fault.Fault // without the number of the call
	sites  map[uint64][]*fault.Fault       // those of the sites met so far
}

// Anchored injects each fault at the call that its anchor names.
func Anchored(faults []*fault.Fault) fault.Injector {
	a := &anchored{places: map[fault.Anchor][]*fault.Fault{}, sites: map[uint64][]*fault.Fault{}}
	for _, f := range faults {
		at := f.At
		at.Nth = 0
		a.places[at] = append(a.places[at], f)
	}
	return a
}

func (a *anchored) Strike(c *fault.Crossing, faults []*fault.Fault) []*fault.Fault {
	planned, known := a.sites[c.Key]
	if !known {
		at := c.Anchor()
		at.Nth = 0
		planned = a.places[at]
		a.sites[c.Key] = planned
	}
	for _, f := range planned {
		if f.At.Nth == c.Nth {
			faults = append(faults, f)
		}
	}
	return faults
}
