package dataset_test

import (
	"context"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// fate is what happens to one call: whether it takes effect, and the error
// that the caller sees.
type fate struct {
	applied bool
	err     error
}

var fine = fate{applied: true}

// store is an object store in memory that records every call, decides its
// fate, and measures how much it was handed at once. Calls that Write does not
// use panic.
type store struct {
	env.Objects
	objects map[string][]byte
	etags   map[string]string
	uploads map[string]map[int][]byte
	nextID  int

	calls   []string // "put out/x 12"
	fate    func(n int, op, key string) fate
	biggest int  // bytes, of all bodies given or taken with their capacity
	getMax  int  // bytes; 0 is no limit, below 0 yields none
	discard bool // parts are not kept
}

func newStore() *store {
	return &store{
		objects: make(map[string][]byte),
		etags:   make(map[string]string),
		uploads: make(map[string]map[int][]byte),
	}
}

func (s *store) begin(op, key string, detail ...any) fate {
	s.calls = append(s.calls, strings.TrimSpace(fmt.Sprintln(append([]any{op, key}, detail...)...)))
	if s.fate == nil {
		return fine
	}
	return s.fate(len(s.calls)-1, op, key)
}

func (s *store) object(key string) env.Object {
	return env.Object{Key: key, Size: int64(len(s.objects[key])), ETag: s.etags[key]}
}

func (s *store) store(key string, body []byte, parts int) env.Object {
	s.objects[key] = body
	s.etags[key] = fmt.Sprintf("%08x-%d", crc32.ChecksumIEEE(body), parts)
	return s.object(key)
}

func (s *store) Put(_ context.Context, key string, body []byte, cond env.Condition) (env.Object, error) {
	s.biggest = max(s.biggest, cap(body))
	f := s.begin("put", key, len(body))
	if !f.applied {
		return env.Object{}, f.err
	}
	if s.taken(key, cond) {
		return env.Object{}, env.ErrConflict
	}
	return s.store(key, slices.Clone(body), 0), f.err
}

func (s *store) Get(_ context.Context, key string, offset, length int64) ([]byte, env.Object, error) {
	f := s.begin("get", key, offset, length)
	body, ok := s.objects[key]
	if f.err != nil || !ok {
		return nil, env.Object{}, orNotFound(f.err)
	}
	if s.getMax != 0 {
		length = min(length, int64(max(s.getMax, 0)))
	}
	body = body[offset:min(offset+length, int64(len(body)))]
	s.biggest = max(s.biggest, len(body))
	return slices.Clone(body), s.object(key), nil
}

func (s *store) Head(_ context.Context, key string) (env.Object, error) {
	f := s.begin("head", key)
	if _, ok := s.objects[key]; f.err != nil || !ok {
		return env.Object{}, orNotFound(f.err)
	}
	return s.object(key), nil
}

func (s *store) CreateUpload(_ context.Context, key string) (string, error) {
	f := s.begin("create-upload", key)
	id := fmt.Sprintf("%s#%d", key, s.nextID)
	s.nextID++
	if f.applied {
		s.uploads[id] = make(map[int][]byte)
	}
	if f.err != nil {
		return "", f.err
	}
	return id, nil
}

func (s *store) UploadPart(_ context.Context, key, id string, number int, body []byte) (env.Part, error) {
	s.biggest = max(s.biggest, cap(body))
	f := s.begin("upload-part", key, number, len(body))
	upload, ok := s.uploads[id]
	if !ok {
		return env.Part{}, env.ErrNotFound
	}
	if s.discard {
		body = nil
	}
	if f.applied {
		upload[number] = slices.Clone(body)
	}
	return env.Part{Number: number, Size: int64(len(body)), ETag: fmt.Sprintf("%08x", crc32.ChecksumIEEE(body))}, f.err
}

func (s *store) CompleteUpload(_ context.Context, key, id string, parts []env.Part, cond env.Condition) (env.Object, error) {
	f := s.begin("complete-upload", key, len(parts))
	upload, ok := s.uploads[id]
	if !ok {
		return env.Object{}, env.ErrNotFound
	}
	if !f.applied {
		return env.Object{}, f.err
	}
	if len(upload) != len(parts) {
		return env.Object{}, env.ErrInvalid
	}
	if s.taken(key, cond) {
		return env.Object{}, env.ErrConflict
	}
	var body []byte
	for _, p := range parts {
		body = append(body, upload[p.Number]...)
	}
	delete(s.uploads, id)
	return s.store(key, body, len(parts)), f.err
}

func (s *store) AbortUpload(_ context.Context, key, id string) error {
	f := s.begin("abort-upload", key)
	if f.applied {
		delete(s.uploads, id)
	}
	return f.err
}

func (s *store) taken(key string, cond env.Condition) bool {
	_, exists := s.objects[key]
	return exists && cond == env.IfAbsent
}

func orNotFound(err error) error {
	if err == nil {
		return env.ErrNotFound
	}
	return err
}

// under returns the objects whose keys begin with prefix, by the rest of the
// key.
func (s *store) under(prefix string) map[string]string {
	found := make(map[string]string)
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		if path, ok := strings.CutPrefix(key, prefix); ok {
			found[path] = string(s.objects[key])
		}
	}
	return found
}
