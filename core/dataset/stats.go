package dataset

import (
	"math"
	"math/bits"
	"strconv"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Stat sums up the values of one component of one feature in integers, so that
// it comes out the same however a conversion was cut into pieces and in
// whatever order episodes are merged. The zero value has seen no value.
//
// All sums are exact as long as Count times the greatest magnitude is below
// 2^63: then Sum fits, and Count times the sum of squares fits 128 bits. Beyond
// that AppendStats and Merge refuse.
type Stat struct {
	Count, Min, Max, Sum int64
	SquaresHi, SquaresLo uint64 // the sum of squares, 128 bits
}

// Add takes one more value into account.
func (s *Stat) Add(v int64) {
	if s.Count == 0 {
		s.Min, s.Max = v, v
	}
	s.Count++
	s.Min = min(s.Min, v)
	s.Max = max(s.Max, v)
	s.Sum += v
	m := magnitude(v)
	hi, lo := bits.Mul64(m, m)
	s.addSquares(hi, lo)
}

// Merge takes all of o's values into account. Sums that would no longer be
// exact are env.ErrInvalid; s is then spoilt.
func (s *Stat) Merge(o Stat) error {
	if o.Count == 0 {
		return nil
	}
	if s.Count == 0 {
		*s = o
		return s.check()
	}
	s.Count += o.Count
	s.Min = min(s.Min, o.Min)
	s.Max = max(s.Max, o.Max)
	s.Sum += o.Sum
	s.addSquares(o.SquaresHi, o.SquaresLo)
	return s.check()
}

func (s *Stat) addSquares(hi, lo uint64) {
	var carry uint64
	s.SquaresLo, carry = bits.Add64(s.SquaresLo, lo, 0)
	s.SquaresHi, _ = bits.Add64(s.SquaresHi, hi, carry)
}

// check reports as env.ErrInvalid that the sums may have overflowed. Count, Min
// and Max cannot have, so it is enough to look afterwards.
func (s *Stat) check() error {
	greatest := max(magnitude(s.Min), magnitude(s.Max))
	hi, lo := bits.Mul64(uint64(s.Count), greatest)
	if s.Count < 0 || hi != 0 || lo > math.MaxInt64 {
		return &env.Error{Class: env.ClassInvalid, Op: "sum up", Err: errStatRange}
	}
	return nil
}

// mean is the mean of the values over divisor: three correctly rounded
// operations at most, the same on every machine.
func (s *Stat) mean(divisor int64) float64 {
	return float64(s.Sum) / float64(s.Count) / float64(divisor)
}

// std is the population's standard deviation. With n values,
// n*squares - sum*sum is exact, non-negative and below 2^127; its conversion,
// the root and the divisions are each correctly rounded.
func (s *Stat) std(divisor int64) float64 {
	n := uint64(s.Count)
	hi, lo := bits.Mul64(n, s.SquaresLo)
	hi += n * s.SquaresHi
	sum := magnitude(s.Sum)
	sumHi, sumLo := bits.Mul64(sum, sum)
	lo, borrow := bits.Sub64(lo, sumLo, 0)
	hi, _ = bits.Sub64(hi, sumHi, borrow)
	return math.Sqrt(float128(hi, lo)) / float64(n) / float64(divisor)
}

// float128 rounds hi*2^64+lo to the nearest float64: the top 64 bits, with a
// sticky lowest bit for all that were cut off, round as the whole would.
func float128(hi, lo uint64) float64 {
	if hi == 0 {
		return float64(lo)
	}
	up := bits.LeadingZeros64(hi)
	top := hi<<up | lo>>(64-up)
	if lo<<up != 0 {
		top |= 1
	}
	return math.Ldexp(float64(top), 64-up)
}

// series is the Stat of n consecutive values from first on; first and n are
// not negative. It is exact whenever check accepts it.
func series(first, n int64) Stat {
	if n == 0 {
		return Stat{}
	}
	s := Stat{Count: n, Min: first, Max: first + n - 1, Sum: n*first + n*(n-1)/2}
	// (first+i)^2 = first^2 + 2*first*i + i^2, each summed over i from 0 to n-1
	total := uint64(n * first)
	s.addSquares(bits.Mul64(total, uint64(first)))
	s.addSquares(bits.Mul64(total, uint64(n-1)))
	s.addSquares(squaresBelow(uint64(n)))
	return s
}

// squaresBelow is 0*0 + 1*1 + ... + (n-1)*(n-1) = (n(n-1)/2)(2n-1)/3, for n
// from 1 to 2^32.
func squaresBelow(n uint64) (hi, lo uint64) {
	hi, lo = bits.Mul64(n*(n-1)/2, 2*n-1)
	quotient, rest := bits.Div64(0, hi, 3)
	lo, _ = bits.Div64(rest, lo, 3)
	return quotient, lo
}

// constant is the Stat of n times the same value, which is not negative.
func constant(value, n int64) Stat {
	if n == 0 {
		return Stat{}
	}
	s := Stat{Count: n, Min: value, Max: value, Sum: n * value}
	s.SquaresHi, s.SquaresLo = bits.Mul64(uint64(value)*uint64(value), uint64(n))
	return s
}

// AppendStats appends the text form of stats, the one of Summary.Stats:
// count:min:max:sum:squares for each, separated by commas, squares in
// hexadecimal. Sums that are no longer exact are env.ErrInvalid.
func AppendStats(dst []byte, stats []Stat) ([]byte, error) {
	for i := range stats {
		s := &stats[i]
		if err := s.check(); err != nil {
			return dst, err
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		for _, v := range [...]int64{s.Count, s.Min, s.Max, s.Sum} {
			dst = strconv.AppendInt(dst, v, 10)
			dst = append(dst, ':')
		}
		if s.SquaresHi == 0 {
			dst = strconv.AppendUint(dst, s.SquaresLo, 16)
			continue
		}
		dst = strconv.AppendUint(dst, s.SquaresHi, 16)
		dst = appendHex(dst, s.SquaresLo)
	}
	return dst, nil
}

// ParseStats reverses AppendStats into stats, whose length says how many are
// expected. Any other text is env.ErrInvalid.
func ParseStats(stats []Stat, text string) error {
	for i := range stats {
		one, rest, more := strings.Cut(text, ",")
		if more != (i < len(stats)-1) || !stats[i].parse(one) {
			return &env.Error{Class: env.ClassInvalid, Op: "parse statistics"}
		}
		text = rest
	}
	if text != "" {
		return &env.Error{Class: env.ClassInvalid, Op: "parse statistics"}
	}
	return nil
}

func (s *Stat) parse(text string) bool {
	for _, field := range [...]*int64{&s.Count, &s.Min, &s.Max, &s.Sum} {
		digits, rest, ok := strings.Cut(text, ":")
		value, err := strconv.ParseInt(digits, 10, 64)
		if !ok || err != nil {
			return false
		}
		*field, text = value, rest
	}
	high := ""
	if len(text) > 16 {
		high, text = text[:len(text)-16], text[len(text)-16:]
	}
	var err error
	s.SquaresHi = 0
	if high != "" {
		if s.SquaresHi, err = strconv.ParseUint(high, 16, 64); err != nil {
			return false
		}
	}
	if s.SquaresLo, err = strconv.ParseUint(text, 16, 64); err != nil {
		return false
	}
	return s.check() == nil && s.Min <= s.Max
}

func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}
