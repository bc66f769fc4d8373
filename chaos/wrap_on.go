//go:build chaos_testing

package chaos

import (
	"fmt"
	"io"
	"os"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Enabled tells whether this binary was built with -tags chaos_testing.
const Enabled = true

// Wrap puts an Injector around e's stores and steps, configured by the file at
// path, which may name what catalogue has; if path is empty it returns e itself. e is not changed. An error means
// that the file could not be read or was refused.
func Wrap(e *env.Env, catalogue Catalogue, path string) (*env.Env, error) {
	if path == "" {
		return e, nil
	}
	config, err := readConfig(path, catalogue)
	if err != nil {
		return nil, err
	}
	injector, err := NewInjector(config, catalogue, e.Clock, e.Log)
	if err != nil {
		return nil, err
	}
	wrapped := *e
	wrapped.Runtime = injector.WrapRuntime(e.Runtime)
	wrapped.KV = injector.WrapKV(e.KV)
	wrapped.Objects = injector.WrapObjects(e.Objects)
	return &wrapped, nil
}

func readConfig(path string, catalogue Catalogue) (Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return Config{}, fmt.Errorf("chaos: %w", err)
	}
	defer f.Close()
	// One byte more than allowed, so that Parse sees that it is too much.
	data, err := io.ReadAll(io.LimitReader(f, MaxConfigBytes+1))
	if err != nil {
		return Config{}, fmt.Errorf("chaos: %w", err)
	}
	return Parse(path, data, catalogue)
}
