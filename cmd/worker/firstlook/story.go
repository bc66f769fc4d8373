package firstlook

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

// story turns what the processes log into what a reader wants to know.
type story struct {
	out   io.Writer
	began time.Time
	// look tells a unit's recording, by its key, and how many frames of it are
	// checkpointed.
	look func(unit string) (take string, frames int)

	mu    sync.Mutex
	quiet bool
	dead  string // the worker that was killed
}

func newStory(out io.Writer) *story {
	return &story{out: out, began: time.Now()}
}

// tell writes a line.
func (s *story) tell(who, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line(who, format, args...)
}

// line writes a line; s.mu is held.
func (s *story) line(who, format string, args ...any) {
	if !s.quiet {
		fmt.Fprintf(s.out, "%6.1f s  %-7s %s\n", time.Since(s.began).Seconds(), who, fmt.Sprintf(format, args...))
	}
}

func (s *story) silence() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quiet = true
}

func (s *story) kill(worker, take string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line(worker, "is killed in the middle of %s, and never comes back", take)
	s.dead = worker
}

// takeOf is the name of the recording in a unit's row.
func takeOf(row string) string { return path.Base(field(row, "url")) }

// framesOf is how many frames a checkpoint's row tells of; 0 if there is none.
func framesOf(row string) int {
	n, _ := strconv.Atoi(field(row, "frames"))
	return n
}

// field is a field of a row that needs no quotes.
func field(row, name string) string {
	_, rest, _ := strings.Cut(row, " "+name+"=")
	value, _, _ := strings.Cut(rest, " ")
	return value
}

func (s *story) handler() slog.Handler { return &handler{story: s} }

// handler is a slog.Handler that knows who logs.
type handler struct {
	story *story
	who   string
}

func (h *handler) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (h *handler) WithGroup(string) slog.Handler                    { return h }

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		if a.Key == "process" {
			return &handler{story: h.story, who: a.Value.String()}
		}
	}
	return h
}

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	key := ""
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "key" {
			key = a.Value.String()
		}
		return true
	})
	s := h.story
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.who != s.dead {
		h.event(r.Message, key)
	}
	return nil
}

// event tells of one line of the log, if a reader wants to know.
func (h *handler) event(msg, key string) {
	s := h.story
	take, frames := s.look(key)
	switch {
	case msg == "unit claimed":
		s.line(h.who, "converts %s", take)
	case strings.HasPrefix(msg, "unit reaped"):
		s.line(h.who, "sees that the lease on %s has run out, and queues it again", take)
	case msg == "conversion continued":
		s.line(h.who, "goes on behind frame %d, which was checkpointed", frames)
	case msg == "unit complete":
		s.line(h.who, "has staged %s", take)
	case msg == "merge claimed":
		s.line(h.who, "has claimed the merge")
	case msg == "dataset published":
		s.line(h.who, "publishes the dataset, in one transaction")
	}
}
