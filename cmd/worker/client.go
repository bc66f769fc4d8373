package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"strings"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/gauntlet-dst/gauntlet/backend/process"
	"github.com/gauntlet-dst/gauntlet/cmd/worker/settings"
	"github.com/gauntlet-dst/gauntlet/cmd/worker/show"
	"github.com/gauntlet-dst/gauntlet/cmd/worker/stores"
	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// client is one call of a command that talks to running workers.
type client struct {
	*world
	core  *core.Client
	clock env.Clock
	json  bool
}

// clientCommand is a command whose arguments are names of batches, or of
// namespaces.
func (w *world) clientCommand(use, short string, args cobra.PositionalArgs, run func(ctx context.Context, c *client, cmd *cobra.Command, args []string) error) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use: use, Short: short, Args: args,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := w.load(cmd)
			if err != nil {
				return err
			}
			if err := s.CheckClient(); err != nil {
				return err
			}
			return w.withClient(cmd.Context(), &s, func(ctx context.Context, c *client) error {
				c.json = asJSON
				return run(ctx, c, cmd, args)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON lines")
	return cmd
}

// withClient connects, and ends the call's context with the first signal.
func (w *world) withClient(ctx context.Context, s *settings.Settings, use func(ctx context.Context, c *client) error) error {
	handler := logHandler(&settings.Settings{LogLevel: "error", LogFormat: "text"}, w.err)
	self := env.Process{Name: s.Name, Incarnation: fmt.Sprintf("%016x", process.RandomSeed())}
	c := process.NewClock(clock.New())
	ctx, cancel := c.WithCancel(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-w.signals:
			cancel(context.Canceled)
		case <-ctx.Done():
		}
	}()
	kv, closeKV, err := w.openKV(ctx, s, handler)
	if err != nil {
		return fail(err)
	}
	defer closeKV()
	e := env.Env{
		Self: self, Clock: c, Runtime: process.NewRuntime(self), KV: kv, Temp: process.NewMemoryTempDir(),
		Rand: process.NewRand(process.RandomSeed()), Log: process.NewLog(handler, self, c), Metrics: &process.Metrics{},
	}
	return fail(use(ctx, &client{world: w, core: core.NewClient(&e, s.Core), clock: c}))
}

// openKV connects to TiKV, or to what a test put in its place.
func (w *world) openKV(ctx context.Context, s *settings.Settings, handler slog.Handler) (env.KV, func() error, error) {
	if w.kv != nil {
		return w.kv, func() error { return nil }, nil
	}
	kv, err := stores.KV(ctx, s, handler)
	if err != nil {
		return nil, nil, err
	}
	return kv, kv.Close, nil
}

// batchName takes NAMESPACE/NAME apart.
func batchName(text string) (namespace, name string, err error) {
	namespace, name, ok := strings.Cut(text, "/")
	if !ok || namespace == "" || name == "" || strings.Contains(name, "/") {
		return "", "", usage{fmt.Errorf("batch %q, allowed: NAMESPACE/NAME", text)}
	}
	return namespace, name, nil
}

// say prints a line, or with --json an object in its place.
func (c *client) say(object any, line string) {
	if !c.json {
		fmt.Fprintln(c.out, line)
		return
	}
	text, err := json.Marshal(object)
	if err != nil {
		panic(err) // it is made of texts and numbers
	}
	fmt.Fprintf(c.out, "%s\n", text)
}

