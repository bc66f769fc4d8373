// Package s3server is an S3 server for tests on one machine: the store of package
// fakes/objstore behind the HTTP of package s3test, with a write-ahead log, so that
// kill -9 loses nothing that was acknowledged. It says no to the completion of an
// upload that was aborted, which posix gateways do not, and its log tells
// afterwards every effect that there ever was.
package s3server

import (
	"encoding/binary"
	"fmt"
	"net/http"

	"github.com/gauntlet-dst/gauntlet/backend/s3/s3test"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/e2e/wal"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

// Config are a server's settings.
type Config struct {
	// Log is the path of the write-ahead log. It grows with every write.
	Log string
	// Bucket is the one bucket's name.
	Bucket string
	// Store chooses among the semantics of stores.
	Store objstore.Options
}

// Server is a handler of HTTP requests.
type Server struct {
	http.Handler
	log *wal.Log
}

// New opens the log and makes the store that it tells of. dropped is how many
// bytes of an unfinished record were cut off its end.
func New(cfg Config) (s *Server, dropped int64, err error) {
	store := objstore.New(cfg.Store)
	log, dropped, err := wal.Open(cfg.Log, func(record []byte) error { return replay(store, record) })
	if err != nil {
		return nil, 0, fmt.Errorf("s3-server: the log: %w", err)
	}
	handler := s3test.New(cfg.Bucket, store)
	handler.Handled = func(req *objstore.Request, resp *objstore.Response) error {
		store.Effects = store.Effects[:0]
		if !req.Kind.HasEffect() || resp.Err != env.ClassNone {
			return nil
		}
		return log.Wait(log.Append(encode(req)))
	}
	return &Server{Handler: handler, log: log}, dropped, nil
}

// Close closes the log. Nothing may be under way.
func (s *Server) Close() error { return s.log.Close() }

// History reads a log and returns every effect that it tells of, and the store
// that they make. The log is not changed, and a server may go on with it.
func History(log string, options objstore.Options) (*objstore.Store, []objstore.Effect, error) {
	store := objstore.New(options)
	var effects []objstore.Effect
	err := wal.Read(log, func(record []byte) error {
		err := replay(store, record)
		effects = append(effects, store.Effects...)
		store.Effects = store.Effects[:0]
		return err
	})
	return store, effects, err
}

func encode(req *objstore.Request) []byte {
	b := make([]byte, 0, 64+len(req.Body))
	b = append(b, byte(req.Kind))
	b = wal.AppendText(b, string(req.Cond))
	b = wal.AppendText(b, req.Key)
	b = wal.AppendText(b, req.UploadID)
	b = binary.AppendUvarint(b, uint64(req.Number))
	b = binary.AppendUvarint(b, uint64(len(req.Parts)))
	for _, p := range req.Parts {
		b = binary.AppendUvarint(b, uint64(p.Number))
		b = wal.AppendText(b, p.ETag)
	}
	return wal.AppendText(b, string(req.Body))
}

func replay(store *objstore.Store, record []byte) error {
	r := wal.NewReader(record)
	req := objstore.Request{
		Kind: objstore.Kind(r.Byte()), Cond: env.Condition(r.Text()), Key: r.Text(), UploadID: r.Text(), Number: int(r.Uint()),
	}
	for range r.Length() {
		req.Parts = append(req.Parts, env.Part{Number: int(r.Uint()), ETag: r.Text()})
	}
	req.Body = []byte(r.Text())
	if err := r.End(); err != nil {
		return err
	}
	var resp objstore.Response
	store.Handle(&req, &resp)
	if resp.Err != env.ClassNone {
		return fmt.Errorf("a %v that succeeded is answered with %s now", req.Kind, resp.Code)
	}
	return nil
}
