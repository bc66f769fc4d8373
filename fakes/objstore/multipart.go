package objstore

import (
	"cmp"
	"crypto/md5"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// upload is an open multipart upload. It ends by completion, abort or expiry,
// and its id is never valid again.
type upload struct {
	env.Upload
	parts []*part // sorted by number
}

// part is one stored part; a replacement is a new one.
type part struct {
	env.Part
	body   []byte
	sum    [md5.Size]byte
	digest uint64
}

func (s *Store) createUpload(req *Request, resp *Response) {
	if code := s.checkKey(req.Key); code != "" {
		resp.fail(env.ClassInvalid, code)
		return
	}
	s.lastID++
	up := &upload{Upload: env.Upload{Key: req.Key, ID: uploadID(s.lastID)}}
	at, _ := s.findUpload(up.Key, up.ID)
	s.uploads = slices.Insert(s.uploads, at, up)
	s.Effects = append(s.Effects, Effect{Kind: EffectCreateUpload, Key: up.Key, UploadID: up.ID})
	resp.UploadID = up.ID
}

// uploadID writes n with leading zeros, so that the order of ids is the order
// of creation.
func uploadID(n uint64) string {
	id := [...]byte{'u', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0'}
	for i := len(id) - 1; i > 0 && n > 0; i-- {
		id[i] += byte(n % 10)
		n /= 10
	}
	return string(id[:])
}

func (s *Store) uploadPart(req *Request, resp *Response) {
	if req.Number < 1 || req.Number > maxPartNumber {
		resp.fail(env.ClassInvalid, "InvalidArgument")
		return
	}
	at, open := s.findUpload(req.Key, req.UploadID)
	if !open {
		resp.fail(env.ClassNotFound, "NoSuchUpload")
		return
	}
	up := s.uploads[at]
	p := &part{body: req.Body, sum: md5.Sum(req.Body), digest: digestOf(req.Body)}
	p.Part = env.Part{Number: req.Number, Size: int64(len(req.Body)), ETag: s.etag(&p.sum, 0)}
	effect := Effect{
		Kind: EffectUploadPart, Key: up.Key, UploadID: up.ID, Number: p.Number,
		Size: p.Size, ETag: p.ETag, Digest: p.digest,
	}
	i, exists := up.find(p.Number)
	if exists {
		effect.Existed, effect.OldDigest = true, up.parts[i].digest
		up.parts[i] = p
	} else {
		up.parts = slices.Insert(up.parts, i, p)
	}
	s.Effects = append(s.Effects, effect)
	resp.Part = p.Part
}

// completeUpload checks the upload, then the parts, then the condition. When
// any check fails the upload stays open; parts that were not listed are
// dropped with it when none does.
func (s *Store) completeUpload(req *Request, resp *Response) {
	upAt, open := s.findUpload(req.Key, req.UploadID)
	if !open {
		s.completeEnded(req, resp)
		return
	}
	up := s.uploads[upAt]
	if code := s.checkParts(up, req.Parts); code != "" {
		resp.fail(env.ClassInvalid, code)
		return
	}
	at, exists := s.find(up.Key)
	ignored := s.opts.WeakConditional || s.opts.NoConditional
	if !ignored && !s.holds(req, resp, at, exists) {
		return
	}
	obj := s.join(up, req.Parts)
	s.uploads = slices.Delete(s.uploads, upAt, upAt+1)
	s.store(at, exists, obj, Effect{Kind: EffectComplete, UploadID: up.ID, Number: len(req.Parts)})
	if s.opts.Completions == CompletionsRepeat {
		s.completed[up.Upload] = completion{parts: req.Parts, object: obj.Object}
	}
	resp.Object = obj.Object
}

// completion is what a repetition of it is compared with, and gets.
type completion struct {
	parts  []env.Part
	object env.Object
}

// completeEnded answers the completion of an upload that is not open. It has no
// effect.
func (s *Store) completeEnded(req *Request, resp *Response) {
	switch s.opts.Completions {
	case CompletionsRepeat:
		first, known := s.completed[env.Upload{Key: req.Key, ID: req.UploadID}]
		if known && slices.EqualFunc(first.parts, req.Parts, samePart) {
			resp.Object = first.object
			return
		}
	case CompletionsBlind:
		if at, exists := s.find(req.Key); exists {
			resp.Object = s.objects[at].Object
			s.lastTag++
			resp.Object.ETag = opaqueETag(s.lastTag)
			return
		}
	}
	resp.fail(env.ClassNotFound, "NoSuchUpload")
}

// samePart compares what a completion tells of a part; the size is no part of it.
func samePart(a, b env.Part) bool { return a.Number == b.Number && a.ETag == b.ETag }

// checkParts returns S3's error code for the first thing wrong with listed, or
// "". Sizes in listed are not part of the request and do not count.
func (s *Store) checkParts(up *upload, listed []env.Part) string {
	if len(listed) == 0 {
		return "MalformedXML"
	}
	for i := 1; i < len(listed); i++ {
		if listed[i].Number <= listed[i-1].Number {
			return "InvalidPartOrder"
		}
	}
	for _, want := range listed {
		at, exists := up.find(want.Number)
		if !exists || up.parts[at].ETag != want.ETag {
			return "InvalidPart"
		}
	}
	for _, want := range listed[:len(listed)-1] {
		at, _ := up.find(want.Number)
		if up.parts[at].Size < s.opts.MinPart {
			return "EntityTooSmall"
		}
	}
	return ""
}

// join concatenates the listed parts, which were checked.
func (s *Store) join(u *upload, listed []env.Part) *object {
	size := int64(0)
	for _, l := range listed {
		at, _ := u.find(l.Number)
		size += u.parts[at].Size
	}
	body := make([]byte, 0, size)
	sums := make([]byte, 0, md5.Size*len(listed))
	for _, l := range listed {
		at, _ := u.find(l.Number)
		body = append(body, u.parts[at].body...)
		sums = append(sums, u.parts[at].sum[:]...)
	}
	sum := md5.Sum(sums)
	return &object{
		Object: env.Object{Key: u.Key, Size: size, ETag: s.etag(&sum, len(listed))},
		body:   body,
		digest: digestOf(body),
	}
}

func (s *Store) abortUpload(req *Request, resp *Response) {
	if !s.endUpload(req.Key, req.UploadID, EffectAbort) {
		resp.fail(env.ClassNotFound, "NoSuchUpload")
	}
}

// ExpireUpload ends an open upload as a store's own housekeeping does, and
// reports whether there was one.
func (s *Store) ExpireUpload(key, id string) bool {
	return s.endUpload(key, id, EffectExpire)
}

func (s *Store) endUpload(key, id string, kind EffectKind) bool {
	at, open := s.findUpload(key, id)
	if !open {
		return false
	}
	s.uploads = slices.Delete(s.uploads, at, at+1)
	s.Effects = append(s.Effects, Effect{Kind: kind, Key: key, UploadID: id})
	return true
}

// listUploads pages as S3 does: without AfterID all uploads of the key After
// count as listed. A prefix may name one key only, see Options.UploadsByKey.
func (s *Store) listUploads(req *Request, resp *Response) {
	if req.Limit < 1 {
		resp.fail(env.ClassInvalid, "InvalidArgument")
		return
	}
	limit := min(req.Limit, maxPage)
	at, _ := s.findUpload(max(req.After, req.Key), "")
	for _, up := range s.uploads[at:] {
		if !strings.HasPrefix(up.Key, req.Key) {
			return
		}
		if s.opts.UploadsByKey && up.Key != req.Key {
			return // sorted by key: no other has this one
		}
		if up.Key == req.After && (req.AfterID == "" || up.ID <= req.AfterID) {
			continue
		}
		if len(resp.Uploads.Uploads) == limit {
			resp.Uploads.More = true
			return
		}
		resp.Uploads.Uploads = append(resp.Uploads.Uploads, up.Upload)
	}
}

// findUpload returns the position of an open upload, or where it belongs. An
// id belongs to one key: with another key there is no such upload.
func (s *Store) findUpload(key, id string) (at int, open bool) {
	want := env.Upload{Key: key, ID: id}
	return slices.BinarySearchFunc(s.uploads, want, func(u *upload, want env.Upload) int {
		return cmp.Or(strings.Compare(u.Key, want.Key), strings.Compare(u.ID, want.ID))
	})
}

func (u *upload) find(number int) (at int, exists bool) {
	return slices.BinarySearchFunc(u.parts, number, func(p *part, number int) int {
		return cmp.Compare(p.Number, number)
	})
}
