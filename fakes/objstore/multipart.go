package objstore

import (
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// upload is an open multipart upload. It ends by completion, abort or expiry,
// and its id is never valid again.
type upload struct {
	env.Upload
	opened uint64  // its place among all uploads in time
	parts  []*part // sorted by number
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
	up := &upload{Upload: env.Upload{Key: req.Key, ID: s.uploadID(s.lastID)}, opened: s.lastID}
	at, _ := s.findUpload(up.Key, up.ID)
	s.uploads = slices.Insert(s.uploads, at, up)
	s.Effects = append(s.Effects, Effect{Kind: EffectCreateUpload, Key: up.Key, UploadID: up.ID})
	resp.UploadID = up.ID
}

// uploadID writes n with leading zeros, so that the order of ids is the order
// of creation, unless Options.UploadsByTime wants that it is not.
func (s *Store) uploadID(n uint64) string {
	if s.opts.UploadsByTime {
		return opaqueETag(n)
	}
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
	if len(req.Body) == 0 && s.opts.NoEmptyParts {
		s.shows(NoEmptyParts)
		resp.fail(env.ClassInvalid, "MissingContentLength")
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
	at, exists := s.find(up.Key)
	code := s.checkParts(up, req.Parts)
	switch {
	case code != "" && s.opts.ConditionFirst && !s.admits(req, resp, at, exists):
		s.shows(ConditionFirst)
		return
	case code != "":
		resp.fail(env.ClassInvalid, code)
		return
	case !s.admits(req, resp, at, exists):
		return
	}
	obj := s.join(up, req.Parts)
	resp.Object = obj.Object
	if s.opts.OtherETags {
		s.shows(OtherETags)
		sum := md5.Sum(obj.body)
		obj.ETag = s.etag(&sum, 0)
	}
	s.uploads = slices.Delete(s.uploads, upAt, upAt+1)
	s.store(at, exists, obj, Effect{Kind: EffectComplete, UploadID: up.ID, Number: len(req.Parts)})
	if s.opts.Completions == CompletionsRepeat {
		s.completed[up.Upload] = completion{parts: req.Parts, object: resp.Object}
	}
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
			s.shows(RepeatedCompletion)
			resp.Object = first.object
			return
		}
	case CompletionsBlind:
		if at, exists := s.find(req.Key); exists {
			s.shows(BlindCompletion)
			resp.Object = s.objects[at].Object
			resp.Object.ETag = s.etagOfParts(req.Parts)
			return
		}
	default:
		s.shows(EndedCompletion)
	}
	resp.fail(env.ClassNotFound, "NoSuchUpload")
}

// etagOfParts is the ETag that an object of such parts would have.
func (s *Store) etagOfParts(listed []env.Part) string {
	var sums []byte
	for _, p := range listed {
		sum, err := hex.DecodeString(p.ETag)
		if err != nil {
			sum = []byte(p.ETag) // of no store's
		}
		sums = append(sums, sum...)
	}
	sum := md5.Sum(sums)
	return s.etag(&sum, len(listed))
}

// samePart compares what a completion tells of a part; the size is no part of it.
func samePart(a, b env.Part) bool { return a.Number == b.Number && a.ETag == b.ETag }

// checkParts returns S3's error code for the first thing wrong with listed, or
// "". Sizes in listed are not part of the request and do not count.
func (s *Store) checkParts(up *upload, listed []env.Part) string {
	list := checkList(listed)
	if list != "" && !s.opts.LaxParts {
		return list
	}
	etags, sizes := up.checkETags(listed), up.checkSizes(listed, s.opts.MinPart)
	switch {
	case s.opts.LaxParts && etags == "" && list+sizes != "":
		s.shows(LaxParts)
		return ""
	case s.opts.ConditionFirst && etags != "" && sizes != "":
		s.shows(ConditionFirst)
		return sizes
	case etags != "":
		return etags
	case sizes != "":
		s.shows(MinPart)
	}
	return sizes
}

// tooSmall is the code of a part below the store's minimum.
const tooSmall = "EntityTooSmall"

