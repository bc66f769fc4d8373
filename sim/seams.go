package sim

import (
	"context"
	"log/slog"
	"strconv"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// outcome is what one Commit returned.
type outcome struct {
	process string
	step    string
	class   env.Class
}

// noteCommit keeps the outcomes that marks and scenarios ask for: what a
// transaction's Commit told the system, which the store cannot know.
func (u *Universe) noteCommit(p *process, startTS uint64, err error) {
	class := env.ClassOf(err)
	switch class {
	case env.ClassNone:
		return
	case env.ClassConflict:
		u.Mark("conflict_at_commit")
	case env.ClassUndetermined:
		u.undetermined = append(u.undetermined, startTS)
	}
	u.outcomes = append(u.outcomes, outcome{process: p.program.Name, step: u.current.where.step.name, class: class})
}

// logSeam drops logs unless the run is recorded.
type logSeam struct{ p *process }

func (l logSeam) Enabled(slog.Level) bool { return l.p.u.recorder != nil }

func (l logSeam) Log(ctx context.Context, level slog.Level, msg string, attrs ...slog.Attr) {
	u := l.p.u
	t := u.running(l.p)
	if u.recorder != nil {
		u.recorder.log(u, t, level, msg, attrs)
	}
}

type noMetrics struct{}

func (noMetrics) Add(string, int64) {}
func (noMetrics) Set(string, int64) {}

// incarnation is an incarnation's number as text; small ones don't allocate.
func incarnation(n int) string { return strconv.Itoa(n) }
