// Package show writes numbers and progress for people.
package show

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/core"
)

// Number writes 1234567 as 1,234,567.
func Number(n int64) string {
	text := strconv.FormatInt(n, 10)
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// Count writes "1 frame", "2 frames".
func Count(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return Number(n) + " " + one + "s"
}

// Bytes writes a size in the unit that suits it.
func Bytes(n int64) string {
	units := [...]string{"B", "KiB", "MiB", "GiB", "TiB"}
	value, unit := float64(n), 0
	for value >= 1000 && unit < len(units)-1 {
		value /= 1024
		unit++
	}
	if unit == 0 || value >= 100 {
		return fmt.Sprintf("%.0f %s", value, units[unit])
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}

// Progress follows a batch from one status to the next.
type Progress struct {
	// Frames converted in each second, and the time that is left, by the units
	// that are done; 0 while nobody can tell.
	Rate float64
	Left time.Duration

	began, last time.Duration
	first       core.BatchStatus
	frames      int64
	seen        bool
}

// window is how many seconds an older rate counts for.
const window = 5.0

// See takes a status, with the monotonic time at which it was asked for.
func (p *Progress) See(s *core.BatchStatus, now time.Duration) {
	if !p.seen || s.Generation != p.first.Generation {
		*p = Progress{seen: true, began: now, last: now, first: *s, frames: s.Frames}
		return
	}
	if passed := (now - p.last).Seconds(); passed > 0 {
		rate := max(float64(s.Frames-p.frames)/passed, 0)
		weight := min(passed/window, 1)
		if p.Rate == 0 {
			weight = 1
		}
		p.Rate += weight * (rate - p.Rate)
		p.last, p.frames = now, s.Frames
	}
	p.Left = 0
	done := s.Complete - p.first.Complete
	if open := s.Total - s.Complete; done > 0 && open > 0 {
		p.Left = (now - p.began) / time.Duration(done) * time.Duration(open)
	}
}

// Line is one status as a line: what stands in it, it has from s and p alone.
func (p *Progress) Line(s *core.BatchStatus) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%s  %-11s", s.Namespace, s.Name, s.Phase)
	if s.Total > 0 {
		fmt.Fprintf(&b, "  %s  %s of %s", bar(s.Complete, s.Total), Number(int64(s.Complete)), Count(int64(s.Total), "unit"))
	}
	if s.Frames > 0 {
		b.WriteString("  " + Count(s.Frames, "frame"))
	}
	if p.Rate >= 1 && !s.Phase.Terminal() {
		b.WriteString("  " + Number(int64(p.Rate+0.5)) + "/s")
	}
	if p.Left > 0 && s.Phase == core.PhaseRunning {
		b.WriteString("  " + p.Left.Round(time.Second).String() + " left")
	}
	for _, odd := range []struct {
		n    int
		word string
	}{{s.Failed, "failed"}, {s.Dead, "dead"}, {s.Cancelled, "cancelled"}} {
		if odd.n > 0 {
			fmt.Fprintf(&b, "  %s %s", Number(int64(odd.n)), odd.word)
		}
	}
	return b.String()
}

const barWidth = 20

// bar draws done of total.
func bar(done, total int) string {
	full := barWidth * done / max(total, 1)
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", barWidth-full) + "]"
}
