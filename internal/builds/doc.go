// Package builds holds the tests that compile other builds: every universe has
// the same hash under the race detector, on 32 bits and in other processes, and
// a production binary holds nothing that could inject a failure. `make builds`
// runs them, with a time limit of their own: they cost more to compile than all
// other tests together.
package builds
