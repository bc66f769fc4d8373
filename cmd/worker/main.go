// Command worker converts robot recordings into datasets, over TiKV and an
// object store, and talks to workers that do.
//
//	worker --store memory --out look        the whole system in one process, for a first look
//	worker run --name w0 --pd HOST:2379 --s3-endpoint URL --s3-bucket B
//	worker submit lab/kitchen --source 'in/kitchen/*.mcap' --output out/kitchen --pd HOST:2379
//	worker watch lab/kitchen --pd HOST:2379
//	worker list, cancel, retry
//	worker example in/kitchen               stores a few recordings to convert
//	worker config                           the settings in effect; --help lists all of them
//
// # Exit codes
//
//	0  done: drained, submitted, published, cancelled, ...
//	1  refused, or the batch that was watched ended without a dataset: one line says why
//	2  the command line, the environment or a file is wrong: one line says how
//	3  the stores cannot be reached, or did not say whether it happened
//	4  not drained in time: others take over when the leases have run out
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/gauntlet-dst/gauntlet/cmd/worker/daemon"
	"github.com/gauntlet-dst/gauntlet/cmd/worker/settings"
	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// The exit codes.
const (
	exitDone = iota
	exitRefused
	exitUsage
	exitUnreachable
	exitNotDrained
)

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	w := world{args: os.Args[1:], environment: os.Environ(), out: os.Stdout, err: os.Stderr, signals: signals}
	os.Exit(w.run(context.Background()))
}

// world is what a call of the command has around it.
type world struct {
	args        []string
	environment []string
	out, err    io.Writer
	signals     <-chan os.Signal
	serving     func(address string) // told where run serves HTTP; may be nil
	kv          env.KV               // in place of TiKV, for tests of the client commands; else nil
}

// run executes the command and returns its exit code.
func (w *world) run(ctx context.Context) int {
	root := w.root()
	root.SetArgs(w.args)
	root.SetOut(w.out)
	root.SetErr(w.err)
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintf(w.err, "worker: %s\n", err)
	}
	return codeOf(err)
}

// failed marks an error that is not the command line's.
type failed struct{ error }

func (f failed) Unwrap() error { return f.error }

// usage marks an error that is the command line's, wherever it is found.
type usage struct{ error }

// codeOf tells errors apart by their types; whatever the stores or core did not
// say is the caller's mistake.
func codeOf(err error) int {
	var own failed
	var wrong usage
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &wrong), env.ClassOf(err) == env.ClassInvalid:
		return exitUsage
	case errors.Is(err, daemon.ErrNotDrained):
		return exitNotDrained
	case errors.Is(err, core.ErrLive), errors.Is(err, core.ErrOutputTaken), errors.Is(err, core.ErrNoBatch),
		errors.Is(err, core.ErrEnded), errors.Is(err, core.ErrSuperseded):
		return exitRefused
	}
	switch env.ClassOf(err) {
	case env.ClassUnavailable, env.ClassUndetermined, env.ClassDeadline, env.ClassConflict:
		return exitUnreachable
	}
	if errors.As(err, &own) {
		return exitRefused
	}
	return exitUsage
}

// root is the command line. Every setting is a flag of every command.
func (w *world) root() *cobra.Command {
	out := ""
	root := &cobra.Command{
		Use:   "worker",
		Short: "Converts robot recordings into datasets, over TiKV and an object store.",
		Long: `Converts robot recordings into datasets, over TiKV and an object store.

  worker --store memory        the whole system in one process, for a first look
  worker run --pd HOST:2379 --s3-endpoint URL --s3-bucket BUCKET
  worker submit lab/kitchen --source 'in/kitchen/*.mcap' --output out/kitchen --watch --pd HOST:2379
  worker config --help         every setting, with its flag, variable and file key

Exit codes: 0 done; 1 refused, or a watched batch ended without a dataset; 2 the command
line, the environment or a file is wrong; 3 the stores cannot be reached, or did not say
whether it happened; 4 not drained in time.`,
		Args:               cobra.NoArgs,
		SilenceUsage:       true,
		SilenceErrors:      true,
		DisableSuggestions: true,
		CompletionOptions:  cobra.CompletionOptions{DisableDefaultCmd: true},
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := w.load(cmd)
			if err != nil {
				return err
			}
			if s.Store != settings.StoreMemory {
				return cmd.Help()
			}
			return w.firstLook(cmd.Context(), &s, out)
		},
	}
	root.Flags().StringVar(&out, "out", "", "with --store memory: an empty directory for the dataset; default: a new one under the temporary directory")
	flags := root.PersistentFlags()
	flags.String("config", "", "a YAML file of settings ("+settings.ConfigVariable+")")
	settings.AddFlags(flags)
	for _, one := range settings.All() {
		if f := flags.Lookup(one.Name); one.Name != "store" && one.Name != "pd" {
			f.Hidden = true // `worker config --help` has them all, in their groups
		}
	}
	root.AddCommand(w.runCommand(), w.submitCommand(), w.listCommand(), w.watchCommand(), w.cancelCommand(), w.retryCommand(), w.exampleCommand(), w.configCommand())
	return root
}

// load returns the settings in effect.
func (w *world) load(cmd *cobra.Command) (settings.Settings, error) {
	file, err := cmd.Flags().GetString("config")
	if err != nil {
		return settings.Settings{}, err
	}
	if file == "" {
		file = w.variable(settings.ConfigVariable)
	}
	return settings.Load(settings.Sources{File: file, Environment: w.environment, Flags: cmd.Flags()})
}
