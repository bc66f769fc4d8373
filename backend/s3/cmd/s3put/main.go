// Command s3put runs a command and then stores what it left in a folder, so that
// an image without a shell can keep the results of a job:
//
//	s3put --s3-bucket results --prefix sweeps/7/0 --from /plans -- gauntlet sweep --out /plans
//
// What the command writes to its standard output is shown and stored, too, as
// output.log. The exit code is the command's, 128 and the signal's number if it
// was killed; 2 if the command was not begun, since the bucket or the folder
// cannot be used; 74 if the store was down before or after, and something is not
// stored.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/gauntlet-dst/gauntlet/backend/s3"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

const (
	exitUsage     = 2
	exitNotStored = 74 // EX_IOERR of sysexits.h
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) }

// job is what the command line asks for.
type job struct {
	store        s3.Config
	kind         string
	prefix, from string
	command      []string
	out, errs    io.Writer
	pause        time.Duration // before the second try of a call
	code         int
}

func run(ctx context.Context, args []string, out, errs io.Writer) int {
	j := &job{out: out, errs: errs, pause: time.Second}
	cmd := &cobra.Command{
		Use:   "s3put --s3-bucket BUCKET --prefix PREFIX --from FOLDER -- COMMAND [ARGUMENT ...]",
		Short: "Run a command, then store the files that it left in a folder",
		Args:  cobra.MinimumNArgs(1), SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, command []string) error {
			j.command = command
			return j.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&j.store.Bucket, "s3-bucket", "", "the bucket, which must exist")
	flags.StringVar(&j.store.Endpoint, "s3-endpoint", "", "the server's URL; empty: AWS")
	flags.StringVar(&j.store.Region, "s3-region", "", "the bucket's region; empty: AWS_REGION")
	flags.BoolVar(&j.store.PathStyle, "s3-path-style", false, "address the bucket in the path, as most servers but AWS want")
	flags.StringVar(&j.store.CAPath, "s3-ca", "", "a PEM file with who signs the server's certificate; empty: the system's")
	flags.StringVar(&j.kind, "s3-kind", string(s3.KindS3), "s3, minio, posix or oss")
	flags.StringVar(&j.prefix, "prefix", "", "begins the objects' keys, without a slash at the end")
	flags.StringVar(&j.from, "from", "", "the folder, which must exist")
	cmd.SetArgs(args)
	cmd.SetOut(out)
	cmd.SetErr(errs)
	if err := cmd.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(errs, "s3put: "+strings.Join(strings.Fields(err.Error()), " "))
		if j.code == 0 {
			return exitUsage
		}
	}
	return j.code
}

// run finds out first whether the results can be stored: a sweep takes hours.
func (j *job) run(ctx context.Context) error {
	switch {
	case j.prefix == "" || strings.HasSuffix(j.prefix, "/"):
		return fmt.Errorf("--prefix=%s: want the beginning of a key, without a slash at the end", j.prefix)
	case j.from == "":
		return errors.New("--from: want a folder")
	}
	if info, err := os.Stat(j.from); err != nil || !info.IsDir() {
		return fmt.Errorf("--from=%s: no such folder", j.from)
	}
	j.store.Kind = s3.Kind(j.kind)
	var objects env.Objects
	err := j.again(ctx, func() (err error) {
		if objects, err = s3.Open(ctx, j.store); err == nil {
			_, err = objects.List(ctx, j.prefix, "", 1)
		}
		return err
	})
	if err != nil {
		if env.ClassOf(err) == env.ClassUnavailable {
			j.code = exitNotStored
		}
		return err
	}
	if err := j.execute(ctx); err != nil {
		return err
	}
	if err := j.keep(ctx, objects); err != nil {
		j.code = exitNotStored
		return err
	}
	return nil
}

// execute runs the command. Its own failure is its exit code, and no error.
func (j *job) execute(ctx context.Context) error {
	log, err := os.Create(filepath.Join(j.from, "output.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)
	cmd := exec.CommandContext(ctx, j.command[0], j.command[1:]...)
	cmd.Stdout, cmd.Stderr = io.MultiWriter(j.out, log), j.errs
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for {
			select {
			case s := <-signals:
				_ = cmd.Process.Signal(s)
			case <-ended:
				return
			}
		}
	}()
	err = cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &exit):
		return err
	}
	j.code = exit.ExitCode()
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		j.code = 128 + int(status.Signal())
	}
	return nil
}

// keep stores every file of the folder under its own path. A repetition stores
// the same objects again.
func (j *job) keep(ctx context.Context, objects env.Objects) error {
	return filepath.WalkDir(j.from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(j.from, path)
		if err != nil {
			return err
		}
		key := j.prefix + "/" + filepath.ToSlash(name)
		err = j.again(ctx, func() error { _, err := objects.Put(ctx, key, body, env.Always); return err })
		if err == nil {
			fmt.Fprintln(j.errs, "s3put: stored "+key)
		}
		return err
	})
}

// again repeats a call that did not come through.
func (j *job) again(ctx context.Context, call func() error) error {
	const tries = 8
	pause := j.pause
	for try := 1; ; try++ {
		err := call()
		switch env.ClassOf(err) {
		case env.ClassUnavailable, env.ClassUndetermined:
		default:
			return err
		}
		if try == tries {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
		pause *= 2
	}
}
