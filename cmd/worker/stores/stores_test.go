package stores_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/cmd/worker/daemon"
	"github.com/gauntlet-dst/gauntlet/cmd/worker/settings"
	"github.com/gauntlet-dst/gauntlet/cmd/worker/stores"
	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/dataset/plain"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/internal/loopback"
)

// watched is a log that tells when a word has come.
type watched struct {
	mu   sync.Mutex
	text bytes.Buffer
	word string
	once sync.Once
	came chan struct{}
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	if strings.Contains(w.text.String(), w.word) {
		w.once.Do(func() { close(w.came) })
	}
	return len(p), nil
}

// dark is a key-value store that nobody reaches.
type dark struct{}

func (dark) Begin(context.Context) (env.Txn, error) { return nil, env.ErrUnavailable }

// closedPort is an address of this machine at which nobody listens.
func closedPort(t *testing.T) string {
	free, err := loopback.Addresses(1)
	require.NoError(t, err)
	return free[0]
}

// TestCredentialsAreNotLogged: a worker that talks to an object store, and fails,
// writes no credential to the most talkative log, nor into an error.
func TestCredentialsAreNotLogged(t *testing.T) {
	secrets := []string{"AKIAKEYOFTHISTEST", "secretofthistest", "sessionofthistest"}
	t.Setenv("AWS_ACCESS_KEY_ID", secrets[0])
	t.Setenv("AWS_SECRET_ACCESS_KEY", secrets[1])
	t.Setenv("AWS_SESSION_TOKEN", secrets[2])
	s := settings.Default()
	s.Name, s.Scratch, s.LogLevel = "w0", t.TempDir(), "debug"
	s.S3.Endpoint, s.S3.Bucket, s.S3.PathStyle = "http://"+closedPort(t), "b", true

	s.Core.ConflictTries = 1
	log := &watched{word: "round failed", came: make(chan struct{})}
	signals, ended := make(chan os.Signal, 1), make(chan error, 1)
	var failure error
	go func() {
		ended <- daemon.Run(context.Background(), daemon.Config{
			Settings: s, Codec: plain.Codec{}, Log: slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}), Token: "tokenofthistest",
			Open: func(ctx context.Context) (daemon.Stores, error) {
				objects, err := stores.Objects(ctx, &s)
				if err != nil {
					return daemon.Stores{}, err
				}
				_, failure = objects.Put(ctx, "key", []byte("body"), env.IfAbsent)
				return daemon.Stores{KV: dark{}, Objects: objects, Close: func() error { return nil }}, nil
			},
		}, signals)
	}()
	<-log.came
	signals <- syscall.SIGTERM
	require.NoError(t, <-ended)
	require.ErrorIs(t, failure, env.ErrUnavailable)
	all := log.text.String() + failure.Error()
	require.Contains(t, all, "w0")
	for _, secret := range append(secrets, "tokenofthistest") {
		require.NotContains(t, all, secret)
	}
}

// TestNoCredentials: without any the stores are not there yet, since a machine's
// role may give some later.
func TestNoCredentials(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	s := settings.Default()
	s.S3.Endpoint, s.S3.Bucket = "http://127.0.0.1:1", "b"
	_, err := stores.Objects(t.Context(), &s)
	require.ErrorIs(t, err, env.ErrUnavailable)
}

// TestBadStores: what can never work is told from what does not work now.
func TestBadStores(t *testing.T) {
	quiet := slog.DiscardHandler
	s := settings.Default()
	s.TiKV.PD = []string{"127.0.0.1:1"}
	s.TiKV.CAPath = "/no/such/file.pem"
	_, err := stores.KV(t.Context(), &s, quiet)
	require.ErrorIs(t, err, env.ErrInvalid)
	require.False(t, errors.Is(err, env.ErrUnavailable))
	s.TiKV.CAPath, s.TiKV.PD = "", []string{closedPort(t)}
	stopped, cancel := context.WithCancelCause(t.Context())
	cancel(core.ErrDrain)
	_, err = stores.KV(stopped, &s, quiet)
	require.ErrorIs(t, err, core.ErrDrain, "whoever is told to end does not wait for a store that is down")
	s.S3.Bucket, s.S3.Endpoint = "b", "ftp://127.0.0.1"
	_, err = stores.Objects(t.Context(), &s)
	require.ErrorIs(t, err, env.ErrInvalid)
}
