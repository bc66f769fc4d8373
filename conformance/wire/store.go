// Package wire is the one translation between TiKV's protocol and the engine of
// package fakes/tikv: messages of kvproto in, requests of the engine out, and
// back. What carries the messages is another's business: package
// conformance/rpc in one process, a gRPC server in module e2e.
//
// What the engine lacks is answered with gRPC's Unimplemented.
package wire

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// Store is one store of TiKV. Its methods are those of the service that kvproto
// defines; all may be called at once.
type Store struct {
	// ID is the store's identity. Requests for others are refused.
	ID uint64
	// Handle lets the engine handle requests, one after the other and with no
	// others between them, and fills in as many responses. An error means that
	// no answer may leave.
	Handle func(reqs []tikv.Request, resps []tikv.Response) error
	// Regions are the engine's, for who splits them through the store. Nil: nobody
	// can.
	Regions Placement
	// Waits are the waiting transactions of the store's cluster. A plain store needs
	// none.
	Waits *Waits
	// Plain is a store that has plain optimistic transactions only. It declines
	// async commit and one-phase commit as the protocol provides, so that clients
	// go on in two phases, and answers everything else with Unimplemented.
	Plain bool
}

func (s *Store) one(req *tikv.Request) (tikv.Response, error) {
	var resps [1]tikv.Response
	err := s.Handle([]tikv.Request{*req}, resps[:])
	return resps[0], err
}

func (s *Store) unimplemented(what string) error {
	if s.Plain {
		what += ": the store has plain optimistic transactions only"
	}
	return status.Error(codes.Unimplemented, "no "+what)
}

// only refuses what a plain store does not have.
func (s *Store) only(what string) error {
	if s.Plain {
		return s.unimplemented(what)
	}
	return nil
}

func texts(keys [][]byte) []string {
	list := make([]string, len(keys))
	for i, key := range keys {
		list[i] = string(key)
	}
	return list
}

func bytesOf(keys []string) [][]byte {
	list := make([][]byte, len(keys))
	for i, key := range keys {
		list[i] = []byte(key)
	}
	return list
}
