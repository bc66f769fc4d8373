// Package kinds makes package chaos's words for faults out of the simulator's
// table, so that there is one spelling: see its test.
package kinds
