package s3_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/backend/s3"
	"github.com/gauntlet-dst/gauntlet/backend/s3/s3test"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

var discard = log.New(io.Discard, "", 0)

// TestBadConfigIsOneLine, of class ErrInvalid, and tells no password.
func TestBadConfigIsOneLine(t *testing.T) {
	credentials(t)
	t.Setenv("AWS_REGION", "")
	empty := filepath.Join(t.TempDir(), "empty.pem")
	require.NoError(t, os.WriteFile(empty, []byte("-----BEGIN PRIVATE "+secret), 0o600))
	const endpoint = "https://127.0.0.1:1"
	for want, cfg := range map[string]s3.Config{
		"open: invalid: no bucket": {},
		`open: invalid: unknown kind of store "gcs": it must be s3, minio, posix or oss`:                       {Bucket: bucket, Kind: "gcs"},
		"open: invalid: no region: set it, or AWS_REGION, or an endpoint":                                      {Bucket: bucket},
		"open: invalid: the time-out -1s is negative":                                                          {Bucket: bucket, Timeout: -time.Second},
		"open: invalid: the endpoint must be http://host:port or https://host:port":                            {Bucket: bucket, Endpoint: "user:" + secret + "@host"},
		"open: invalid: the endpoint must hold no user and no password: credentials come from the usual chain": {Bucket: bucket, Endpoint: "https://u:" + secret + "@host"},
		"open: invalid: the endpoint must hold nothing behind the host host":                                   {Bucket: bucket, Endpoint: "https://host/bucket"},
		"open: invalid: certificates are set, and the endpoint is plain http":                                  {Bucket: bucket, Endpoint: "http://host", CAPath: empty},
		"open: invalid: a client's certificate and its key go together: one of them is missing":                {Bucket: bucket, Endpoint: endpoint, CertPath: empty},
		"open: invalid: " + empty + " holds no certificate in PEM":                                             {Bucket: bucket, Endpoint: endpoint, CAPath: empty},
		"open: invalid: open " + empty + "x: no such file or directory":                                        {Bucket: bucket, Endpoint: endpoint, CAPath: empty + "x"},
		"open: invalid: " + empty + ", " + empty + ": tls: failed to find any PEM data in certificate input":   {Bucket: bucket, Endpoint: endpoint, CertPath: empty, KeyPath: empty},
	} {
		_, err := s3.Open(t.Context(), cfg)
		require.EqualError(t, err, want)
		require.ErrorIs(t, err, env.ErrInvalid)
		require.NotContains(t, err.Error(), secret)
	}
}

// TestNoCredentials: one line, that tells nothing of what was found in part.
func TestNoCredentials(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, file string){
		"none": func(*testing.T, string) {},
		"half": func(t *testing.T, file string) {
			require.NoError(t, os.WriteFile(file, []byte("[default]\naws_secret_access_key = "+secret+"\n"), 0o600))
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
		},
		"not a file of credentials": func(t *testing.T, file string) {
			require.NoError(t, os.WriteFile(file, []byte("[default\naws_secret_access_key : "+secret+"\n"), 0o600))
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
		},
		"a process that says nonsense": func(t *testing.T, file string) {
			require.NoError(t, os.WriteFile(file, []byte("[default]\ncredential_process = echo "+secret+"\n"), 0o600))
			t.Setenv("AWS_CONFIG_FILE", file)
		},
	} {
		t.Run(name, func(t *testing.T) {
			credentials(t)
			t.Setenv("AWS_ACCESS_KEY_ID", "")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "")
			prepare(t, filepath.Join(t.TempDir(), "file"))
			_, err := s3.Open(t.Context(), s3.Config{Bucket: bucket, Endpoint: "http://127.0.0.1:1"})
			require.Error(t, err)
			require.Contains(t, []env.Class{env.ClassUnavailable, env.ClassInvalid}, env.ClassOf(err))
			require.NotContains(t, err.Error(), secret)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestOpenWithAContextThatHasEnded(t *testing.T) {
	credentials(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	_, err := s3.Open(ctx, s3.Config{Bucket: bucket, Endpoint: "http://127.0.0.1:1"})
	require.Equal(t, cause, err)
}

// TestTLS: an own authority, and a client's certificate.
func TestTLS(t *testing.T) {
	credentials(t)
	dir := t.TempDir()
	certPath, keyPath, pool := clientCertificate(t, dir)
	server := httptest.NewUnstartedServer(s3test.New(bucket, objstore.New(objstore.Options{})))
	server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	server.Config.ErrorLog = discard
	server.StartTLS()
	t.Cleanup(server.Close)
	caPath := filepath.Join(dir, "ca.pem")
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	require.NoError(t, os.WriteFile(caPath, authority, 0o600))

	objects := open(t, s3.Config{Endpoint: server.URL, CAPath: caPath, CertPath: certPath, KeyPath: keyPath})
	_, err := objects.Put(t.Context(), "k", []byte("x"), env.IfAbsent)
	require.NoError(t, err)

	objects = open(t, s3.Config{Endpoint: server.URL, CertPath: certPath, KeyPath: keyPath})
	_, err = objects.Head(t.Context(), "k")
	require.Equal(t, env.ClassUnavailable, env.ClassOf(err), "without the authority: %v", err)
	objects = open(t, s3.Config{Endpoint: server.URL, CAPath: caPath})
	_, err = objects.Head(t.Context(), "k")
	require.Equal(t, env.ClassUnavailable, env.ClassOf(err), "without the client's certificate: %v", err)
}

// clientCertificate writes a key and a certificate that signs itself.
func clientCertificate(t *testing.T, dir string) (certPath, keyPath string, pool *x509.CertPool) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "worker"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(raw)
	require.NoError(t, err)
	pool = x509.NewCertPool()
	pool.AddCert(parsed)
	certPath, keyPath = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(certPath, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o600))
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	require.NoError(t, os.WriteFile(keyPath, text, 0o600))
	return certPath, keyPath, pool
}

// TestTraits: the table of docs/STORES.md.
func TestTraits(t *testing.T) {
	for kind, want := range map[s3.Kind]struct {
		minPart            int64
		maxKey, maxSegment int
		byPrefix           bool
	}{
		s3.KindS3:    {5 << 20, 1024, 0, true},
		s3.KindMinIO: {5 << 20, 1024, 255, false},
		s3.KindPosix: {5 << 20, 1024, 255, true},
		s3.KindOSS:   {100 << 10, 1023, 0, true},
	} {
		traits := kind.Traits()
		require.Equal(t, want.minPart, traits.MinPart, kind)
		require.Equal(t, want.maxKey, traits.MaxKey, kind)
		require.Equal(t, want.maxSegment, traits.MaxSegment, kind)
		require.Equal(t, want.byPrefix, traits.UploadsByPrefix, kind)
		require.False(t, strings.HasSuffix(traits.Probe, "/"))
	}
}
