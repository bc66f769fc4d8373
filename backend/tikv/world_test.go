package tikv_test

import (
	"context"
	"errors"
	"path"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tikv/client-go/v2/tikvrpc"

	"github.com/gauntlet-dst/gauntlet/backend/process/local"
	"github.com/gauntlet-dst/gauntlet/conformance/rpc"
	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/dataset/plain"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
)

var (
	errKilled   = errors.New("killed")
	errTestOver = errors.New("the test is over")
)

// world is a cluster whose processes keep their rows in the client's mock
// store, each over a real client of its own. Tasks, objects and the clock are
// the cluster's; in the bubble the machine's clock is virtual, and is the
// client's, too.
type world struct {
	*local.Cluster
	*testing.T
	store  *mockStore
	config core.Config
}

// run runs test with a new world, in a bubble of virtual time.
func run(t *testing.T, test func(w *world)) {
	restore, err := rpc.Quiet()
	require.NoError(t, err)
	t.Cleanup(restore)
	synctest.Test(t, func(t *testing.T) {
		cluster := local.New(local.Config{
			MinLatency: time.Millisecond, MaxLatency: 5 * time.Millisecond, Seed: 5,
			Store: objstore.Options{MinPart: 1},
		})
		w := &world{Cluster: cluster, T: t, store: newMockStore(t), config: core.DefaultConfig()}
		w.config.CheckpointFrames, w.config.PartsInFlight = 5, 1
		w.config.ReadChunk, w.config.PartSize, w.config.MultipartAbove = frameBytes, 300, 500
		w.config.Store.MinPart = 1
		defer w.end()
		test(w)
	})
}

// end stops all processes, and closes the stores once they have ended.
func (w *world) end() {
	w.Stop(errTestOver)
	time.Sleep(time.Minute)
	require.Empty(w, w.Running(), "processes that do not stop")
	w.store.close()
	time.Sleep(time.Minute) // the client's pools and tickers end by themselves
}

// machine is what one process runs on, with what is to happen to it. No fault
// means none; both are called one at a time.
type machine struct {
	// onRPC decides the fate of a request to the rows' store.
	onRPC func(*tikvrpc.Request) fault
	// onPart decides the fate of an upload's part.
	onPart func(number int) fault

	dead chan struct{} // closed once the machine is dead

	mu    sync.Mutex
	reads []read
}

// read is one call for a part of an object.
type read struct {
	key    string
	offset int64
}

// fault is what befalls a call.
type fault uint8

const (
	none fault = iota
	lost
	replyLost
	dies     // the machine does, before the call is handled
	diesDone // the machine does, once it was
)

func newMachine() *machine { return &machine{dead: make(chan struct{})} }

func (m *machine) isDead() bool {
	select {
	case <-m.dead:
		return true
	default:
		return false
	}
}

// rpcFate is the fate of a request: from a dead machine none arrives, not even
// those with which its client would clean up behind itself.
func (m *machine) rpcFate(c *rpc.Call) rpc.Fate {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := none
	switch {
	case m.isDead():
		f = lost
	case m.onRPC != nil && c.Real != nil:
		f = m.onRPC(c.Real)
	}
	if f == dies || f == diesDone {
		close(m.dead)
	}
	switch f {
	case lost, dies:
		return rpc.Fate{Lost: true}
	case replyLost, diesDone:
		return rpc.Fate{ReplyLost: true}
	}
	return rpc.Fate{}
}

// partFate is the fate of a part.
func (m *machine) partFate(number int) fault {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := none
	if m.onPart != nil && !m.isDead() {
		f = m.onPart(number)
	}
	if f == dies || f == diesDone {
		close(m.dead)
	}
	return f
}

// machineObjects is a machine's way to the object store.
type machineObjects struct {
	env.Objects
	*machine
}

func (o *machineObjects) Get(ctx context.Context, key string, offset, length int64) ([]byte, env.Object, error) {
	o.mu.Lock()
	o.reads = append(o.reads, read{key, offset})
	o.mu.Unlock()
	return o.Objects.Get(ctx, key, offset, length)
}

// readsOf returns the offsets at which an object was read.
func (m *machine) readsOf(key string) (offsets []int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.reads {
		if r.key == key {
			offsets = append(offsets, r.offset)
		}
	}
	return offsets
}

