package process

import (
	"context"
	"log/slog"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// NewLog returns a Log that hands records to handler: stamped with the
// process's own clock and carrying its name, its incarnation and, inside a
// step, the step.
func NewLog(handler slog.Handler, self env.Process, clock env.Clock) env.Log {
	return &log{
		handler: handler.WithAttrs([]slog.Attr{
			slog.String("process", self.Name),
			slog.String("incarnation", self.Incarnation),
		}),
		clock: clock,
	}
}

type log struct {
	handler slog.Handler
	clock   env.Clock
}

func (l *log) Enabled(level slog.Level) bool {
	return l.handler.Enabled(context.Background(), level)
}

// Log drops the handler's error: a log that cannot be written has nowhere to
// report it, and no decision may depend on it.
func (l *log) Log(ctx context.Context, level slog.Level, msg string, attrs ...slog.Attr) {
	if !l.handler.Enabled(ctx, level) {
		return
	}
	record := slog.NewRecord(l.clock.Now(), level, msg, 0)
	if step := env.StepOf(ctx); step != "" {
		record.AddAttrs(slog.String("step", string(step)))
	}
	record.AddAttrs(attrs...)
	_ = l.handler.Handle(ctx, record)
}
