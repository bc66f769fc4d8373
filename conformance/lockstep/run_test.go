package lockstep_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tikv/client-go/v2/config"

	"github.com/gauntlet-dst/gauntlet/backend/tikv"
	"github.com/gauntlet-dst/gauntlet/conformance/rpc"
	"github.com/gauntlet-dst/gauntlet/core/env"
	fake "github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// system is a client over a store.
type system struct {
	name    string
	cluster func() (*rpc.Cluster, error)
	// open returns a client of its own.
	open func(t *testing.T, c *rpc.Cluster, hook rpc.Hook) (kv env.KV, closed func() error)
	// async and onePC are the client's options: with both, a transaction within one
	// region is committed by its prewrite alone.
	async, onePC bool
}

func engine() (*rpc.Cluster, error) { return rpc.New(rpc.Config{Splits: splits}) }

func mock() (*rpc.Cluster, error) { return rpc.NewMock(1) }

func thin(_ *testing.T, c *rpc.Cluster, hook rpc.Hook) (env.KV, func() error) {
	return c.Thin(hook, fake.ClientConfig{Region: regionOf}), func() error { return nil }
}

func real(t *testing.T, c *rpc.Cluster, hook rpc.Hook) (env.KV, func() error) {
	store, err := c.Open(hook)
	require.NoError(t, err)
	kv := tikv.FromStore(store)
	return kv, kv.Close
}

// settled is enough time for what a commit leaves to its background: the other keys'
// commits, or the removal of its locks.
const settled = 10 * time.Millisecond

// runner lets a system live through a history.
type runner struct {
	kv, other env.KV // the transactions' client, and one for what happens meanwhile
	txns      [slots]env.Txn
	writes    [slots]map[int]bool
	async     bool // no call comes between prewrite and decision

	mu   sync.Mutex
	hook rpc.Hook // what befalls the first client's calls now
}

// run lets the system live through a history, in step with the model, and returns the
// first difference between the two, "" if there is none.
func (s *system) run(t *testing.T, h history, m *model) (difference string) {
	defer config.UpdateGlobal(func(c *config.Config) { c.EnableAsyncCommit, c.Enable1PC = s.async, s.onePC })()
	synctest.Test(t, func(t *testing.T) {
		cluster, err := s.cluster()
		require.NoError(t, err)
		r := &runner{async: s.async}
		var closeFirst, closeOther func() error
		r.kv, closeFirst = s.open(t, cluster, r.fate)
		r.other, closeOther = s.open(t, cluster, nil)
		for i := 0; i < len(h) && difference == ""; i++ {
			o := m.tame(h[i])
			got := r.do(i, o)
			if want := m.answer(i, o, got); got != want {
				difference = fmt.Sprintf("%s: %q, want %q\n%s", o, got, want, h[:i+1])
			}
		}
		time.Sleep(nap)
		if got, want := r.state(), m.all(&snapshot{began: m.tick()}); difference == "" && got != want {
			difference = fmt.Sprintf("at last %q, want %q\n%s", got, want, h)
		}
		require.NoError(t, closeFirst())
		require.NoError(t, closeOther())
		require.NoError(t, cluster.Close())
		time.Sleep(time.Minute) // the client's pools and tickers end by themselves
	})
	return difference
}

func (r *runner) fate(c *rpc.Call) rpc.Fate {
	r.mu.Lock()
	hook := r.hook
	r.mu.Unlock()
	if hook == nil {
		return rpc.Fate{}
	}
	return hook(c)
}

func (r *runner) meet(hook rpc.Hook) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hook = hook
}

// txn returns the slot's transaction, and begins one if there is none.
func (r *runner) txn(slot int) (env.Txn, error) {
	if r.txns[slot] != nil {
		return r.txns[slot], nil
	}
	tx, err := r.kv.Begin(context.Background())
	if err == nil {
		r.txns[slot], r.writes[slot] = tx, map[int]bool{}
	}
	return tx, err
}

