package executor

import (
	"context"
	"log/slog"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

// tempDir is an incarnation's env.TempDir; what it holds is the process's.
type tempDir struct{ in *incarnation }

func (d tempDir) Read(name string) ([]byte, error) {
	d.in.live()
	d.in.u.mu.Lock()
	defer d.in.u.mu.Unlock()
	data, ok := d.in.p.temp[name]
	if !ok {
		return nil, env.ErrNotFound
	}
	return data, nil
}

func (d tempDir) Write(name string, data []byte) error {
	d.in.live()
	d.in.u.mu.Lock()
	defer d.in.u.mu.Unlock()
	d.in.p.temp[name] = append([]byte(nil), data...)
	return nil
}

func (d tempDir) Remove(name string) error {
	d.in.live()
	d.in.u.mu.Lock()
	defer d.in.u.mu.Unlock()
	delete(d.in.p.temp, name)
	return nil
}

// draws is an incarnation's env.Rand: each draw is keyed by the task that makes
// it and how many it made.
type draws struct{ in *incarnation }

func (r draws) Uint64() uint64 {
	r.in.live()
	r.in.u.mu.Lock()
	defer r.in.u.mu.Unlock()
	t := r.in.u.tasks[goroutine()]
	t.draws++
	return keyed.Mix(t.key, t.draws)
}

type noLog struct{}

func (noLog) Enabled(slog.Level) bool                               { return false }
func (noLog) Log(context.Context, slog.Level, string, ...slog.Attr) {}

type noMetrics struct{}

func (noMetrics) Add(string, int64) {}
func (noMetrics) Set(string, int64) {}
