// Package firstlook runs the whole system in one process, over stores in
// memory: a few recordings, a batch, three workers, one of which is killed in
// the middle of its work. It needs no server and tells what it does.
package firstlook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gauntlet-dst/gauntlet/backend/process/local"
	"github.com/gauntlet-dst/gauntlet/cmd/worker/show"
	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/dataset"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// Look is one first look.
type Look struct {
	Codec      dataset.Codec
	Recordings []Recording
	// Out is where the dataset is written: a directory that is empty, or is not
	// there yet.
	Out io.Writer
	Dir string
	// Pace is how long a frame is made to take, so that there is something to
	// see; 0: as long as it takes.
	Pace time.Duration
	// Workers is how many there are, at least 1. One of several is killed.
	Workers int
}

// Recording is an example.
type Recording struct {
	Name   string // under the source
	Frames int
	Body   []byte
}

const (
	namespace = "lab"
	name      = "kitchen"
	source    = "in/kitchen/"
	output    = "out/kitchen"
	patience  = 2 * time.Minute // far longer than a first look takes
)

var errKilled = errors.New("killed")

// Run plays it and tells of it. It returns an error if the dataset is not what
// an undisturbed run publishes, or cannot be written.
func (l *Look) Run(ctx context.Context) error {
	if err := emptyDir(l.Dir); err != nil {
		return err
	}
	l.preface()
	published, again, err := l.play(ctx, l.Workers, l.Pace, true)
	if err != nil {
		return err
	}
	calm := *l
	calm.Out = io.Discard
	undisturbed, _, err := calm.play(ctx, 1, 0, false)
	if err != nil {
		return err
	}
	if at := difference(published, undisturbed); at != "" {
		return fmt.Errorf("first look: %s differs from what an undisturbed run publishes", at)
	}
	if err := write(l.Dir, published); err != nil {
		return err
	}
	l.epilogue(published, again)
	return nil
}

func (l *Look) preface() {
	frames, bytes := 0, 0
	for _, r := range l.Recordings {
		frames += r.Frames
		bytes += len(r.Body)
	}
	fmt.Fprintf(l.Out, "The whole system in one process: %s, a key-value store and an object store in memory.\n", show.Count(int64(l.Workers), "worker"))
	fmt.Fprintf(l.Out, "They turn %s (%s, %s) into one dataset.\n",
		show.Count(int64(len(l.Recordings)), "recording"), show.Count(int64(frames), "frame"), show.Bytes(int64(bytes)))
	if l.Pace > 0 {
		fmt.Fprintf(l.Out, "A frame is made to take %s, so that there is something to see.\n", l.Pace)
	}
	fmt.Fprintln(l.Out)
}

func (l *Look) epilogue(published map[string][]byte, again int64) {
	if l.Workers > 1 {
		fmt.Fprintf(l.Out, "\nThe kill cost %s, converted twice. Another run, in which nobody was killed,\nhas published the same bytes. ", show.Count(again, "frame"))
	} else {
		fmt.Fprintln(l.Out)
	}
	fmt.Fprintf(l.Out, "The dataset is in %s:\n\n", l.Dir)
	for _, file := range slices.Sorted(maps.Keys(published)) {
		fmt.Fprintf(l.Out, "  %-44s %10s\n", file, show.Bytes(int64(len(published[file]))))
	}
	fmt.Fprintf(l.Out, "\nNext, over TiKV and an object store: worker run --help\n")
}

// play runs the system once and returns what it published, by path, and how many
// frames were converted more than once.
func (l *Look) play(ctx context.Context, workers int, pace time.Duration, kill bool) (published map[string][]byte, again int64, err error) {
	s := &stage{look: l, story: newStory(l.Out), pace: pace, config: l.config()}
	s.cluster = local.New(local.Config{Store: objstore.Options{MinPart: -1}, Log: s.story.handler()})
	s.story.look = func(unit string) (take string, frames int) {
		rows := s.rows()
		return takeOf(rows[unit]), framesOf(rows["checkpoint/"+strings.TrimPrefix(unit, "unit/")])
	}
	defer s.end()
	s.store()
	s.story.tell("client", "submits %s/%s: %s*", namespace, name, source)
	client := s.cluster.Start("client", s.client)
	for i := range workers {
		s.start(workerName(i))
	}
	deadline := time.Now().Add(patience)
	for !client.Done() {
		switch {
		case ctx.Err() != nil:
			return nil, 0, context.Cause(ctx)
		case time.Now().After(deadline):
			return nil, 0, errors.New("first look: not published in time")
		}
		time.Sleep(5 * time.Millisecond)
		if kill && workers > 1 && s.kill() {
			kill = false
		}
	}
	if err := client.Wait(); err != nil {
		return nil, 0, err
	}
	return s.published(), s.converted.Load() - s.status.Frames, nil
}

// config is core's with short times, and parts so small that every recording has
// several checkpoints.
func (l *Look) config() core.Config {
	c := core.DefaultConfig()
	c.Heartbeat, c.StaleAfter, c.FenceMargin, c.ScannerLease = 200*time.Millisecond, 1500*time.Millisecond, 300*time.Millisecond, 1500*time.Millisecond
	c.WorkerPoll, c.ReapEvery, c.ControlEvery, c.ScanEvery, c.MergePoll, c.JanitorEvery = 50*time.Millisecond, 200*time.Millisecond, 100*time.Millisecond, 200*time.Millisecond, 100*time.Millisecond, time.Second
	c.CheckpointFrames, c.CheckpointEvery = 60, 100*time.Millisecond
	smallest := len(l.Recordings[0].Body)
	for _, r := range l.Recordings {
		smallest = min(smallest, len(r.Body))
	}
	c.ReadChunk, c.PartSize, c.PartsInFlight = 64<<10, int64(max(smallest/16, 256)), 2
	c.MultipartAbove = c.PartSize
	c.Store.MinPart = 1
	return c
}

