package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/e2e/runner"
)

func killCommand(f *flags) *cobra.Command {
	var kills int
	cmd := &cobra.Command{
		Use: "kill", Short: "kill workers and servers with SIGKILL again and again, with nothing lost", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			bin, remove, err := f.built(true)
			if err != nil {
				return err
			}
			defer remove()
			opts, done, err := f.options(bin, "kill")
			if err != nil {
				return err
			}
			defer done()
			system := f.conversion(bin)
			system.Frames, system.MaxAttempts = system.Frames/4, 1000
			k, err := runner.Kill(cmd.Context(), system, opts, kills)
			lost := "lost=0"
			if err != nil {
				lost = "WRONG: " + err.Error()
			}
			fmt.Printf("e2e-kill: kills=%d workers=%d tikv=%d s3=%d batches=%d commits=%d took=%.0fs %s\n",
				k.Workers+k.TiKV+k.S3, k.Workers, k.TiKV, k.S3, k.Batches, k.Commits, k.Took.Seconds(), lost)
			if err != nil {
				return errFailed
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&kills, "kills", 200, "how many")
	return cmd
}

func throughputCommand(f *flags) *cobra.Command {
	var units int
	var latency time.Duration
	var chunk int
	cmd := &cobra.Command{
		Use: "throughput", Short: "convert one batch with 1, 2 and 4 workers, and with a straggler among them", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			bin, remove, err := f.built(true)
			if err != nil {
				return err
			}
			defer remove()
			for _, c := range []struct {
				workers   int
				straggler bool
			}{{1, false}, {2, false}, {4, false}, {4, true}} {
				opts, done, err := f.options(bin, fmt.Sprintf("throughput-%d-%v", c.workers, c.straggler))
				if err != nil {
					return err
				}
				opts.Pace = latency
				system := f.conversion(bin)
				system.Frames, system.Chunk, system.Limit = cmp.Or(f.frames, 50_000), chunk, 10*time.Minute
				speed, err := runner.Throughput(cmd.Context(), system, opts, c.workers, units, c.straggler)
				done()
				if err != nil {
					return err
				}
				fmt.Println(speed)
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&units, "units", 16, "recordings in the batch")
	cmd.Flags().IntVar(&chunk, "chunk", 1<<20, "bytes that are read, and uploaded, at once")
	cmd.Flags().DurationVar(&latency, "latency", 0, "of every message of the object store's, each way")
	return cmd
}

// theirs runs somebody else's system.
func (f *flags) theirs(ctx context.Context, scenarios []chaos.Scenario, workerCmd, state string) error {
	m, err := runner.ReadMap(state)
	if err != nil {
		return err
	}
	bin, remove, err := f.built(false)
	if err != nil {
		return err
	}
	defer remove()
	results, err := f.all(ctx, &runner.Foreign{Command: workerCmd, Map: m}, bin, scenarios)
	if err != nil {
		return err
	}
	if !runner.Print(os.Stdout, results) {
		return errFailed
	}
	return nil
}
