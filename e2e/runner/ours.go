package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/gauntlet-dst/gauntlet/backend/process"
	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/e2e/child"
	"github.com/gauntlet-dst/gauntlet/e2e/tikvserver"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
)

// Conversion is this project's own system: cmd/worker with the plain codec, whose
// datasets package workload computes without it.
type Conversion struct {
	Binary string
	// Frames is the length of each recording.
	Frames int
	// Limit bounds a run, up to the end of the work; 0 means 100 s.
	Limit time.Duration
	// MaxAttempts is that of each unit; 0 means 8.
	MaxAttempts int
	// Chunk is how many bytes of a recording are read at once, and of an episode
	// written; 0 means little, so that a conversion takes many calls.
	Chunk int
	// MinPart is the smallest part of an upload that the S3 server takes, in bytes.
	MinPart int
}

// chaosToken opens the workers' injectors, which listen on the loopback network.
const chaosToken = "e2e"

// Injects reports true: the worker is built with -tags chaos_testing.
func (c *Conversion) Injects() bool { return true }

// Timing is that of the flags below.
func (c *Conversion) Timing() Timing {
	return Timing{Stale: 4 * time.Second, Limit: cmp.Or(c.Limit, 100*time.Second), Clean: 60 * time.Second}
}

// Worker starts cmd/worker with everything sped up: a heartbeat of half a second
// and a stale period of four.
func (c *Conversion) Worker(at WorkerPlace) child.Spec {
	part, chunk := max(c.MinPart, 64<<10), 4<<10
	if c.MinPart > 0 {
		chunk = 32 << 10 // recordings are larger
	}
	if c.Chunk > 0 {
		part, chunk = max(c.MinPart, c.Chunk), c.Chunk
	}
	args := []string{
		c.Binary, "run", "--name", at.Name, "--codec", "plain",
		"--pd", at.Way.PD.Addr(), "--s3-endpoint", "http://" + at.Way.S3.Addr(), "--s3-bucket", bucket, "--s3-path-style",
		"--listen", at.Web, "--chaos-listen", at.Chaos, "--scratch", at.Dir, "--log-level", "warn", "--log-format", "text",
		"--heartbeat", "500ms", "--stale-after", "4s", "--fence-margin", "1s", "--scanner-lease", "3s",
		"--worker-poll", "200ms", "--reap-every", "500ms", "--control-every", "300ms", "--scan-every", "500ms",
		"--merge-poll", "300ms", "--janitor-every", "1s", "--unit-backoff", "200ms", "--unit-backoff-max", "2s",
		"--checkpoint-every", "500ms", "--checkpoint-frames", "2000",
		"--storage-timeout", "5s", "--storage-backoff-max", "1s", "--op-timeout", "5s", "--max-in-flight", "5s",
		"--watch-for", "4s", "--breaker-open", "1s", "--drain-timeout", "10s", "--grace", "15s", "--shards", "2",
		"--read-chunk", fmt.Sprint(chunk), "--max-segment", "255",
		"--min-part", fmt.Sprint(max(c.MinPart, 1)), "--part-size", fmt.Sprint(part), "--multipart-above", fmt.Sprint(part),
	}
	return child.Spec{Args: args, Env: []string{"GAUNTLET_CHAOS_TOKEN=" + chaosToken}}
}

// batches describes the work: recordings of different contents, two sources each.
func (c *Conversion) batches(work Work) []workload.Batch {
	var list []workload.Batch
	for b := range work.Batches {
		batch := workload.Batch{
			Namespace: "lab", Name: fmt.Sprintf("batch%d", b), Output: fmt.Sprintf("out/%d/", b),
			ChunkSize: 2, MaxAttempts: c.attempts(), Sources: make([]workload.Source, 2),
		}
		for s := range batch.Sources {
			batch.Sources[s] = workload.Source{
				Prefix: fmt.Sprintf("in/%d/%d/", b, s), Filter: "*.rec", Ignored: []string{"notes.txt"},
			}
		}
		for u := range work.Units {
			source := &batch.Sources[u%2]
			source.Recordings = append(source.Recordings, workload.Recording{
				Name: fmt.Sprintf("%03d.rec", u), ID: uint64(100*b + u), Frames: c.Frames, Task: fmt.Sprintf("task %d", u%2),
			})
		}
		list = append(list, batch)
	}
	return list
}

// attempts bounds those of each unit: several faults may meet one.
func (c *Conversion) attempts() int { return cmp.Or(c.MaxAttempts, 8) }

