package harness

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

// What a sweep may be asked to end at beside an invariant by its name.
const (
	NoStop  = "none" // it goes to its end, and judges no expectations
	AnyStop = "any"  // the first violation; without one, expectations are judged
)

// Stops reports whether a violation of an invariant ends a sweep.
func (q *Request) Stops(invariant string) bool {
	return q.Stop == AnyStop || q.Stop == invariant
}

// CheckStop refuses to end at the violation of an invariant that there is not: such a
// sweep would hold whatever it found. The invariants are those of the first universe.
// The dashes are those of the flag that asked for it.
func CheckStop(target sim.Target, q Request, dashes string) error {
	if q.Stop == "" || q.Stop == NoStop || q.Stop == AnyStop {
		return nil
	}
	judged := &listing{}
	var failed error
	err := sweep.Watch(judged.of(target), q.Base, q.Patience, func(watched sim.Target) { _, failed = sim.Run(watched, q.Base) })
	if err = cmp.Or(err, failed); err != nil {
		return err
	}
	names := append(judged.names, sim.Inherent()...)
	if slices.Contains(names, q.Stop) {
		return nil
	}
	return fmt.Errorf("%sstop=%s: want the name of an invariant (%s), %s or %s", dashes, q.Stop, strings.Join(names, ", "), AnyStop, NoStop)
}

// listing is the names of the invariants that can object in a universe.
type listing struct{ names []string }

// of is the target whose invariants are listed when a universe of it begins.
func (l *listing) of(target sim.Target) sim.Target {
	of := target.Invariants
	target.Invariants = func(a sim.Assembly, s sim.System) []sim.Invariant {
		all := of(a, s)
		for _, inv := range all {
			if _, watches := inv.(interface{ NeverObjects() }); !watches && !slices.Contains(l.names, inv.Name()) {
				l.names = append(l.names, inv.Name())
			}
		}
		return all
	}
	return target
}
