package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/backend/s3/s3test"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

// bucket serves a store that refuses the first calls.
func bucket(t *testing.T, refusals int32) (*objstore.Store, string) {
	t.Setenv("AWS_ACCESS_KEY_ID", "access")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	store := objstore.New(objstore.Options{})
	server := s3test.New("results", store)
	var seen atomic.Int32
	http := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if seen.Add(1) <= refusals {
			s3test.Fail(w, http.StatusServiceUnavailable, "SlowDown")
			return
		}
		server.ServeHTTP(w, r)
	}))
	t.Cleanup(http.Close)
	return store, http.URL
}

// call runs s3put with a shell's script as its command.
func call(t *testing.T, url, folder, script string) (code int, out, errs string) {
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), []string{
		"--s3-endpoint", url, "--s3-bucket", "results", "--s3-path-style", "--prefix", "sweeps/0", "--from", folder,
		"--", "sh", "-c", script, "sh", folder,
	}, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestWhatACommandLeavesIsStored(t *testing.T) {
	store, url := bucket(t, 1)
	folder := t.TempDir()
	code, out, errs := call(t, url, folder, `mkdir "$1"/deep; echo plan > "$1"/deep/a.plan; echo said; exit 7`)
	require.Equal(t, 7, code, "the command's: %s", errs)
	require.Equal(t, "said\n", out)
	for key, want := range map[string]string{"sweeps/0/deep/a.plan": "plan\n", "sweeps/0/output.log": "said\n"} {
		_, body, exists := store.Object(key)
		require.True(t, exists, key)
		require.Equal(t, want, string(body))
		require.Contains(t, errs, "s3put: stored "+key+"\n")
	}
	code, _, errs = call(t, url, folder, `kill -9 $$`)
	require.Equal(t, 128+9, code, errs)
	code, _, errs = call(t, url, folder, `true`)
	require.Zero(t, code, errs)
}

// TestNothingBegins if the results could not be kept: in one line.
func TestNothingBegins(t *testing.T) {
	_, url := bucket(t, 0)
	folder := t.TempDir()
	mark := filepath.Join(folder, "begun")
	for want, args := range map[string][]string{
		"requires at least 1 arg":                    {"--s3-bucket", "b"},
		"open: invalid: no bucket":                   {"--prefix", "p", "--from", folder, "--", "touch", mark},
		"--prefix=p/: want the beginning of a key":   {"--s3-bucket", "b", "--prefix", "p/", "--from", folder, "--", "touch", mark},
		"--from: want a folder":                      {"--s3-bucket", "b", "--prefix", "p", "--", "touch", mark},
		"--from=" + folder + "/none: no such folder": {"--s3-bucket", "b", "--prefix", "p", "--from", folder + "/none", "--", "touch", mark},
		"list p: invalid: NoSuchBucket, status 404":  {"--s3-endpoint", url, "--s3-path-style", "--s3-bucket", "b", "--prefix", "p", "--from", folder, "--", "touch", mark},
		"executable file not found in $PATH":         {"--s3-endpoint", url, "--s3-path-style", "--s3-bucket", "results", "--prefix", "p", "--from", folder, "--", "no-such-program"},
	} {
		var out, errs bytes.Buffer
		require.Equal(t, exitUsage, run(context.Background(), args, &out, &errs), want)
		require.Contains(t, errs.String(), want)
		require.Equal(t, 1, strings.Count(errs.String(), "\n"))
		require.NoFileExists(t, mark)
	}
}

// TestStoreIsDown: another time may do.
func TestStoreIsDown(t *testing.T) {
	_, url := bucket(t, 1<<30)
	var out, errs bytes.Buffer
	j := &job{out: &out, errs: &errs, prefix: "p", from: t.TempDir(), command: []string{"true"}}
	j.store.Endpoint, j.store.Bucket, j.store.PathStyle = url, "results", true
	require.ErrorContains(t, j.run(t.Context()), "list p: unavailable: SlowDown")
	require.Equal(t, exitNotStored, j.code)
}

func TestNotStored(t *testing.T) {
	_, url := bucket(t, 0)
	folder := t.TempDir()
	code, _, errs := call(t, url, folder, `echo x > "$1/`+strings.Repeat("k", 250)+`"; mkdir -p "$1/`+strings.Repeat("d/", 420)+`"; mv "$1"/kk* "$1/`+strings.Repeat("d/", 420)+`"`)
	require.Equal(t, exitNotStored, code, errs)
	require.Contains(t, errs, "the store allows 1024")
}
