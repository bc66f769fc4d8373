package main

import (
	"bytes"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/backend/s3"
	"github.com/gauntlet-dst/gauntlet/backend/s3/s3test"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

func bucket(t *testing.T) (url string, objects env.Objects) {
	t.Setenv("AWS_ACCESS_KEY_ID", "access")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	server := httptest.NewServer(s3test.New("datasets", objstore.New(objstore.Options{})))
	t.Cleanup(server.Close)
	objects, err := s3.Open(t.Context(), s3.Config{Endpoint: server.URL, Bucket: "datasets", PathStyle: true})
	require.NoError(t, err)
	return server.URL, objects
}

func call(t *testing.T, url string, args ...string) (code int, out, errs string) {
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), append(args, "--s3-endpoint", url, "--s3-bucket", "datasets"), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestRecordingsAreStored(t *testing.T) {
	url, objects := bucket(t)
	code, out, errs := call(t, url, "put", "--recordings", "3", "--frames", "5")
	require.Zero(t, code, errs)
	require.Equal(t, "put: 3 recordings of 5 frames under in/\n", out)
	page, err := objects.List(t.Context(), "in/", "", 10)
	require.NoError(t, err)
	require.Len(t, page.Objects, 3)
}

func TestVerdicts(t *testing.T) {
	url, objects := bucket(t)
	store := func(files ...string) {
		for _, file := range files {
			key, body, _ := strings.Cut(file, "=")
			_, err := objects.Put(t.Context(), "out/"+key, []byte(body), env.Always)
			require.NoError(t, err)
		}
	}
	store("ref/g01-01/manifest.json=ref", "ref/g01-01/data/a=1", "ref/g01-01/meta/b=2", "ref/staging/01/x=left")
	store("same/g01-03/manifest.json=same", "same/g01-03/data/a=1", "same/g01-03/meta/b=2", "same/g01-02/data/a=1")
	store("bytes/g01-01/manifest.json=", "bytes/g01-01/data/a=1", "bytes/g01-01/meta/b=3")
	store("missing/g01-01/manifest.json=", "missing/g01-01/data/a=1")
	store("more/g01-01/manifest.json=", "more/g01-01/data/a=1", "more/g01-01/meta/b=2", "more/g01-01/meta/c=")
	store("twice/g01-01/manifest.json=", "twice/g01-01/data/a=1", "twice/g01-02/manifest.json=", "twice/g01-02/data/a=1")
	store("hollow/g01-01/manifest.json=")

	code, out, errs := call(t, url, "judge", "out/ref", "out/same")
	require.Zero(t, code, errs)
	require.Equal(t, "out/ref: 2 objects: held\nout/same: 2 objects: held\n", out)

	for output, want := range map[string]string{
		"out/bytes": "meta/b has other bytes", "out/missing": "meta/b is missing", "out/more": "meta/c is one too many",
		"out/twice": "2 finished datasets, not one", "out/none": "0 finished datasets, not one", "out/hollow": "a manifest and no object",
	} {
		code, out, errs = call(t, url, "judge", "out/ref", output, "out/same")
		require.Equal(t, 1, code, errs)
		require.Contains(t, out, ": "+want+"\n")
		require.Contains(t, out, "out/same: 2 objects: held\n", "the others are judged all the same")
	}
	code, out, errs = call(t, url, "judge", "out/none", "out/same")
	require.Equal(t, 1, code, errs)
	require.Equal(t, "out/none: 0 objects: 0 finished datasets, not one\n", out)

	code, _, errs = call(t, "http://127.0.0.1:1/x", "judge", "out/ref", "out/same")
	require.Equal(t, 2, code)
	require.Equal(t, 1, strings.Count(errs, "\n"))
}
