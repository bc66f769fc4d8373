package schema_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

func TestRowsAreRead(t *testing.T) {
	var u schema.Unit
	require.NoError(t, u.Decode(`u1 state=failed epoch=3 attempts=2 url="in/a b.rec" error="a \"b\" c=d" later=x`))
	require.Equal(t, schema.Unit{State: schema.Failed, Epoch: 3, Attempts: 2, URL: "in/a b.rec", Error: `a "b" c=d`}, u)
	var s schema.Status
	require.NoError(t, s.Decode("t1 gen=2 phase=running pending=1 complete=4"))
	require.Equal(t, schema.Status{Gen: 2, Phase: "running", Counts: schema.Counts{schema.Pending: 1, schema.Complete: 4}}, s)
	var m schema.Merge
	for row, wrong := range map[string]string{
		"m2 gen=1":          "its version is not m1",
		"m10 gen=1":         "its version is not m1",
		"m1 gen=one":        "gen is not a number: one",
		"m1  gen=1":         `it has no name= at "  gen=1"`,
		`m1 digest="x`:      "the value of digest is not quoted as a Go string",
		`m1 digest="x"beat`: `it has no name= at "beat"`,
	} {
		require.EqualError(t, m.Decode(row), wrong, row)
	}
	require.EqualError(t, u.Decode("u1 epoch=1"), "there is no state ")
	require.EqualError(t, u.Decode("u1 state=odd"), "there is no state odd")
}

func TestOneFieldIsRead(t *testing.T) {
	row := []byte(`b1 gen=2 error="x phase=y" phase=merging`)
	require.Equal(t, "merging", schema.Field(row, "phase"))
	require.Equal(t, "2", schema.Field(row, "gen"))
	require.Empty(t, schema.Field(row, "units"))
	require.Empty(t, schema.Field(nil, "units"))
}

func TestKeysAreTakenApart(t *testing.T) {
	const bid, uid = "lab/data/00000012", "00000000000000aa"
	require.Equal(t, bid, schema.BatchID("lab/data", 12))
	name, gen, ok := schema.SplitBatchID(bid)
	require.True(t, ok)
	require.Equal(t, "lab/data", name)
	require.Equal(t, uint64(12), gen)
	for _, table := range []schema.Table{schema.BatchTable, schema.LeaseTable, schema.SweepTable} {
		back, rest := schema.Split(table.Key(bid))
		require.Equal(t, table, back)
		require.Equal(t, bid, rest)
	}
	other, _ := schema.Split("output/x")
	require.Equal(t, schema.Other, other)
	worker, incarnation, unit, ok := schema.SplitLeaseKey("w0/3/" + bid + "/" + uid)
	require.True(t, ok)
	require.Equal(t, []string{"w0", "3", bid + "/" + uid}, []string{worker, incarnation, unit})
	for _, bad := range []string{"", "lab/data", "lab/data/12", "lab//00000012", "a/b/c/00000012", "lab/data/0000001x"} {
		_, _, ok := schema.SplitBatchID(bad)
		require.False(t, ok, bad)
	}
	require.Equal(t, schema.ObjectKey{Area: schema.Staging, Output: "out/d", Gen: 12, UID: uid, Epoch: 3},
		schema.SplitObjectKey("out/d/staging/00000012/"+uid+"/e00000003/episode"))
	require.Equal(t, schema.ObjectKey{Area: schema.Dataset, Output: "out/d", Gen: 12, Epoch: 3, Prefix: "out/d/g00000012-00000003/", Path: "meta/x"},
		schema.SplitObjectKey("out/d/g00000012-00000003/meta/x"))
	require.Equal(t, schema.OtherArea, schema.SplitObjectKey("out/d/gone/x").Area)
}

// TestNothingPanics: whatever is stored, the reader says what is wrong with it.
func TestNothingPanics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.SampledFrom([]string{"u1", "c1", " ", "=", `"`, "state", "pending", "parts", "1:x:2,", "/", "00000001", "staging", "e", "/g", "-", "\n"})
		text := ""
		for _, w := range rapid.SliceOf(word).Draw(t, "words") {
			text += w
		}
		_ = new(schema.Unit).Decode(text)
		_ = new(schema.Checkpoint).Decode(text)
		_ = schema.Field([]byte(text), "state")
		for rest, ok := text, true; ok && rest != ""; {
			_, rest, ok = schema.NextPart(rest)
		}
		schema.SplitObjectKey(text)
		_, _, _ = schema.SplitUnitID(text)
		schema.SplitBatchID(text)
		schema.SplitQueueKey(text)
		schema.SplitLeaseKey(text)
		schema.SplitDiscoveryKey(text)
	})
}
