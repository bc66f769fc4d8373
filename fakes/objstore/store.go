package objstore

import (
	"crypto/md5"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

const (
	maxKeyLen     = 1024    // S3's limit, in bytes
	maxPage       = 1000    // S3's limit for every listing
	maxPartNumber = 10_000  // S3's limit
	defaultMin    = 5 << 20 // S3's minimum for all parts but the last
)

// Options choose among the semantics found in the field. The zero value is S3.
type Options struct {
	// MinPart is the smallest size, in bytes, of every part of an upload but
	// the last. 0 means 5 MiB; below 0 means no minimum.
	MinPart int64
	// WeakConditional ignores env.IfAbsent when an upload is completed, as
	// stores do that know the condition for plain puts only.
	WeakConditional bool
	// NoConditional ignores env.IfAbsent everywhere.
	NoConditional bool
}

// Store holds objects and open multipart uploads. It handles one request at a
// time: callers on several goroutines serialise themselves.
type Store struct {
	// Effects is the ledger: every change in the order in which it happened. A
	// consumer that has read it may truncate it (Effects = Effects[:0]).
	Effects []Effect

	opts    Options
	objects []*object // sorted by key
	uploads []*upload // sorted by key, then id
	lastID  uint64    // the newest upload's number; ids are never reused
}

// object is one version of an object; a replacement is a new one.
type object struct {
	env.Object
	body   []byte
	digest uint64
}

// New returns an empty store.
func New(opts Options) *Store {
	if opts.MinPart == 0 {
		opts.MinPart = defaultMin
	}
	return &Store{opts: opts}
}

// Handle executes one request and overwrites *resp with the answer. Every
// effect is complete when it returns, and is in Effects; a response with an
// error had none.
func (s *Store) Handle(req *Request, resp *Response) {
	*resp = Response{}
	switch req.Kind {
	case KindPut:
		s.put(req, resp)
	case KindGet:
		s.get(req, resp)
	case KindHead:
		s.head(req, resp)
	case KindList:
		s.list(req, resp)
	case KindDelete:
		s.delete(req)
	case KindCreateUpload:
		s.createUpload(req, resp)
	case KindUploadPart:
		s.uploadPart(req, resp)
	case KindCompleteUpload:
		s.completeUpload(req, resp)
	case KindAbortUpload:
		s.abortUpload(req, resp)
	case KindListUploads:
		s.listUploads(req, resp)
	default:
		resp.fail(env.ClassInvalid, "NotImplemented")
	}
}

func (r *Response) fail(class env.Class, code string) {
	r.Err, r.Code = class, code
}

func (s *Store) put(req *Request, resp *Response) {
	if !validKey(req.Key) {
		resp.fail(env.ClassInvalid, "KeyTooLongError")
		return
	}
	at, exists := s.find(req.Key)
	if exists && req.Cond == env.IfAbsent && !s.opts.NoConditional {
		resp.fail(env.ClassConflict, "PreconditionFailed")
		return
	}
	sum := md5.Sum(req.Body)
	obj := &object{
		Object: env.Object{Key: req.Key, Size: int64(len(req.Body)), ETag: etagOf(&sum, 0)},
		body:   req.Body,
		digest: digestOf(req.Body),
	}
	s.store(at, exists, obj, Effect{Kind: EffectPut})
	resp.Object = obj.Object
}

// store makes obj the object at position at and records effect about it.
func (s *Store) store(at int, exists bool, obj *object, effect Effect) {
	effect.Key, effect.Size, effect.ETag = obj.Key, obj.Size, obj.ETag
	effect.Digest, effect.Existed = obj.digest, exists
	if exists {
		effect.OldDigest = s.objects[at].digest
		s.objects[at] = obj
	} else {
		s.objects = slices.Insert(s.objects, at, obj)
	}
	s.Effects = append(s.Effects, effect)
}

func (s *Store) get(req *Request, resp *Response) {
	if req.Offset < 0 {
		resp.fail(env.ClassInvalid, "InvalidRange")
		return
	}
	at, exists := s.find(req.Key)
	if !exists {
		resp.fail(env.ClassNotFound, "NoSuchKey")
		return
	}
	obj := s.objects[at]
	resp.Object = obj.Object
	from := min(req.Offset, obj.Size)
	to := obj.Size
	if req.Length >= 0 && req.Length < to-from {
		to = from + req.Length
	}
	// The capacity ends with the range, so that an append by the receiver
	// cannot reach the rest of the object.
	resp.Body = obj.body[from:to:to]
}

func (s *Store) head(req *Request, resp *Response) {
	at, exists := s.find(req.Key)
	if !exists {
		resp.fail(env.ClassNotFound, "NoSuchKey")
		return
	}
	resp.Object = s.objects[at].Object
}

func (s *Store) list(req *Request, resp *Response) {
	if req.Limit < 1 {
		resp.fail(env.ClassInvalid, "InvalidArgument")
		return
	}
	first, found := s.find(max(req.After, req.Key))
	if found && req.After >= req.Key {
		first++ // After itself was on the page before
	}
	rest := s.objects[first:]
	// Keys with the prefix are contiguous, and rest begins at or after them.
	end, _ := slices.BinarySearchFunc(rest, req.Key, func(o *object, prefix string) int {
		if strings.HasPrefix(o.Key, prefix) {
			return -1
		}
		return 1
	})
	page := rest[:min(end, req.Limit, maxPage)]
	if len(page) == 0 {
		return
	}
	resp.Listing.Objects = make([]env.Object, len(page))
	for i, obj := range page {
		resp.Listing.Objects[i] = obj.Object
	}
	resp.Listing.More = len(page) < end
}

func (s *Store) delete(req *Request) {
	at, exists := s.find(req.Key)
	if !exists {
		return
	}
	obj := s.objects[at]
	s.objects = slices.Delete(s.objects, at, at+1)
	s.Effects = append(s.Effects, Effect{
		Kind: EffectDelete, Key: obj.Key, Size: obj.Size, ETag: obj.ETag,
		Digest: obj.digest, OldDigest: obj.digest, Existed: true,
	})
}

// find returns the position of key among the objects, or where it belongs.
func (s *Store) find(key string) (at int, exists bool) {
	return slices.BinarySearchFunc(s.objects, key, func(o *object, key string) int {
		return strings.Compare(o.Key, key)
	})
}

func validKey(key string) bool { return key != "" && len(key) <= maxKeyLen }
