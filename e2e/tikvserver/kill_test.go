package tikvserver_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pingcap/log"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/gauntlet-dst/gauntlet/backend/tikv"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/e2e/child"
	"github.com/gauntlet-dst/gauntlet/internal/loopback"
)

var kills = flag.Int("kills", 5, "how often TestKill kills the server")

// account is what one writer knows of its two keys, which are in two regions and
// are always written together.
type account struct {
	keys  [2]string
	acked int // the newest value of which a commit was acknowledged
	tried int // the newest value that was ever tried
}

// TestKill kills the server while the real client writes over real sockets, again
// and again: no acknowledged commit is lost, no transaction is there in part, and
// timestamps only grow. Set the number with -args -kills N.
func TestKill(t *testing.T) {
	level := log.GetLevel()
	log.SetLevel(zapcore.FatalLevel)
	t.Cleanup(func() { log.SetLevel(level) })
	dir := t.TempDir()
	binary := filepath.Join(dir, "tikv-server")
	build := exec.Command("go", "build", "-o", binary, "../cmd/tikv-server")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	at, err := loopback.Addresses(2)
	require.NoError(t, err)
	args := []string{binary, "--log", filepath.Join(dir, "log"), "--listen", at[0], "--door", at[1], "--split", "m"}
	var accounts []*account
	for i := range 4 {
		accounts = append(accounts, &account{keys: [2]string{fmt.Sprintf("a/%d", i), fmt.Sprintf("z/%d", i)}})
	}
	commits, newest := 0, uint64(0)
	for round := range *kills + 1 {
		server, err := child.Start(child.Spec{Args: args, Output: os.Stderr, Ready: "tikv-server: ready"})
		require.NoError(t, err)
		_, err = server.AwaitReady(20 * time.Second)
		require.NoError(t, err)
		kv, err := tikv.Open(tikv.Config{PD: []string{args[6]}})
		require.NoError(t, err)
		newest = requireAccounts(t, kv, accounts, newest)
		if round < *kills {
			commits += writeUntilKilled(kv, accounts, 1+rand.IntN(40), server.Kill)
		}
		server.Kill()
		require.NoError(t, kv.Close())
	}
	require.Positive(t, commits)
	t.Logf("kill: kills=%d commits=%d lost=0", *kills, commits)
}

// requireAccounts checks what is stored and returns the snapshot's timestamp.
func requireAccounts(t *testing.T, kv env.KV, accounts []*account, newest uint64) uint64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tx, err := kv.Begin(ctx)
	require.NoError(t, err)
	require.Greater(t, tx.StartTS(), newest)
	for _, a := range accounts {
		var values [2]int
		for i, key := range a.keys {
			value, err := tx.Get(ctx, key)
			if !errors.Is(err, env.ErrNotFound) {
				require.NoError(t, err)
				values[i], err = strconv.Atoi(string(value))
				require.NoError(t, err)
			}
		}
		require.Equal(t, values[0], values[1], "a transaction is there in part")
		require.GreaterOrEqual(t, values[0], a.acked, "an acknowledged commit is lost")
		require.LessOrEqual(t, values[0], a.tried)
		a.acked = values[0]
	}
	return tx.StartTS()
}

// writeUntilKilled lets each account's writer count upwards until so many commits
// are acknowledged, and kill has returned. It returns how many were.
func writeUntilKilled(kv env.KV, accounts []*account, enough int, kill func()) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var writers sync.WaitGroup
	var commits atomic.Int64
	reached := make(chan struct{})
	for _, a := range accounts {
		writers.Go(func() {
			for ctx.Err() == nil {
				tx, err := kv.Begin(ctx)
				if err != nil {
					return
				}
				a.tried = a.acked + 1
				for _, key := range a.keys {
					tx.Put(key, []byte(strconv.Itoa(a.tried)))
				}
				if err := tx.Commit(ctx); err != nil {
					return
				}
				a.acked = a.tried
				if commits.Add(1) == int64(enough) {
					close(reached)
				}
			}
		})
	}
	select {
	case <-reached:
	case <-ctx.Done():
	}
	kill()
	cancel()
	writers.Wait()
	return int(commits.Load())
}
