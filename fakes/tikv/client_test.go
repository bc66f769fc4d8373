package tikv_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

func TestReadYourWrites(t *testing.T) {
	w := newWorld(t)
	c := w.client(tikv.ClientConfig{})
	ctx := context.Background()
	setup := w.begin(c)
	for _, k := range []string{"a", "b", "c", "d", "e"} {
		setup.Put(k, []byte("old"))
	}
	require.NoError(t, setup.Commit(ctx))

	tx := w.begin(c)
	tx.Delete("a")
	tx.Put("bb", []byte("new"))
	tx.Lock("c", "x")
	tx.Put("d", []byte("new"))
	tx.Put("z", []byte("new"))
	tx.Delete("e")
	for limit := 1; limit < 8; limit++ {
		var got []string
		from := ""
		for {
			page, err := tx.Scan(ctx, from, "", limit)
			require.NoError(t, err)
			for _, p := range page {
				got = append(got, p.Key+"="+string(p.Value))
			}
			if len(page) < limit {
				break
			}
			from = page[len(page)-1].Key + "\x00"
		}
		require.Equal(t, []string{"b=old", "bb=new", "c=old", "d=new", "z=new"}, got, "limit %d", limit)
	}
	_, err := tx.Get(ctx, "a")
	require.ErrorIs(t, err, env.ErrNotFound)
	value, err := tx.Get(ctx, "d")
	require.NoError(t, err)
	require.Equal(t, "new", string(value))
	require.NoError(t, tx.Commit(ctx))
	require.Equal(t, "", w.get(c, "a"))
	require.Equal(t, "new", w.get(c, "z"))
	require.Empty(t, w.engine.Locks())
}

// TestLimits: what is too large is refused before anything is sent, and nothing
// of the transaction happens.
func TestLimits(t *testing.T) {
	long := strings.Repeat("k", 65536)
	for name, c := range map[string]struct {
		cfg   tikv.ClientConfig
		write func(tx env.Txn)
		ok    bool
	}{
		"longest key":         {tikv.ClientConfig{}, func(tx env.Txn) { tx.Put(long[1:], []byte("v")) }, true},
		"key too long":        {tikv.ClientConfig{}, func(tx env.Txn) { tx.Put(long, []byte("v")) }, false},
		"lock too long":       {tikv.ClientConfig{}, func(tx env.Txn) { tx.Lock(long) }, false},
		"no limit of entries": {tikv.ClientConfig{}, func(tx env.Txn) { tx.Put("k", make([]byte, 9<<20)) }, true},
		"largest entry":       {tikv.ClientConfig{MaxEntry: 8}, func(tx env.Txn) { tx.Put("kk", []byte("values")) }, true},
		"entry too large":     {tikv.ClientConfig{MaxEntry: 8}, func(tx env.Txn) { tx.Put("kkk", []byte("values")) }, false},
		"largest transaction": {tikv.ClientConfig{MaxTxn: 8}, func(tx env.Txn) { tx.Put("a", []byte("123")); tx.Put("b", []byte("123")) }, true},
		"transaction too large": {tikv.ClientConfig{MaxTxn: 8}, func(tx env.Txn) {
			tx.Put("a", []byte("123"))
			tx.Put("b", []byte("123"))
			tx.Delete("c")
		}, false},
	} {
		w := newWorld(t)
		tx := w.begin(w.client(c.cfg))
		c.write(tx)
		sent := len(w.rpcs)
		err := tx.Commit(context.Background())
		if c.ok {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorIs(t, err, env.ErrInvalid, name)
		require.ErrorContains(t, err, "too large", name)
		require.Len(t, w.rpcs, sent)
		require.Empty(t, w.engine.Locks())
	}
}
