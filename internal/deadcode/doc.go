// Package deadcode holds the tests that name what nothing reaches, and what
// staticcheck finds. It is a module of its own for the two tools' sake.
package deadcode
