package harness

import (
	"fmt"
	"io"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// Progress shows on a terminal how far a sweep is: one line that is written over
// itself. A nil Progress shows nothing.
type Progress struct {
	out                 io.Writer
	total, done, failed int
	began, shown        time.Time
	now                 func() time.Time
	wrote               bool
}

// NewProgress shows the progress of a sweep of so many universes on a terminal.
func NewProgress(terminal io.Writer, total int) *Progress {
	return &Progress{out: terminal, total: total, began: time.Now(), now: time.Now}
}

// showEvery is how often the line is written anew.
const showEvery = 500 * time.Millisecond

func (p *Progress) add(r *sim.Result) {
	if p == nil {
		return
	}
	p.done++
	if r.Violation != nil {
		p.failed++
	}
	if now := p.now(); now.Sub(p.shown) >= showEvery {
		p.shown, p.wrote = now, true
		fmt.Fprintf(p.out, "\r%s\x1b[K", p.line(now.Sub(p.began)))
	}
}

// expect sets how many universes there are.
func (p *Progress) expect(total int) {
	if p != nil {
		p.total = total
	}
}

// line says how far, how fast and how long still, if that is known.
func (p *Progress) line(elapsed time.Duration) string {
	rate := float64(p.done) / max(elapsed.Seconds(), 1e-3)
	if p.done > p.total {
		return fmt.Sprintf("%d universes, %.0f/s, %d failed", p.done, rate, p.failed)
	}
	left := time.Duration(float64(p.total-p.done) / rate * float64(time.Second)).Round(time.Second)
	return fmt.Sprintf("%d of %d universes, %.0f/s, %s left, %d failed", p.done, p.total, rate, left, p.failed)
}

// end takes the line away.
func (p *Progress) end() {
	if p != nil && p.wrote {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
