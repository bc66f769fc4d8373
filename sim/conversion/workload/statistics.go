package workload

import (
	"math"
	"math/big"
	"math/bits"
	"slices"
	"strconv"
)

// describe appends the statistics of all columns as one JSON object, or {} if
// there are no values. Means and deviations (of the population) are what
// float64 gives when each operation on exact sums is rounded once: mean =
// sum/n, std = sqrt(n*squares - sum*sum)/n, and then the column's unit.
func describe(text []byte, all []column) []byte {
	if len(all[0]) == 0 {
		return append(text, "{}"...)
	}
	comma := "{"
	for c, f := range features {
		if f.width == 0 {
			continue
		}
		text = append(text, comma...)
		comma = ","
		text = append(text, '"')
		text = append(text, f.name...)
		text = append(text, `":{"min":[`...)
		text = appendEach(text, all[c:c+f.width], func(text []byte, v column) []byte {
			return appendInteger(text, slices.Min(v), f.micros)
		})
		text = append(text, `],"max":[`...)
		text = appendEach(text, all[c:c+f.width], func(text []byte, v column) []byte {
			return appendInteger(text, slices.Max(v), f.micros)
		})
		text = append(text, `],"mean":[`...)
		text = appendEach(text, all[c:c+f.width], func(text []byte, v column) []byte {
			return appendFloat(text, mean(v), f.micros)
		})
		text = append(text, `],"std":[`...)
		text = appendEach(text, all[c:c+f.width], func(text []byte, v column) []byte {
			return appendFloat(text, deviation(v), f.micros)
		})
		text = append(text, `],"count":[`...)
		text = strconv.AppendInt(text, int64(len(all[c])), 10)
		text = append(text, "]}"...)
	}
	return append(text, '}')
}

func appendEach(text []byte, all []column, one func(text []byte, v column) []byte) []byte {
	for i, v := range all {
		if i > 0 {
			text = append(text, ',')
		}
		text = one(text, v)
	}
	return text
}

func appendInteger(text []byte, v int64, micros bool) []byte {
	if micros {
		return appendMicros(text, v)
	}
	return strconv.AppendInt(text, v, 10)
}

func appendFloat(text []byte, v float64, micros bool) []byte {
	if micros {
		v /= 1_000_000
	}
	return strconv.AppendFloat(text, v, 'f', -1, 64)
}

func total(v column) int64 {
	sum := int64(0)
	for _, x := range v {
		sum += x
	}
	return sum
}

func mean(v column) float64 { return float64(total(v)) / float64(len(v)) }

// deviation measures from a whole number near the mean, which leaves
// n*squares - sum*sum as it is and the numbers small: |sum| is less than n.
func deviation(v column) float64 {
	n := int64(len(v))
	center := total(v) / n
	var sum int64
	var hi, lo uint64
	for _, x := range v {
		d := x - center
		sum += d
		high, low := bits.Mul64(uint64(max(d, -d)), uint64(max(d, -d)))
		var carry uint64
		lo, carry = bits.Add64(lo, low, 0)
		hi += high + carry
	}
	high, low := bits.Mul64(lo, uint64(n))
	if hi == 0 && high == 0 {
		return math.Sqrt(float64(low-uint64(sum*sum))) / float64(n)
	}
	squares := new(big.Int).Lsh(new(big.Int).SetUint64(hi), 64)
	squares.Add(squares, new(big.Int).SetUint64(lo))
	squares.Mul(squares, big.NewInt(n))
	squares.Sub(squares, new(big.Int).Mul(big.NewInt(sum), big.NewInt(sum)))
	whole, _ := new(big.Float).SetInt(squares).Float64()
	return math.Sqrt(whole) / float64(n)
}
