// Package conformance shows how far the in-memory TiKV can be trusted. It holds
// tests only: the contract of env.KV and the isolation anomalies on the in-memory
// client, on the real one over the same engine, and on the real one over its own
// mock; and a table of behaviours, each driven on both clients and compared.
// docs/FIDELITY.md is what they found.
package conformance
