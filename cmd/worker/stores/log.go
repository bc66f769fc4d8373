package stores

import (
	"context"
	"log/slog"
	"time"

	"go.uber.org/zap/zapcore"
)

// zapLog hands the logs of TiKV's client to a slog.Handler.
type zapLog struct{ to slog.Handler }

var _ zapcore.Core = zapLog{}

var levels = map[zapcore.Level]slog.Level{
	zapcore.DebugLevel: slog.LevelDebug, zapcore.InfoLevel: slog.LevelDebug, // the client is talkative
	zapcore.WarnLevel: slog.LevelWarn,
}

func level(l zapcore.Level) slog.Level {
	if level, ok := levels[l]; ok {
		return level
	}
	return slog.LevelError
}

func (l zapLog) Enabled(at zapcore.Level) bool {
	return l.to.Enabled(context.Background(), level(at))
}

func (l zapLog) With(fields []zapcore.Field) zapcore.Core {
	return zapLog{l.to.WithAttrs(attrs(fields))}
}

func (l zapLog) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if l.Enabled(e.Level) {
		return to.AddCore(e, l)
	}
	return to
}

func (l zapLog) Write(e zapcore.Entry, fields []zapcore.Field) error {
	r := slog.NewRecord(time.Now(), level(e.Level), "tikv client: "+e.Message, 0)
	r.AddAttrs(attrs(fields)...)
	return l.to.Handle(context.Background(), r)
}

func (l zapLog) Sync() error { return nil }

func attrs(fields []zapcore.Field) []slog.Attr {
	var list []slog.Attr
	for _, f := range fields {
		one := zapcore.NewMapObjectEncoder()
		f.AddTo(one)
		for name, value := range one.Fields { // one, or an error and its verbose form
			list = append(list, slog.Any(name, value))
		}
	}
	return list
}
