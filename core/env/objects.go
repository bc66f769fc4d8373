package env

import "context"

// Objects is an object store with S3's semantics: whole objects appear at
// once, reads after writes are consistent, listings are in key order and
// paged. Calls are not transactional and cannot be fenced, so keys carry the
// epoch of their writer (rule R1).
//
// Errors of every call: ErrUnavailable (not applied: refused, 503), the
// context's, and for calls with an effect ErrUndetermined (no answer came: may
// have been applied, may still be). Bodies must not be changed after the call.
type Objects interface {
	// Put stores an object. Errors: ErrConflict when cond does not hold.
	Put(ctx context.Context, key string, body []byte, cond Condition) (Object, error)
	// Get reads length bytes from offset; length < 0 means to the end. A range
	// that begins at or past the end yields no bytes. The body may be shorter
	// than asked for if the connection broke: compare with Object.Size.
	// Errors: ErrNotFound.
	Get(ctx context.Context, key string, offset, length int64) ([]byte, Object, error)
	// Head describes an object. Errors: ErrNotFound.
	Head(ctx context.Context, key string) (Object, error)
	// List returns up to limit objects (1 to 1000) whose keys begin with
	// prefix and are greater than after, in key order.
	List(ctx context.Context, prefix, after string, limit int) (Listing, error)
	// Delete removes an object; a missing one is no error.
	Delete(ctx context.Context, key string) error

	// CreateUpload opens a multipart upload for key.
	CreateUpload(ctx context.Context, key string) (uploadID string, err error)
	// UploadPart stores part number (1 to 10000), replacing an earlier one of
	// that number. Errors: ErrNotFound when the upload is gone.
	UploadPart(ctx context.Context, key, uploadID string, number int, body []byte) (Part, error)
	// CompleteUpload turns the listed parts into the object and ends the
	// upload. A repetition may be answered as the first call was (S3), or with
	// ErrNotFound (MinIO). Errors: ErrNotFound when the upload is gone
	// (completed or aborted, perhaps by an earlier try of this call),
	// ErrInvalid when a part is missing, out of order, has another ETag (it was
	// stored again meanwhile) or, then with the cause ErrPartTooSmall, is too
	// small; ErrConflict when cond does not hold.
	CompleteUpload(ctx context.Context, key, uploadID string, parts []Part, cond Condition) (Object, error)
	// AbortUpload drops an upload and its parts; a missing one is no error.
	AbortUpload(ctx context.Context, key, uploadID string) error
	// ListUploads returns up to limit open uploads (1 to 1000) whose keys
	// begin with prefix and which follow (afterKey, afterID), in that order.
	// Some stores (MinIO) list those only whose whole key is prefix.
	ListUploads(ctx context.Context, prefix, afterKey, afterID string, limit int) (UploadListing, error)
}

// Condition restricts a write to an object: Always, IfAbsent, or IfMatch.
type Condition string

const (
	// Always writes whatever is there.
	Always Condition = ""
	// IfAbsent writes only if no object has the key (If-None-Match: *).
	IfAbsent Condition = "*"
)

// IfMatch writes only if the object at the key has that ETag (If-Match): a
// compare-and-swap, which a leader's lease in an object store needs. S3 and MinIO
// have it; OSS has not. A write to a key without an object gets ErrNotFound, one
// to another version ErrConflict; neither is applied.
func IfMatch(etag string) Condition { return "=" + Condition(etag) }

// ETag returns the ETag that an IfMatch asks for. It reports false for other
// conditions.
func (c Condition) ETag() (etag string, ok bool) {
	if c == "" || c[0] != '=' {
		return "", false
	}
	return string(c[1:]), true
}

// Object describes a stored object. ETag names this version of it: another ETag
// is another write, if not other content. It is no digest, and two writes of
// the same bytes may have two.
type Object struct {
	Key  string
	Size int64
	ETag string
}

// Part describes one stored part of a multipart upload.
type Part struct {
	Number int
	Size   int64
	ETag   string
}

// Listing is one page of objects. More tells that the next page, after the
// last key of this one, is worth asking for.
type Listing struct {
	Objects []Object
	More    bool
}

// Upload is an open multipart upload.
type Upload struct {
	Key string
	ID  string
}

// UploadListing is one page of open uploads.
type UploadListing struct {
	Uploads []Upload
	More    bool
}
