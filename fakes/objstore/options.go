package objstore

// Options choose among the semantics found in the field. The zero value is S3;
// the text beside each option says who behaves otherwise. What each does to an
// answer is counted, see [Shown].
type Options struct {
	// MinPart is the smallest size, in bytes, of every part of an upload but
	// the last. 0 means 5 MiB, as S3, MinIO and posix gateways want; OSS wants
	// 100 KiB. Below 0 means no minimum.
	MinPart int64
	// NoEmptyParts refuses a part without a byte (411), as gofakes3 does. S3
	// takes one as the last.
	NoEmptyParts bool
	// LaxParts completes an upload with whatever parts are listed: none, out of
	// order, one twice, too small. So does gofakes3.
	LaxParts bool

	// MaxKey is the longest key, in bytes; 0 means 1024, as S3 and MinIO allow.
	// OSS allows 1023, versitygw more than 1024.
	MaxKey int
	// MaxSegment is the longest part of a key between two slashes, in bytes; 0
	// means no limit, as S3 and OSS. Posix gateways and MinIO, which keep an
	// object in a file, allow 255.
	MaxSegment int
	// Folders lets no object be a folder of another: where a is, a/b is refused
	// (409 ObjectParentIsFile), and where a/b is, a is (ExistingObjectIsDirectory).
	// So do posix gateways.
	Folders bool
	// CleanKeys takes keys for paths, as posix gateways do: a//b is a/b, ./x is
	// x, and x/ is refused.
	CleanKeys bool

	// OpaqueETags gives every write an ETag of its own, whatever its bytes, as
	// gateways to Azure do; S3's are no digests either once objects are
	// encrypted (SSE-KMS, SSE-C).
	OpaqueETags bool
	// OtherETags gives an object that was completed another ETag than its
	// completion told: the sum of its bytes, as gofakes3 does.
	OtherETags bool

	// ExistsCode409 refuses a condition with FileAlreadyExists (409), as OSS
	// does, where S3 says PreconditionFailed (412).
	ExistsCode409 bool
	// NoIfMatch ignores a condition on an ETag. OSS has only one on there being
	// no object, x-oss-forbid-overwrite.
	NoIfMatch bool
	// WeakConditional ignores conditions when an upload is completed, as
	// stores do that know the condition for plain puts only (gofakes3).
	WeakConditional bool
	// NoConditional ignores conditions everywhere, as S3 did before 2024 and
	// older gateways still do.
	NoConditional bool
	// Contention answers a conditional write with 409 while another write of its
	// key is under way, and decides nothing: ConditionalRequestConflict, and
	// OperationAborted for a completion, as S3 does. A write counts as under way
	// until so many more requests were handled, and for a second of [Store.Now]
	// at most. 0 means never.
	Contention int
	// ConditionFirst judges a completion's condition before its parts, and their
	// sizes before their ETags, as versitygw does; S3 does it the other way round.
	ConditionFirst bool

	// Completions tells what the completion of an upload that has ended gets.
	Completions Completions
	// UploadsByKey lists only the open uploads of the one key that the prefix
	// names, as MinIO does.
	UploadsByKey bool
	// UploadsByTime lists the open uploads of one key in the order in which they
	// were opened, as S3 does, and gives them ids that are not in that order. A
	// marker whose upload has ended is refused.
	UploadsByTime bool
	// KeyMarkers refuses a page of uploads that begins within a key, as versitygw
	// does: only keys are markers.
	KeyMarkers bool
	// InclusiveMarkers begins a page of uploads with its marker, or with the first
	// upload of a key that is one, and lists nothing behind an upload that has
	// ended, as gofakes3 does.
	InclusiveMarkers bool
	// Unordered lists objects in an order that is not that of the keys, as S3's
	// directory buckets do. Pages still add up to all of them.
	Unordered bool
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
	// object has the key, with the ETag that the listed parts would have come to:
	// versitygw's posix gateway.
	CompletionsBlind
)

// Trait is one way in which stores differ: an option, or a value of one.
type Trait uint8

const (
	MinPart Trait = iota
	NoEmptyParts
	LaxParts
	MaxKey
	MaxSegment
	Folders
	CleanKeys
	OpaqueETags
	OtherETags
	ExistsCode409
	NoIfMatch
	WeakConditional
	NoConditional
	Contention
	ConditionFirst
	RepeatedCompletion // CompletionsRepeat
	EndedCompletion    // CompletionsOnce
	BlindCompletion    // CompletionsBlind
	UploadsByKey
	UploadsByTime
	KeyMarkers
	InclusiveMarkers
	Unordered
	traits
)

var traitNames = [traits]string{
	"min-part", "no-empty-parts", "lax-parts", "max-key", "max-segment", "folders", "clean-keys",
	"opaque-etags", "other-etags", "exists-409", "no-if-match", "weak-conditional", "no-conditional",
	"contention", "condition-first", "repeated-completion", "ended-completion", "blind-completion",
	"uploads-by-key", "uploads-by-time", "key-markers", "inclusive-markers", "unordered",
}

// String returns the trait's name as ledgers and marks have it.
func (t Trait) String() string { return traitNames[t] }

// Shown counts, for each trait, the requests that a store without it would have
// answered otherwise.
type Shown [traits]int