// checkList returns the error code for a list of parts that can be none, or "".
func checkList(listed []env.Part) string {
	if len(listed) == 0 {
		return "MalformedXML"
	}
	for i := 1; i < len(listed); i++ {
		if listed[i].Number <= listed[i-1].Number {
			return "InvalidPartOrder"
		}
	}
	return ""
}

// checkETags returns the error code for a part that was not stored as listed, or
// "".
func (u *upload) checkETags(listed []env.Part) string {
	for _, want := range listed {
		at, exists := u.find(want.Number)
		if !exists || u.parts[at].ETag != want.ETag {
			return "InvalidPart"
		}
	}
	return ""
}

// checkSizes returns the error code for a stored part that is too small and not
// the last, or "".
func (u *upload) checkSizes(listed []env.Part, smallest int64) string {
	for i, want := range listed {
		at, exists := u.find(want.Number)
		if exists && i < len(listed)-1 && u.parts[at].Size < smallest {
			return tooSmall
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
	if s.opts.KeyMarkers && req.AfterID != "" {
		s.shows(KeyMarkers)
		resp.fail(env.ClassInvalid, "InvalidArgument")
		return
	}
	marker, code := s.markerOf(req)
	if code != "" {
		resp.fail(env.ClassInvalid, code)
		return
	}
	limit := min(req.Limit, maxPage)
	at, _ := s.findUpload(max(req.After, req.Key), "")
	for _, up := range s.inOrder(s.uploads[at:], req.Key) {
		if s.opts.UploadsByKey && up.Key != req.Key {
			s.shows(UploadsByKey)
			return // sorted by key: no other has this one
		}
		if up.Key == req.After && marker.listed(up) {
			continue
		}
		if marker.nothing {
			return
		}
		if len(resp.Uploads.Uploads) == limit {
			resp.Uploads.More = true
			return
		}
		resp.Uploads.Uploads = append(resp.Uploads.Uploads, up.Upload)
	}
}

// marker is where a page of uploads begins, within the key that it follows.
type marker struct {
	listed  func(up *upload) bool // of that key, those on the pages before
	nothing bool                  // the page is empty
}

// markerOf is where the page begins that is asked for, or the code of an error.
func (s *Store) markerOf(req *Request) (m marker, code string) {
	m.listed = func(up *upload) bool { return req.AfterID == "" || up.ID <= req.AfterID }
	inclusive := s.opts.InclusiveMarkers && req.After != ""
	if !inclusive && (!s.opts.UploadsByTime || req.AfterID == "") {
		return m, ""
	}
	at, open := s.findUpload(req.After, req.AfterID)
	switch {
	case inclusive:
		s.shows(InclusiveMarkers)
		m.listed = func(up *upload) bool { return req.AfterID != "" && open && s.precedes(up, s.uploads[at]) }
		m.nothing = req.AfterID != "" && !open
	case !open:
		return m, "InvalidArgument"
	default:
		last := s.uploads[at]
		m.listed = func(up *upload) bool { return up.opened <= last.opened }
	}
	return m, ""
}

// precedes reports whether a is listed before b, of the same key.
func (s *Store) precedes(a, b *upload) bool {
	if s.opts.UploadsByTime {
		return a.opened < b.opened
	}
	return a.ID < b.ID
}

// inOrder returns the uploads whose keys have the prefix, in the order in which
// they are listed; the first of rest is the first of them, if any has it.
func (s *Store) inOrder(rest []*upload, prefix string) []*upload {
	end := 0
	for end < len(rest) && strings.HasPrefix(rest[end].Key, prefix) {
		end++
	}
	rest = rest[:end]
	if !s.opts.UploadsByTime {
		return rest
	}
	byTime := slices.Clone(rest)
	slices.SortFunc(byTime, func(a, b *upload) int {
		return cmp.Or(strings.Compare(a.Key, b.Key), cmp.Compare(a.opened, b.opened))
	})
	if !slices.Equal(rest, byTime) {
		s.shows(UploadsByTime)
	}
	return byTime
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
	if at = number - 1; at < len(u.parts) && at >= 0 && u.parts[at].Number == number {
		return at, true // there is no gap before it
	}
	return slices.BinarySearchFunc(u.parts, number, func(p *part, number int) int {
		return cmp.Compare(p.Number, number)
	})
}
