// Package actionlint checks the workflows of continuous integration with
// actionlint. It is a module of its own, so that nobody else depends on it.
package actionlint
