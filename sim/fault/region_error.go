package fault

import (
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

// RegionError answers a request to TiKV with an error of its key's region; it
// is not applied.
type RegionError struct {
	none
	Says RegionTrouble
}

// RegionTrouble is what a RegionError says.
type RegionTrouble uint8

const (
	NotLeader RegionTrouble = iota
	EpochNotMatch
	ServerIsBusy
	RegionNotFound
	StaleCommand
	DiskFull
	MaxTimestampNotSynced
	// UndeterminedResult: TiKV does not know whether the request took effect. Here
	// it did not; [LoseReply] is the other case.
	UndeterminedResult
)

var troubleNames = []string{
	"not-leader", "epoch-not-match", "server-is-busy", "region-not-found", "stale-command", "disk-full",
	"max-timestamp-not-synced", "undetermined-result",
}

var troubles = [...]tikv.RegionError{
	NotLeader: tikv.RegionNotLeader, EpochNotMatch: tikv.RegionEpochNotMatch, ServerIsBusy: tikv.RegionServerIsBusy,
	RegionNotFound: tikv.RegionNotFound, StaleCommand: tikv.RegionStaleCommand, DiskFull: tikv.RegionDiskFull,
	MaxTimestampNotSynced: tikv.RegionMaxTSNotSynced, UndeterminedResult: tikv.RegionUndetermined,
}

var regionErrorInfo = Info{
	Name: "region-error", About: "TiKV answers with an error of the key's region", Effect: "no",
	Strikes: kvRequests, Requests: true,
	Share: 80, // the store's client hides it: all that shows is a delay
	New:   func() Kind { return &RegionError{} },
}

func (*RegionError) Info() *Info { return &regionErrorInfo }

func (k *RegionError) Admit(m *Message) Verdict {
	m.KVReply = tikv.Response{Region: troubles[k.Says]}
	return Answered
}

func (k *RegionError) options() []option {
	return []option{choice("says", "which error TiKV answers", &k.Says, troubleNames)}
}

func (k *RegionError) draw(d keyed.Draw, _ *Scale, _ *Crossing) {
	k.Says = RegionTrouble(d.Intn("region", len(troubleNames)))
}
