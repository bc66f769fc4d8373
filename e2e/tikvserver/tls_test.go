package tikvserver_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/gauntlet-dst/gauntlet/backend/tikv"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/e2e/tikvserver"
)

// authority signs certificates for this machine.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.issue("ca", nil, nil)
	return a
}

// issue writes NAME.crt and NAME.key, signed by a parent, nil for itself.
func (a *authority) issue(name string, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true, IsCA: parent == nil,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if parent == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	require.NoError(a.t, err)
	private, err := x509.MarshalECPrivateKey(key)
	require.NoError(a.t, err)
	a.write(name+".crt", "CERTIFICATE", der)
	a.write(name+".key", "EC PRIVATE KEY", private)
	cert, err := x509.ParseCertificate(der)
	require.NoError(a.t, err)
	return cert, key
}

func (a *authority) write(name, kind string, der []byte) {
	require.NoError(a.t, os.WriteFile(a.file(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// TestTLS: backend/tikv reaches PD and the store by TLS alone, shows its
// certificate to both, and is refused without one.
func TestTLS(t *testing.T) {
	quiet(t)
	a := newAuthority(t)
	a.issue("server", a.cert, a.key)
	a.issue("client", a.cert, a.key)
	pair, err := tls.LoadX509KeyPair(a.file("server.crt"), a.file("server.key"))
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	security := &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, NextProtos: []string{"h2"}}

	server, _, err := tikvserver.New(tikvserver.Config{Log: filepath.Join(t.TempDir(), "log")})
	require.NoError(t, err)
	serve := func(l net.Listener, g *grpc.Server) {
		go g.Serve(tls.NewListener(l, security)) // until it is stopped
		t.Cleanup(g.Stop)
	}
	door, store := listen(t), listen(t)
	serve(door, server.PD(tikvserver.Door{PD: door.Addr().String(), KV: store.Addr().String()}))
	serve(store, server.Store())

	cfg := tikv.Config{PD: []string{door.Addr().String()}, CAPath: a.file("ca.crt"), CertPath: a.file("client.crt"), KeyPath: a.file("client.key")}
	kv, err := tikv.Open(cfg)
	require.NoError(t, err)
	defer kv.Close()
	txn, err := kv.Begin(t.Context())
	require.NoError(t, err)
	txn.Put("k", []byte("v"))
	require.NoError(t, txn.Commit(t.Context()))
	txn, err = kv.Begin(t.Context())
	require.NoError(t, err)
	value, err := txn.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, "v", string(value))
	txn.Rollback()

	_, err = tikv.Open(tikv.Config{PD: cfg.PD, PDTimeout: 200 * time.Millisecond})
	require.ErrorIs(t, err, env.ErrUnavailable, "in the clear")
	_, err = tikv.Open(tikv.Config{PD: cfg.PD, CAPath: cfg.CAPath, CertPath: a.file("none.crt"), KeyPath: cfg.KeyPath})
	require.ErrorIs(t, err, env.ErrInvalid)
}

func listen(t *testing.T) net.Listener {
	l, err := tikvserver.ListenLoopback("127.0.0.1:0")
	require.NoError(t, err)
	return l
}
