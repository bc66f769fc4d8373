//go:build chaos_testing

package chaos_test

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// world is a pair of stores, a runtime, a clock and a log that do nothing but
// write down which calls reached them.
type world struct {
	mu     sync.Mutex
	calls  []string
	sleeps []time.Duration
	logged []string
}

func (w *world) note(call string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, call)
}

// take returns the calls so far and forgets them.
func (w *world) take() []string {
	calls := w.calls
	w.calls = nil
	return calls
}

func (w *world) Begin(context.Context) (env.Txn, error) {
	w.note("kv.begin")
	return &worldTxn{w}, nil
}

type worldTxn struct{ w *world }

func (t *worldTxn) StartTS() uint64 { return 1 }

func (t *worldTxn) Get(context.Context, string) ([]byte, error) {
	t.w.note("kv.get")
	return []byte("v"), nil
}

func (t *worldTxn) Scan(context.Context, string, string, int) ([]env.Pair, error) {
	t.w.note("kv.scan")
	return []env.Pair{{Key: "k"}}, nil
}

func (t *worldTxn) Put(string, []byte) {}
func (t *worldTxn) Delete(string)      {}
func (t *worldTxn) Lock(...string)     {}
func (t *worldTxn) Rollback()          { t.w.note("rollback") }

func (t *worldTxn) Commit(context.Context) error {
	t.w.note("kv.commit")
	return nil
}

// worldObjects is apart from world for the names that env.Objects shares with
// env.Txn.
type worldObjects struct{ w *world }

func (o worldObjects) Put(context.Context, string, []byte, env.Condition) (env.Object, error) {
	o.w.note("objects.put")
	return env.Object{Key: "k"}, nil
}

func (o worldObjects) Get(context.Context, string, int64, int64) ([]byte, env.Object, error) {
	o.w.note("objects.get")
	return []byte("v"), env.Object{Key: "k"}, nil
}

func (o worldObjects) Head(context.Context, string) (env.Object, error) {
	o.w.note("objects.head")
	return env.Object{Key: "k"}, nil
}

func (o worldObjects) List(context.Context, string, string, int) (env.Listing, error) {
	o.w.note("objects.list")
	return env.Listing{More: true}, nil
}

func (o worldObjects) Delete(context.Context, string) error {
	o.w.note("objects.delete")
	return nil
}

func (o worldObjects) CreateUpload(context.Context, string) (string, error) {
	o.w.note("objects.create_upload")
	return "id", nil
}

func (o worldObjects) UploadPart(context.Context, string, string, int, []byte) (env.Part, error) {
	o.w.note("objects.upload_part")
	return env.Part{Number: 1}, nil
}

func (o worldObjects) CompleteUpload(context.Context, string, string, []env.Part, env.Condition) (env.Object, error) {
	o.w.note("objects.complete_upload")
	return env.Object{Key: "k"}, nil
}

func (o worldObjects) AbortUpload(context.Context, string, string) error {
	o.w.note("objects.abort_upload")
	return nil
}

func (o worldObjects) ListUploads(context.Context, string, string, string, int) (env.UploadListing, error) {
	o.w.note("objects.list_uploads")
	return env.UploadListing{More: true}, nil
}

func (w *world) Step(ctx context.Context, step env.Step) (context.Context, error) {
	w.note(string(step))
	return env.WithStep(ctx, step), nil
}

func (w *world) Work(ctx context.Context, _ int) error { return context.Cause(ctx) }
func (w *world) Group(context.Context) env.Group       { return nil }

// worldClock notes sleeps instead of sleeping; if it has an end, the sleeper's
// context ends with it.
type worldClock struct {
	env.Clock
	w   *world
	end error
}

func (c worldClock) Sleep(_ context.Context, d time.Duration) error {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.w.sleeps = append(c.w.sleeps, d)
	return c.end
}

type worldLog struct{ w *world }

func (l worldLog) Enabled(slog.Level) bool { return true }

func (l worldLog) Log(_ context.Context, level slog.Level, msg string, attrs ...slog.Attr) {
	text := level.String() + " " + msg
	for _, attr := range attrs {
		text += " " + attr.String()
	}
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.w.logged = append(l.w.logged, text)
}
