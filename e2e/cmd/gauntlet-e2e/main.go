// Command gauntlet-e2e runs a system of real processes on this machine through the
// scenarios of package chaos. `gauntlet e2e` calls it.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/pingcap/log"
	"github.com/spf13/cobra"
	"go.uber.org/zap/zapcore"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/e2e/runner"
)

// errFailed: what was asked for ran, and did not hold. The table says what.
var errFailed = errors.New("not everything held")

func main() {
	log.SetLevel(zapcore.FatalLevel) // the runner's own client meets every fault of a server
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	err := command().ExecuteContext(ctx)
	switch {
	case errors.Is(err, errFailed):
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "gauntlet-e2e:", err)
		os.Exit(2)
	}
}

// flags are what all commands have.
type flags struct {
	root, bin, logs, versitygw string
	seed                       uint64
	quick, keep, verbose       bool
	frames                     int
	limit                      time.Duration
}

func command() *cobra.Command {
	f := &flags{}
	root := scenariosCommand(f)
	root.SilenceUsage, root.SilenceErrors = true, true
	p := root.PersistentFlags()
	p.StringVar(&f.root, "root", ".", "a folder of a clone of the project, whose servers and worker are built")
	p.StringVar(&f.bin, "bin", "", "a folder with tikv-server, s3-server and worker, in place of building them")
	p.StringVar(&f.logs, "logs", "", "a folder for the processes' output, a file for each run; none is kept if empty")
	p.StringVar(&f.versitygw, "versitygw", "", "the program of this S3 server, to use it in place of the project's own")
	p.Uint64Var(&f.seed, "seed", 1, "keys the draws")
	p.DurationVar(&f.limit, "limit", time.Hour, "bounds all of it")
	p.BoolVar(&f.keep, "keep", false, "leave the folders of runs where they are")
	p.IntVar(&f.frames, "frames", 0, "length of each recording; 0: 20000, or 200000 with --versitygw, whose parts are larger")
	root.PersistentPreRun = func(cmd *cobra.Command, _ []string) {
		ctx, cancel := context.WithTimeoutCause(cmd.Context(), f.limit, fmt.Errorf("not done after --limit %v", f.limit))
		context.AfterFunc(ctx, cancel)
		cmd.SetContext(ctx)
	}
	root.AddCommand(killCommand(f), throughputCommand(f))
	return root
}

// quickly are the scenarios of --quick.
var quickly = []string{"worker-crash", "merge-race", "storage-failure"}

func scenariosCommand(f *flags) *cobra.Command {
	var state, workerCmd string
	var sim int
	cmd := &cobra.Command{
		Use:   "gauntlet-e2e [SCENARIO...]",
		Short: "run a system of real processes on this machine through scenarios of faults",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, names []string) error {
			if (state == "") != (workerCmd == "") {
				return errors.New("--worker-cmd and --state go together")
			}
			if f.quick && len(names) == 0 {
				names = quickly
			}
			scenarios, err := named(names)
			if err != nil {
				return err
			}
			if workerCmd != "" {
				return f.theirs(cmd.Context(), scenarios, workerCmd, state)
			}
			return f.ours(cmd.Context(), scenarios, sim)
		},
	}
	cmd.Flags().BoolVar(&f.quick, "quick", false, "three scenarios only, and no fault-free runs beside them: the datasets are compared with those computed")
	cmd.Flags().StringVar(&workerCmd, "worker-cmd", "", "a command that starts a worker of another system, see docs/END-TO-END.md")
	cmd.Flags().StringVar(&state, "state", "", "a YAML file that says where that system keeps its state")
	cmd.Flags().IntVar(&sim, "sim", 0, "also play each scenario in so many simulated universes, and print both side by side")
	return cmd
}

// named picks scenarios by their names, all for none.
func named(names []string) ([]chaos.Scenario, error) {
	if len(names) == 0 {
		return chaos.Scenarios(), nil
	}
	var list []chaos.Scenario
	for _, name := range names {
		s, ok := chaos.LookupScenario(name)
		if !ok {
			known := ""
			for _, s := range chaos.Scenarios() {
				known += " " + s.Name
			}
			return nil, fmt.Errorf("no scenario %q, allowed:%s", name, known)
		}
		list = append(list, s)
	}
	return list, nil
}

