package chaos

import (
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// The names of the calls of package env's stores, which every [Catalogue] has.
//
// kv.prewrite is inside a commit and invisible to package env: failures before
// and after it both show as a commit that was not applied. Only the simulator
// tells the two apart, by the locks that stay behind.
const (
	KVBegin    = "kv.begin"
	KVGet      = "kv.get"
	KVScan     = "kv.scan"
	KVPrewrite = "kv.prewrite" // inside a commit
	KVCommit   = "kv.commit"

	ObjectsPut            = "objects.put"
	ObjectsGet            = "objects.get"
	ObjectsHead           = "objects.head"
	ObjectsList           = "objects.list"
	ObjectsDelete         = "objects.delete"
	ObjectsCreateUpload   = "objects.create_upload"
	ObjectsUploadPart     = "objects.upload_part"
	ObjectsCompleteUpload = "objects.complete_upload"
	ObjectsAbortUpload    = "objects.abort_upload"
	ObjectsListUploads    = "objects.list_uploads"
)

// Operation is a place where failures can be put: a step of the protocol, a
// call of a store, or a call made in one step.
type Operation struct {
	// Name is how configurations and scenarios call it: "flip", "kv.commit",
	// "flip/kv.commit".
	Name string
	// About says what it does, in one clause.
	About string
	// Step is the protocol step that the operation is restricted to, or "".
	Step string
	// Call is the store call that the operation is restricted to, or "" for a
	// step as a whole.
	Call string
	// FailBefore is where a failure before the effect stands, FailAfter where
	// one after the effect does.
	FailBefore, FailAfter Point
}

// Point is a place in a call where a failure stands.
type Point struct {
	// Calls are the calls of package env around which the failure is put, any
	// of them; none means the entry of the step.
	Calls []string
	// Phase is Before or Applied.
	Phase Phase
	// RPC is the request on the wire, as the simulator names it: the call
	// itself, or the part of it that stands for it (pd.tso, kv.prewrite); ""
	// for a step as a whole.
	RPC string
	// Errors are the classes of errors that may be injected here without
	// breaking the contract of the seam; the first is the default.
	Errors []env.Class
}

var (
	unavailable      = []env.Class{env.ClassUnavailable}
	undetermined     = []env.Class{env.ClassUndetermined}
	refused          = []env.Class{env.ClassUnavailable, env.ClassConflict}
	lostOrRefused    = []env.Class{env.ClassUnavailable, env.ClassUndetermined}
	commitErrors     = []env.Class{env.ClassUnavailable, env.ClassUndetermined, env.ClassConflict}
	uploadErrors     = []env.Class{env.ClassUnavailable, env.ClassUndetermined, env.ClassNotFound}
	completionErrors = []env.Class{env.ClassUnavailable, env.ClassUndetermined, env.ClassNotFound, env.ClassConflict}
)

type callRow struct {
	name, about   string
	at            string // the call of package env
	rpc           string
	before, after []env.Class
	afterPhase    Phase // Before: what env shows as the call's effect has still not happened
}

// storeCalls are the calls of package env.
var storeCalls = [...]callRow{
	{KVBegin, "take a start timestamp", KVBegin, "pd.tso", unavailable, unavailable, Applied},
	{KVGet, "read one key", KVGet, "kv.get", unavailable, unavailable, Applied},
	{KVScan, "read one page of keys", KVScan, "kv.scan", unavailable, unavailable, Applied},
	{KVPrewrite, "lock what a transaction writes; seen through env, a failed commit without effect", KVCommit, "kv.prewrite", refused, refused, Before},
	{KVCommit, "commit a transaction", KVCommit, "kv.commit", commitErrors, undetermined, Applied},
	{ObjectsPut, "store an object", ObjectsPut, ObjectsPut, commitErrors, undetermined, Applied},
	{ObjectsGet, "read an object", ObjectsGet, ObjectsGet, unavailable, unavailable, Applied},
	{ObjectsHead, "describe an object", ObjectsHead, ObjectsHead, unavailable, unavailable, Applied},
	{ObjectsList, "list one page of objects", ObjectsList, ObjectsList, unavailable, unavailable, Applied},
	{ObjectsDelete, "delete an object", ObjectsDelete, ObjectsDelete, lostOrRefused, undetermined, Applied},
	{ObjectsCreateUpload, "open a multipart upload", ObjectsCreateUpload, ObjectsCreateUpload, lostOrRefused, undetermined, Applied},
	{ObjectsUploadPart, "store one part", ObjectsUploadPart, ObjectsUploadPart, uploadErrors, undetermined, Applied},
	{ObjectsCompleteUpload, "turn parts into an object", ObjectsCompleteUpload, ObjectsCompleteUpload, completionErrors, undetermined, Applied},
	{ObjectsAbortUpload, "drop an upload", ObjectsAbortUpload, ObjectsAbortUpload, lostOrRefused, undetermined, Applied},
	{ObjectsListUploads, "list one page of uploads", ObjectsListUploads, ObjectsListUploads, unavailable, unavailable, Applied},
}

func (r *callRow) operation() Operation {
	at := []string{r.at}
	return Operation{
		Name: r.name, About: r.about, Call: r.name,
		FailBefore: Point{Calls: at, Phase: Before, RPC: r.rpc, Errors: r.before},
		FailAfter:  Point{Calls: at, Phase: r.afterPhase, RPC: r.rpc, Errors: r.after},
	}
}
