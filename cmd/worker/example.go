package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/benbjohnson/clock"
	"github.com/spf13/cobra"

	"github.com/gauntlet-dst/gauntlet/backend/process"
	"github.com/gauntlet-dst/gauntlet/cmd/worker/firstlook"
	"github.com/gauntlet-dst/gauntlet/cmd/worker/settings"
	"github.com/gauntlet-dst/gauntlet/cmd/worker/show"
	"github.com/gauntlet-dst/gauntlet/cmd/worker/stores"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// exampleCommand stores recordings, so that a new installation has something to
// convert.
func (w *world) exampleCommand() *cobra.Command {
	takes, frames := 6, 300
	cmd := &cobra.Command{
		Use:   "example PREFIX",
		Short: "Store example recordings under PREFIX/, so that there is something to convert",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := w.load(cmd)
			if err != nil {
				return err
			}
			prefix := strings.TrimSuffix(args[0], "/") + "/"
			if prefix == "/" || takes < 1 || takes > 9999 || frames < 1 || frames > 1_000_000 {
				return fmt.Errorf("example: allowed: a prefix, --takes 1 to 9999, --frames 1 to 1000000")
			}
			return fail(w.storeExamples(cmd.Context(), &s, prefix, firstlook.Examples(s.Codec == settings.CodecPlain, takes, frames, 0)))
		},
	}
	cmd.Flags().IntVar(&takes, "takes", takes, "how many recordings")
	cmd.Flags().IntVar(&frames, "frames", frames, "frames of each")
	return cmd
}

// storeExamples never writes over an object.
func (w *world) storeExamples(ctx context.Context, s *settings.Settings, prefix string, all []firstlook.Recording) error {
	objects, err := stores.Objects(ctx, s)
	if err != nil {
		return err
	}
	c := process.NewClock(clock.New())
	frames, bytes := 0, 0
	for _, r := range all {
		put, cancel := c.WithTimeout(ctx, s.Core.StorageTimeout)
		_, err := objects.Put(put, prefix+r.Name, r.Body, env.IfAbsent)
		cancel()
		if env.ClassOf(err) == env.ClassConflict {
			return fmt.Errorf("%s is there already, allowed: a prefix without recordings of such names", prefix+r.Name)
		}
		if err != nil {
			return err
		}
		frames += r.Frames
		bytes += len(r.Body)
	}
	fmt.Fprintf(w.out, "%s* stored: %s, %s, %s\n", prefix, show.Count(int64(len(all)), "recording"), show.Count(int64(frames), "frame"), show.Bytes(int64(bytes)))
	return nil
}