func (w *world) submitCommand() *cobra.Command {
	var spec core.BatchSpec
	var sources []string
	follow := false
	cmd := w.clientCommand("submit NAMESPACE/NAME", "Ask for a dataset", cobra.ExactArgs(1),
		func(ctx context.Context, c *client, _ *cobra.Command, args []string) (err error) {
			if spec.Namespace, spec.Name, err = batchName(args[0]); err != nil {
				return err
			}
			spec.Sources = nil
			for _, text := range sources {
				spec.Sources = append(spec.Sources, sourceOf(text))
			}
			generation, err := c.core.Submit(ctx, spec)
			if err != nil {
				return err
			}
			c.say(submitted{"submitted", spec.Namespace, spec.Name, generation}, fmt.Sprintf("%s submitted, generation %d", args[0], generation))
			if follow {
				return c.watch(ctx, spec.Namespace, spec.Name, time.Second)
			}
			return nil
		})
	cmd.Long = "Asks for a dataset. The settings --max-attempts, --backoff-limit and --episodes-per-chunk\nare those of the submission."
	f := cmd.Flags()
	f.StringArrayVar(&sources, "source", nil, "recordings: a key, a prefix that ends in a slash, or such a prefix with a pattern, as in 'in/kitchen/*.mcap'; may be repeated")
	f.StringVar(&spec.Output, "output", "", "the prefix under which all is written, without a slash at the end; it belongs to the name for ever")
	f.IntVar(&spec.Priority, "priority", 0, "0 to 999; higher goes first")
	f.IntVar(&spec.Parallelism, "parallelism", 0, "units at once; 0: no limit")
	f.DurationVar(&spec.TTL, "ttl", 0, "how long the rows of the ended batch are kept; 0s: for ever")
	f.BoolVar(&follow, "watch", false, "follow it to its end")
	return cmd
}

// sourceOf reads a source: what stands behind the last slash is a pattern if it
// looks like one.
func sourceOf(text string) core.Source {
	dir, last := path.Split(text)
	if strings.ContainsAny(last, `*?[`) {
		return core.Source{URL: dir, Filter: last}
	}
	return core.Source{URL: text}
}

type submitted struct {
	Type       string `json:"type"`
	Namespace  string `json:"namespace"`
	Name       string `json:"name"`
	Generation uint64 `json:"generation"`
}

func (w *world) listCommand() *cobra.Command {
	return w.clientCommand("list NAMESPACE", "Tell how the batches of a namespace stand", cobra.ExactArgs(1),
		func(ctx context.Context, c *client, _ *cobra.Command, args []string) error {
			all, err := c.core.List(ctx, args[0])
			if err != nil {
				return err
			}
			for i := range all {
				var p show.Progress
				c.say(statusObject(&all[i], &p), p.Line(&all[i])+because(&all[i]))
			}
			return nil
		})
}

func (w *world) cancelCommand() *cobra.Command {
	return w.clientCommand("cancel NAMESPACE/NAME", "End a batch: nothing of it starts, and nothing is published", cobra.ExactArgs(1),
		func(ctx context.Context, c *client, _ *cobra.Command, args []string) error {
			namespace, name, err := batchName(args[0])
			if err != nil {
				return err
			}
			if err := c.core.Cancel(ctx, namespace, name); err != nil {
				return err
			}
			c.say(done{"cancelled", namespace, name, 1}, args[0]+" cancelled")
			return nil
		})
}

func (w *world) retryCommand() *cobra.Command {
	return w.clientCommand("retry NAMESPACE/NAME", "Give the dead units of a living batch new attempts", cobra.ExactArgs(1),
		func(ctx context.Context, c *client, _ *cobra.Command, args []string) error {
			namespace, name, err := batchName(args[0])
			if err != nil {
				return err
			}
			n, err := c.core.Retry(ctx, namespace, name)
			if err != nil {
				return err
			}
			c.say(done{"retried", namespace, name, n}, fmt.Sprintf("%s: %s queued again", args[0], show.Count(int64(n), "unit")))
			return nil
		})
}

