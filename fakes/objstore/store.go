package objstore

import (
	"cmp"
	"crypto/md5"
	"slices"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

const (
	defaultMaxKey = 1024    // S3's limit, in bytes
	maxPage       = 1000    // S3's limit for every listing
	maxPartNumber = 10_000  // S3's limit
	defaultMin    = 5 << 20 // S3's minimum for all parts but the last
)

// The codes with which S3 says that another write of the key is under way: of a
// put, and of a completion.
const (
	conflictCode = "ConditionalRequestConflict"
	abortedCode  = "OperationAborted"
)

// Store holds objects and open multipart uploads. It handles one request at a
// time: callers on several goroutines serialise themselves.
type Store struct {
	// Effects is the ledger: every change in the order in which it happened. A
	// consumer that has read it may truncate it (Effects = Effects[:0]).
	Effects []Effect
	// Now is the store's time; nil: it stands still.
	Now func() time.Duration

	opts    Options
	objects []*object // sorted by key
	uploads []*upload // sorted by key, then id
	lastID  uint64    // the newest upload's number; ids are never reused
	lastTag uint64    // the newest opaque ETag's number
	// completed are the uploads whose completion may be repeated.
	completed map[env.Upload]completion
	handled   int              // requests
	written   map[string]write // the last one of each key, for Options.Contention
	shown     Shown
}

// write is when a key was written.
type write struct {
	handled int // requests until then
	at      time.Duration
}

// writing is how long a write is under way. S3 documents no time: the writes
// that it lets race are requests in flight at once.
const writing = time.Second

// Shown returns what the store's traits did so far.
func (s *Store) Shown() Shown { return s.shown }

// shows counts an answer that is the trait's.
func (s *Store) shows(t Trait) bool {
	s.shown[t]++
	return true
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
	return &Store{opts: opts, completed: map[env.Upload]completion{}, written: map[string]write{}}
}

// Handle executes one request and overwrites *resp with the answer. Every
// effect is complete when it returns, and is in Effects; a response with an
// error had none.
func (s *Store) Handle(req *Request, resp *Response) {
	*resp = Response{}
	s.handled++
	if s.opts.CleanKeys && req.Kind != KindList && req.Kind != KindListUploads {
		s.handleCleaned(req, resp)
		return
	}
	s.handle(req, resp)
}

func (s *Store) handle(req *Request, resp *Response) {
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
	if !s.admits(req, resp, at, exists) {
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

// admits reports whether the request may write the key whose object, if one
// exists, is at position at; else it says in resp why not.
func (s *Store) admits(req *Request, resp *Response, at int, exists bool) bool {
	class, code := s.refusal(req, at, exists)
	ignored := s.opts.NoConditional || s.opts.WeakConditional && req.Kind == KindCompleteUpload
	switch {
	case ignored && class != env.ClassNone && s.opts.NoConditional:
		s.shows(NoConditional)
	case ignored && class != env.ClassNone:
		s.shows(WeakConditional)
	case !ignored && s.contended(req):
		code = conflictCode
		if req.Kind == KindCompleteUpload {
			code = abortedCode
		}
		resp.fail(env.ClassUnavailable, code)
		return false
	case class != env.ClassNone:
		if code == existsCode {
			s.shows(ExistsCode409)
		}
		resp.fail(class, code)
		return false
	}
	return s.fits(req, resp, exists)
}

// existsCode is OSS's word for a key that is taken.
const existsCode = "FileAlreadyExists"

// refusal is why the request's condition forbids it, or env.ClassNone.
func (s *Store) refusal(req *Request, at int, exists bool) (class env.Class, code string) {
	etag, match := req.Cond.ETag()
	switch {
	case match && !exists:
		class, code = env.ClassNotFound, "NoSuchKey"
	case match && s.objects[at].ETag != etag:
		class, code = env.ClassConflict, "PreconditionFailed"
	case exists && req.Cond == env.IfAbsent && s.opts.ExistsCode409:
		return env.ClassConflict, existsCode
	case exists && req.Cond == env.IfAbsent:
		return env.ClassConflict, "PreconditionFailed"
	}
	if class != env.ClassNone && s.opts.NoIfMatch && s.shows(NoIfMatch) {
		return env.ClassNone, ""
	}
	return class, code
}

func (s *Store) now() time.Duration {
	if s.Now == nil {
		return 0
	}
	return s.Now()
}

// contended reports whether another write of the key is under way.
func (s *Store) contended(req *Request) bool {
	if s.opts.Contention == 0 || req.Cond == env.Always {
		return false
	}
	last, written := s.written[req.Key]
	return written && s.handled-last.handled <= s.opts.Contention && s.now()-last.at <= writing && s.shows(Contention)
}

// noteWrite remembers when a key was written, where that matters.
func (s *Store) noteWrite(key string) {
	if s.opts.Contention > 0 {
		s.written[key] = write{s.handled, s.now()}
	}
}

// store makes obj the object at position at and records effect about it.
func (s *Store) store(at int, exists bool, obj *object, effect Effect) {
	effect.Key, effect.Size, effect.ETag = obj.Key, obj.Size, obj.ETag
	effect.Digest, effect.Existed = obj.digest, exists
	s.noteWrite(obj.Key)
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
	s.noteWrite(req.Key)
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

// etag is the ETag of content with this sum, see etagOf.
func (s *Store) etag(sum *[md5.Size]byte, parts int) string {
	if !s.opts.OpaqueETags {
		return etagOf(sum, parts)
	}
	s.shows(OpaqueETags)
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
	if len(found) > 1 {
		s.shows(Unordered)
	}
	limit := min(len(found), req.Limit, maxPage)
	resp.Listing = env.Listing{Objects: found[:limit], More: limit < len(found)}
}
