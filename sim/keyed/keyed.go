// Package keyed is the simulator's randomness. It is keyed, never a stream:
// every decision is drawn from a hash of the seed, the purpose and the identity
// of what is decided. Removing one fault then reshuffles nothing else, and
// replay, reduction and counterfactuals become local edits.
package keyed

import "math/bits"

// Mix folds b into a. Two rounds of splitmix64's finaliser (Steele, Lea and
// Flood, 2014) with b injected between them.
func Mix(a, b uint64) uint64 {
	a ^= b * 0x9e3779b97f4a7c15
	a = (a ^ a>>30) * 0xbf58476d1ce4e5b9
	a = (a ^ a>>27) * 0x94d049bb133111eb
	return a ^ a>>31
}

// HashText folds a string to 64 bits, eight bytes at a time.
func HashText(s string) uint64 { return hash(s) }

// HashBytes is HashText for bytes.
func HashBytes(b []byte) uint64 { return hash(b) }

func hash[T string | []byte](s T) uint64 {
	h := uint64(len(s)) * 0x9e3779b97f4a7c15
	for len(s) >= 8 {
		h = Fold(h, uint64(s[0])|uint64(s[1])<<8|uint64(s[2])<<16|uint64(s[3])<<24|
			uint64(s[4])<<32|uint64(s[5])<<40|uint64(s[6])<<48|uint64(s[7])<<56)
		s = s[8:]
	}
	// The rest as a little-endian number.
	w, shift := uint64(0), 0
	if len(s) >= 4 {
		w = uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
		s, shift = s[4:], 32
	}
	for i := 0; i < len(s); i++ {
		w |= uint64(s[i]) << (shift + 8*i)
	}
	return Fold(h, w)
}

// Fold is one multiply-fold: the high and low halves of a 128-bit product.
func Fold(h, w uint64) uint64 {
	hi, lo := bits.Mul64(h^0xa0761d6478bd642f, w^0xe7037ed1a0b428db)
	return hi ^ lo
}

// Draw is a keyed source of choices for one purpose: the same labels always
// give the same values, whatever else is drawn.
type Draw struct{ key uint64 }

// New returns the source for a seed and a purpose.
func New(seed uint64, purpose string) Draw {
	return Draw{Mix(Mix(seed, 0x6761756e746c6574), HashText(purpose))}
}

// Of returns the source that belongs to a key, such as the identity of a call.
func Of(key uint64) Draw { return Draw{key} }

// Sub returns the source for a part of the purpose.
func (d Draw) Sub(label string) Draw { return Draw{Mix(d.key, HashText(label))} }

// Uint64 returns the value that belongs to label.
func (d Draw) Uint64(label string) uint64 { return Mix(d.key, HashText(label)) }

// Intn returns a value from 0 to n-1; n is at least 1.
func (d Draw) Intn(label string, n int) int { return int(Below(d.Uint64(label), uint64(n))) }

// Between returns a value from lo to hi, both included.
func (d Draw) Between(label string, lo, hi int64) int64 {
	return lo + int64(Below(d.Uint64(label), uint64(hi-lo+1)))
}

// Chance reports true in permille of a thousand seeds.
func (d Draw) Chance(label string, permille int) bool { return d.Intn(label, 1000) < permille }

// LogBetween returns a value from lo to hi (lo at least 1) whose logarithm is
// about uniform: each doubling is equally likely.
func (d Draw) LogBetween(label string, lo, hi int64) int64 {
	doublings := bits.Len64(uint64(hi / lo))
	floor := lo << d.Intn(label+"/doubling", doublings)
	if floor >= hi {
		return hi
	}
	return d.Between(label, floor, min(2*floor-1, hi))
}

// Below maps a 64-bit value evenly to 0..n-1 (Lemire, 2019, without the
// rejection step: the bias is below n/2^64).
func Below(value, n uint64) uint64 {
	hi, _ := bits.Mul64(value, n)
	return hi
}

// unit is 1.0 in the fixed-point numbers of exponential.
const unit = 1 << 20

// Exponential maps a 64-bit value to an exponential variate of mean 1 (in
// unit), in integers so that every platform agrees: -log2(u), from the leading
// zeros and a cubic for the mantissa m, times ln 2. With m alone for log2(1+m), which
// is off by up to 0.09, a race of such variates has a memory: a random walk lost
// an update in 52 of 100 runs where it should in 50. The cubic
// m + m*(1-m)*(0.423 - 0.16*m) is off by at most 0.001.
func Exponential(value uint64) int64 {
	zeros := bits.LeadingZeros64(value | 1)
	m := int64(value << (zeros + 1) >> 44) // 20 bits after the leading one
	log2 := int64(zeros+1)*unit - m - m*(unit-m)/unit*(443548-167772*m/unit)/unit
	return log2 * 726817 / unit // ln 2 = 726817 / 2^20
}

// What is drawn about one call: each purpose gets a draw of its own from the
// call's identity.
const (
	ForWork = iota + 1
	ForRequest
	ForReply
	ForPick
	ForTimer
	ForTimeout
	ForFault
	ForAim
	ForRival
	ForTie
	ForCopy
	ForMode
	ForFar
	ForChange
	ForTurn
	ForSpot
)
