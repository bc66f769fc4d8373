package fault

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

// Terminate asks a process to stop, as SIGTERM does: its main context ends with
// its program's StopCause. If it is still there after the grace, it crashes.
type Terminate struct {
	none
	Phase Phase
	Grace time.Duration
}

var terminateInfo = Info{
	Name: "terminate", About: "a process is asked to stop, and killed after a grace period", Effect: "-",
	Strikes: anything, SparesClients: true,
	Share: 220, // rolling restarts are common and mostly harmless
	Aim:   Aim{Weight: 2, At: requests},
	New:   func() Kind { return &Terminate{} },
}

func (*Terminate) Info() *Info             { return &terminateInfo }
func (k *Terminate) Lasts() time.Duration  { return k.Grace }
func (k *Terminate) Moment() (Phase, bool) { return k.Phase, true }
func (k *Terminate) Befall(h Host, f *Fault) bool {
	h.Terminate(f, k.Grace)
	return true
}

func (k *Terminate) options() []option {
	return []option{phase(&k.Phase), lasting("grace", "after how long it is killed if it is still there", &k.Grace)}
}

func (k *Terminate) draw(d keyed.Draw, _ *Scale, c *Crossing) {
	k.Phase = drawPhase(d, c)
	k.Grace = time.Duration(d.LogBetween("grace", 1e8, 60e9))
	if d.Chance("patient", 400) { // about Kubernetes' 30 s, so that a drain can end in time
		k.Grace = time.Duration(d.LogBetween("long grace", 20e9, 120e9))
	}
}
