package dataset

import (
	"encoding/json"
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

func statOf(values []int64) Stat {
	var s Stat
	for _, v := range values {
		s.Add(v)
	}
	return s
}

// exact computes n*squares - sum*sum with big integers.
func exact(values []int64) *big.Int {
	sum, squares := new(big.Int), new(big.Int)
	for _, v := range values {
		b := big.NewInt(v)
		sum.Add(sum, b)
		squares.Add(squares, new(big.Int).Mul(b, b))
	}
	squares.Mul(squares, big.NewInt(int64(len(values))))
	return squares.Sub(squares, sum.Mul(sum, sum))
}

func drawValues(t *rapid.T, least int) []int64 {
	limit := int64(1) << rapid.IntRange(0, 57).Draw(t, "bits")
	return rapid.SliceOfN(rapid.Int64Range(-limit, limit), least, 20).Draw(t, "values")
}

func TestMeanAndDeviationAreExactThenRounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := drawValues(t, 1)
		s := statOf(values)
		require.NoError(t, s.check())
		require.Equal(t, slices.Min(values), s.Min)
		require.Equal(t, slices.Max(values), s.Max)
		spread, _ := new(big.Float).SetInt(exact(values)).Float64()
		require.Equal(t, math.Sqrt(spread)/float64(len(values))/1e6, s.std(1e6))
		sum := int64(0)
		for _, v := range values {
			sum += v
		}
		require.Equal(t, float64(sum)/float64(len(values)), s.mean(1))
	})
}

func TestMergeIsAddingAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawValues(t, 0), drawValues(t, 0)
		merged := statOf(a)
		require.NoError(t, merged.Merge(statOf(b)))
		require.Equal(t, statOf(append(a, b...)), merged)
	})
}

func TestStatsTextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := make([]Stat, rapid.IntRange(0, 4).Draw(t, "components"))
		for i := range want {
			want[i] = statOf(drawValues(t, 0))
		}
		text, err := AppendStats(nil, want)
		require.NoError(t, err)
		got := make([]Stat, len(want))
		require.NoError(t, ParseStats(got, string(text)))
		require.Equal(t, want, got)
		require.ErrorIs(t, ParseStats(make([]Stat, len(want)+1), string(text)), env.ErrInvalid)
		if len(want) > 0 {
			require.ErrorIs(t, ParseStats(got[1:], string(text)), env.ErrInvalid)
		}
	})
}

func TestForeignStatsTextIsRefused(t *testing.T) {
	for _, text := range []string{
		"", ",", "1:1:1:1", "1:1:1:1:", "x:1:1:1:1", "1:1:1:1:1:1", "1:1:1:1:1,", "-1:1:1:1:1",
		"1:2:1:1:1", "1:1:1:1:g", "2:1:9223372036854775807:1:1", "1:1:1:1:x0000000000000001",
	} {
		require.ErrorIs(t, ParseStats(make([]Stat, 1), text), env.ErrInvalid, text)
	}
}

func TestInexactSumsAreRefused(t *testing.T) {
	s := statOf([]int64{1 << 62, 1})
	require.ErrorIs(t, s.check(), env.ErrInvalid)
	_, err := AppendStats(nil, []Stat{s})
	require.ErrorIs(t, err, env.ErrInvalid)
	s = statOf([]int64{math.MinInt64})
	require.ErrorIs(t, s.check(), env.ErrInvalid)
	for name, s := range map[string]Stat{
		"beyond 64 bits": {Count: 8, Max: 1 << 62},
		"less than none": {Count: -1},
	} {
		require.ErrorIs(t, s.check(), env.ErrInvalid, name)
	}
	half := statOf([]int64{1 << 62})
	require.NoError(t, half.check())
	require.ErrorIs(t, half.Merge(half), env.ErrInvalid)
}

