package sweep

import (
	"fmt"
	"math"
)

// Expectation is what a correct system's outcomes come to, over many universes:
// at least that share of the pieces of work ends so.
type Expectation struct {
	Outcome string
	AtLeast float64 // 0 to 1
}

// minPieces is the smallest sample that is judged. The interval supposes
// independent pieces of work; those of one universe share its faults and tend to
// end alike, which in a sample of few universes weighs more than their number.
const minPieces = 100

// doubtless is how many standard deviations a sample must be away from what is expected:
// those of 99.99 %. At 95 % three of 110 sweeps of 200 universes of the correct
// conversion failed, of which 81 % of the pieces succeed, since those of one universe
// tend to end alike.
const doubtless = 3.89

// Judge returns an error if the sample shows that the share is smaller: if its
// Wilson interval, at 99.99 %, lies below. A sample that is too small to tell
// passes, so a few universes never fail by chance alone.
func (e Expectation) Judge(t *Totals) error {
	n, all := t.Outcome(e.Outcome), t.pieces()
	if all < minPieces {
		return nil
	}
	if low, high := interval(n, all, doubtless); high < e.AtLeast {
		return fmt.Errorf("%s: %d of %d, between %.1f and %.1f %% with 99.99 %% confidence; expected are at least %.1f %%",
			e.Outcome, n, all, 100*low, 100*high, 100*e.AtLeast)
	}
	return nil
}

// Wilson is the interval that holds the true share with 95 % confidence, if n
// of all were counted (E. B. Wilson, 1927).
func Wilson(n, all int) (low, high float64) { return interval(n, all, 1.96) }

// interval is Wilson's of z standard deviations, two-sided.
func interval(n, all int, z float64) (low, high float64) {
	share, size := float64(n)/float64(all), float64(all)
	middle := share + z*z/(2*size)
	spread := z * math.Sqrt(share*(1-share)/size+z*z/(4*size*size))
	scale := 1 + z*z/size
	return (middle - spread) / scale, (middle + spread) / scale
}