type done struct {
	Type      string `json:"type"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Count     int    `json:"count"`
}

func (w *world) watchCommand() *cobra.Command {
	every := time.Second
	cmd := w.clientCommand("watch NAMESPACE/NAME", "Follow a batch to its end", cobra.ExactArgs(1),
		func(ctx context.Context, c *client, _ *cobra.Command, args []string) error {
			namespace, name, err := batchName(args[0])
			if err != nil {
				return err
			}
			if every < time.Millisecond || every > time.Hour {
				return usage{fmt.Errorf("every: %s is out of range, allowed: 1ms to %s", every, time.Hour)}
			}
			return c.watch(ctx, namespace, name, every)
		})
	cmd.Flags().DurationVar(&every, "every", every, "how often to ask")
	return cmd
}

// errNotPublished: the watched batch ended without a dataset.
var errNotPublished = errors.New("the batch ended without a dataset")

// watch follows a batch. On a terminal one line tells how it stands; else a
// line is printed whenever that has changed. An outage is waited out.
func (c *client) watch(ctx context.Context, namespace, name string, every time.Duration) error {
	live := !c.json && isTerminal(c.out)
	var p show.Progress
	last := ""
	for {
		s, err := c.core.Status(ctx, namespace, name)
		if err != nil && (env.ClassOf(err) != env.ClassUnavailable || ctx.Err() != nil) {
			return err
		}
		if err == nil {
			p.See(&s, c.clock.Monotonic())
			line := p.Line(&s)
			switch news := changes(&s); {
			case live:
				fmt.Fprintf(c.out, "\r%s\x1b[K", line)
			case news != last || s.Phase.Terminal():
				c.say(statusObject(&s, &p), line)
				last = news
			}
			if s.Phase.Terminal() {
				return c.ended(&s, live)
			}
		}
		if err := c.clock.Sleep(ctx, every); err != nil {
			return err
		}
	}
}

// changes is what a line in a pipe is printed for: not for the time left.
func changes(s *core.BatchStatus) string {
	return fmt.Sprint(s.Generation, s.Phase, s.Counts, s.Total, s.Frames)
}

// ended tells how a batch ended.
func (c *client) ended(s *core.BatchStatus, live bool) error {
	if live {
		fmt.Fprintln(c.out)
	}
	if s.Phase == core.PhaseComplete {
		if !c.json {
			fmt.Fprintf(c.out, "published: %s\n", s.Manifest)
		}
		return nil
	}
	if !c.json {
		for _, u := range s.Failures {
			fmt.Fprintf(c.out, "  %s  %s after %s: %s\n", u.URL, u.State, show.Count(int64(u.Attempts), "attempt"), u.Error)
		}
	}
	return fmt.Errorf("%s/%s: %w: %s%s", s.Namespace, s.Name, errNotPublished, s.Phase, because(s))
}

func because(s *core.BatchStatus) string {
	if s.Error == "" {
		return ""
	}
	return ": " + s.Error
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// status is a batch's status as JSON.
type status struct {
	Type       string    `json:"type"`
	Namespace  string    `json:"namespace"`
	Name       string    `json:"name"`
	Generation uint64    `json:"generation"`
	Phase      string    `json:"phase"`
	Error      string    `json:"error,omitempty"`
	Total      int       `json:"total"`
	Pending    int       `json:"pending"`
	Processing int       `json:"processing"`
	Complete   int       `json:"complete"`
	Failed     int       `json:"failed"`
	Dead       int       `json:"dead"`
	Cancelled  int       `json:"cancelled"`
	Frames     int64     `json:"frames"`
	Rate       float64   `json:"frames_per_s"`
	LeftS      float64   `json:"left_s"`
	Manifest   string    `json:"manifest,omitempty"`
	Failures   []failure `json:"failures,omitempty"`
}

type failure struct {
	URL      string `json:"url"`
	State    string `json:"state"`
	Attempts int    `json:"attempts"`
	Error    string `json:"error"`
}

func statusObject(s *core.BatchStatus, p *show.Progress) status {
	o := status{
		Type: "status", Namespace: s.Namespace, Name: s.Name, Generation: s.Generation, Phase: string(s.Phase), Error: s.Error,
		Total: s.Total, Pending: s.Pending, Processing: s.Processing, Complete: s.Complete, Failed: s.Failed, Dead: s.Dead, Cancelled: s.Cancelled,
		Frames: s.Frames, Rate: p.Rate, LeftS: p.Left.Seconds(), Manifest: s.Manifest,
	}
	for _, u := range s.Failures {
		o.Failures = append(o.Failures, failure{URL: u.URL, State: string(u.State), Attempts: u.Attempts, Error: u.Error})
	}
	return o
}
