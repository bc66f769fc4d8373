package fault

import "github.com/gauntlet-dst/gauntlet/sim/keyed"

// Drift makes a process's monotonic clock run fast, or slow.
type Drift struct {
	none
	PPM int64 // parts per million, -100000 (slow) to 100000 (fast)
}

var driftInfo = Info{
	Name: "drift", About: "a process's monotonic clock runs fast or slow", Effect: "-",
	Strikes: anything, SparesClients: true,
	Share: 80, // leases keep a margin far above real drift; seldom is enough
	New:   func() Kind { return &Drift{} },
}

func (*Drift) Info() *Info { return &driftInfo }
func (k *Drift) Befall(h Host, f *Fault) bool {
	h.DriftClock(f, k.PPM)
	return true
}

func (k *Drift) options() []option {
	return []option{number("ppm", "how much too fast it runs, in parts per million", &k.PPM, -100000, 100000)}
}

func (k *Drift) draw(d keyed.Draw, _ *Scale, _ *Crossing) {
	k.PPM = d.Between("ppm", -100000, 100000)
}

func (k *Drift) weaker(Anchor) []Kind {
	if k.PPM > -1000 && k.PPM < 1000 {
		return nil
	}
	return []Kind{&Drift{PPM: k.PPM / 2}}
}
