// Package house holds the tests that keep the house rules: that core, fakes, sim
// and properties pass the linter of package lint but for the exceptions listed
// here, who may import whom, and that go.mod is tidy. Each ban names its
// replacement.
package house
