package chaos

import (
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// The names of the stores' calls.
const (
	KVBegin    = "kv.begin"
	KVGet      = "kv.get"
	KVScan     = "kv.scan"
	KVPrewrite = "kv.prewrite" // inside a commit: see Operations
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

type stepRow struct {
	name, about string
	calls       []string    // the calls that carry the step's effect
	after       []env.Class // what their callers may be told once it happened
}

var (
	commits     = []string{KVCommit}
	reads       = []string{KVGet, KVScan}
	listings    = []string{ObjectsList}
	sourceReads = []string{ObjectsGet}
	stagings    = []string{ObjectsPut, ObjectsUploadPart, ObjectsCompleteUpload}
	deletions   = []string{ObjectsDelete, ObjectsAbortUpload}
)

var steps = [...]stepRow{
	{"submit", "a client submits a batch", commits, undetermined},
	{"status", "a client reads a batch's status", reads, unavailable},
	{"list", "a client lists batches", reads, unavailable},
	{"cancel", "a client cancels a batch", commits, undetermined},
	{"retry", "a client gives dead units new attempts", commits, undetermined},
	{"lead", "a scanner takes or renews its leadership", commits, undetermined},
	{"discover", "the leading scanner lists a source", listings, unavailable},
	{"control", "a controller moves a batch to its next phase", commits, undetermined},
	{"claim_unit", "a worker claims a unit", commits, undetermined},
	{"resume", "a worker looks for a checkpoint to resume from", reads, unavailable},
	{"convert", "a worker reads and converts frames", sourceReads, unavailable},
	{"heartbeat", "a worker extends its lease", commits, undetermined},
	{"checkpoint", "a worker records how far it has come", commits, undetermined},
	{"stage", "a worker writes its output to staging", stagings, undetermined},
	{"complete_unit", "a worker reports a unit complete", commits, undetermined},
	{"fail_unit", "a worker reports a failed attempt", commits, undetermined},
	{"release_unit", "a draining worker gives a unit back", commits, undetermined},
	{"reap", "a reaper requeues a unit whose lease went stale", commits, undetermined},
	{"try_claim_merge", "a merger claims a merge", commits, undetermined},
	{"renew_merge", "a merger extends its merge lease", commits, undetermined},
	{"merge", "a merger writes a dataset's objects", stagings, undetermined},
	{"flip", "a merger publishes a dataset", commits, undetermined},
	{"collect", "a janitor deletes what nobody names any more", deletions, undetermined},
}

type callRow struct {
	name, about   string
	at            string // the call of package env
	rpc           string
	before, after []env.Class
	afterPhase    Phase // Before: what env shows as the call's effect has still not happened
}

var calls = [...]callRow{
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

func (r *stepRow) operation() Operation {
	return Operation{
		Name: r.name, About: r.about, Step: r.name,
		FailBefore: Point{Phase: Before, Errors: refused},
		FailAfter:  Point{Calls: r.calls, Phase: Applied, Errors: r.after},
	}
}

func (r *callRow) operation() Operation {
	at := []string{r.at}
	return Operation{
		Name: r.name, About: r.about, Call: r.name,
		FailBefore: Point{Calls: at, Phase: Before, RPC: r.rpc, Errors: r.before},
		FailAfter:  Point{Calls: at, Phase: r.afterPhase, RPC: r.rpc, Errors: r.after},
	}
}

// Operations returns the catalogue: the steps in the order of a batch's life,
// then the stores' calls. Every "<step>/<call>" of the two is an operation,
// too, which [LookupOperation] knows.
//
// kv.prewrite is inside a commit and invisible to package env: failures before
// and after it both show as a commit that was not applied. Only the simulator
// tells the two apart, by the locks that stay behind.
func Operations() []Operation {
	all := make([]Operation, 0, len(steps)+len(calls))
	for i := range steps {
		all = append(all, steps[i].operation())
	}
	for i := range calls {
		all = append(all, calls[i].operation())
	}
	return all
}

// LookupOperation returns the operation called name; ok is false if there is
// none.
func LookupOperation(name string) (op Operation, ok bool) {
	step, call, combined := strings.Cut(name, "/")
	if !combined {
		if row := findStep(name); row != nil {
			return row.operation(), true
		}
		if row := findCall(name); row != nil {
			return row.operation(), true
		}
		return Operation{}, false
	}
	s, c := findStep(step), findCall(call)
	if s == nil || c == nil {
		return Operation{}, false
	}
	op = c.operation()
	op.Name, op.Step, op.About = name, step, s.about+": "+c.about
	return op, true
}

func findStep(name string) *stepRow {
	for i := range steps {
		if steps[i].name == name {
			return &steps[i]
		}
	}
	return nil
}

func findCall(name string) *callRow {
	for i := range calls {
		if calls[i].name == name {
			return &calls[i]
		}
	}
	return nil
}
