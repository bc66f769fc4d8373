package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/gauntlet-dst/gauntlet/backend/s3"
	"github.com/gauntlet-dst/gauntlet/backend/tikv"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/e2e/child"
	"github.com/gauntlet-dst/gauntlet/e2e/proxy"
	"github.com/gauntlet-dst/gauntlet/internal/loopback"
)

// bucket, accessKey and secretKey are what every run uses at its S3 server.
const (
	bucket    = "gauntlet"
	accessKey = "gauntlet"
	secretKey = "gauntlet-secret"
)

// readyIn bounds the start of a server.
const readyIn = 30 * time.Second

// Way is how one worker reaches the stores: through proxies of its own.
type Way struct {
	PD, KV, Gateway, S3 *proxy.Proxy
}

func (w *Way) all() []*proxy.Proxy { return []*proxy.Proxy{w.PD, w.KV, w.Gateway, w.S3} }

// Stores are a run's servers, and the ways to them.
type Stores struct {
	// KV and Objects are the runner's own clients, past every proxy.
	KV      *tikv.KV
	Objects env.Objects
	Ways    []*Way
	// TiKVLog and S3Log are the servers' write-ahead logs; S3Log is "" if the S3
	// server keeps none that can be read.
	TiKVLog, S3Log string

	output io.Writer
	// by name: tikv, s3
	specs   map[string]child.Spec
	running map[string]*child.Process
	s3      string // address
}

// storesConfig says which stores a run has.
type storesConfig struct {
	dir     string
	bin     Binaries
	workers int
	seed    uint64
	gateway bool
	weak    bool // the S3 server ignores conditions
	output  io.Writer
}

// openStores starts the servers and opens the ways.
func openStores(ctx context.Context, cfg storesConfig) (*Stores, error) {
	s := &Stores{output: cfg.output, specs: map[string]child.Spec{}, running: map[string]*child.Process{}}
	if err := s.open(ctx, cfg); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// open is openStores; what it has begun when it fails is for Close.
func (s *Stores) open(ctx context.Context, cfg storesConfig) error {
	addresses, err := loopback.Addresses(4 + 2*cfg.workers)
	if err != nil {
		return err
	}
	kv, gateway, own := addresses[0], addresses[1], addresses[2]
	s.s3 = addresses[3]
	s.TiKVLog = filepath.Join(cfg.dir, "tikv.log")
	tikvServer := child.Spec{
		Args: []string{
			cfg.bin.TiKVServer, "--log", s.TiKVLog, "--listen", kv, "--gateway", gateway, "--door", own,
			"--split", "lease/", "--split", "queue/", "--split", "unit/",
		},
		Output: cfg.output, Ready: "tikv-server: ready",
	}
	for i := range cfg.workers {
		way := &Way{}
		door := addresses[4+i]
		for j, target := range []string{door, kv, gateway, s.s3} {
			p, err := proxy.New(target, cfg.seed^uint64(4*i+j))
			if err != nil {
				return err
			}
			*[]**proxy.Proxy{&way.PD, &way.KV, &way.Gateway, &way.S3}[j] = p
		}
		s.Ways = append(s.Ways, way)
		tikvServer.Args = append(tikvServer.Args, "--door", door+","+way.PD.Addr()+","+way.KV.Addr())
	}
	s.specs["tikv"] = tikvServer
	if s.specs["s3"], err = s.s3Spec(cfg); err != nil {
		return err
	}
	for _, name := range []string{"tikv", "s3"} {
		if err := s.Start(name); err != nil {
			return err
		}
	}
	if s.KV, err = tikv.Open(tikv.Config{PD: []string{own}}); err != nil {
		return err
	}
	for name, value := range credentials() {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	s.Objects, err = s3.Open(ctx, s3.Config{Bucket: bucket, Endpoint: "http://" + s.s3, PathStyle: true})
	return err
}

// credentials are the variables of the SDKs' usual chain.
func credentials() map[string]string {
	return map[string]string{
		"AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey, "AWS_REGION": "us-east-1",
		"AWS_EC2_METADATA_DISABLED": "true",
	}
}

func (s *Stores) s3Spec(cfg storesConfig) (child.Spec, error) {
	if cfg.bin.VersityGW == "" {
		s.S3Log = filepath.Join(cfg.dir, "s3.log")
		spec := child.Spec{
			Args:   []string{cfg.bin.S3Server, "--log", s.S3Log, "--listen", s.s3, "--bucket", bucket, "--min-part", "-1"},
			Output: cfg.output, Ready: "s3-server: ready",
		}
		if cfg.weak {
			spec.Args = append(spec.Args, "--weak")
		}
		return spec, nil
	}
	data := filepath.Join(cfg.dir, "versitygw")
	return child.Spec{
		Args:   []string{cfg.bin.VersityGW, "--port", s.s3, "--access", accessKey, "--secret", secretKey, "--quiet", "posix", data},
		Output: cfg.output,
	}, os.MkdirAll(filepath.Join(data, bucket), 0o755)
}

// Start starts a server, tikv or s3, and waits until it can be used.
func (s *Stores) Start(name string) error {
	p, err := child.Start(s.specs[name])
	if err != nil {
		return err
	}
	s.running[name] = p
	if s.specs[name].Ready != "" {
		_, err = p.AwaitReady(readyIn)
		return err
	}
	for deadline := time.Now().Add(readyIn); ; {
		c, err := net.DialTimeout("tcp", s.s3, time.Second)
		if err == nil {
			return c.Close()
		}
		if !p.Running() {
			return errors.New(name + " ended: " + p.Exit())
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s was not ready after %v", name, readyIn)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Kill kills a server with SIGKILL.
func (s *Stores) Kill(name string) { s.running[name].Kill() }

// Close ends everything.
func (s *Stores) Close() {
	for _, way := range s.Ways {
		for _, p := range way.all() {
			if p != nil {
				p.Close()
			}
		}
	}
	if s.KV != nil {
		_ = s.KV.Close() // its servers may be gone
	}
	for _, p := range s.running {
		p.Kill()
	}
}

// Heal ends all faults of the network.
func (s *Stores) Heal() {
	for _, way := range s.Ways {
		for _, p := range way.all() {
			p.Set(proxy.Faults{})
		}
	}
}

// rows reads all rows below a prefix, which ends in '/'.
func (s *Stores) rows(ctx context.Context, prefix string) ([]env.Pair, error) {
	tx, err := s.KV.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return scanAll(ctx, tx, prefix)
}

func scanAll(ctx context.Context, tx env.Txn, prefix string) (all []env.Pair, err error) {
	const limit = 256
	end := prefix[:len(prefix)-1] + string(prefix[len(prefix)-1]+1)
	for from := prefix; ; {
		page, err := tx.Scan(ctx, from, end, limit)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < limit {
			return all, nil
		}
		from = page[len(page)-1].Key + "\x00"
	}
}

// objects lists all objects.
func (s *Stores) objects(ctx context.Context, prefix string) (all []env.Object, err error) {
	for after := ""; ; {
		page, err := s.Objects.List(ctx, prefix, after, 1000)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Objects...)
		if !page.More || len(page.Objects) == 0 {
			return all, nil
		}
		after = page.Objects[len(page.Objects)-1].Key
	}
}
