package local_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/backend/process/local"
	"github.com/gauntlet-dst/gauntlet/backend/process/processtest"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

var errKilled = errors.New("killed")

// increment adds 1 to the counter at key, however many conflicts it takes.
func increment(ctx context.Context, e *env.Env, key string) error {
	for {
		err := tryIncrement(ctx, e, key)
		if !errors.Is(err, env.ErrConflict) {
			return err
		}
		pause := time.Duration(1 + e.Rand.Uint64()%uint64(20*time.Millisecond))
		if err := e.Clock.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func tryIncrement(ctx context.Context, e *env.Env, key string) error {
	txn, err := e.KV.Begin(ctx)
	if err != nil {
		return err
	}
	defer txn.Rollback()
	value, err := txn.Get(ctx, key)
	if err != nil && !errors.Is(err, env.ErrNotFound) {
		return err
	}
	count := uint64(0)
	if len(value) > 0 {
		count = binary.BigEndian.Uint64(value)
	}
	txn.Put(key, binary.BigEndian.AppendUint64(nil, count+1))
	return txn.Commit(ctx)
}

func counter(ctx context.Context, e *env.Env, key string) (uint64, error) {
	txn, err := e.KV.Begin(ctx)
	if err != nil {
		return 0, err
	}
	value, err := txn.Get(ctx, key)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(value), nil
}

// TestProcessesShareTheStores: increments by several tasks of several processes
// all count, and each of the objects that they race for has one writer.
func TestProcessesShareTheStores(t *testing.T) {
	const processes, tasks, rounds = 3, 2, 5
	config := local.Config{MinLatency: time.Millisecond, MaxLatency: 9 * time.Millisecond, Seed: 1}
	processtest.Run(t, config, func(t *testing.T, w *processtest.World) {
		main := func(ctx context.Context, e *env.Env) error {
			group := e.Runtime.Group(ctx)
			for i := range tasks {
				group.Spawn(fmt.Sprintf("task/%d", i), func(ctx context.Context) error {
					for round := range rounds {
						if err := increment(ctx, e, "counter"); err != nil {
							return err
						}
						_, err := e.Objects.Put(ctx, fmt.Sprintf("round/%d", round), nil, env.IfAbsent)
						if err != nil && !errors.Is(err, env.ErrConflict) {
							return err
						}
						if err == nil {
							e.Metrics.Add("wins_total", 1)
						}
					}
					return nil
				})
			}
			return group.Wait()
		}
		var running []*local.Process
		for i := range processes {
			running = append(running, w.Start(fmt.Sprintf("w%d", i), main))
		}
		require.Equal(t, []string{"w0", "w1", "w2"}, w.Running())
		require.True(t, w.Drive(time.Hour, func() bool { return len(w.Running()) == 0 }))
		for _, p := range running {
			require.NoError(t, p.Wait())
		}
		require.EqualValues(t, rounds, w.Metrics().Counter("wins_total"))
		w.InspectObjects(func(store *objstore.Store) { require.Len(t, store.Effects, rounds) })

		reader := w.Start("reader", func(ctx context.Context, e *env.Env) error {
			got, err := counter(ctx, e, "counter")
			if err == nil && got != processes*tasks*rounds {
				return fmt.Errorf("the counter is %d", got)
			}
			return err
		})
		require.True(t, w.Drive(time.Minute, reader.Done))
		require.NoError(t, reader.Wait())
	})
}

// TestRestart: a new incarnation has a new name, an empty memory and the temp
// dir of the one before.
func TestRestart(t *testing.T) {
	var mu sync.Mutex
	log := ""
	processtest.Run(t, local.Config{}, func(t *testing.T, w *processtest.World) {
		main := func(ctx context.Context, e *env.Env) error {
			old, err := e.Temp.Read("who")
			mu.Lock()
			log += fmt.Sprintf("%s/%s at %v found %q, %v\n", e.Self.Name, e.Self.Incarnation, e.Clock.Monotonic(), old, err)
			mu.Unlock()
			if err := e.Temp.Write("who", []byte(e.Self.Incarnation)); err != nil {
				return err
			}
			return e.Clock.Sleep(ctx, time.Hour)
		}
		p := w.Start("w0", main)
		require.False(t, w.Drive(time.Minute, p.Done))
		require.PanicsWithValue(t, "local: process w0 is still running", func() { w.Start("w0", main) })
		p.Stop(errKilled)
		require.Equal(t, errKilled, p.Wait())

		p = w.Start("w0", main)
		w.Start("w1", main)
		require.False(t, w.Drive(time.Minute, p.Done))
		require.Equal(t, []string{"w0", "w1"}, w.Running())
	})
	for _, line := range []string{
		"w0/1 at 0s found \"\", not found\n", "w0/2 at 0s found \"1\", <nil>\n", "w1/1 at 0s found \"\", not found\n",
	} {
		require.Contains(t, log, line)
	}
}

// TestSlowNetwork: a request whose answer does not come in time may have been
// applied or not, by when it was given up.
func TestSlowNetwork(t *testing.T) {
	for name, test := range map[string]struct {
		timeout time.Duration
		stored  bool
	}{
		"lost on the way there": {500 * time.Millisecond, false},
		"lost on the way back":  {1500 * time.Millisecond, true},
	} {
		t.Run(name, func(t *testing.T) {
			config := local.Config{MinLatency: time.Second, Objects: objstore.ClientConfig{Timeout: test.timeout}}
			processtest.Run(t, config, func(t *testing.T, w *processtest.World) {
				p := w.Start("w0", func(ctx context.Context, e *env.Env) error {
					_, err := e.Objects.Put(ctx, "k", nil, env.Always)
					if took := e.Clock.Monotonic(); took != test.timeout {
						return fmt.Errorf("took %v", took)
					}
					return err
				})
				require.True(t, w.Drive(time.Minute, p.Done))
				require.ErrorIs(t, p.Wait(), env.ErrUndetermined)
				require.NotErrorIs(t, p.Wait(), context.DeadlineExceeded)
				w.InspectObjects(func(store *objstore.Store) {
					_, _, exists := store.Object("k")
					require.Equal(t, test.stored, exists)
				})
			})
		})
	}
}

// TestCallerGivesUp while its request is under way.
func TestCallerGivesUp(t *testing.T) {
	processtest.Run(t, local.Config{MinLatency: time.Second}, func(t *testing.T, w *processtest.World) {
		p := w.Start("w0", func(ctx context.Context, e *env.Env) error {
			limited, cancel := e.Clock.WithTimeout(ctx, 1500*time.Millisecond)
			defer cancel()
			_, err := e.KV.Begin(limited)
			if !errors.Is(err, context.DeadlineExceeded) {
				return fmt.Errorf("begin: %w", err)
			}
			_, err = e.Objects.Put(ctx, "k", nil, env.Always)
			return err
		})
		require.False(t, w.Drive(3*time.Second, p.Done))
		p.Stop(errKilled)
		err := p.Wait()
		require.ErrorIs(t, err, env.ErrUndetermined)
		require.ErrorIs(t, err, errKilled)
	})
}

// TestTimestampsFollowTheClock: the oracle's time is the cluster's wall clock.
func TestTimestampsFollowTheClock(t *testing.T) {
	processtest.Run(t, local.Config{}, func(t *testing.T, w *processtest.World) {
		w.Clock.Advance(time.Hour)
		var behind time.Duration
		p := w.Start("w0", func(ctx context.Context, e *env.Env) error {
			txn, err := e.KV.Begin(ctx)
			if err == nil {
				behind = e.Clock.Now().Sub(time.UnixMilli(tikv.PhysicalMS(txn.StartTS())))
			}
			return err
		})
		require.True(t, w.Drive(time.Minute, p.Done))
		require.NoError(t, p.Wait())
		require.Equal(t, time.Millisecond, behind, "the answer's way")
	})
}

// TestMachineClock: the zero Config runs on the machine's clock, without
// latency, so that nothing here waits.
func TestMachineClock(t *testing.T) {
	c := local.New(local.Config{})
	for round := range 20 {
		var running []*local.Process
		for i := range 4 {
			running = append(running, c.Start(fmt.Sprintf("w%d", i), func(ctx context.Context, e *env.Env) error {
				_, err := e.Objects.Put(ctx, fmt.Sprintf("%s/%s", e.Self.Name, e.Self.Incarnation), nil, env.IfAbsent)
				if err != nil {
					return err
				}
				return tryIncrement(ctx, e, e.Self.Name)
			}))
		}
		for _, p := range running {
			require.NoError(t, p.Wait(), "round %d", round)
		}
	}
	c.InspectObjects(func(store *objstore.Store) { require.Len(t, store.Effects, 80) })
	c.InspectKV(func(engine *tikv.Engine) { require.NotNil(t, engine.Ledger()) })
}
