package s3server_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/backend/s3"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/e2e/s3server"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

// TestLog: the production client finds after a restart what it was told of, and
// the log has every effect.
func TestLog(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	cfg := s3server.Config{Log: filepath.Join(t.TempDir(), "log"), Bucket: "b", Store: objstore.Options{MinPart: -1}}
	ctx := context.Background()
	open := func() (env.Objects, func()) {
		server, dropped, err := s3server.New(cfg)
		require.NoError(t, err)
		require.Zero(t, dropped)
		web := httptest.NewServer(server)
		objects, err := s3.Open(ctx, s3.Config{Bucket: "b", Endpoint: web.URL, PathStyle: true})
		require.NoError(t, err)
		return objects, func() {
			web.Close()
			require.NoError(t, server.Close())
		}
	}
	objects, shut := open()
	put, err := objects.Put(ctx, "a", []byte("body"), env.IfAbsent)
	require.NoError(t, err)
	_, err = objects.Put(ctx, "gone", []byte("body"), env.Always)
	require.NoError(t, err)
	require.NoError(t, objects.Delete(ctx, "gone"))
	aborted, err := objects.CreateUpload(ctx, "a")
	require.NoError(t, err)
	part, err := objects.UploadPart(ctx, "a", aborted, 1, []byte("x"))
	require.NoError(t, err)
	require.NoError(t, objects.AbortUpload(ctx, "a", aborted))
	id, err := objects.CreateUpload(ctx, "m")
	require.NoError(t, err)
	first, err := objects.UploadPart(ctx, "m", id, 1, []byte("one,"))
	require.NoError(t, err)
	shut()

	objects, shut = open()
	body, again, err := objects.Get(ctx, "a", 0, -1)
	require.NoError(t, err)
	require.Equal(t, "body", string(body))
	require.Equal(t, put.ETag, again.ETag)
	_, err = objects.Put(ctx, "a", []byte("other"), env.IfAbsent)
	require.ErrorIs(t, err, env.ErrConflict)
	_, err = objects.CompleteUpload(ctx, "a", aborted, []env.Part{part}, env.Always)
	require.ErrorIs(t, err, env.ErrNotFound, "an aborted upload cannot be completed")
	second, err := objects.UploadPart(ctx, "m", id, 2, []byte("two"))
	require.NoError(t, err)
	_, err = objects.CompleteUpload(ctx, "m", id, []env.Part{first, second}, env.Always)
	require.NoError(t, err)
	body, _, err = objects.Get(ctx, "m", 0, -1)
	require.NoError(t, err)
	require.Equal(t, "one,two", string(body))
	_, err = objects.Head(ctx, "gone")
	require.True(t, errors.Is(err, env.ErrNotFound))
	shut()

	store, effects, err := s3server.History(cfg.Log, cfg.Store)
	require.NoError(t, err)
	var kinds []string
	for _, e := range effects {
		kinds = append(kinds, e.Kind.String()+" "+e.Key)
	}
	require.Equal(t, []string{
		"put a", "put gone", "delete gone", "create_upload a", "upload_part a", "abort a",
		"create_upload m", "upload_part m", "upload_part m", "complete m",
	}, kinds)
	for object := range store.Objects() {
		require.Contains(t, []string{"a", "m"}, object.Key)
	}
}
