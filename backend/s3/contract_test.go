package s3_test

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/backend/s3"
	"github.com/gauntlet-dst/gauntlet/backend/s3/s3test"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objcontract"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/internal/loopback"
)

const (
	bucket = "bucket"
	secret = "not-for-any-log"
)

// credentials are the chain's first link, and nothing else is looked for.
func credentials(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "access")
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
}

// serve opens a bucket at a handler.
func serve(t *testing.T, handler http.Handler, cfg s3.Config) env.Objects {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	cfg.Endpoint = server.URL
	return open(t, cfg)
}

func open(t *testing.T, cfg s3.Config) env.Objects {
	credentials(t)
	cfg.Bucket, cfg.PathStyle = bucket, true
	objects, err := s3.Open(t.Context(), cfg)
	require.NoError(t, err)
	return objects
}

func TestContractOverTheFake(t *testing.T) {
	const minPart = 8
	for name, flavour := range map[string]struct {
		kind s3.Kind
		opts objstore.Options
	}{
		"plain": {s3.KindS3, objstore.Options{}},
		"s3":    {s3.KindS3, objstore.Options{UploadsByTime: true, Contention: 3, OpaqueETags: true}},
		"minio": {s3.KindMinIO, objstore.Options{MaxSegment: 255, UploadsByKey: true, Completions: objstore.CompletionsOnce}},
		"posix": {s3.KindPosix, objstore.Options{
			MaxSegment: 255, Folders: true, CleanKeys: true, Completions: objstore.CompletionsBlind, ConditionFirst: true, UploadsByTime: true, KeyMarkers: true,
		}},
		"oss": {s3.KindOSS, objstore.Options{MaxKey: 1023, ExistsCode409: true, NoIfMatch: true, Completions: objstore.CompletionsOnce}},
		"gofakes3": {s3.KindS3, objstore.Options{
			NoEmptyParts: true, LaxParts: true, OtherETags: true, WeakConditional: true, Completions: objstore.CompletionsOnce, InclusiveMarkers: true,
		}},
	} {
		flavour.opts.MinPart = minPart
		for _, page := range []int{0, 2} {
			t.Run(fmt.Sprintf("%s/%d", name, page), func(t *testing.T) {
				if page > 0 && flavour.opts.KeyMarkers {
					// Pages end within a key there, and none begins in one.
					return
				}
				objcontract.Run(t, func(t *testing.T) objcontract.Store {
					server := s3test.New(bucket, objstore.New(flavour.opts))
					server.Page = page
					return objcontract.Store{
						Client:       serve(t, server, s3.Config{Kind: flavour.kind}),
						MinPart:      minPart,
						UploadsByKey: flavour.opts.UploadsByKey,
						NoIfMatch:    flavour.opts.NoIfMatch, WeakCompletion: flavour.opts.WeakConditional,
						LaxParts: flavour.opts.LaxParts, OtherETag: flavour.opts.OtherETags, Contention: flavour.opts.Contention > 0,
					}
				})
			})
		}
	}
}

// TestContractOverGoFakeS3: a server that is nobody's here.
func TestContractOverGoFakeS3(t *testing.T) {
	objcontract.Run(t, func(t *testing.T) objcontract.Store {
		backend := s3mem.New()
		require.NoError(t, backend.CreateBucket(bucket))
		return objcontract.Store{
			Client:         serve(t, gofakes3.New(backend).Server(), s3.Config{}),
			WeakCompletion: true,
			LaxParts:       true,
			OtherETag:      true,
			NoIfMatch:      true, // it answers 412 where S3 answers 404
		}
	})
}

// TestContractOverVersityGW: a real server, which `make s3` installs.
func TestContractOverVersityGW(t *testing.T) {
	endpoint := versitygw(t)
	objcontract.Run(t, func(t *testing.T) objcontract.Store {
		return objcontract.Store{
			Client:  open(t, s3.Config{Endpoint: endpoint, Kind: s3.KindPosix}),
			MinPart: int(s3.KindPosix.Traits().MinPart),
		}
	})
	t.Run("one winner", func(t *testing.T) {
		objects := open(t, s3.Config{Endpoint: endpoint, Kind: s3.KindPosix})
		oneWinner(t, objects)
	})
}

func TestOneWinner(t *testing.T) {
	oneWinner(t, serve(t, s3test.New(bucket, objstore.New(objstore.Options{})), s3.Config{}))
}

// oneWinner lets many write one key at once, each if nobody has.
func oneWinner(t *testing.T, objects env.Objects) {
	const writers = 16
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			_, errs[i] = objects.Put(t.Context(), "contended", []byte{byte(i)}, env.IfAbsent)
		})
	}
	wg.Wait()
	winners := 0
	for _, err := range errs {
		switch env.ClassOf(err) {
		case env.ClassNone:
			winners++
		case env.ClassConflict, env.ClassUnavailable:
		default:
			t.Errorf("%v", err)
		}
	}
	require.Equal(t, 1, winners)
}

// versitygw starts a server on the loopback interface, which ends with the test.
func versitygw(t *testing.T) (endpoint string) {
	path, err := exec.LookPath("versitygw")
	if err != nil {
		cache := cmp.Or(os.Getenv("XDG_CACHE_HOME"), filepath.Join(os.Getenv("HOME"), ".cache"))
		path, err = exec.LookPath(filepath.Join(cache, "gauntlet", "versitygw-v1.8.0", "versitygw"))
	}
	require.NoError(t, err, "versitygw is not installed; make s3 installs it")
	credentials(t)
	free, err := loopback.Addresses(1)
	require.NoError(t, err)
	address := free[0]
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, bucket), 0o755))
	server := exec.Command(path, "-p", address, "-a", "access", "-s", secret, "posix", root)
	require.NoError(t, server.Start())
	t.Cleanup(func() {
		require.NoError(t, server.Process.Kill())
		_ = server.Wait()
	})
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, time.Minute, 10*time.Millisecond)
	return "http://" + address
}
