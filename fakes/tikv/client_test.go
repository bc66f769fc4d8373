package tikv_test

import (
	"context"
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
