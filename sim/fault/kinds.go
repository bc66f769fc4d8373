package fault

import (
	"slices"

	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// kinds is the table of all kinds: a new one is its file and its line here.
var kinds = []*Info{
	&crashInfo,
	&terminateInfo,
	&pauseInfo,
	&slowInfo,
	&partitionInfo,
	&refuseInfo,
	&loseRequestInfo,
	&loseReplyInfo,
	&delayInfo,
	&delayReplyInfo,
	&truncateInfo,
	&expireUploadInfo,
	&skewInfo,
	&driftInfo,
	&conflictInfo,
	&regionErrorInfo,
	&errorBodyInfo,
	&outageInfo,
	&duplicateRequestInfo,
}

// Kinds returns every kind, in a fixed order. The caller owns the slice.
func Kinds() []*Info { return slices.Clone(kinds) }

// Names returns the kinds' names in the same order.
func Names() []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.Name
	}
	return names
}

// Named finds a kind by its name. It reports false if there is none.
func Named(name string) (*Info, bool) {
	i := slices.IndexFunc(kinds, func(k *Info) bool { return k.Name == name })
	if i < 0 {
		return nil, false
	}
	return kinds[i], true
}

// Where kinds strike.

func anything(ops.Op) bool       { return true }
func requests(op ops.Op) bool    { return op.IsRequest() }
func effects(op ops.Op) bool     { return op.HasEffect() }
func work(op ops.Op) bool        { return op == ops.Work }
func objectReads(op ops.Op) bool { return op == ops.Get }
func kvRequests(op ops.Op) bool  { return op.IsRequest() && op.Service() == ops.KV }
func aboutKeys(op ops.Op) bool {
	return op.IsRequest() && op.Service() == ops.Objects || op == ops.KVGet || op == ops.KVScan || op == ops.Prewrite
}
func completions(op ops.Op) bool { return op == ops.CompleteUpload }
func uploadParts(op ops.Op) bool { return op == ops.UploadPart || op == ops.CompleteUpload }
func conditional(op ops.Op) bool {
	return op == ops.Prewrite || op == ops.Put || op == ops.CompleteUpload
}
