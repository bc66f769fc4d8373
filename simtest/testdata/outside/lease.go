// Package lease is a small system of somebody else's: workers share a counter,
// and only the one that holds the lease may raise it.
package lease

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Config is the system's configuration.
type Config struct {
	Target int           // the counter's last value
	Lease  time.Duration // how long a lease holds
	// Fenced makes a raise conflict with whoever has taken the lease meanwhile.
	// Without it the system has a bug.
	Fenced bool
}

// Run takes the lease whenever it is free, and raises the counter while it holds
// it, until the counter has reached its target.
func (c Config) Run(ctx context.Context, e *env.Env) error {
	for ctx.Err() == nil {
		mine, err := c.take(ctx, e)
		if err == nil && mine {
			var done bool
			if done, err = c.raise(ctx, e); done {
				return nil
			}
		}
		if err != nil && errors.Is(err, ctx.Err()) {
			return err
		}
		if err := e.Clock.Sleep(ctx, c.Lease/4); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// take takes the lease, or prolongs it, unless somebody else holds it.
func (c Config) take(ctx context.Context, e *env.Env) (mine bool, err error) {
	if ctx, err = e.Runtime.Step(ctx, "take"); err != nil {
		return false, err
	}
	txn, err := e.KV.Begin(ctx)
	if err != nil {
		return false, err
	}
	defer txn.Rollback()
	row, err := get(ctx, txn, "lease")
	if err != nil {
		return false, err
	}
	owner, until, _ := strings.Cut(row, " ")
	if ends, _ := strconv.ParseInt(until, 10, 64); owner != self(e) && ends > e.Clock.Now().UnixNano() {
		return false, nil
	}
	ends := e.Clock.Now().Add(c.Lease).UnixNano()
	txn.Put("lease", []byte(self(e)+" "+strconv.FormatInt(ends, 10)))
	return true, txn.Commit(ctx)
}

// raise raises the counter.
func (c Config) raise(ctx context.Context, e *env.Env) (done bool, err error) {
	if ctx, err = e.Runtime.Step(ctx, "raise"); err != nil {
		return false, err
	}
	txn, err := e.KV.Begin(ctx)
	if err != nil {
		return false, err
	}
	defer txn.Rollback()
	text, err := get(ctx, txn, "counter")
	if err != nil {
		return false, err
	}
	n, _ := strconv.Atoi(text)
	if n >= c.Target {
		return true, nil
	}
	if c.Fenced {
		row, err := get(ctx, txn, "lease")
		if err != nil || !strings.HasPrefix(row, self(e)+" ") {
			return false, err
		}
		txn.Lock("lease")
	}
	if err := e.Runtime.Work(ctx, 1); err != nil {
		return false, err
	}
	txn.Put("counter", []byte(strconv.Itoa(n+1)))
	return false, txn.Commit(ctx)
}

// get reads a row that may not be there.
func get(ctx context.Context, txn env.Txn, key string) (string, error) {
	value, err := txn.Get(ctx, key)
	if errors.Is(err, env.ErrNotFound) {
		return "", nil
	}
	return string(value), err
}

func self(e *env.Env) string { return e.Self.Name + "/" + e.Self.Incarnation }
