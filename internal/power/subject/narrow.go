package main

import (
	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// unvaried is narrow with the times and the counts of production: a simulation
// commonly has one configuration. What clients do, the sizes by which work is cut, and
// how long what is left over is watched are drawn: else most of core would have nothing
// to do, or take a day for it.
func unvaried() sim.Target {
	target := narrow()
	target.Vary = func(_ *sim.Config, a sim.Assembly) {
		c := a.(*conversion.Config)
		drawn := c.Core
		c.Workers, c.Split, c.Core = 3, false, core.DefaultConfig()
		k := &c.Core
		k.ReadChunk, k.PartSize, k.MultipartAbove, k.CheckpointFrames = drawn.ReadChunk, drawn.PartSize, drawn.MultipartAbove, drawn.CheckpointFrames
		k.Page, k.Shards, k.TxnBytes = drawn.Page, drawn.Shards, drawn.TxnBytes
		k.MaxInFlight, k.WatchFor, k.JanitorEvery = max(drawn.MaxInFlight, k.OpTimeout+k.StorageTimeout), drawn.WatchFor, drawn.JanitorEvery
		k.WatchFor = max(k.WatchFor, k.MaxInFlight)
	}
	return target
}

// narrow is plain narrow simulation, as simulators commonly are: latencies in a
// narrow range decide the order, and each call meets a fault with one small
// probability, of any kind as likely as of another. Nothing is aimed, nothing
// switched off for a run, and no ties are made.
func narrow() sim.Target {
	target := suite.Target()
	target.Arm, target.Calm = "narrow", true
	target.Inject = func(a sim.Assembly) []fault.Injector {
		system, err := a.New()
		if err != nil {
			return nil // the universe refuses the configuration itself
		}
		return []fault.Injector{&scatter{scale: scaleOf(system.Bounds())}}
	}
	return target
}

// scaleOf is what durations of faults are drawn from.
func scaleOf(b sim.Bounds) fault.Scale {
	return fault.Scale{
		Magnitudes: append(b.Magnitudes[:len(b.Magnitudes):len(b.Magnitudes)], b.Leases...), Leases: b.Leases,
		MaxInFlight: b.MaxInFlight, GiveUp: b.GiveUp, LongWork: b.LongWork, MayDie: true,
	}
}

// scatter injects up to scatteredFaults faults.
type scatter struct {
	scale fault.Scale
	done  int
}

const (
	scatteredFaults = 12 // in a run, as many as a swarm's at most
	scatteredOneIn  = 500
)

// Strike decides about each call by itself.
func (p *scatter) Strike(c *fault.Crossing, faults []*fault.Fault) []*fault.Fault {
	if p.done == scatteredFaults || c.Op == ops.Step {
		return faults
	}
	d := keyed.New(c.Seed, "scatter").Sub(c.Anchor().String())
	if d.Intn("strikes", scatteredOneIn) != 0 {
		return faults
	}
	var kinds []*fault.Info
	for _, k := range fault.Kinds() {
		if k.CanStrike(c.Op, c.Client) {
			kinds = append(kinds, k)
		}
	}
	if len(kinds) == 0 {
		return faults
	}
	p.done++
	return append(faults, fault.Draw(kinds[d.Intn("kind", len(kinds))], d, &p.scale, c))
}
