package tikv_test

import (
	"testing"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/kvcontract"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

func TestContract(t *testing.T) {
	kvcontract.Run(t, func(t *testing.T, body func(*testing.T, kvcontract.Store)) {
		body(t, contractStore{newWorld(t)})
	})
}

// contractStore is a world under kvcontract's names.
type contractStore struct{ w *world }

func (s contractStore) Client() env.KV   { return s.w.client(tikv.ClientConfig{}) }
func (s contractStore) Clock() env.Clock { return s.w }

func (s contractStore) OnCall(decide func(kvcontract.Call) kvcontract.Fate) {
	calls := map[tikv.Kind]kvcontract.Call{
		tikv.KindGet: kvcontract.Read, tikv.KindScan: kvcontract.Read,
		tikv.KindPrewrite: kvcontract.Prewrite, tikv.KindCommit: kvcontract.Commit,
	}
	fates := map[kvcontract.Fate]fault{
		kvcontract.Deliver: deliver, kvcontract.Lose: lose, kvcontract.LoseReply: loseReply,
	}
	s.w.fault = func(req *tikv.Request, _ *tikv.Response) fault {
		if call, ok := calls[req.Kind]; ok && decide != nil {
			return fates[decide(call)]
		}
		return deliver
	}
}
