package objstore

import (
	"cmp"
	"crypto/md5"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

const (
	defaultMaxKey = 1024    // S3's limit, in bytes
	maxPage       = 1000    // S3's limit for every listing
	maxPartNumber = 10_000  // S3's limit
	defaultMin    = 5 << 20 // S3's minimum for all parts but the last
)

// Options choose among the semantics found in the field. The zero value is S3;
// the text beside each option says who behaves otherwise.
type Options struct {
	// MinPart is the smallest size, in bytes, of every part of an upload but
	// the last. 0 means 5 MiB, as S3, MinIO and posix gateways want; OSS wants
	// 100 KiB. Below 0 means no minimum.
	MinPart int64
	// MaxKey is the longest key, in bytes; 0 means 1024, as S3 and MinIO allow.
	// OSS allows 1023.
	MaxKey int
	// MaxSegment is the longest part of a key between two slashes, in bytes; 0
	// means no limit, as S3 and OSS. Posix gateways and MinIO, which keep an
	// object in a file, allow 255.
	MaxSegment int
	// OpaqueETags gives every write an ETag of its own, whatever its bytes, as
	// gateways to Azure do; S3's are no digests either once objects are
	// encrypted (SSE-KMS, SSE-C).
	OpaqueETags bool
	// UploadsByKey lists only the open uploads of the one key that the prefix
	// names, as MinIO does.
	UploadsByKey bool
	// Completions tells what the completion of an upload that has ended gets.
	Completions Completions
	// ExistsCode409 refuses a condition with FileAlreadyExists (409), as OSS
	// does, where S3 says PreconditionFailed (412).
	ExistsCode409 bool
	// Unordered lists objects in an order that is not that of the keys, as S3's
	// directory buckets do. Pages still add up to all of them.
	Unordered bool
	// WeakConditional ignores conditions when an upload is completed, as
	// stores do that know the condition for plain puts only (gofakes3).
	WeakConditional bool
	// NoConditional ignores conditions everywhere, as S3 did before 2024 and
	// older gateways still do.
	NoConditional bool
}

// Completions are the answers to the completion of an upload that has ended.
type Completions uint8

const (
	// CompletionsRepeat answers the repetition of a completion as the first
	// one, whatever the condition, and changes nothing: S3. Uploads that were
	// aborted or never opened, and other parts, get NoSuchUpload.
	CompletionsRepeat Completions = iota
	// CompletionsOnce knows no upload that has ended: MinIO, and OSS.
	CompletionsOnce
	// CompletionsBlind says yes to every upload that there is not, if only an
	// object has the key, with an ETag that nothing has: versitygw's posix
	// gateway.
	CompletionsBlind
)

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
	lastTag uint64    // the newest opaque ETag's number
	// completed are the uploads whose completion may be repeated.
	completed map[env.Upload]completion
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
	if opts.MaxKey == 0 {
		opts.MaxKey = defaultMaxKey
	}
	return &Store{opts: opts, completed: map[env.Upload]completion{}}
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
	if code := s.checkKey(req.Key); code != "" {
		resp.fail(env.ClassInvalid, code)
		return
	}
	at, exists := s.find(req.Key)
	if !s.opts.NoConditional && !s.holds(req, resp, at, exists) {
		return
	}
	sum := md5.Sum(req.Body)
	obj := &object{
		Object: env.Object{Key: req.Key, Size: int64(len(req.Body)), ETag: s.etag(&sum, 0)},
		body:   req.Body,
		digest: digestOf(req.Body),
	}
	s.store(at, exists, obj, Effect{Kind: EffectPut})
	resp.Object = obj.Object
}

// holds reports whether the request's condition holds of the object at position
// at, if one exists; else it says in resp why not.
func (s *Store) holds(req *Request, resp *Response, at int, exists bool) bool {
	etag, match := req.Cond.ETag()
	switch {
	case match && !exists:
		resp.fail(env.ClassNotFound, "NoSuchKey")
	case match && s.objects[at].ETag != etag:
		resp.fail(env.ClassConflict, "PreconditionFailed")
	case exists && req.Cond == env.IfAbsent:
		resp.fail(env.ClassConflict, s.existsCode())
	default:
		return true
	}
	return false
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
	if s.opts.Unordered {
		s.listUnordered(req, resp)
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

// checkKey returns the error code for what is wrong with a key, or "".
func (s *Store) checkKey(key string) string {
	if key == "" || len(key) > s.opts.MaxKey {
		return "KeyTooLongError"
	}
	if s.opts.MaxSegment == 0 {
		return ""
	}
	for segment := range strings.SplitSeq(key, "/") {
		if len(segment) > s.opts.MaxSegment {
			return "ExistingObjectIsDirectory" // so versitygw, whose file system says ENAMETOOLONG
		}
	}
	return ""
}

// existsCode is the code with which a condition is refused.
func (s *Store) existsCode() string {
	if s.opts.ExistsCode409 {
		return "FileAlreadyExists"
	}
	return "PreconditionFailed"
}

// etag is the ETag of content with this sum, see etagOf.
func (s *Store) etag(sum *[md5.Size]byte, parts int) string {
	if !s.opts.OpaqueETags {
		return etagOf(sum, parts)
	}
	s.lastTag++
	return opaqueETag(s.lastTag)
}

// listUnordered lists in the order of the keys' digests.
func (s *Store) listUnordered(req *Request, resp *Response) {
	place := func(key string) uint64 { return digestOf(key) }
	var found []env.Object
	for _, obj := range s.objects {
		if strings.HasPrefix(obj.Key, req.Key) && (req.After == "" || place(obj.Key) > place(req.After)) {
			found = append(found, obj.Object)
		}
	}
	slices.SortFunc(found, func(a, b env.Object) int { return cmp.Compare(place(a.Key), place(b.Key)) })
	limit := min(len(found), req.Limit, maxPage)
	resp.Listing = env.Listing{Objects: found[:limit], More: limit < len(found)}
}
