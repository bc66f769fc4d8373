package core

import (
	"context"
	"log/slog"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// source reads a unit's source in chunks. Chunks are kept in the process's
// scratch space, so that an attempt that starts again on the same machine need
// not fetch them again.
type source struct {
	attempt *attempt
	offset  int64  // of the first byte of buf
	buf     []byte // read, not yet converted
}

// eof reports whether buf holds the rest of the source.
func (s *source) eof() bool { return s.offset+int64(len(s.buf)) >= s.attempt.unit.size }

// consume drops n bytes from the front of buf.
func (s *source) consume(n int) {
	s.offset += int64(n)
	s.buf = s.buf[n:]
}

// fill appends the rest of the next chunk to buf.
func (s *source) fill(ctx context.Context) error {
	at := s.offset + int64(len(s.buf))
	number := at / s.attempt.node.cfg.ReadChunk
	chunk, err := s.chunk(ctx, number)
	if err != nil {
		return err
	}
	chunk = chunk[at-number*s.attempt.node.cfg.ReadChunk:]
	if len(s.buf) == 0 {
		s.buf = chunk
		return nil
	}
	joined := make([]byte, 0, len(s.buf)+len(chunk))
	s.buf = append(append(joined, s.buf...), chunk...)
	return nil
}

// chunk returns a chunk of the source as it was when it was discovered.
func (s *source) chunk(ctx context.Context, number int64) ([]byte, error) {
	from := number * s.attempt.node.cfg.ReadChunk
	want := min(s.attempt.node.cfg.ReadChunk, s.attempt.unit.size-from)
	name := s.attempt.chunkName(number)
	if data, err := s.attempt.node.env.Temp.Read(name); err == nil && int64(len(data)) == want {
		return data, nil
	}
	data, obj, err := s.attempt.node.patient.Get(ctx, s.attempt.unit.url, from, want)
	if err != nil {
		return nil, err
	}
	if obj.ETag != s.attempt.unit.etag || int64(len(data)) != want {
		return nil, poison(invalid("read source", s.attempt.unit.url, "changed since it was discovered"))
	}
	if err := s.attempt.node.env.Temp.Write(name, data); err != nil {
		s.attempt.node.log(ctx, slog.LevelDebug, "chunk not cached", s.attempt.unitKey, err)
	}
	return data, nil
}

// chunkName names a chunk in the scratch space, by the source's content.
func (a *attempt) chunkName(number int64) string {
	h := fnv(fnvOffset, a.unit.url)
	h = fnv(mix(h)^uint64(a.node.cfg.ReadChunk), a.unit.etag)
	return hex16(mix(h)) + "-" + pad(uint64(number), 1)
}

// forgetChunks drops the chunks before an offset from the scratch space.
func (a *attempt) forgetChunks(from, offset int64) {
	for number := from / a.node.cfg.ReadChunk; (number+1)*a.node.cfg.ReadChunk <= offset; number++ {
		a.forgetChunk(number)
	}
}

// forgetSource drops all chunks of the source: the unit has ended.
func (a *attempt) forgetSource() {
	for number := int64(0); number*a.node.cfg.ReadChunk < a.unit.size; number++ {
		a.forgetChunk(number)
	}
}

func (a *attempt) forgetChunk(number int64) {
	if err := a.node.env.Temp.Remove(a.chunkName(number)); err != nil && env.ClassOf(err) != env.ClassNotFound {
		a.node.env.Metrics.Add("temp_remove_errors_total", 1)
	}
}