// Submit stores the recordings and submits the batches.
func (c *Conversion) Submit(ctx context.Context, s *Stores, work Work) error {
	return c.submit(ctx, s, c.batches(work))
}

func (c *Conversion) submit(ctx context.Context, s *Stores, batches []workload.Batch) error {
	spec := workload.Spec{Batches: batches}
	for _, o := range spec.Objects() {
		if _, err := s.Objects.Put(ctx, o.Key, o.Body, env.Always); err != nil {
			return err
		}
	}
	client := newClient(s)
	for i := range batches {
		b := &batches[i]
		submission := core.BatchSpec{
			Namespace: b.Namespace, Name: b.Name, Output: strings.TrimSuffix(b.Output, "/"),
			MaxAttempts: b.MaxAttempts, BackoffLimit: 10 * b.MaxAttempts, EpisodesPerChunk: b.ChunkSize,
		}
		for _, source := range b.Sources {
			submission.Sources = append(submission.Sources, core.Source{URL: source.Prefix, Filter: source.Filter})
		}
		if _, err := client.Submit(ctx, submission); err != nil {
			return err
		}
	}
	return nil
}

// newClient is core's client, as the command line of the worker has it.
func newClient(s *Stores) *core.Client {
	self := env.Process{Name: "e2e", Incarnation: "1"}
	c := process.NewClock(clock.New())
	return core.NewClient(&env.Env{
		Self: self, Clock: c, Runtime: process.NewRuntime(self), KV: s.KV, Objects: s.Objects,
		Rand: process.NewRand(1), Log: quietLog{}, Metrics: &process.Metrics{},
	}, core.DefaultConfig())
}

// batchRows reads the batches' rows.
func batchRows(ctx context.Context, s *Stores) (map[string]schema.Batch, error) {
	pairs, err := s.rows(ctx, schema.BatchTable.Key(""))
	if err != nil {
		return nil, err
	}
	rows := map[string]schema.Batch{}
	for _, p := range pairs {
		_, name := schema.Split(p.Key)
		var b schema.Batch
		if err := b.Decode(string(p.Value)); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Key, err)
		}
		rows[name] = b
	}
	return rows, nil
}

// Ended looks at the batches' phases.
func (c *Conversion) Ended(ctx context.Context, s *Stores) (string, error) {
	rows, err := batchRows(ctx, s)
	if err != nil || len(rows) == 0 {
		return "", err
	}
	var phases []string
	for _, b := range rows {
		if !schema.Terminal(b.Phase) {
			return "", nil
		}
		phases = append(phases, b.Phase)
	}
	slices.Sort(phases)
	return strings.Join(slices.Compact(phases), ", "), nil
}

// Busy looks at the units' rows.
func (c *Conversion) Busy(ctx context.Context, s *Stores) (names []string, err error) {
	pairs, err := s.rows(ctx, schema.UnitTable.Key(""))
	if err != nil {
		return nil, err
	}
	for _, p := range pairs {
		var u schema.Unit
		if err := u.Decode(string(p.Value)); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Key, err)
		}
		if u.State == schema.Processing {
			names = append(names, u.Worker)
		}
	}
	return names, nil
}

// probes is below what key processes find out what the object store has; what
// they store there stays.
const probes = ".gauntlet/"

// Judge reads the stores with the oracles' second reader.
func (c *Conversion) Judge(ctx context.Context, s *Stores, work Work) error {
	rows, err := batchRows(ctx, s)
	if err != nil {
		return err
	}
	all, err := s.objects(ctx, "")
	if err != nil {
		return err
	}
	batches := c.batches(work)
	expected := map[string]bool{}
	spec := workload.Spec{Batches: batches}
	for _, o := range spec.Objects() {
		expected[o.Key] = true
	}
	for i := range batches {
		b := &batches[i]
		row, ok := rows[b.Namespace+"/"+b.Name]
		if !ok {
			return fmt.Errorf("the row of batch %s/%s is lost", b.Namespace, b.Name)
		}
		if row.Phase != "complete" {
			return fmt.Errorf("batch %s is %s: %s", b.Name, row.Phase, row.Error)
		}
		if err := c.judgeDataset(ctx, s, b, row.Manifest, all, expected); err != nil {
			return fmt.Errorf("batch %s: %w", b.Name, err)
		}
	}
	for _, o := range all {
		if !expected[o.Key] && !strings.HasPrefix(o.Key, probes) {
			return fmt.Errorf("object %s is left behind", o.Key)
		}
	}
	uploads, err := s.Objects.ListUploads(ctx, "", "", "", 1000)
	if err != nil {
		return err
	}
	if len(uploads.Uploads) > 0 {
		return fmt.Errorf("%d uploads are left open, the first of %s", len(uploads.Uploads), uploads.Uploads[0].Key)
	}
	if err := c.judgeRows(ctx, s, len(batches)*work.Units); err != nil {
		return err
	}
	return publishedOnce(s, len(batches))
}

