//go:build !chaos_testing

package daemon

import (
	"errors"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// injection is nothing: this binary holds no injector.
type injection struct{}

func newInjection(listen, _ string, _ env.Clock, _ env.Log) (*injection, error) {
	if listen != "" {
		return nil, errors.New("chaos-listen: this binary cannot inject, allowed: one built with -tags chaos_testing")
	}
	return nil, nil
}

func (*injection) wrap(e *env.Env) *env.Env { return e }
func (*injection) close()                   {}