// stage is one play.
type stage struct {
	look    *Look
	story   *story
	cluster *local.Cluster
	config  core.Config
	pace    time.Duration
	workers []*local.Process
	status  core.BatchStatus

	converted atomic.Int64 // frames
}

func (s *stage) store() {
	s.cluster.InspectObjects(func(store *objstore.Store) {
		var answer objstore.Response
		for _, r := range s.look.Recordings {
			store.Handle(&objstore.Request{Kind: objstore.KindPut, Key: source + r.Name, Body: r.Body}, &answer)
		}
	})
}

func (s *stage) start(name string) {
	s.workers = append(s.workers, s.cluster.Start(name, func(ctx context.Context, e *env.Env) error {
		slow := *e
		slow.Runtime = leisurely{e.Runtime, e.Clock, s.pace, &s.converted}
		err := core.New(&slow, s.config, s.look.Codec).Run(ctx, core.Unified)
		if errors.Is(err, errKilled) {
			return nil
		}
		return err
	}))
}

// end stops all processes, and waits until they have.
func (s *stage) end() {
	s.story.silence()
	s.cluster.Stop(errKilled)
	for _, w := range s.workers {
		w.Wait()
	}
}

// client submits the batch and follows it to its end.
func (s *stage) client(ctx context.Context, e *env.Env) error {
	c := core.NewClient(e, s.config)
	_, err := c.Submit(ctx, core.BatchSpec{Namespace: namespace, Name: name, Output: output, Sources: []core.Source{{URL: source}}})
	if err != nil {
		return err
	}
	for !s.status.Phase.Terminal() {
		if err := e.Clock.Sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
		if s.status, err = c.Status(ctx, namespace, name); err != nil {
			return err
		}
	}
	if s.status.Phase != core.PhaseComplete {
		return fmt.Errorf("first look: the batch ended %s: %s", s.status.Phase, s.status.Error)
	}
	return nil
}

// kill kills a worker that has checkpointed half of a recording, and says so.
func (s *stage) kill() bool {
	rows := s.rows()
	for key := range rows {
		lease, ok := strings.CutPrefix(key, "lease/")
		if !ok {
			continue
		}
		parts := strings.SplitN(lease, "/", 3) // worker, incarnation, unit
		take := takeOf(rows["unit/"+parts[2]])
		if 2*framesOf(rows["checkpoint/"+parts[2]]) < s.look.frames(take) {
			continue
		}
		s.story.kill(parts[0], take)
		for i := range s.workers {
			if parts[0] == workerName(i) {
				s.workers[i].Stop(errKilled)
			}
		}
		return true
	}
	return false
}

// rows returns the key-value store's rows.
func (s *stage) rows() map[string]string {
	rows := map[string]string{}
	s.cluster.InspectKV(func(engine *tikv.Engine) {
		for key, row := range engine.SnapshotAt(engine.LastTS()) {
			rows[key] = string(row)
		}
	})
	return rows
}

// frames is how many a recording has, and more than any if there is none.
func (l *Look) frames(name string) int {
	for _, r := range l.Recordings {
		if r.Name == name {
			return r.Frames
		}
	}
	return math.MaxInt
}

func workerName(i int) string { return "w" + strconv.Itoa(i) }

// published returns the dataset's objects without the manifest, by path.
func (s *stage) published() map[string][]byte {
	files := map[string][]byte{}
	prefix := path.Dir(s.status.Manifest) + "/"
	s.cluster.InspectObjects(func(store *objstore.Store) {
		for obj, body := range store.Objects() {
			if file, inside := strings.CutPrefix(obj.Key, prefix); inside && obj.Key != s.status.Manifest {
				files[file] = body
			}
		}
	})
	return files
}

// leisurely makes the conversion of every frame take a while, and counts it.
type leisurely struct {
	env.Runtime
	clock env.Clock
	pace  time.Duration
	count *atomic.Int64
}

func (r leisurely) Work(ctx context.Context, pieces int) error {
	if err := r.Runtime.Work(ctx, pieces); err != nil || env.StepOf(ctx) != core.StepConvert {
		return err
	}
	r.count.Add(int64(pieces))
	return r.clock.Sleep(ctx, time.Duration(pieces)*r.pace)
}

// difference names the first file in which two datasets differ, or "".
func difference(a, b map[string][]byte) string {
	for _, file := range slices.Sorted(maps.Keys(a)) {
		if string(a[file]) != string(b[file]) {
			return file
		}
	}
	for _, file := range slices.Sorted(maps.Keys(b)) {
		if _, ok := a[file]; !ok {
			return file
		}
	}
	return ""
}

// emptyDir makes a directory. It refuses one that holds anything.
func emptyDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty, allowed: an empty directory, or one that is not there yet", dir)
	}
	return err
}

func write(dir string, files map[string][]byte) error {
	for name, body := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, body, 0o644); err != nil {
			return err
		}
	}
	return nil
}