// built builds the programs into a folder that remove removes.
func (f *flags) built(worker bool) (bin runner.Binaries, remove func(), err error) {
	if f.bin != "" {
		return runner.Binaries{
			TiKVServer: filepath.Join(f.bin, "tikv-server"), S3Server: filepath.Join(f.bin, "s3-server"),
			Worker: filepath.Join(f.bin, "worker"), VersityGW: f.versitygw,
		}, func() {}, nil
	}
	at, err := filepath.Abs(f.root)
	if err != nil {
		return bin, nil, err
	}
	root, err := runner.FindRoot(at)
	if err != nil {
		return bin, nil, err
	}
	dir, err := os.MkdirTemp("", "gauntlet-e2e-bin-")
	if err != nil {
		return bin, nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	bin, err = runner.Build(root, dir, worker)
	if err != nil {
		remove()
		return bin, nil, err
	}
	bin.VersityGW = f.versitygw
	return bin, remove, nil
}

// options are those of one run; done closes its log.
func (f *flags) options(bin runner.Binaries, name string) (opts runner.Options, done func(), err error) {
	opts = runner.Options{Bin: bin, Seed: f.seed, Pace: 2 * time.Millisecond, Keep: f.keep}
	if f.logs == "" {
		return opts, func() {}, nil
	}
	if err := os.MkdirAll(f.logs, 0o755); err != nil {
		return opts, nil, err
	}
	file, err := os.Create(filepath.Join(f.logs, name+".log"))
	if err != nil {
		return opts, nil, err
	}
	opts.Output = file
	return opts, func() { _ = file.Close() }, nil
}

// ours runs this project's own system.
func (f *flags) ours(ctx context.Context, scenarios []chaos.Scenario, sim int) error {
	bin, remove, err := f.built(true)
	if err != nil {
		return err
	}
	defer remove()
	system := f.conversion(bin)
	results, err := f.all(ctx, system, bin, scenarios)
	if err != nil {
		return err
	}
	if !f.quick && slices.ContainsFunc(scenarios, func(s chaos.Scenario) bool { return s.Name == cutOff }) {
		r, err := f.byPackets(ctx, system, bin)
		if err != nil {
			return err
		}
		results = append(results, r)
	}
	held := runner.Print(os.Stdout, results)
	if sim > 0 {
		if err := sideBySide(os.Stdout, scenarios, results, sim, f.seed); err != nil {
			return err
		}
	}
	if !held {
		return errFailed
	}
	return nil
}

// cutOff is the scenario that is run a second time with packets that are dropped.
const cutOff = "partition-tikv"

func (f *flags) byPackets(ctx context.Context, system runner.System, bin runner.Binaries) (runner.Result, error) {
	s, _ := chaos.LookupScenario(cutOff)
	s.Name += "-nftables"
	if reason := runner.PacketProblem(); reason != "" {
		return runner.Result{Scenario: s.Name, Skipped: reason}, nil
	}
	opts, done, err := f.options(bin, s.Name)
	if err != nil {
		return runner.Result{}, err
	}
	defer done()
	opts.Packets = true
	fmt.Fprintf(os.Stderr, "e2e: %s ...\n", s.Name)
	return runner.Run(ctx, system, s, opts, nil), nil
}

// conversion is this project's own system.
func (f *flags) conversion(bin runner.Binaries) *runner.Conversion {
	system := &runner.Conversion{Binary: bin.Worker, Frames: cmp.Or(f.frames, 20_000)}
	if bin.VersityGW != "" {
		system.MinPart, system.Frames = 5<<20, cmp.Or(f.frames, 200_000)
	}
	return system
}

// all runs a system through scenarios, each beside a fault-free run of the same
// work.
func (f *flags) all(ctx context.Context, system runner.System, bin runner.Binaries, scenarios []chaos.Scenario) ([]runner.Result, error) {
	references := map[runner.Work]*runner.Result{}
	var results []runner.Result
	one := func(s chaos.Scenario, name string, reference *runner.Result) (runner.Result, error) {
		opts, done, err := f.options(bin, name)
		if err != nil {
			return runner.Result{}, err
		}
		defer done()
		if len(s.Inject) == 0 {
			opts.Pace = 0
		}
		fmt.Fprintf(os.Stderr, "e2e: %s ...\n", name)
		return runner.Run(ctx, system, s, opts, reference), nil
	}
	for _, s := range scenarios {
		if reason := runner.Skip(system, &s, bin); reason != "" {
			results = append(results, runner.Result{Scenario: s.Name, Skipped: reason})
			continue
		}
		work := runner.Work{Batches: s.Batches, Units: s.Units}
		if references[work] == nil && !f.quick {
			calm := s
			calm.Inject, calm.Workers = nil, 1
			calm.Name = "fault-free"
			r, err := one(calm, fmt.Sprintf("fault-free-%dx%d", work.Batches, work.Units), nil)
			if err != nil {
				return nil, err
			}
			if r.Err != nil {
				return append(results, r), nil
			}
			references[work] = &r
		}
		r, err := one(s, s.Name, references[work])
		if err != nil {
			return nil, err
		}
		results = append(results, r)
		if ctx.Err() != nil {
			return results, nil
		}
	}
	return results, nil
}