// judgeDataset compares a dataset with its reference, and marks its objects as
// expected.
func (c *Conversion) judgeDataset(ctx context.Context, s *Stores, b *workload.Batch, manifest string, all []env.Object, expected map[string]bool) error {
	bodies := map[string][]byte{}
	for _, o := range all {
		name, inside := strings.CutPrefix(o.Key, path.Dir(manifest)+"/")
		if !inside {
			continue
		}
		body, err := get(ctx, s, o)
		if err != nil {
			return err
		}
		bodies[name], expected[o.Key] = body, true
	}
	described := *b
	described.Name = b.Namespace + "/" + b.Name
	text := bodies["manifest.json"]
	delete(bodies, "manifest.json")
	if err := workload.Diff(workload.Reference(b), bodies); err != nil {
		return err
	}
	return workload.CheckManifest(&described, text, bodies)
}

func get(ctx context.Context, s *Stores, o env.Object) ([]byte, error) {
	body, _, err := s.Objects.Get(ctx, o.Key, 0, -1)
	if err == nil && int64(len(body)) != o.Size {
		err = fmt.Errorf("%s has %d bytes, and %d were read", o.Key, o.Size, len(body))
	}
	return body, err
}

// restless are the tables that are empty when nothing is under way and nothing is
// left to be cleaned up.
var restless = []schema.Table{schema.QueueTable, schema.LeaseTable, schema.ActiveTable, schema.CheckpointTable, schema.SweepTable}

func (c *Conversion) judgeRows(ctx context.Context, s *Stores, units int) error {
	for _, table := range restless {
		pairs, err := s.rows(ctx, table.Key(""))
		if err != nil {
			return err
		}
		if len(pairs) > 0 {
			return fmt.Errorf("%d rows are left in table %s, the first is %s", len(pairs), table, pairs[0].Key)
		}
	}
	pairs, err := s.rows(ctx, schema.UnitTable.Key(""))
	if err != nil {
		return err
	}
	if len(pairs) != units {
		return fmt.Errorf("there are %d units, of %d recordings", len(pairs), units)
	}
	for _, p := range pairs {
		var u schema.Unit
		if err := u.Decode(string(p.Value)); err != nil {
			return fmt.Errorf("%s: %w", p.Key, err)
		}
		if u.State != schema.Complete || u.Attempts > int64(c.attempts()) {
			return fmt.Errorf("unit %s is %s after %d attempts: %s", p.Key, u.State, u.Attempts, u.Error)
		}
	}
	return nil
}

// publishedOnce counts, in the history of all commits, those that published.
func publishedOnce(s *Stores, batches int) error {
	_, commits, err := tikvserver.History(s.TiKVLog)
	if err != nil {
		return err
	}
	published := map[string]int{}
	for _, commit := range commits {
		for _, w := range commit.Writes {
			table, name := schema.Split(w.Key)
			var b schema.Batch
			if table != schema.BatchTable || w.Value == nil || b.Decode(string(w.Value)) != nil {
				continue
			}
			if b.Phase == "complete" {
				published[name+" "+b.Manifest]++
			}
		}
	}
	if len(published) != batches {
		return fmt.Errorf("%d batches were published as %d manifests: %s", batches, len(published), strings.Join(slices.Sorted(maps.Keys(published)), ", "))
	}
	return nil
}

// Published reads the datasets' objects, without the manifests, which tell
// generations and ETags.
func (c *Conversion) Published(ctx context.Context, s *Stores) (map[string][]byte, error) {
	rows, err := batchRows(ctx, s)
	if err != nil {
		return nil, err
	}
	bodies := map[string][]byte{}
	for name, row := range rows {
		if row.Manifest == "" {
			return nil, errors.New(name + " has no manifest")
		}
		dir := path.Dir(row.Manifest) + "/"
		objects, err := s.objects(ctx, dir)
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			if o.Key == row.Manifest {
				continue
			}
			if bodies[filepath.Join(name, strings.TrimPrefix(o.Key, dir))], err = get(ctx, s, o); err != nil {
				return nil, err
			}
		}
	}
	return bodies, nil
}
