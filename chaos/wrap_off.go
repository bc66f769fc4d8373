//go:build !chaos_testing

package chaos

import (
	"errors"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Enabled tells whether this binary was built with -tags chaos_testing.
const Enabled = false

// Wrap returns e itself if path is empty, and refuses every other path: this
// binary holds no fault injection. See the build with -tags chaos_testing.
func Wrap(e *env.Env, _ Catalogue, path string) (*env.Env, error) {
	if path == "" {
		return e, nil
	}
	return nil, errors.New("chaos: " + path + " given to a binary built without chaos_testing; build with -tags chaos_testing")
}
