package process

import (
	cryptorand "crypto/rand"
	"encoding/binary"
	"math/rand/v2"
	"sync"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// NewRand returns a source of randomness for all tasks of one process. Which
// task draws which number depends on their timing, even with a fixed seed.
func NewRand(seed uint64) env.Rand {
	return &lockedRand{source: rand.NewPCG(seed, seed)}
}

type lockedRand struct {
	mu     sync.Mutex
	source *rand.PCG
}

func (r *lockedRand) Uint64() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.source.Uint64()
}

// RandomSeed returns a seed from the operating system's randomness: what a
// daemon passes to [NewRand].
func RandomSeed() uint64 {
	var b [8]byte
	cryptorand.Read(b[:]) // never fails: it ends the program instead
	return binary.LittleEndian.Uint64(b[:])
}
