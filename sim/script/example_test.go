package script_test

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/counter"
	"github.com/gauntlet-dst/gauntlet/sim/script"
)

// printing stands for the *testing.T of a test.
type printing struct{ cleanup []func() }

func (*printing) Helper()                           {}
func (*printing) Name() string                      { return "TestFrozenWorkerIsRefused" }
func (*printing) Failed() bool                      { return false }
func (*printing) Logf(format string, args ...any)   { fmt.Printf(format, args...) }
func (*printing) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (p *printing) Cleanup(f func())                { p.cleanup = append(p.cleanup, f) }

// Two workers raise a counter. One freezes with a commit in hand; the other goes
// on; the first wakes up, and its commit must be refused.
func ExampleNew() {
	t := &printing{}
	target := counter.Target(false)
	target.Assemble = func() sim.Assembly { return &counter.System{Workers: 2, Goal: 10} }

	s := script.New(t, target)
	w0, w1 := s.Process("w0"), s.Process("w1")
	w1.Pause()
	frozen := w0.Before("raise").Pause()
	s.Until(frozen.Fired)
	w1.Resume()
	s.Until(func() bool { return counter.Value(s.World()) == 1 })
	w0.Resume()
	s.Settle()
	w0.Saw(env.ErrConflict, "raise")
	fmt.Println("the counter is", counter.Value(s.World()))
	// Output: the counter is 10
}