// UploadPart does not return on a machine that dies meanwhile, as long as
// nobody stops its process.
func (o *machineObjects) UploadPart(ctx context.Context, key, uploadID string, number int, body []byte) (part env.Part, err error) {
	f := o.partFate(number)
	if f != dies {
		part, err = o.Objects.UploadPart(ctx, key, uploadID, number, body)
	}
	if o.isDead() {
		<-ctx.Done()
		return env.Part{}, env.ErrUndetermined
	}
	return part, err
}

// on starts a process on a machine.
func (w *world) on(m *machine, name string, main func(ctx context.Context, e *env.Env) error) *local.Process {
	kv := w.store.client(m.rpcFate)
	return w.Start(name, func(ctx context.Context, e *env.Env) error {
		own := *e
		own.KV, own.Objects = kv, &machineObjects{e.Objects, m}
		return main(ctx, &own)
	})
}

// node starts a process with all roles.
func (w *world) node(name string, m *machine) *local.Process {
	return w.on(m, name, func(ctx context.Context, e *env.Env) error {
		return core.New(e, w.config, plain.Codec{}).Run(ctx, core.Unified)
	})
}

// die waits until the machine dies under its process and ends what it was
// doing. Nothing of that reaches a store.
func (w *world) die(m *machine, p *local.Process) {
	w.Helper()
	select {
	case <-m.dead:
	case <-time.After(time.Hour):
		require.Fail(w, "the machine does not die")
	}
	p.Stop(errKilled)
	require.ErrorIs(w, p.Wait(), errKilled)
}

// prepare stores the recordings of a batch.
func (w *world) prepare(batch *workload.Batch) {
	spec := workload.Spec{Batches: []workload.Batch{*batch}}
	w.InspectObjects(func(store *objstore.Store) {
		var resp objstore.Response
		for _, o := range spec.Objects() {
			store.Handle(&objstore.Request{Kind: objstore.KindPut, Key: o.Key, Body: o.Body}, &resp)
		}
	})
}

// submit starts a client that submits the batch and waits for its end, for at
// most an hour.
func (w *world) submit(batch *workload.Batch, status *core.BatchStatus) *local.Process {
	spec := core.BatchSpec{
		Namespace: batch.Namespace, Name: batch.Name, Output: strings.TrimSuffix(batch.Output, "/"),
		MaxAttempts: batch.MaxAttempts, EpisodesPerChunk: batch.ChunkSize,
	}
	for _, s := range batch.Sources {
		spec.Sources = append(spec.Sources, core.Source{URL: s.Prefix, Filter: s.Filter})
	}
	return w.on(newMachine(), "client", func(ctx context.Context, e *env.Env) error {
		ctx, cancel := e.Clock.WithTimeout(ctx, time.Hour)
		defer cancel()
		client := core.NewClient(e, w.config)
		if _, err := client.Submit(ctx, spec); err != nil {
			return err
		}
		for {
			var err error
			*status, err = client.Status(ctx, batch.Namespace, batch.Name)
			if err == nil && !status.Finished.IsZero() {
				return nil
			}
			if err := e.Clock.Sleep(ctx, time.Second); err != nil {
				return err
			}
		}
	})
}

// requireReference requires that exactly the reference was published, with a
// manifest that tells so.
func (w *world) requireReference(batch *workload.Batch, status *core.BatchStatus) {
	w.Helper()
	require.Equal(w, core.PhaseComplete, status.Phase, status.Error)
	bodies := map[string][]byte{}
	var manifest []byte
	w.InspectObjects(func(store *objstore.Store) {
		for obj, body := range store.Objects() {
			name, inside := strings.CutPrefix(obj.Key, path.Dir(status.Manifest)+"/")
			switch {
			case obj.Key == status.Manifest:
				manifest = body
			case inside:
				bodies[name] = body
			}
		}
	})
	require.NoError(w, workload.Diff(workload.Reference(batch), bodies))
	described := *batch
	described.Name = batch.Namespace + "/" + batch.Name
	require.NoError(w, workload.CheckManifest(&described, manifest, bodies))
}

// rows returns the rows of a table.
func (w *world) rows(table string) []env.Pair {
	w.Helper()
	tx, err := w.store.client(nil).Begin(context.Background())
	require.NoError(w, err)
	rows, err := tx.Scan(context.Background(), table+"/", table+"0", 1000)
	require.NoError(w, err)
	return rows
}
