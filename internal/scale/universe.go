package main

import (
	"context"
	"fmt"
	"time"

	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// unitTime is how long a unit takes, half of it at least and half as much again
// at most: a short recording, since it is the coordination that is measured.
const unitTime = 10 * time.Second

// measure runs one universe: so many workers, two processes that play every
// other role, and one batch.
func measure(s size) *cost {
	m := &cost{workers: s.workers, units: s.units, config: settings()}
	result, err := sim.Run(sim.Target{
		Assemble:   func() sim.Assembly { return &assembly{m} },
		Invariants: func(sim.Assembly, sim.System) []sim.Invariant { return []sim.Invariant{m} },
		Vary:       calm,
		Calm:       true,
	}, 1)
	switch {
	case err != nil:
		m.failure = err.Error()
	case result.Violation != nil:
		m.failure = result.Violation.Text
	case result.Summary.Outcome != "published":
		m.failure = "the batch is " + result.Summary.Outcome
	default:
		m.events = result.Events
	}
	return m
}

// settings are the defaults, but for a scanner that looks every few seconds: how
// long a batch waits for its discovery is not what is measured.
func settings() core.Config {
	c := core.DefaultConfig()
	c.ScanEvery = 5 * time.Second
	return c
}

// calm is a network within one data centre, and a phase that ends with the work.
func calm(c *sim.Config, _ sim.Assembly) {
	c.Arm = "narrow"
	c.LatencyMin, c.LatencyMax = time.Millisecond/2, 2*time.Millisecond
	c.WorkTime, c.Quantum = time.Microsecond, 0
	c.ChaosFor, c.ChaosEvents = longest, 1<<40
}

// assembly is a system before its universe is made.
type assembly struct{ cost *cost }

func (a *assembly) Name() string             { return "scale" }
func (a *assembly) Settings() []plan.Setting { return nil }
func (a *assembly) Draw(keyed.Draw)          {}

// New assembles the system.
func (a *assembly) New() (sim.System, error) {
	c := conversion.Config{
		Workers: a.cost.workers, Split: true, Batches: 1, Sources: 1, Recordings: a.cost.units, Frames: 1,
		ClientPace: time.Second, Regions: 1, RPCTimeout: 4 * time.Second, RestartAfter: time.Second,
		Stores: conversion.Stores{Completions: "once", MaxKey: 1024, MaxRow: 6 << 20, MaxTxn: 100 << 20},
		Core:   a.cost.config,
	}
	batch := workload.Batch{
		Namespace: "lab", Name: "scale", Output: "out/", ChunkSize: 1000, MaxAttempts: 3,
		Sources: []workload.Source{{Prefix: "in/"}},
	}
	for i := range a.cost.units {
		batch.Sources[0].Recordings = append(batch.Sources[0].Recordings, workload.Recording{
			Name: fmt.Sprintf("run-%06d.rec", i), ID: uint64(i + 1), Frames: 1, Task: "stack",
		})
	}
	inner, err := c.For(workload.Spec{Batches: []workload.Batch{batch}})
	return &system{System: inner, cost: a.cost}, err
}

// system is the conversion with a meter at every process's store.
type system struct {
	*conversion.System
	cost *cost
}

// Programs are the conversion's. Workers take their time; what others compute is
// not measured.
func (s *system) Programs() []sim.Program {
	programs := s.System.Programs()
	for i := range programs {
		p := &programs[i]
		main := p.Main
		p.Main = func(ctx context.Context, e *env.Env) error {
			metered := *e
			metered.KV = &kv{KV: e.KV, env: e, cost: s.cost}
			if !p.Client {
				metered.Runtime = &runtimeOf{Runtime: e.Runtime, env: e}
			}
			return main(ctx, &metered)
		}
	}
	return programs
}

// longest is as long as the simulator lets a phase last.
const longest = 2400 * time.Hour

// Bounds are the conversion's, which grow with the units.
func (s *system) Bounds() sim.Bounds {
	b := s.System.Bounds()
	b.Settle = min(b.Settle, longest)
	return b
}

// Quiet ends the universe with the publication.
func (s *system) Quiet(*sim.World) bool { return true }

// runtimeOf makes each conversion take about unitTime.
type runtimeOf struct {
	env.Runtime
	env *env.Env
}

func (r *runtimeOf) Work(ctx context.Context, frames int) error {
	if env.StepOf(ctx) != core.StepConvert {
		return r.Runtime.Work(ctx, frames)
	}
	return r.env.Clock.Sleep(ctx, unitTime/2+time.Duration(r.env.Rand.Uint64()%uint64(unitTime)))
}
