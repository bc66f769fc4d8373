// Package ops names what passes the doorway: operations, at the level of RPCs
// for the stores, and the services that they go to.
package ops

import (
	"slices"

	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// Op is one kind of doorway call.
type Op uint8

// The operations. None is no operation; Step enters a step of the protocol;
// Sleep, Work and Wait pass time; all others are requests to a service.
const (
	None Op = iota
	Step
	Sleep
	Work
	Wait
	TSO
	KVGet
	KVScan
	Prewrite
	Commit
	Rollback
	CheckTxn
	Resolve
	Put
	Get
	Head
	List
	Delete
	CreateUpload
	UploadPart
	CompleteUpload
	AbortUpload
	ListUploads
	SafePoint // of PD; last, since the identity of calls is made of these numbers
	Count     // of the operations, None included
)

var names = [Count]string{
	"-", "step", "sleep", "work", "wait",
	"pd.tso", "kv.get", "kv.scan", "kv.prewrite", "kv.commit", "kv.rollback", "kv.check_txn", "kv.resolve",
	"objects.put", "objects.get", "objects.head", "objects.list", "objects.delete", "objects.create_upload",
	"objects.upload_part", "objects.complete_upload", "objects.abort_upload", "objects.list_uploads", "pd.safe_point",
}

// String returns the op's name as plans and traces print it: "kv.commit".
func (op Op) String() string { return names[op] }

// Named finds an op by its name. It reports false if there is none.
func Named(name string) (Op, bool) {
	i := slices.Index(names[1:], name)
	return Op(i + 1), i >= 0
}

// Names returns every op's name, in a fixed order. The caller owns the slice.
func Names() []string { return slices.Clone(names[1:]) }

// All returns every op, in the order of their constants.
func All() []Op {
	all := make([]Op, 0, Count-1)
	for op := Step; op < Count; op++ {
		all = append(all, op)
	}
	return all
}

// IsRequest reports whether the op is a request to a service.
func (op Op) IsRequest() bool { return op >= TSO }

// HasEffect reports whether the op may change what a service stores.
func (op Op) HasEffect() bool {
	switch op {
	case Prewrite, Commit, Rollback, Resolve, Put, Delete, CreateUpload, UploadPart, CompleteUpload, AbortUpload:
		return true
	}
	return false
}

// Service is what a request goes to.
type Service uint8

// The services. Every stands for all of them where a fault names one.
const (
	PD Service = iota
	KV
	Objects
	Every
)

var services = [...]string{"pd", "kv", "objects", "all"}

// String returns the service's name as plans print it.
func (s Service) String() string { return services[s] }

// Services returns the names of the services, "all" last. The caller owns the
// slice.
func Services() []string { return slices.Clone(services[:]) }

// ServiceNamed finds a service by its name. It reports false if there is none.
func ServiceNamed(name string) (Service, bool) {
	i := slices.Index(services[:], name)
	return Service(max(i, 0)), i >= 0
}

// Is reports whether s is, or stands for, the service of op.
func (s Service) Is(op Op) bool { return s == Every || s == op.Service() }

// Service returns where a request goes.
func (op Op) Service() Service {
	switch {
	case op == TSO || op == SafePoint:
		return PD
	case op < Put:
		return KV
	}
	return Objects
}

var kv = [...]Op{
	tikv.KindTSO: TSO, tikv.KindGet: KVGet, tikv.KindScan: KVScan, tikv.KindPrewrite: Prewrite,
	tikv.KindCommit: Commit, tikv.KindRollback: Rollback, tikv.KindCheckTxn: CheckTxn, tikv.KindResolve: Resolve,
	tikv.KindSafePoint: SafePoint,
}

// OfKV returns the op of a request to TiKV or PD.
func OfKV(kind tikv.Kind) Op { return kv[kind] }

var objects = [...]Op{
	objstore.KindPut: Put, objstore.KindGet: Get, objstore.KindHead: Head, objstore.KindList: List,
	objstore.KindDelete: Delete, objstore.KindCreateUpload: CreateUpload, objstore.KindUploadPart: UploadPart,
	objstore.KindCompleteUpload: CompleteUpload, objstore.KindAbortUpload: AbortUpload, objstore.KindListUploads: ListUploads,
}

// OfObjects returns the op of a request to the object store.
func OfObjects(kind objstore.Kind) Op { return objects[kind] }