func TestClosedForms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first, n := rapid.Int64Range(0, 1<<50).Draw(t, "first"), rapid.Int64Range(0, 50).Draw(t, "n")
		var consecutive, same []int64
		value := rapid.Int64Range(0, 1<<31).Draw(t, "value")
		for i := range n {
			consecutive, same = append(consecutive, first+i), append(same, value)
		}
		require.Equal(t, statOf(consecutive), series(first, n))
		require.Equal(t, statOf(same), constant(value, n))
	})
	// a dataset of 2^31 frames: still exact
	s := series(0, 1<<31)
	require.NoError(t, s.check())
	n := new(big.Int).Lsh(big.NewInt(1), 31)
	spread := new(big.Int).Mul(n, n) // variance of 0..n-1 is (n*n - 1)/12
	spread.Sub(spread, big.NewInt(1)).Mul(spread, n).Mul(spread, n).Div(spread, big.NewInt(12))
	want, _ := new(big.Float).SetInt(spread).Float64()
	require.Equal(t, math.Sqrt(want)/float64(1<<31), s.std(1))
}

func TestFloat128RoundsToNearest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hi, lo := rapid.Uint64().Draw(t, "hi"), rapid.Uint64().Draw(t, "lo")
		whole := new(big.Int).Lsh(new(big.Int).SetUint64(hi), 64)
		whole.Add(whole, new(big.Int).SetUint64(lo))
		want, _ := new(big.Float).SetInt(whole).Float64()
		require.Equal(t, want, float128(hi, lo))
	})
	// one bit beyond a tie, 100 bits further down
	require.Equal(t, math.Ldexp(1<<52+1, 70), float128(1<<58|1<<5, 1))
	require.Equal(t, math.Ldexp(1<<52, 70), float128(1<<58|1<<5, 0))
}

func TestDigest(t *testing.T) {
	text := []byte("the quick brown fox")
	whole := Digest(0).Append(text)
	require.Equal(t, "995dc9bbdf1939fa", Digest(0).Append([]byte("123456789")).String())
	for i := range text {
		first, err := ParseDigest(Digest(0).Append(text[:i]).String())
		require.NoError(t, err)
		require.Equal(t, whole, first.Append(text[i:]))
	}
	for _, bad := range []string{"", "1", "995dc9bbdf1939fz", "+95dc9bbdf1939fa", "0995dc9bbdf1939fa"} {
		_, err := ParseDigest(bad)
		require.ErrorIs(t, err, env.ErrInvalid, bad)
	}
}

func TestStringsAreJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.String().Draw(t, "text")
		var got string
		require.NoError(t, json.Unmarshal(appendString(nil, want), &got))
		require.Equal(t, want, got)
	})
	require.Equal(t, "\"a\uFFFDb\"", string(appendString(nil, "a\xffb")))
}

func TestDecimals(t *testing.T) {
	for want, v := range map[string]int64{"0.000000": 0, "-0.000001": -1, "1.500000": 1_500_000, "-12.000034": -12_000_034} {
		require.Equal(t, want, string(appendQuotient(nil, v, 1e6)))
	}
	require.Equal(t, "-7", string(appendQuotient(nil, -7, 1)))
	require.Equal(t, "0.2", string(appendQuotient(nil, 51, 255)))
	require.Equal(t, "-0.03333333333333333", string(appendQuotient(nil, -1, 30)))
}

// Statistics of an image have the shape (channels, 1, 1) and count frames.
func TestImageStatistics(t *testing.T) {
	f := Feature{Name: "observation.images.top", DType: "image", Components: 2, Samples: 2, Divisor: 255}
	got, err := appendFeatureStats(nil, &f, []Stat{statOf([]int64{0, 51, 51, 0}), statOf([]int64{255, 255, 255, 255})})
	require.NoError(t, err)
	require.Equal(t, `"observation.images.top":{"min":[[[0]],[[1]]],"max":[[[0.2]],[[1]]],"mean":[[[0.1]],[[1]]],"std":[[[0.1]],[[0]]],"count":[2]}`, string(got))
	p := publication{
		schema: Schema{Features: []Feature{f}}, stats: make([]Stat, 2),
		episodes: []Episode{{Summary: Summary{Frames: 2, Stats: "4:0:51:102:1452,4:255:255:1020:3f804"}}},
	}
	require.NoError(t, p.parseStats(0))
	p.episodes[0].Summary.Frames = 4 // as many as there are pixels
	require.ErrorIs(t, p.parseStats(0), env.ErrInvalid)
}
