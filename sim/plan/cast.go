package plan

import (
	"slices"
	"strings"
)

// Role is what processes have in common whose names differ in their numbers.
func Role(process string) string { return strings.TrimRight(process, "0123456789") }

// Actors names the processes of the plan's deviations, in their order.
func (p *Plan) Actors() []string {
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, f := range p.Faults {
		add(f.At.Process)
	}
	for _, o := range p.Orders {
		add(o.Hold.Call.Process)
		add(o.After.Call.Process)
	}
	return names
}

// Recast is the plan with the processes of all its deviations renamed, so that these
// keep their sense.
func (p *Plan) Recast(parts map[string]string) *Plan {
	if len(parts) == 0 {
		return p
	}
	rename := func(name *string) {
		if other, ok := parts[*name]; ok {
			*name = other
		}
	}
	c := p.Clone()
	c.Faults, c.Orders = nil, nil
	for _, f := range p.Faults {
		other := f.Again()
		rename(&other.At.Process)
		c.Faults = append(c.Faults, other)
	}
	for _, o := range p.Orders {
		other := o.Again()
		rename(&other.Hold.Call.Process)
		rename(&other.After.Call.Process)
		c.Orders = append(c.Orders, other)
	}
	return c
}
