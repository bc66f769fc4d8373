package shrink

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// magnitudes makes each fault last no longer than it must, and says which of the
// system's deadlines that is.
func (s *shrinking) magnitudes() {
	s.best.Notes = nil
	for i := range s.best.Plan.Faults {
		size, has := s.best.Plan.Faults[i].Magnitude()
		if !has || size <= 0 || s.tryMagnitude(i, 0) {
			continue
		}
		enough := s.bisect(i, size)
		if i >= len(s.best.Plan.Faults) {
			return
		}
		s.tryMagnitude(i, readable(enough.fails))
		if name := s.deadline(enough); name != "" {
			f := s.best.Plan.Faults[i]
			s.best.Notes = append(s.best.Notes, fmt.Sprintf("%s at %s: crosses %s", f.Name(), f.At, name))
		}
	}
}

func (s *shrinking) tryMagnitude(i int, d time.Duration) bool {
	faults := slices.Clone(s.best.Plan.Faults)
	faults[i] = faults[i].Lasting(d)
	return s.tryFaults(faults)
}

// threshold is where a magnitude begins to suffice.
type threshold struct{ passes, fails time.Duration }

// bisect finds the threshold of fault i to within a sixty-fourth.
func (s *shrinking) bisect(i int, fails time.Duration) threshold {
	t := threshold{0, fails}
	for t.fails-t.passes > max(t.fails/64, time.Millisecond) && !s.spent() {
		middle := t.passes + (t.fails-t.passes)/2
		if s.tryMagnitude(i, middle) {
			t.fails = middle
		} else {
			t.passes = middle
		}
	}
	return t
}

// deadline names the duration of the configuration at which the threshold lies, or
// the sum of two if the system says that something happens then; "" if there is
// none.
func (s *shrinking) deadline(t threshold) string {
	settings, err := sim.Settings(s.target, s.best.Plan)
	if err != nil {
		return ""
	}
	var list []plan.Setting
	for _, setting := range settings {
		if setting.Duration != nil && *setting.Duration > 0 && !strings.HasPrefix(setting.Name, "sim.") {
			list = append(list, setting)
		}
	}
	slack := t.fails / 32 // what happens on the way to the deadline takes time, too
	at := func(d time.Duration) bool { return t.passes-slack < d && d <= t.fails+slack }
	for _, d := range list {
		if at(*d.Duration) {
			return fmt.Sprintf("%s (%s)", d.Name, d)
		}
	}
	for _, moment := range s.landmarks() {
		if !at(moment) {
			continue
		}
		for i, d := range list {
			for _, e := range list[i+1:] {
				if *d.Duration+*e.Duration == moment {
					return fmt.Sprintf("%s + %s (%s)", d.Name, e.Name, moment)
				}
			}
		}
		return moment.String()
	}
	return ""
}

// landmarks are the durations after which the system says that something happens.
func (s *shrinking) landmarks() []time.Duration {
	assembly := s.target.Assemble()
	if s.best.Plan.Apply(assembly.Name(), append((&sim.Config{}).Settings(), assembly.Settings()...)) != nil {
		return nil
	}
	system, err := assembly.New()
	if err != nil {
		return nil
	}
	b := system.Bounds()
	return slices.Concat(b.Leases, b.Magnitudes)
}
