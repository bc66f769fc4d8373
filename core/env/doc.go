// Package env is the set of seams between the coordination logic in core and
// the world: clocks, the transactional key-value store, the object store,
// tasks, work, randomness, logs and metrics.
//
// A process of the system receives one [Env] and may touch the world through
// nothing else. Three worlds stand behind the same seams: the simulator
// (package sim), real goroutines over in-memory stores (backend/process), and
// production (client-go, S3, the machine's clock). Code written against env is
// ordinary blocking Go and cannot tell them apart.
//
// The package imports the standard library only.
package env
