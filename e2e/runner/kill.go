package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Killed is what a loop of kills came to.
type Killed struct {
	Workers, TiKV, S3 int // kills of each
	Batches           int // published meanwhile, each once, with the right bytes
	Commits           int // acknowledged to a client of its own; none was lost
	Took              time.Duration
}

// Kill kills a process with SIGKILL, starts it again, and does so until there were
// as many kills as asked for: workers, the TiKV server and the S3 server, drawn by
// the seed. Batches are submitted all the time. In the end everything that was
// submitted must be published once and nothing be left behind, and a client that
// wrote all the time must find every commit that it was told of.
func Kill(ctx context.Context, system *Conversion, opts Options, kills int) (k Killed, err error) {
	r := &run{system: system, opts: &opts, seed: opts.Seed, began: time.Now(), output: opts.Output}
	if r.output == nil {
		r.output = io.Discard
	}
	began := r.began
	defer func() { k.Took = time.Since(began) }()
	if r.dir, err = os.MkdirTemp("", "gauntlet-e2e-kill-"); err != nil {
		return k, err
	}
	defer os.RemoveAll(r.dir)
	const workers = 3
	if r.stores, err = openStores(ctx, storesConfig{dir: r.dir, bin: opts.Bin, workers: workers, seed: r.seed, output: r.output}); err != nil {
		return k, err
	}
	defer r.stores.Close()
	r.pace()
	if err := r.makeWorkers(workers); err != nil {
		return k, err
	}
	defer r.killAll()
	for _, w := range r.workers {
		if err := w.start(); err != nil {
			return k, err
		}
	}
	writing, stop := context.WithCancel(ctx)
	defer stop()
	account := &account{}
	var writer sync.WaitGroup
	writer.Go(func() { account.write(writing, r.stores.KV) })
	if err := r.rain(ctx, system, kills, &k); err != nil {
		return k, err
	}
	stop()
	writer.Wait()
	k.Commits = account.acked
	r.logf("%d kills; waiting for the end of the work", k.Workers+k.TiKV+k.S3)
	r.began = time.Now() // the limit counts from here
	if _, err := r.awaitEnd(ctx); err != nil {
		return k, err
	}
	if err := account.check(ctx, r.stores.KV); err != nil {
		return k, err
	}
	return k, r.judge(ctx, Work{k.Batches, unitsOfKill})
}

// unitsOfKill is how many units each batch has while processes are killed.
const unitsOfKill = 2

// rain kills, and keeps two batches under way.
func (r *run) rain(ctx context.Context, system *Conversion, kills int, k *Killed) error {
	draw := rand.New(rand.NewPCG(r.seed, 1))
	for n := range kills {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := r.keepBusy(ctx, system, k); err != nil {
			return err
		}
		sleep(ctx, time.Duration(100+draw.IntN(500))*time.Millisecond)
		switch victim := draw.IntN(8); victim {
		case 0:
			r.stores.Kill("tikv")
			if err := r.stores.Start("tikv"); err != nil {
				return err
			}
			k.TiKV++
		case 1:
			r.stores.Kill("s3")
			if err := r.stores.Start("s3"); err != nil {
				return err
			}
			k.S3++
		default:
			w := r.workers[victim%len(r.workers)]
			w.down()
			w.current().Kill()
			if err := w.start(); err != nil {
				return err
			}
			k.Workers++
		}
		r.logf("kill %d", n+1)
	}
	return nil
}

// keepBusy submits a batch if fewer than two are under way. A submission whose
// outcome is not known is tried again: it is known by its name.
func (r *run) keepBusy(ctx context.Context, system *Conversion, k *Killed) error {
	looking, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	rows, err := r.stores.rows(looking, "active/")
	if err != nil || len(rows) >= 2 {
		return nil // a server is just coming back, or there is enough to do
	}
	batches := system.batches(Work{k.Batches + 1, unitsOfKill})
	err = system.submit(looking, r.stores, batches[k.Batches:])
	switch {
	case err == nil:
		k.Batches++
	case errors.Is(err, env.ErrInvalid):
		return err
	default:
		r.logf("submit: %v", err)
	}
	return nil
}

// account counts upwards in a row, and remembers what was acknowledged.
type account struct{ acked, tried int }

const accountKey = "e2e/account"

func (a *account) write(ctx context.Context, kv env.KV) {
	for ctx.Err() == nil {
		trying, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := a.once(trying, kv)
		cancel()
		if err != nil {
			sleep(ctx, 100*time.Millisecond)
		}
		sleep(ctx, 5*time.Millisecond)
	}
}

func (a *account) once(ctx context.Context, kv env.KV) error {
	tx, err := kv.Begin(ctx)
	if err != nil {
		return err
	}
	a.tried++
	tx.Put(accountKey, []byte(strconv.Itoa(a.tried)))
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	a.acked = a.tried
	return nil
}

func (a *account) check(ctx context.Context, kv env.KV) error {
	tx, err := kv.Begin(ctx)
	if err != nil {
		return err
	}
	value, err := tx.Get(ctx, accountKey)
	if err != nil {
		return err
	}
	stored, err := strconv.Atoi(string(value))
	if err == nil && (stored < a.acked || stored > a.tried) {
		err = fmt.Errorf("%d commits were acknowledged, %d tried, and %d is stored: an acknowledged commit is lost", a.acked, a.tried, stored)
	}
	return err
}
