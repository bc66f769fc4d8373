//go:build !unix

package harness

// CPUSeconds is 0 where the processor time is not known.
func CPUSeconds() float64 { return 0 }
