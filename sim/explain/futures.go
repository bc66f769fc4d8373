package explain

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// Future is how likely the failure is if everything that is left to chance is drawn
// anew after an event of the failing run.
type Future struct {
	Event        uint64
	At           time.Duration
	Who, What    string // the event, as the table's row has it
	Fails, Tried int
	deviation    bool
}

// How many futures are drawn: first from each row that changed something or that a
// deviation is, then more around the largest jump.
const (
	maxPoints   = 8
	firstDraws  = 12
	secondDraws = 24
)

// probability is the share of failing futures.
func (f *Future) probability() float64 { return float64(f.Fails) / float64(max(f.Tried, 1)) }

// futures draws futures from the rows of the table.
func (l *laboratory) futures(rows []Row) ([]Future, error) {
	var points []Future
	for _, row := range rows {
		if row.Event == 0 || row.Store == "" && row.Deviation == "" || len(points) > 0 && points[len(points)-1].Event == row.Event {
			continue
		}
		points = append(points, Future{Event: row.Event, At: row.At, Who: row.Process, What: row.What, deviation: row.Deviation != ""})
	}
	if len(points) > maxPoints {
		points = spread(points, maxPoints)
	}
	for i := range points {
		if err := l.draw(&points[i], firstDraws); err != nil {
			return nil, err
		}
	}
	if i := jump(points); i > 0 {
		for _, n := range []int{i - 1, i} {
			if err := l.draw(&points[n], secondDraws); err != nil {
				return nil, err
			}
		}
	}
	return slices.DeleteFunc(points, func(f Future) bool { return f.Tried == 0 }), nil
}

// spread keeps n of the points: first deviations, then the latest, and of those before
// every so many.
func spread(points []Future, n int) []Future {
	keep := make([]bool, len(points))
	left := n
	mark := func(i int) {
		if left > 0 && !keep[i] {
			keep[i] = true
			left--
		}
	}
	for i := len(points) - 1; i >= 0; i-- {
		if points[i].deviation {
			mark(i)
		}
	}
	for i := len(points) - 1; i >= max(0, len(points)-n/2); i-- {
		mark(i)
	}
	for i := range n {
		mark(i * len(points) / n)
	}
	var kept []Future
	for i := range points {
		if keep[i] {
			kept = append(kept, points[i])
		}
	}
	return kept
}

// draw draws more futures from a point, as long as there are runs left.
func (l *laboratory) draw(f *Future, n int) error {
	for range n {
		if !l.left() {
			return nil
		}
		fails, err := l.fails(sim.Branch(l.target, l.reduced.Plan, f.Event, uint64(f.Tried+1)))
		if err != nil {
			return err
		}
		f.Tried++
		if fails {
			f.Fails++
		}
	}
	return nil
}

// jump is the point at which the failure becomes most likely, compared with the one
// before; 0 if it never does.
func jump(points []Future) (at int) {
	best := 0.0
	for i := 1; i < len(points); i++ {
		if points[i].Tried == 0 {
			continue
		}
		if rise := points[i].probability() - points[i-1].probability(); rise > best {
			at, best = i, rise
		}
	}
	return at
}

// noReturn says where the failure became likely.
func noReturn(futures []Future) string {
	if len(futures) == 0 {
		return ""
	}
	last := futures[len(futures)-1]
	i := jump(futures)
	if i == 0 {
		return fmt.Sprintf("  point of no return: none; P(fail) is %s from the first of these events on", percent(&futures[0]))
	}
	f := futures[i]
	text := fmt.Sprintf("  point of no return: %s %s at %s (P(fail) %s -> %s of %d futures)", cmp.Or(f.Who, "the world"), f.What, clockText(f.At), percent(&futures[i-1]), percent(&f), f.Tried)
	if i < len(futures)-1 {
		text += fmt.Sprintf("; %s in the end", percent(&last))
	}
	return text
}

func percent(f *Future) string { return fmt.Sprintf("%.0f %%", 100*f.probability()) }
