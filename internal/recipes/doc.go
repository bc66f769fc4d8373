// Package recipes follows the recipes of CONTRIBUTING.md: what one of them says
// is what the compiler and the tests find.
package recipes
