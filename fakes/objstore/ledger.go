package objstore

import (
	"iter"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// EffectKind is what happened to an object or an upload.
type EffectKind uint8

const (
	EffectPut EffectKind = iota + 1
	EffectComplete
	EffectDelete
	EffectCreateUpload
	EffectUploadPart
	EffectAbort
	EffectExpire // an upload was dropped by ExpireUpload
)

var effectNames = [...]string{
	"none", "put", "complete", "delete", "create_upload", "upload_part", "abort", "expire",
}

// String returns the kind's name as reports print it.
func (k EffectKind) String() string { return effectNames[k] }

// Effect is one change of the store. Requests that changed nothing (refused
// ones, deletes of missing objects) leave none.
type Effect struct {
	Kind EffectKind
	// Existed: an object (Put, Complete, Delete) or a part (UploadPart) was
	// replaced or deleted.
	Existed bool
	Key     string
	// UploadID is "" for Put and Delete.
	UploadID string
	// Number is UploadPart's part number, Complete's number of parts, else 0.
	Number int
	// Size, ETag and Digest describe what was written, or for Delete what was
	// deleted. Digest is a 64-bit digest of the content, the same for equal
	// bytes however they were written.
	Size   int64
	ETag   string
	Digest uint64
	// OldDigest is the digest of what was replaced or deleted, 0 if nothing.
	OldDigest uint64
}

// Object returns the object at key and its body, which must not be changed.
func (s *Store) Object(key string) (obj env.Object, body []byte, exists bool) {
	at, exists := s.find(key)
	if !exists {
		return env.Object{}, nil, false
	}
	return s.objects[at].Object, s.objects[at].body, true
}

// Objects iterates over all objects and their bodies in key order. The store
// must not change meanwhile.
func (s *Store) Objects() iter.Seq2[env.Object, []byte] {
	return func(yield func(env.Object, []byte) bool) {
		for _, obj := range s.objects {
			if !yield(obj.Object, obj.body) {
				return
			}
		}
	}
}

// Uploads iterates over all open uploads in order of key and id, each with its
// parts in order of number. The store must not change meanwhile.
func (s *Store) Uploads() iter.Seq2[env.Upload, []env.Part] {
	return func(yield func(env.Upload, []env.Part) bool) {
		for _, up := range s.uploads {
			parts := make([]env.Part, len(up.parts))
			for i, p := range up.parts {
				parts[i] = p.Part
			}
			if !yield(up.Upload, parts) {
				return
			}
		}
	}
}

// Digest is a 64-bit digest of all objects and open uploads. It depends on
// their keys, ids, ETags and contents only, not on how they came to be.
func (s *Store) Digest() uint64 {
	h := fold(seed, uint64(len(s.objects)))
	for _, obj := range s.objects {
		h = fold(h^digestOf(obj.Key), mixA)
		h = fold(h^obj.digest, mixB)
		h = fold(h^digestOf(obj.ETag), mixA)
	}
	for _, up := range s.uploads {
		h = fold(h^digestOf(up.Key), mixA)
		h = fold(h^digestOf(up.ID), mixB)
		for _, p := range up.parts {
			h = fold(h^uint64(p.Number), mixA)
			h = fold(h^p.digest, mixB)
		}
	}
	return h
}
