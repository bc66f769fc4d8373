// Package risk estimates what a search has not seen: how likely the next universe
// shows something that none of those before it has shown.
//
// Universes of seeds that are drawn are independent samples of one distribution,
// and each shows a set of things: abstract states of the system, steps between
// them, a failure. That is what ecologists count when they sample sites: how many
// species is a site likely to hold that no site before it held? Applied to
// software testing by M. Böhme, "STADS: Software Testing as Species Discovery"
// (TOSEM 27(2), 2018) and M. Böhme, D. Liyanage, V. Wüstholz, "Estimating Residual
// Risk in Greybox Fuzzing" (ESEC/FSE 2021).
//
// The sample is the universe, not the event: what one universe shows hangs
// together, so counting its events as samples would promise too much.
package risk

import (
	"math"
	"slices"
)

// Species counts the things of one sort that universes show. The zero Species has
// seen none.
type Species struct {
	universes int
	// shower is, of each thing, the only universe that showed it, from 1 on, or 0 if
	// several did.
	shower map[uint64]int32
	// sole is how many things only that universe showed; those with none are not in
	// it.
	sole map[int32]int32
	// news are the universes that were the first to show something, in order.
	news []int32
}

// Add counts one more universe with what it shows. A thing may stand twice.
func (s *Species) Add(shown []uint64) {
	if s.shower == nil {
		s.shower, s.sole = map[uint64]int32{}, map[int32]int32{}
	}
	s.universes++
	now := int32(s.universes)
	for _, thing := range shown {
		by, known := s.shower[thing]
		switch {
		case !known:
			s.shower[thing] = now
			s.sole[now]++
		case by != 0 && by != now:
			s.shower[thing] = 0
			s.share(by)
		}
	}
	if s.sole[now] > 0 {
		s.news = append(s.news, now)
	}
}

// share notes that a thing that only this universe showed was shown again.
func (s *Species) share(by int32) {
	if s.sole[by]--; s.sole[by] == 0 {
		delete(s.sole, by)
	}
}

// Len is how many different things were shown.
func (s *Species) Len() int { return len(s.shower) }

// Universes is how many universes were counted.
func (s *Species) Universes() int { return s.universes }

// Next estimates the probability (0 to 1) that the next universe shows something
// new: the share of the universes that show something that no other one shows.
// This is Good's and Turing's estimator (I. J. Good, Biometrika 40, 1953) with
// universes as samples. It is unbiased for one universe fewer: each of n universes
// is as likely as any to have been the last one, after n-1 others. 1 if no universe
// was counted.
func (s *Species) Next() float64 {
	if s.universes == 0 {
		return 1
	}
	return float64(len(s.sole)) / float64(s.universes)
}

// AtMost bounds that probability: with a confidence of at least 95 %, whatever the
// distribution, it is no greater. The bound is that of [Bound] for the later half
// of the universes, of which so many were the first to show something.
//
// Why that holds: the probability only falls, since what was seen stays seen. If it
// is x or more now, each universe of the later half was the first to show something
// with a probability of x or more, whatever those before it had shown; so their
// number is at least that of heads of a coin that falls on heads with x.
//
// The bound of D. McAllester and R. Schapire ("On the Convergence Rate of
// Good-Turing Estimators", COLT 2000), G + (2 sqrt 2 + sqrt 3) sqrt(ln(3/delta)/n),
// is made for samples that show one thing each, and adds 0.29 after 1,000 universes
// and 0.009 after 1,000,000.
func (s *Species) AtMost() float64 {
	later := s.universes / 2
	begun, _ := slices.BinarySearch(s.news, int32(s.universes-later+1))
	return Bound(len(s.news)-begun, later)
}

// Bound is the greatest probability (0 to 1) with which so few of n independent
// trials succeed at least once in twenty times, by Chernoff's inequality in
// Hoeffding's form: P(k or fewer of n) <= exp(-n D(k/n || x)), D being the relative
// entropy. It is 3.0/n for k = 0 and large n (the rule of three), and 1 for n = 0.
func Bound(k, n int) float64 {
	if k >= n {
		return 1
	}
	share := float64(k) / float64(n)
	most := math.Log(20) / float64(n) // -ln(5 %), a trial
	low, high := share, 1.0
	for range 60 {
		middle := (low + high) / 2
		if entropy(share, middle) > most {
			high = middle
		} else {
			low = middle
		}
	}
	return high
}

// entropy is the relative entropy of two coins that fall on heads with those
// probabilities, in nats.
func entropy(p, q float64) float64 {
	d := 0.0
	if p > 0 {
		d += p * math.Log(p/q)
	}
	if p < 1 {
		d += (1 - p) * math.Log((1-p)/(1-q))
	}
	return d
}
