// Command verify stores example recordings in a bucket, and afterwards judges the
// datasets that a system made of them:
//
//	verify put --prefix in --recordings 40 --frames 6000
//	verify judge out/reference out/under-faults ...
//
// Each output must hold exactly one finished dataset, whose objects, but for the
// manifest, are those of the first output, byte for byte. A line for each says
// what was found; the exit code is 0 if all hold, 1 if not, and 2 if the bucket
// could not be read or the command line is wrong.
package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gauntlet-dst/gauntlet/backend/s3"
	"github.com/gauntlet-dst/gauntlet/codec/example"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) }

// errDiffers: the bucket was read, and something does not hold.
var errDiffers = errors.New("not all outputs hold what they should")

func run(ctx context.Context, args []string, out, errs io.Writer) int {
	v := &verifier{out: out, pause: time.Second}
	var cfg s3.Config
	var prefix string
	var recordings, frames int
	root := &cobra.Command{Use: "verify", SilenceUsage: true, SilenceErrors: true}
	root.PersistentFlags().StringVar(&cfg.Endpoint, "s3-endpoint", "", "the server's URL")
	root.PersistentFlags().StringVar(&cfg.Bucket, "s3-bucket", "", "the bucket")
	open := func(ctx context.Context) (err error) {
		cfg.PathStyle = true
		v.objects, err = s3.Open(ctx, cfg)
		return err
	}
	put := &cobra.Command{
		Use: "put", Short: "Store example recordings", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := open(cmd.Context()); err != nil {
				return err
			}
			return v.put(cmd.Context(), prefix, recordings, frames)
		},
	}
	put.Flags().StringVar(&prefix, "prefix", "in", "begins their keys, without a slash at the end")
	put.Flags().IntVar(&recordings, "recordings", 10, "how many")
	put.Flags().IntVar(&frames, "frames", 300, "frames in each")
	judge := &cobra.Command{
		Use: "judge REFERENCE OUTPUT...", Short: "Compare the datasets under outputs with the first", Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, outputs []string) error {
			if err := open(cmd.Context()); err != nil {
				return err
			}
			return v.judge(cmd.Context(), outputs)
		},
	}
	root.AddCommand(put, judge)
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errDiffers):
		return 1
	}
	fmt.Fprintln(errs, "verify: "+err.Error())
	return 2
}

type verifier struct {
	objects env.Objects
	out     io.Writer
	pause   time.Duration
}

// again repeats a call that did not come through.
func (v *verifier) again(ctx context.Context, call func() error) error {
	for try := 1; ; try++ {
		err := call()
		class := env.ClassOf(err)
		if class != env.ClassUnavailable && class != env.ClassUndetermined || try == 5 {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(v.pause):
		}
	}
}

func (v *verifier) put(ctx context.Context, prefix string, recordings, frames int) error {
	for i := range recordings {
		key := fmt.Sprintf("%s/take-%03d.mcap", prefix, i)
		body := example.Recording(uint64(i), frames)
		if err := v.again(ctx, func() error { _, err := v.objects.Put(ctx, key, body, env.Always); return err }); err != nil {
			return err
		}
	}
	fmt.Fprintf(v.out, "put: %d recordings of %d frames under %s/\n", recordings, frames, prefix)
	return nil
}

// contents are the digests of a dataset's objects by their path in it.
type contents map[string][sha256.Size]byte

// finished matches the manifest of a dataset under an output: a generation of the
// batch and one of the merge.
var finished = regexp.MustCompile(`^g\d+-\d+/manifest\.json$`)

func (v *verifier) judge(ctx context.Context, outputs []string) error {
	var reference contents
	differs := false
	for _, output := range outputs {
		found, wrong, err := v.dataset(ctx, output)
		if err != nil {
			return err
		}
		if wrong == "" && reference != nil {
			wrong = difference(reference, found)
		}
		if wrong == "" && reference == nil {
			reference = found
		}
		if wrong != "" {
			differs = true
		}
		fmt.Fprintf(v.out, "%s: %d objects: %s\n", output, len(found), cmp.Or(wrong, "held"))
		if reference == nil {
			break // nothing to compare with
		}
	}
	if differs {
		return errDiffers
	}
	return nil
}

// dataset reads the one finished dataset under an output, or says what is wrong.
func (v *verifier) dataset(ctx context.Context, output string) (found contents, wrong string, err error) {
	objects, err := v.list(ctx, output+"/")
	if err != nil {
		return nil, "", err
	}
	var manifests []string
	for _, obj := range objects {
		if name := strings.TrimPrefix(obj.Key, output+"/"); finished.MatchString(name) {
			manifests = append(manifests, obj.Key)
		}
	}
	if len(manifests) != 1 {
		return nil, fmt.Sprintf("%d finished datasets, not one", len(manifests)), nil
	}
	prefix := strings.TrimSuffix(manifests[0], "manifest.json")
	found = contents{}
	for _, obj := range objects {
		name, ours := strings.CutPrefix(obj.Key, prefix)
		if !ours || name == "manifest.json" {
			continue
		}
		var body []byte
		err := v.again(ctx, func() (err error) { body, _, err = v.objects.Get(ctx, obj.Key, 0, -1); return err })
		if err != nil {
			return nil, "", err
		}
		if int64(len(body)) != obj.Size {
			return nil, "", fmt.Errorf("%s: %d bytes of %d", obj.Key, len(body), obj.Size)
		}
		found[name] = sha256.Sum256(body)
	}
	if len(found) == 0 {
		return nil, "a manifest and no object", nil
	}
	return found, "", nil
}

func (v *verifier) list(ctx context.Context, prefix string) (all []env.Object, err error) {
	for after, more := "", true; more; {
		var page env.Listing
		if err := v.again(ctx, func() (err error) { page, err = v.objects.List(ctx, prefix, after, 1000); return err }); err != nil {
			return nil, err
		}
		if more = page.More && len(page.Objects) > 0; more {
			after = page.Objects[len(page.Objects)-1].Key
		}
		all = append(all, page.Objects...)
	}
	return all, nil
}

// difference names the first object that is not the same in both.
func difference(want, got contents) string {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		other, there := got[name]
		switch {
		case !there:
			return name + " is missing"
		case other != want[name]:
			return name + " has other bytes"
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, there := want[name]; !there {
			return name + " is one too many"
		}
	}
	return ""
}
