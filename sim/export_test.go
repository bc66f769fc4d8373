package sim

import "iter"

// PullBy makes coroutines of something else than iter.Pull, until back is called.
func PullBy(by func(iter.Seq[struct{}]) (next func() (struct{}, bool), stop func())) (back func()) {
	before := pull
	pull = by
	return func() { pull = before }
}
