// Package tikvserver speaks TiKV's and PD's protocols in front of the engine of
// package fakes/tikv: an ordinary TiKV client of any language finds one cluster
// with one store. It is a server for tests on one machine. What it adds to the
// engine is what a server process needs:
//
//   - a write-ahead log: no answer leaves before everything that it tells of is
//     on the disk, so that kill -9 loses no acknowledged commit and no value that
//     anybody has read, and no timestamp is handed out twice;
//   - gRPC, with streams of commands (what the messages mean is package
//     conformance/wire's business);
//   - PD: members, timestamps, regions and stores, and the two calls of etcd's
//     that Go's client makes.
//
// It has the commands of plain optimistic transactions in two phases. Async
// commit and one-phase commit are declined as the protocol provides, and clients
// go on in two phases. Everything else (pessimistic locks, raw keys, coprocessors,
// garbage collection) is answered with gRPC's Unimplemented.
package tikvserver

import (
	"fmt"
	"sync"
	"time"

	"github.com/gauntlet-dst/gauntlet/conformance/wire"
	"github.com/gauntlet-dst/gauntlet/e2e/wal"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// ClusterID, StoreID are the identities that clients see.
const (
	ClusterID = 7
	StoreID   = 1
)

// limitStepMS is how far ahead of the newest timestamp the limit in the log is
// set, in milliseconds: as far as PD sets it.
const limitStepMS = 3000

// Config are a server's settings.
type Config struct {
	// Log is the path of the write-ahead log. It grows with every write.
	Log string
	// Splits are the keys at which regions begin, rising; the first region
	// begins before all keys. None: one region.
	Splits []string
	// Now is the time that timestamps are made of; nil means time.Now.
	Now func() time.Time
}

// Server is one cluster: its rows, its timestamps and its regions.
type Server struct {
	now     func() time.Time
	regions wire.Placement
	log     *wal.Log

	mu      sync.Mutex // the engine's, and the order of the log
	engine  *tikv.Engine
	limitMS int64 // no timestamp that was handed out is as late
}

// New opens the log and makes the cluster that it tells of. dropped is how many
// bytes of an unfinished record were cut off its end.
func New(cfg Config) (s *Server, dropped int64, err error) {
	s = &Server{now: cfg.Now, engine: tikv.New(tikv.Options{})}
	if s.now == nil {
		s.now = time.Now
	}
	if err = s.split(cfg.Splits); err != nil {
		return nil, 0, err
	}
	if s.log, dropped, err = wal.Open(cfg.Log, s.replay); err != nil {
		return nil, 0, fmt.Errorf("tikv-server: the log: %w", err)
	}
	s.engine.Ledger().ForgetDecisions()
	return s, dropped, nil
}

// split divides the keys among regions, which do not change any more.
func (s *Server) split(keys []string) error {
	regions, last := s.engine.Regions(), ""
	for i, key := range keys {
		if key <= last {
			return fmt.Errorf("tikv-server: split %d is at %q, which is not behind %q", i+1, key, last)
		}
		regions.Split(key)
		last = key
	}
	s.regions = func(do func(*tikv.Regions)) {
		s.mu.Lock()
		defer s.mu.Unlock()
		do(regions)
	}
	return nil
}

// Close closes the log. Nothing may be under way.
func (s *Server) Close() error { return s.log.Close() }

// replay does again what a record tells.
func (s *Server) replay(record []byte) error {
	req, limitMS, err := decode(record)
	if err != nil {
		return err
	}
	var resp tikv.Response
	if req == nil {
		s.limitMS = limitMS
		s.engine.Handle(&tikv.Request{Kind: tikv.KindTSO, PhysicalMS: limitMS}, &resp)
		return nil
	}
	s.engine.Handle(req, &resp)
	if resp.Status != tikv.StatusOK {
		return fmt.Errorf("a %v that succeeded is answered with %q now", req.Kind, resp.Status)
	}
	return nil
}

// History reads a log and returns every commit that it tells of, in the order in
// which they were decided, and the engine that they make. The log is not changed,
// and a server may go on with it.
func History(log string) (*tikv.Engine, []tikv.Commit, error) {
	s := &Server{engine: tikv.New(tikv.Options{})}
	var commits []tikv.Commit
	err := wal.Read(log, func(record []byte) error {
		err := s.replay(record)
		commits = append(commits, s.engine.Ledger().Commits...)
		s.engine.Ledger().ForgetDecisions()
		return err
	})
	return s.engine, commits, err
}

// handle lets the engine handle requests, one after the other and with no others
// between them. It returns once the log has what they did, and also what they
// saw: whoever reads a value must find it again after a crash.
func (s *Server) handle(reqs []tikv.Request, resps []tikv.Response) error {
	s.mu.Lock()
	for i := range reqs {
		s.engine.Handle(&reqs[i], &resps[i])
		if changed(&reqs[i], &resps[i]) {
			s.log.Append(encodeRequest(&reqs[i]))
		}
	}
	s.engine.Ledger().ForgetDecisions()
	last := s.log.Last()
	s.mu.Unlock()
	return s.log.Wait(last)
}

// changed reports whether a request may have changed rows or locks: one that is
// refused has not, nor has a look at a transaction that did nothing to it.
func changed(req *tikv.Request, resp *tikv.Response) bool {
	if req.Kind == tikv.KindCheckTxn && resp.Action == tikv.ActionNone {
		return false
	}
	return writes(req.Kind) && resp.Region == tikv.RegionOK && resp.Status == tikv.StatusOK
}

// one handles one request.
func (s *Server) one(req tikv.Request) (tikv.Response, error) {
	var resps [1]tikv.Response
	err := s.handle([]tikv.Request{req}, resps[:])
	return resps[0], err
}

// timestamps hands out n timestamps, 1 or more, in a row and returns the last.
func (s *Server) timestamps(n int) (last uint64, err error) {
	var resp tikv.Response
	s.mu.Lock()
	s.engine.Handle(&tikv.Request{Kind: tikv.KindTSO, PhysicalMS: s.now().UnixMilli()}, &resp)
	for range n - 1 {
		s.engine.Handle(&tikv.Request{Kind: tikv.KindTSO}, &resp)
	}
	if ms := tikv.PhysicalMS(resp.TS); ms >= s.limitMS {
		s.limitMS = ms + limitStepMS
		s.log.Append(encodeLimit(s.limitMS))
	}
	number := s.log.Last()
	s.mu.Unlock()
	return resp.TS, s.log.Wait(number)
}
