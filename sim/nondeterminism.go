package sim

import "fmt"

// Nondeterminism says that one seed gave two different runs: the system, or the
// harness, depends on something that is not in the universe.
type Nondeterminism struct {
	Seed          uint64
	First, Second uint64 // hashes
}

func (n *Nondeterminism) Error() string {
	return fmt.Sprintf("not deterministic: seed 0x%016x gave hash %016x, then %016x; the system depends on something outside its universe", n.Seed, n.First, n.Second)
}
