package runner

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// Speed is how fast a number of workers did a piece of work.
type Speed struct {
	Workers   int
	Straggler bool // one of them ran a tenth of the time
	Frames    int
	Bytes     int64 // of the recordings
	Took      time.Duration
}

func (s Speed) String() string {
	seconds := s.Took.Seconds()
	what := fmt.Sprintf("workers: %d", s.Workers)
	if s.Straggler {
		what += ", one at a tenth"
	}
	return fmt.Sprintf("%-26s %8.1f s %10.0f frames/s %8.2f MB/s", what, seconds, float64(s.Frames)/seconds, float64(s.Bytes)/1e6/seconds)
}

// Throughput converts one batch with so many workers, from its submission to its
// publication, and judges the end state.
func Throughput(ctx context.Context, system *Conversion, opts Options, workers, units int, straggler bool) (s Speed, err error) {
	r := &run{system: system, opts: &opts, seed: opts.Seed, began: time.Now(), output: opts.Output}
	if r.output == nil {
		r.output = io.Discard
	}
	if r.dir, err = os.MkdirTemp("", "gauntlet-e2e-speed-"); err != nil {
		return s, err
	}
	defer os.RemoveAll(r.dir)
	if r.stores, err = openStores(ctx, storesConfig{dir: r.dir, bin: opts.Bin, workers: workers, seed: r.seed, output: r.output}); err != nil {
		return s, err
	}
	defer r.stores.Close()
	r.pace()
	if err := r.makeWorkers(workers); err != nil {
		return s, err
	}
	defer r.killAll()
	for _, w := range r.workers {
		if err := w.start(); err != nil {
			return s, err
		}
	}
	work := Work{1, units}
	if err := system.Submit(ctx, r.stores, work); err != nil {
		return s, err
	}
	began := time.Now()
	slowing, stop := context.WithCancel(ctx)
	defer stop()
	if straggler {
		go r.workers[0].slowDown(slowing, 10)
	}
	if _, err := r.awaitEnd(ctx); err != nil {
		return s, err
	}
	s = Speed{Workers: workers, Straggler: straggler, Frames: system.Frames * units, Took: time.Since(began)}
	for _, b := range system.batches(work) {
		for _, source := range b.Sources {
			for _, recording := range source.Recordings {
				s.Bytes += int64(len(recording.Bytes()))
			}
		}
	}
	stop()
	return s, r.judge(ctx, work)
}
