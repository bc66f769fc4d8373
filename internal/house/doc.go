// Package house holds the test that keeps the house rules: what core, fakes,
// sim and properties may not use, and who may import whom. Each ban names its
// replacement.
package house