// do is one operation. It returns the value, or the error's class.
func (r *runner) do(i int, o op) string {
	if o.verb == pass {
		time.Sleep(nap)
		return ""
	}
	tx, err := r.txn(o.slot)
	if err != nil {
		return "begin: " + err.Error()
	}
	ctx := context.Background()
	if o.meet == lost || o.meet == replyLost || o.meet == commitLost || o.meet == commitReplyLost {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	ctx, die := context.WithCancel(ctx)
	defer die()
	r.meet(r.trouble(i, o, tx.StartTS(), die))
	defer r.meet(nil)
	key := keyOf(o.key)
	switch o.verb {
	case get:
		value, err := tx.Get(ctx, key)
		if err != nil {
			return class(err)
		}
		return string(value)
	case scan:
		pairs, err := tx.Scan(ctx, key, "", page)
		if err != nil {
			return class(err)
		}
		return shown(pairs)
	case put:
		tx.Put(key, []byte(valueOf(i)))
		r.writes[o.slot][o.key] = true
	case remove:
		tx.Delete(key)
		r.writes[o.slot][o.key] = true
	case lock:
		tx.Lock(key)
		r.writes[o.slot][o.key] = true
	case rollback:
		tx.Rollback()
		r.txns[o.slot] = nil
	case commit:
		err := tx.Commit(ctx)
		r.txns[o.slot] = nil
		time.Sleep(settled)
		return class(err)
	}
	return ""
}

// class names an error's class; what belongs to none is shown as it is.
func class(err error) string {
	if c := env.ClassOf(err); c != env.ClassOther {
		return c.String()
	}
	return err.Error()
}

func shown(pairs []env.Pair) string {
	var found []string
	for _, p := range pairs {
		found = append(found, p.Key+"="+string(p.Value))
	}
	return strings.Join(found, " ")
}

// trouble is what befalls the calls of an operation of the transaction of startTS.
func (r *runner) trouble(i int, o op, startTS uint64, die func()) rpc.Hook {
	kinds := []fake.Kind{fake.KindGet, fake.KindScan}
	switch {
	case o.meet == none, r.async && o.meet >= overtaken:
		return nil
	case o.meet >= commitLostOnce:
		kinds = []fake.Kind{fake.KindCommit}
	case o.verb == commit:
		kinds = []fake.Kind{fake.KindPrewrite}
	}
	first := true
	return func(c *rpc.Call) rpc.Fate {
		if c.StartTS != startTS || c.Kind != kinds[0] && c.Kind != kinds[len(kinds)-1] {
			return rpc.Fate{}
		}
		once := first
		first = false
		switch o.meet {
		case lostOnce, commitLostOnce:
			return rpc.Fate{Lost: once}
		case replyLostOnce, commitReplyOnce:
			return rpc.Fate{ReplyLost: once}
		case lost, commitLost:
			return rpc.Fate{Lost: true}
		case replyLost, commitReplyLost:
			return rpc.Fate{ReplyLost: true}
		case dies:
			die()
			return rpc.Fate{Lost: true}
		case overtaken:
			if once {
				r.glance()
			}
		case zombie:
			if once {
				r.write(i, r.writes[o.slot])
			}
		}
		return rpc.Fate{}
	}
}

// glance reads all keys as another process, and forgets them.
func (r *runner) glance() {
	if tx, err := r.other.Begin(context.Background()); err == nil {
		_, _ = tx.Scan(context.Background(), "", "", keys)
	}
}

// write puts another value on keys as another process.
func (r *runner) write(i int, keys map[int]bool) {
	tx, err := r.other.Begin(context.Background())
	if err != nil {
		return
	}
	for key := range keys {
		tx.Put(keyOf(key), []byte(valueOf(i)+"z"))
	}
	_ = tx.Commit(context.Background()) // what it did is seen later
}

// state is what the store holds.
func (r *runner) state() string {
	tx, err := r.other.Begin(context.Background())
	if err == nil {
		var pairs []env.Pair
		if pairs, err = tx.Scan(context.Background(), "", "", keys); err == nil {
			return shown(pairs)
		}
	}
	return fmt.Sprint("state: ", errors.Unwrap(err))
}
