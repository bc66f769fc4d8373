package objstore

import (
	"path"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// checkKey returns the error code for what is wrong with a key, or "".
func (s *Store) checkKey(key string) string {
	if key == "" || len(key) > s.opts.MaxKey {
		s.shows(MaxKey)
		return "KeyTooLongError"
	}
	return ""
}

// fits reports whether an object may have the request's key, beside the others
// there; else it says in resp why not. One that exists was let in before. A posix
// gateway finds out when it makes the file, at the end of an upload, and then has
// no word for some of it.
func (s *Store) fits(req *Request, resp *Response, exists bool) bool {
	if exists || !s.opts.Folders && s.opts.MaxSegment == 0 {
		return true
	}
	code := s.checkSegments(req.Key)
	if code == "" {
		code = s.checkFolders(req.Key)
	}
	switch {
	case code == "":
		return true
	case code == isDirectory && req.Kind == KindCompleteUpload:
		resp.fail(env.ClassUndetermined, "InternalError")
	default:
		resp.fail(env.ClassInvalid, code)
	}
	return false
}

// isDirectory is versitygw's word for a key that is a folder of another's, and for
// one whose part its file system finds too long.
const isDirectory = "ExistingObjectIsDirectory"

// checkSegments returns the error code for a part of a key that is too long, or "".
func (s *Store) checkSegments(key string) string {
	if s.opts.MaxSegment == 0 {
		return ""
	}
	for segment := range strings.SplitSeq(key, "/") {
		if len(segment) > s.opts.MaxSegment {
			s.shows(MaxSegment)
			return isDirectory
		}
	}
	return ""
}

// checkFolders returns the error code for a key that is a folder of an object's,
// or within an object, or "".
func (s *Store) checkFolders(key string) string {
	if !s.opts.Folders {
		return ""
	}
	for i := range len(key) {
		if key[i] != '/' {
			continue
		}
		if _, isFile := s.find(key[:i]); isFile {
			s.shows(Folders)
			return "ObjectParentIsFile"
		}
	}
	folder := key + "/"
	if at, _ := s.find(folder); at < len(s.objects) && strings.HasPrefix(s.objects[at].Key, folder) {
		s.shows(Folders)
		return isDirectory
	}
	return ""
}

// handleCleaned handles a request for the key that its key is as a path. The
// answer is about the key that was asked for, as HTTP's are.
func (s *Store) handleCleaned(req *Request, resp *Response) {
	cleaned := *req
	if req.Key != "" {
		cleaned.Key = strings.TrimPrefix(path.Clean("/"+req.Key), "/")
	}
	if cleaned.Key == req.Key {
		s.handle(req, resp)
		return
	}
	s.shows(CleanKeys)
	if strings.HasSuffix(req.Key, "/") && (req.Kind == KindPut || req.Kind == KindCreateUpload) {
		resp.fail(env.ClassInvalid, "DirectoryObjectContainsData")
		return
	}
	s.handle(&cleaned, resp)
	if resp.Object.Key != "" {
		resp.Object.Key = req.Key
	}
}
