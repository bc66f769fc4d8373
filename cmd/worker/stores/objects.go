package stores

import (
	"context"

	"github.com/gauntlet-dst/gauntlet/backend/s3"
	"github.com/gauntlet-dst/gauntlet/cmd/worker/settings"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Objects opens the bucket. One request takes no longer than core waits. Errors:
// env.ErrInvalid for what can never work, env.ErrUnavailable without credentials.
func Objects(ctx context.Context, s *settings.Settings) (env.Objects, error) {
	cfg := s.S3
	cfg.Timeout = s.Core.StorageTimeout
	return s3.Open(ctx, cfg)
}
