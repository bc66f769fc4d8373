package sim

import (
	"slices"

	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// Op is one kind of doorway call, at the level of RPCs for the stores.
type Op uint8

const (
	opNone Op = iota
	opStep
	opSleep
	opWork
	opWait
	opTSO
	opGet
	opScan
	opPrewrite
	opCommit
	opRollback
	opCheckTxn
	opResolve
	opPut
	opGetObject
	opHead
	opList
	opDelete
	opCreateUpload
	opUploadPart
	opCompleteUpload
	opAbortUpload
	opListUploads
	opCount
)

var opNames = [opCount]string{
	"-", "step", "sleep", "work", "wait",
	"pd.tso", "kv.get", "kv.scan", "kv.prewrite", "kv.commit", "kv.rollback", "kv.check_txn", "kv.resolve",
	"objects.put", "objects.get", "objects.head", "objects.list", "objects.delete", "objects.create_upload",
	"objects.upload_part", "objects.complete_upload", "objects.abort_upload", "objects.list_uploads",
}

// String returns the op's name as plans and traces print it.
func (op Op) String() string { return opNames[op] }

// OpNamed finds an op by its name ("kv.commit").
func OpNamed(name string) (Op, bool) {
	i := slices.Index(opNames[1:], name)
	return Op(i + 1), i >= 0
}

// isRPC reports whether the op is a request to a service.
func (op Op) isRPC() bool { return op >= opTSO }

// hasEffect reports whether the op may change what a service stores.
func (op Op) hasEffect() bool {
	switch op {
	case opPrewrite, opCommit, opRollback, opResolve, opPut, opDelete, opCreateUpload, opUploadPart, opCompleteUpload, opAbortUpload:
		return true
	}
	return false
}

// Service is what a request goes to.
type Service uint8

const (
	ServicePD Service = iota
	ServiceKV
	ServiceObjects
	serviceCount
)

var serviceNames = [serviceCount]string{"pd", "kv", "objects"}

// String returns the service's name as plans print it.
func (s Service) String() string { return serviceNames[s] }

func (op Op) service() Service {
	switch {
	case op == opTSO:
		return ServicePD
	case op < opPut:
		return ServiceKV
	}
	return ServiceObjects
}

var kvOps = [...]Op{
	tikv.KindTSO: opTSO, tikv.KindGet: opGet, tikv.KindScan: opScan, tikv.KindPrewrite: opPrewrite,
	tikv.KindCommit: opCommit, tikv.KindRollback: opRollback, tikv.KindCheckTxn: opCheckTxn, tikv.KindResolve: opResolve,
}

var objectOps = [...]Op{
	objstore.KindPut: opPut, objstore.KindGet: opGetObject, objstore.KindHead: opHead, objstore.KindList: opList,
	objstore.KindDelete: opDelete, objstore.KindCreateUpload: opCreateUpload, objstore.KindUploadPart: opUploadPart,
	objstore.KindCompleteUpload: opCompleteUpload, objstore.KindAbortUpload: opAbortUpload, objstore.KindListUploads: opListUploads,
}
