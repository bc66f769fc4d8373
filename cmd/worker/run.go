package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gauntlet-dst/gauntlet/cmd/worker/daemon"
	"github.com/gauntlet-dst/gauntlet/cmd/worker/firstlook"
	"github.com/gauntlet-dst/gauntlet/cmd/worker/settings"
	"github.com/gauntlet-dst/gauntlet/cmd/worker/stores"
	"github.com/gauntlet-dst/gauntlet/codec/lerobot"
	"github.com/gauntlet-dst/gauntlet/core/dataset"
	"github.com/gauntlet-dst/gauntlet/core/dataset/plain"
)

func (w *world) runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Play roles until SIGTERM, then drain: all roles, or those of --role",
		Long: `Plays roles until SIGTERM, then drains: it begins nothing new, checkpoints what it
converts and gives it back. A SIGTERM more than a second later, or the end of --grace, ends
it at once.

  worker run --name w0 --pd HOST:2379 --s3-endpoint URL --s3-bucket BUCKET
  worker run --role scanner,controller,reaper,merger,janitor ...
  worker run --role worker --slots 4 ...

HTTP is served on --listen: /healthz, /readyz and /metrics. Every setting:
worker config --help`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := w.load(cmd)
			if err != nil {
				return err
			}
			if s.Store == settings.StoreMemory {
				return errors.New("run needs stores that others reach, allowed: --store tikv; for a first look: worker --store memory")
			}
			if err := s.CheckRun(); err != nil {
				return err
			}
			codec, err := codecOf(&s)
			if err != nil {
				return err
			}
			handler := logHandler(&s, w.err)
			return fail(daemon.Run(cmd.Context(), daemon.Config{
				Settings: s, Codec: codec, Log: handler, Token: w.variable(settings.TokenVariable), Serving: w.serving,
				Open: func(ctx context.Context) (daemon.Stores, error) { return stores.Open(ctx, &s, handler) },
			}, w.signals))
		},
	}
}

// fail marks an error as one that is not the command line's.
func fail(err error) error {
	if err == nil {
		return nil
	}
	return failed{err}
}

// variable is the value of an environment variable, or "".
func (w *world) variable(name string) string {
	for _, line := range w.environment {
		if value, ok := strings.CutPrefix(line, name+"="); ok {
			return value
		}
	}
	return ""
}

func codecOf(s *settings.Settings) (dataset.Codec, error) {
	if s.Codec == settings.CodecPlain {
		return plain.Codec{}, nil
	}
	config := lerobot.DefaultConfig()
	if s.CodecConfig != "" {
		text, err := os.ReadFile(s.CodecConfig)
		if err != nil {
			return nil, fmt.Errorf("codec-config: %w", err)
		}
		if config, err = lerobot.ParseConfig(text); err != nil {
			return nil, fmt.Errorf("%s: %s", s.CodecConfig, oneLine(err))
		}
	}
	return lerobot.New(config)
}

// oneLine is an error that has several.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// logHandler writes structured logs.
func logHandler(s *settings.Settings, to io.Writer) slog.Handler {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.LogLevel)); err != nil {
		panic(err) // the table allows levels only
	}
	options := &slog.HandlerOptions{Level: level}
	if s.LogFormat == "text" {
		return slog.NewTextHandler(to, options)
	}
	return slog.NewJSONHandler(to, options)
}

// firstLook runs the whole system in this process.
func (w *world) firstLook(ctx context.Context, s *settings.Settings, out string) error {
	codec, err := codecOf(s)
	if err != nil {
		return err
	}
	if out == "" {
		if out, err = os.MkdirTemp("", "gauntlet-"); err != nil {
			return fail(err)
		}
	}
	recordings := firstlook.Recordings(s.Codec == settings.CodecPlain)
	look := firstlook.Look{Codec: codec, Recordings: recordings, Out: w.out, Dir: out, Pace: 3 * time.Millisecond, Workers: 3}
	return fail(look.Run(ctx))
}
