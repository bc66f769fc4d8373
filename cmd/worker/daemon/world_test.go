package daemon

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/backend/process/local"
	"github.com/gauntlet-dst/gauntlet/cmd/worker/settings"
	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/dataset/plain"
	"github.com/gauntlet-dst/gauntlet/core/dataset/plain/plaintest"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// patience bounds what a test waits for; nothing takes that long.
const patience = time.Minute

// world is a daemon over stores in memory, and a client of them.
type world struct {
	*testing.T
	cluster *local.Cluster
	config  Config
	client  *core.Client
	signals chan os.Signal
	address chan string
	at      string // where HTTP is served, once it is
	ended   chan error
	log     syncBuffer
}

// syncBuffer is a buffer that several goroutines write.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// newWorld returns a world whose daemon has not been started. hook may put
// something around its stores.
func newWorld(t *testing.T, hook func(s *Stores)) *world {
	w := &world{T: t, cluster: local.New(local.Config{Store: objstore.Options{MinPart: -1}}), signals: make(chan os.Signal, 2), address: make(chan string, 1), ended: make(chan error, 1)}
	environments := make(chan *env.Env, 1)
	host := w.cluster.Start("host", func(ctx context.Context, e *env.Env) error {
		environments <- e
		<-ctx.Done()
		return nil
	})
	t.Cleanup(func() { host.Stop(context.Canceled) })
	e := <-environments
	s := settings.Default()
	s.Name, s.Scratch, s.ChaosListen = "w0", t.TempDir(), ""
	c := &s.Core
	c.WorkerPoll, c.ReapEvery, c.ControlEvery, c.ScanEvery, c.MergePoll = tick, tick, tick, tick, tick
	c.BreakerFailures, c.BreakerOpen, c.BreakerSuccesses = 2, tick, 1
	c.StorageBackoff, c.StorageBackoffMax, c.ConflictBackoff = tick, tick, tick
	c.Store.MinPart, c.Store.Probe = 1, ""
	w.client = core.NewClient(e, *c)
	w.config = Config{
		Settings: s, Codec: plain.Codec{},
		Log:     slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug}),
		Serving: func(address string) { w.address <- address },
		Open: func(context.Context) (Stores, error) {
			stores := Stores{KV: e.KV, Objects: e.Objects, Close: func() error { return nil }}
			if hook != nil {
				hook(&stores)
			}
			return stores, nil
		},
	}
	return w
}

const tick = 5 * time.Millisecond

// run starts the daemon.
func (w *world) run() {
	w.Helper()
	go func() { w.ended <- Run(context.Background(), w.config, w.signals) }()
	select {
	case w.at = <-w.address:
	case err := <-w.ended:
		w.ended <- err
		select {
		case w.at = <-w.address: // it has ended meanwhile
		default:
			w.Fatalf("ended before it served: %v", err)
		}
	}
	w.Cleanup(func() {
		// Twice, so that it ends whatever a test has left it in.
		for range 2 {
			select {
			case w.signals <- os.Interrupt:
			default:
			}
		}
	})
}

// end is what Run has returned.
func (w *world) end() error {
	w.Helper()
	select {
	case err := <-w.ended:
		return err
	case <-time.After(patience):
		w.Fatalf("does not end; its log:\n%s", w.log.String())
	}
	return nil
}

// get asks the daemon.
func (w *world) get(path string) (code int, body string) {
	w.Helper()
	answer, err := http.Get("http://" + w.at + path)
	require.NoError(w, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(w, err)
	return answer.StatusCode, string(text)
}

// until asks again and again until the answer is as wanted.
func (w *world) until(path string, code int, body string) {
	w.Helper()
	eventually(w, func() bool {
		gotCode, gotBody := w.get(path)
		return gotCode == code && gotBody == body
	}, "%s never says %d %q; the log:\n%s", path, code, body, &w.log)
}

func eventually(t require.TestingT, done func() bool, format string, args ...any) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); runtime.Gosched() {
		if done() {
			return
		}
	}
	require.Fail(t, fmt.Sprintf(format, args...))
}

// submit stores recordings and submits a batch of them.
func (w *world) submit(recordings int) {
	w.Helper()
	w.cluster.InspectObjects(func(store *objstore.Store) {
		var answer objstore.Response
		for i := range recordings {
			body := plaintest.Recording(uint64(i), "pick", plaintest.Frames(uint64(i), 0, 20))
			store.Handle(&objstore.Request{Kind: objstore.KindPut, Key: fmt.Sprintf("in/%d.rec", i), Body: body}, &answer)
		}
	})
	_, err := w.client.Submit(w.Context(), core.BatchSpec{Namespace: "lab", Name: "kitchen", Output: "out", Sources: []core.Source{{URL: "in/"}}})
	require.NoError(w, err)
}

// rows returns the rows of a table.
func (w *world) rows(table string) (rows []string) {
	w.cluster.InspectKV(func(engine *tikv.Engine) {
		for key, row := range engine.SnapshotAt(engine.LastTS()) {
			if strings.HasPrefix(key, table+"/") {
				rows = append(rows, string(row))
			}
		}
	})
	return rows
}

// gate is an object store whose reads of recordings wait.
type gate struct {
	env.Objects
	reached chan struct{} // told once a read waits
	once    sync.Once
	deaf    bool          // waits on when the caller gives up
	open    chan struct{} // closed: nobody waits
}

func newGate() *gate { return &gate{reached: make(chan struct{}), open: make(chan struct{})} }

func (g *gate) Get(ctx context.Context, key string, offset, length int64) ([]byte, env.Object, error) {
	if strings.HasPrefix(key, "in/") {
		g.once.Do(func() { close(g.reached) })
		gone := ctx.Done()
		if g.deaf {
			gone = nil
		}
		select {
		case <-g.open:
		case <-gone:
			return nil, env.Object{}, context.Cause(ctx)
		}
	}
	return g.Objects.Get(ctx, key, offset, length)
}

// outage is a key-value store that can be away.
type outage struct {
	env.KV
	away atomic.Bool
}

func (o *outage) Begin(ctx context.Context) (env.Txn, error) {
	if o.away.Load() {
		return nil, env.ErrUnavailable
	}
	return o.KV.Begin(ctx)
}
