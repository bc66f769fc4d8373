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
	if s.opts.MaxSegment == 0 {
		return ""
	}
	for segment := range strings.SplitSeq(key, "/") {
		if len(segment) > s.opts.MaxSegment {
			s.shows(MaxSegment)
			return "ExistingObjectIsDirectory" // so versitygw, whose file system says ENAMETOOLONG
		}
	}
	return ""
}

// checkFolders returns the error code for a key that is a folder of an object's,
// or within an object, or "". An object that exists was checked.
func (s *Store) checkFolders(key string, exists bool) string {
	if !s.opts.Folders || exists {
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
		return "ExistingObjectIsDirectory"
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
