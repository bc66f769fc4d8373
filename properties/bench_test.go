package properties_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim"
)

// BenchmarkHeartbeat is what one heartbeat, the most frequent commit, costs
// all invariants together.
func BenchmarkHeartbeat(b *testing.B) {
	s := newStory()
	s.running().claim(w0, unitA, "1 1 0 0")
	key := leaseRow(w0, unitA, 1, 1).key
	e := sim.Effect{Kind: sim.EffectCommit, Process: "w0", Incarnation: "1", Step: "heartbeat", At: time.Second}
	e.Commit.Primary = key
	e.Commit.Writes = []tikv.Mutation{{Op: tikv.OpPut, Key: key}, {Op: tikv.OpLock, Key: "unit/" + unitA}}
	text := make([]byte, 0, 64)
	b.ReportAllocs()
	for n := uint64(2); b.Loop(); n++ {
		text = append(strconv.AppendUint(append(text[:0], "l1 epoch=1 beat="...), n, 10), " ttl_ms=10000"...)
		e.Commit.Writes[0].Value = text
		e.Event, e.TS = n+100, 2*n+100
		e.Commit.StartTS, e.Commit.CommitTS = e.TS-1, e.TS
		if err := s.w.Show(e); err != nil {
			b.Fatal(err)
		}
	}
}
