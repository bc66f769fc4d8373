package properties_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/properties"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// breach is a story that must break one clause of one invariant.
type breach struct {
	invariant, clause string
	tell              func(s *story)
}

const upload1 = "u0000000001"

// atCheckpoint: w0 processes unit A at epoch 1, with checkpoint 1.1 of one part.
func (s *story) atCheckpoint() *story {
	s.running().claim(w0, unitA, "1 1 0 0")
	s.checkpoint(w0, 1, 1, 30, "part one")
	return s
}

// checkpoint: who saves its progress, with the first part of the upload of
// epoch 1 as it is.
func (s *story) checkpoint(who string, epoch, seq, offset int, body string) {
	key := stagingKey(unitA, 1)
	if epoch == 1 && seq == 1 {
		s.open(who, key)
	}
	p := s.part(who, key, upload1, 1, body)
	s.commit(who, checkpointRow(unitA, epoch, seq, offset, key, upload1, "1:"+p.ETag+":"+strconv.Itoa(len(body))))
}

// looksForWork: w0 looks at the batches and finds something at the keys, if the look becomes
// what it should; then it begins something else.
func (s *story) looksForWork(is became, keys ...string) *story {
	s.ts += 2
	page := sim.TxnScan{StartTS: s.ts, From: "queue/998/", Limit: 8}
	for _, key := range keys {
		page.Pairs = append(page.Pairs, env.Pair{Key: key})
	}
	s.w.Told().Scans.Add(page)
	s.request(w0, "claim_unit", ops.TSO, "", 0, done).request(w0, "claim_unit", ops.KVScan, "active/", s.ts, done)
	s.request(w0, "claim_unit", ops.KVScan, "queue/998/", s.ts, is).request(w0, "claim_unit", ops.TSO, "", 0, done)
	if len(keys) > 0 {
		s.asked = ""
	}
	return s
}

// shardA is the key of the only shard.
const shardA = "shard/" + bid + "/0000"

// guarded: unit A is there, and each who made it so held what it decided on.
func (s *story) guarded() *story {
	s.commit("client/1", batchRow("pending", ""), activeRow, held("output/in"))
	s.commit(w0, leaderRow(w0, 1, 1), batchRow("discovering", ""))
	s.commit(w0, s.unitRow(unitA, "pending", "0 0 0 0", "", ""), queueRow(unitA, 0), held("leader/scanner"), held("batch/"+batch))
	return s
}

// polls: who converts under a claim, and looks so often meanwhile whether another is free.
func (s *story) polls(who, holds, key string, times int) *story {
	for range times {
		s.request(who, "convert", ops.KVGet, holds, 0, done)
		s.pass(time.Second).request(who, "convert", ops.KVGet, key, 0, done)
	}
	return s
}

// looks: a controller looks at the batch, on a snapshot of what is there now.
func (s *story) looks() *story {
	return s.within("control").request(w1, "control", ops.KVScan, "shard/"+bid+"/", s.ts, done)
}

// looksAt: w0's controller begins a round.
func (s *story) looksAt(ts uint64, key string) *story {
	s.request(w0, "control", ops.TSO, "", 0, done)
	return s.request(w0, "control", ops.KVScan, key, ts, done)
}

// pausesOf: w0's controller looks again and again, after these pauses.
func (s *story) pausesOf(pause func(n int) time.Duration) *story {
	s.running().looksAt(2, "active/")
	for n := range 60 {
		s.pass(pause(n)).looksAt(uint64(4+2*n), "active/")
	}
	return s
}

// tries: w0 tries a transaction, which ends like this.
func (s *story) tries(ts uint64, is became) *story {
	s.request(w0, "complete_unit", ops.TSO, "", 0, done).request(w0, "complete_unit", ops.KVGet, "unit/"+unitA, ts, done)
	return s.request(w0, "complete_unit", ops.Prewrite, "unit/"+unitA, ts, is)
}

// takenOver: w1 processes unit A at epoch 2, from checkpoint 1.1.
func (s *story) takenOver() *story {
	return s.atCheckpoint().reap(w1, w0, unitA, "1 1 0 0", 1).claim(w1, unitA, "2 2 0 0")
}

// running1 is the row of the batch if only one unit of it may execute.
func (s *story) running1() row {
	r := batchRow("running", "units=2")
	return row{r.key, strings.Replace(r.value, "parallelism=0", "parallelism=1", 1)}
}

// dullRow is the row of another batch, with a lower priority.
func (s *story) dullRow() row {
	r := batchRow("running", "units=1")
	return row{"batch/lab/dull", strings.Replace(r.value, "priority=1", "priority=0", 1)}
}

func (s *story) cancelledRow() row { return batchRow("cancelled", "units=2") }

func (s *story) cancelled() *story {
	s.call("cancel")
	s.commit("client/1", s.cancelledRow(), gone(activeRow))
	s.returned("cancel", 0, env.ClassNone)
	return s
}

// writeOf is the put of a row, as a transaction asks for it.
func listed[E any](elements ...E) (l tikv.List[E]) {
	for _, e := range elements {
		l.Add(e)
	}
	return l
}

func writeOf(r row) []tikv.Mutation {
	return []tikv.Mutation{{Op: tikv.OpPut, Key: r.key, Value: []byte(r.value)}}
}

var breaches = []breach{
	{"rows-readable", "row cannot be read", func(s *story) { s.commit(w0, row{"merge/" + bid, "m2 gen=1"}) }},

	{"snapshot-isolation", "commit timestamps out of order", func(s *story) { s.commitAt(w0, 5, 9, activeRow); s.commitAt(w0, 6, 8, leaderRow(w0, 1, 1)) }},
	{"snapshot-isolation", "overlapping commits of one key", func(s *story) { s.commitAt(w0, 5, 9, activeRow); s.commitAt(w0, 8, 12, activeRow) }},
	{"snapshot-isolation", "read saw another version", func(s *story) {
		s.commitAt(w0, 5, 9, activeRow)
		s.w.Read(tikv.Read{StartTS: 8, Key: activeRow.key})
		s.w.Read(tikv.Read{StartTS: 10, Key: activeRow.key, Version: 9})
		s.w.Read(tikv.Read{StartTS: 10, Key: "other"})
		s.settle()
		if s.err == nil {
			s.w.Read(tikv.Read{StartTS: 10, Key: activeRow.key})
			s.settle()
		}
	}},
	{"snapshot-isolation", "scan saw another state", func(s *story) {
		s.commitAt(w0, 5, 9, activeRow)
		s.w.Scan(tikv.ScanRead{StartTS: 8, From: "a", To: "b"})
		s.w.Scan(tikv.ScanRead{StartTS: 10, From: "a", To: "b", Seen: []tikv.Read{{StartTS: 10, Key: activeRow.key, Version: 9}}})
		s.w.Scan(tikv.ScanRead{StartTS: 10, From: "a", To: "b", Partial: true})
		s.settle()
		if s.err == nil {
			s.w.Scan(tikv.ScanRead{StartTS: 10, From: "a", To: "b"})
			s.settle()
		}
	}},

	{"snapshot-isolation", "read told another value", func(s *story) {
		s.commitAt(w0, 5, 9, activeRow)
		told := s.w.Told()
		told.Reads = listed(sim.TxnRead{StartTS: 8, Key: activeRow.key}, sim.TxnRead{StartTS: 10, Key: activeRow.key, Value: []byte(activeRow.value)}, sim.TxnRead{StartTS: 10, Key: "other"})
		s.settle()
		if s.err == nil {
			told.Reads.Add(sim.TxnRead{StartTS: 10, Key: activeRow.key, Value: []byte("another")})
			s.settle()
		}
	}},
	{"snapshot-isolation", "scan told another page", func(s *story) {
		s.commitAt(w0, 5, 9, activeRow)
		pairs := []env.Pair{{Key: "a", Value: []byte("own")}, {Key: activeRow.key, Value: []byte(activeRow.value)}}
		own := []tikv.Mutation{{Op: tikv.OpPut, Key: "a", Value: []byte("own")}}
		gone := []tikv.Mutation{{Op: tikv.OpLock, Key: "a"}, {Op: tikv.OpDelete, Key: activeRow.key}}
		told := s.w.Told()
		told.Scans = listed([]sim.TxnScan{
			{StartTS: 8, From: "a", To: "b", Limit: 5}, {StartTS: 10, From: "a", To: "b", Limit: 5, Pairs: pairs[1:]},
			{StartTS: 10, From: "a", To: "b", Limit: 5, Pairs: pairs, Own: own}, {StartTS: 10, From: "a", To: "b", Limit: 1, Pairs: pairs[:1], Own: own},
			{StartTS: 10, From: "a", To: "b", Limit: 5, Own: gone}, {StartTS: 10, From: "b", To: "", Limit: 5, Own: own},
		}...)
		s.settle()
		if s.err == nil {
			told.Scans.Add(sim.TxnScan{StartTS: 10, From: "a", To: "b", Limit: 5, Pairs: pairs[:1], Own: own})
			s.settle()
		}
	}},
	{"snapshot-isolation", "two commits of one start timestamp", func(s *story) {
		s.commitAt(w0, 5, 9, activeRow)
		s.commitAt(w1, 5, 12, leaderRow(w1, 1, 1))
		s.settle()
	}},
	{"snapshot-isolation", "told of a commit that never was", func(s *story) {
		told := s.w.Told()
		told.Commits = listed(sim.TxnCommit{StartTS: 5, Writes: writeOf(activeRow), Class: env.ClassConflict})
		s.settle()
		if s.err == nil {
			told.Commits.Add(sim.TxnCommit{StartTS: 7, Writes: writeOf(activeRow)})
			s.settle()
		}
	}},
	{"snapshot-isolation", "told of a failure that was a commit", func(s *story) {
		s.commitAt(w0, 5, 9, activeRow)
		told := s.w.Told()
		told.Commits = listed(sim.TxnCommit{StartTS: 5, Writes: writeOf(activeRow), Class: env.ClassUndetermined})
		s.settle()
		if s.err == nil {
			told.Commits = listed(sim.TxnCommit{StartTS: 5, Writes: writeOf(activeRow), Class: env.ClassUnavailable})
			s.settle()
		}
	}},
	{"snapshot-isolation", "committed other writes than asked", func(s *story) {
		s.commitAt(w0, 5, 9, activeRow)
		told, twice := s.w.Told(), append(writeOf(row{activeRow.key, "before"}), writeOf(activeRow)...)
		told.Commits = listed(sim.TxnCommit{StartTS: 5, Writes: append(twice, tikv.Mutation{Op: tikv.OpLock, Key: activeRow.key})})
		s.settle()
		if s.err == nil {
			told.Commits = listed(sim.TxnCommit{StartTS: 5, Writes: append(writeOf(activeRow), tikv.Mutation{Op: tikv.OpLock, Key: "other"})})
			s.settle()
		}
	}},

	{"legal-edges", "batch row deleted", func(s *story) { s.submitted().commit(w0, gone(batchRow("pending", ""))) }},
	{"legal-edges", "illegal batch edge", func(s *story) { s.submitted().commit(w0, batchRow("merging", "")) }},
	{"legal-edges", "batch left a terminal phase", func(s *story) { s.running().cancelled().commit(w0, batchRow("running", "units=2")) }},
	{"legal-edges", "generation out of order", func(s *story) { s.commit("client/1", batchRowOf(2, "pending", "")) }},
	{"legal-edges", "live batch superseded", func(s *story) { s.submitted().commit("client/1", batchRowOf(2, "pending", "")) }},
	{"legal-edges", "batch born in another phase", func(s *story) { s.commit("client/1", batchRow("running", "")) }},
	{"legal-edges", "unit born in the middle", func(s *story) { s.commit(w0, s.unitRow(unitA, "pending", "1 0 1 0", "", "")) }},
	{"legal-edges", "unit born again", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0").commit(w0, row{"unit/" + unitA, ""})
		s.commit(w0, s.unitRow(unitA, "pending", "0 0 0 0", "", ""))
	}},
	{"legal-edges", "claimed after its batch ended", func(s *story) {
		s.running().commit("client/1", batchRow("cancelled", "units=2"))
		s.claim(w0, unitA, "1 1 0 0")
	}},
	{"legal-edges", "completed after its batch ended", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0").commit("client/1", batchRow("cancelled", "units=2"))
		s.complete(w0, unitA, "1 1 0 0")
	}},
	{"legal-edges", "epoch used again", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0").reap(w1, w0, unitA, "1 1 0 0", 1).claim(w1, unitA, "1 2 0 0")
	}},
	{"legal-edges", "claimed while processing", func(s *story) { s.running().claim(w0, unitA, "1 1 0 0").claim(w1, unitA, "2 2 0 0") }},
	{"legal-edges", "epoch changed without a claim", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0").commit(w0, s.unitRow(unitA, "failed", "0 1 0 0", w0, ""))
	}},
	{"legal-edges", "unit left a terminal state", func(s *story) { s.converted().commit(w0, s.unitRow(unitA, "pending", "1 1 0 0", w0, "")) }},
	{"legal-edges", "illegal unit edge", func(s *story) { s.running().commit(w0, s.unitRow(unitA, "complete", "0 0 0 0", w0, "")) }},
	{"legal-edges", "merge row deleted while the batch lives", func(s *story) { s.converted().claimMerge(w0, 1).commit(w0, row{"merge/" + bid, ""}) }},
	{"legal-edges", "unknown merge state", func(s *story) { s.converted().commit(w0, mergeRow(w0, 1, "merged", 1, 2)) }},
	{"legal-edges", "merge left published", func(s *story) { s.published().commit(w1, mergeRow(w1, 2, "claimed", 1, 2)) }},
	{"legal-edges", "merge beat went back", func(s *story) {
		s.converted().commit(w0, mergeRow(w0, 1, "claimed", 2, 2))
		s.commit(w0, mergeRow(w0, 1, "claimed", 1, 2))
	}},
	{"legal-edges", "merge generation out of order", func(s *story) { s.converted().claimMerge(w0, 1).claimMerge(w1, 3) }},
	{"legal-edges", "merge published without a claim", func(s *story) { s.converted().commit(w0, mergeRow(w0, 1, "published", 1, 2)) }},
	{"legal-edges", "lease beat went back", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0")
		s.commit(w0, leaseRow(w0, unitA, 1, 3))
		s.commit(w0, leaseRow(w0, unitA, 1, 2))
	}},
	{"legal-edges", "leader row deleted", func(s *story) { s.running().commit(w0, row{"leader/scanner", ""}) }},
	{"legal-edges", "leader epoch out of order", func(s *story) { s.running().commit(w1, leaderRow(w1, 3, 1)) }},
	{"legal-edges", "leader beat went back", func(s *story) {
		s.running().commit(w0, leaderRow(w0, 1, 5))
		s.commit(w0, leaderRow(w0, 1, 4))
	}},

	{"fencing", "claimed for somebody else", func(s *story) {
		s.running().commit(w0, s.unitRow(unitA, "processing", "1 1 0 0", w1, ""))
	}},
	{"fencing", "completed somebody else's attempt", func(s *story) {
		s.takenOver().commit(w0, s.unitRow(unitA, "complete", "2 2 0 0", w1, ""))
	}},
	{"fencing", "failed somebody else's attempt", func(s *story) {
		s.takenOver().commit(w0, s.unitRow(unitA, "failed", "2 2 0 0", w1, "error=x"))
	}},
	{"fencing", "released somebody else's attempt", func(s *story) {
		s.takenOver().commit(w0, s.unitRow(unitA, "pending", "2 1 1 0", w1, ""))
	}},
	{"fencing", "rewrote somebody else's attempt", func(s *story) {
		s.takenOver().commit(w0, s.unitRow(unitA, "processing", "2 2 0 0", w1, "error=x"))
	}},
	{"fencing", "checkpoint of an attempt that is over", func(s *story) { s.takenOver().checkpoint(w0, 1, 2, 40, "part one") }},
	{"fencing", "somebody else's checkpoint deleted", func(s *story) { s.takenOver().commit(w0, row{"checkpoint/" + unitA, ""}) }},
	{"fencing", "lease of an attempt that is over", func(s *story) { s.takenOver().commit(w0, leaseRow(w0, unitA, 1, 2)) }},
	{"fencing", "lease revived", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0")
		s.commit(w1, gone(leaseRow(w0, unitA, 1, 1)))
		s.commit(w0, leaseRow(w0, unitA, 1, 2))
	}},
	{"fencing", "merge claimed for somebody else", func(s *story) { s.converted().commit(w0, mergeRow(w1, 1, "claimed", 1, 2)) }},
	{"fencing", "somebody else's merge written", func(s *story) { s.converted().claimMerge(w0, 1).commit(w1, mergeRow(w0, 1, "claimed", 2, 2)) }},
	{"fencing", "somebody else's merge published", func(s *story) {
		s.converted().claimMerge(w0, 1).write(w0, 1, nil)
		s.commit(w1, published(s, 1))
	}},
	{"fencing", "effect outside every batch's output", func(s *story) { s.running().put(w0, "in/a.rec", "other") }},
	{"fencing", "effect outside every batch's output", func(s *story) {
		s.running().step, s.asked = "probe", "probe"
		s.open(w0, "probe/uploads/w1/probe")
	}},
	{"fencing", "wrote under another attempt's key", func(s *story) { s.takenOver().put(w0, stagingKey(unitA, 2), "x") }},
	{"fencing", "collected from a living attempt", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0").put(w0, stagingKey(unitA, 1), "x")
		s.delete(w1, stagingKey(unitA, 1))
	}},
	{"fencing", "wrote under another merge's key", func(s *story) { s.converted().claimMerge(w0, 1).write(w1, 1, nil) }},
	{"fencing", "collected from a living merge", func(s *story) {
		s.converted().claimMerge(w0, 1).write(w0, 1, nil).delete(w1, datasetPrefix(1)+"manifest.json")
	}},
	{"fencing", "deleted outside of collection", func(s *story) {
		s.running().request(w0, "collect", ops.Delete, "out/data/x", 0, done).request(w0, "resume", ops.Delete, "out/data/x", 0, done).settle()
	}},
	{"fencing", "collected what no merge wrote", func(s *story) {
		s.w.Handle(objstore.Request{Kind: objstore.KindPut, Key: datasetPrefix(9) + "somebody's", Body: []byte("kept")})
		s.published().delete(w0, datasetPrefix(9)+"somebody's")
	}},

	{"exactly-once", "complete without a manifest", func(s *story) { s.converted().claimMerge(w0, 1).commit(w0, batchRow("complete", "units=2")) }},
	{"exactly-once", "published twice", func(s *story) { s.published().write(w1, 2, nil).flip(w1, 2) }},
	{"exactly-once", "published pointer changed", func(s *story) {
		s.published().commit(w1, batchRow("complete", "units=2 merge_gen=1 manifest=elsewhere manifest_etag=x"))
	}},
	{"exactly-once", "published by an overtaken generation", func(s *story) {
		s.converted().claimMerge(w0, 1).write(w0, 1, nil).claimMerge(w1, 2).flip(w0, 1)
	}},
	{"exactly-once", "published without the claim's end", func(s *story) {
		s.converted().claimMerge(w0, 1).write(w0, 1, nil)
		s.commit(w0, published(s, 1))
	}},
	{"exactly-once", "published but not complete", func(s *story) {
		s.converted().claimMerge(w0, 1).write(w0, 1, nil)
		r := published(s, 1)
		r.value = strings.Replace(r.value, "phase=complete", "phase=merging", 1)
		s.commit(w0, r, mergeRow(w0, 1, "published", 1, 2))
	}},
	{"exactly-once", "manifest of another dataset", func(s *story) {
		s.converted().claimMerge(w0, 1).claimMerge(w1, 2)
		s.commit(w1, batchRow("complete", "units=2 merge_gen=2 manifest="+datasetPrefix(1)+"manifest.json"), mergeRow(w1, 2, "published", 1, 2))
	}},
	{"exactly-once", "claim published without the batch", func(s *story) { s.converted().claimMerge(w0, 1).commit(w0, mergeRow(w0, 1, "published", 1, 2)) }},

	{"no-lost-unit", "unit deleted while its batch lives", func(s *story) { s.running().commit(w0, row{"unit/" + unitA, ""}) }},
	{"no-lost-unit", "unit created outside discovery", func(s *story) {
		s.submitted().commit(w0, s.unitRow(unitA, "pending", "0 0 0 0", "", ""))
	}},
	{"no-lost-unit", "two units for one recording", func(s *story) {
		twin := s.discovering().unitRow(unitA, "pending", "0 0 0 0", "", "")
		s.commit(w0, row{"unit/" + bid + "/00000000000000cc", twin.value})
		s.commit(w0, batchRow("running", "units=3"))
	}},
	{"no-lost-unit", "unit describes another object", func(s *story) {
		r := s.discovering().unitRow(unitA, "pending", "0 0 0 0", "", "")
		s.commit(w0, row{r.key, strings.Replace(r.value, " etag=", " etag=x", 1)})
		s.commit(w0, batchRow("running", "units=2"))
	}},
	{"no-lost-unit", "wrong number of units", func(s *story) { s.discovering().commit(w0, batchRow("running", "units=1")) }},
	{"no-lost-unit", "recording without a unit", func(s *story) {
		s.submitted().commit(w0, batchRow("discovering", ""))
		s.commit(w0, s.unitRow(unitA, "pending", "0 0 0 0", "", ""))
		s.commit(w0, batchRow("running", "units=1"))
	}},
	{"no-lost-unit", "unit of another source", func(s *story) {
		r := s.discovering().unitRow(unitA, "pending", "0 0 0 0", "", "")
		s.commit(w0, row{r.key, strings.Replace(r.value, "source=0", "source=1", 1)})
		s.commit(w0, batchRow("running", "units=2"))
	}},
	{"no-lost-unit", "unit without a recording", func(s *story) {
		r := s.discovering().unitRow(unitA, "pending", "0 0 0 0", "", "")
		s.commit(w0, row{"unit/" + bid + "/00000000000000cc", strings.Replace(r.value, "in/a.rec", "in/c.rec", 1)})
		s.commit(w0, batchRow("running", "units=3"))
	}},
	{"no-lost-unit", "published without a unit", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0").complete(w0, unitA, "1 1 0 0").claimMerge(w1, 1).write(w1, 1, nil).flip(w1, 1)
	}},
	{"no-lost-unit", "published with another number of units", func(s *story) {
		s.converted().claimMerge(w1, 1).write(w1, 1, nil)
		r := published(s, 1)
		s.commit(w1, row{r.key, strings.Replace(r.value, "units=2", "units=3", 1)})
	}},

	{"checkpoints-monotone", "checkpoint outside the source", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0").checkpoint(w0, 1, 1, 1_000_000, "part one")
	}},
	{"checkpoints-monotone", "checkpoint went back", func(s *story) {
		s.takenOver().checkpoint(w1, 2, 2, 40, "part one")
		s.checkpoint(w0, 1, 9, 50, "part one")
	}},
	{"checkpoints-monotone", "checkpoint rewritten", func(s *story) {
		s.atCheckpoint().checkpoint(w0, 1, 2, 40, "part one")
		s.checkpoint(w0, 1, 2, 50, "part one")
	}},
	{"checkpoints-monotone", "saved work given up", func(s *story) { s.takenOver().checkpoint(w1, 2, 1, 10, "part one") }},
	{"checkpoints-monotone", "checkpoint lost", func(s *story) { s.takenOver().commit(w1, row{"checkpoint/" + unitA, ""}) }},

	{"dataset-equals-reference", "published dataset differs", func(s *story) {
		s.converted().claimMerge(w1, 1).write(w1, 1, func(objects map[string][]byte) { delete(objects, "meta/info.json") }).flip(w1, 1)
	}},
	{"dataset-equals-reference", "manifest is wrong", func(s *story) {
		s.converted().claimMerge(w1, 1).write(w1, 1, nil).put(w1, datasetPrefix(1)+"manifest.json", "{}")
		s.flip(w1, 1)
	}},
	{"dataset-equals-reference", "published dataset changed", func(s *story) {
		s.published().put(w1, datasetPrefix(1)+"more", "x")
		s.settle()
	}},

	{"queue-agrees", "queued but not pending", func(s *story) { s.running().commit(w0, s.unitRow(unitA, "cancelled", "0 0 0 0", "", "")) }},
	{"queue-agrees", "pending but not queued", func(s *story) { s.running().commit(w0, gone(queueRow(unitA, 0))) }},
	{"queue-agrees", "queued twice", func(s *story) { s.running().commit(w0, row{"queue/000/" + unitA, "q1 epoch=0"}) }},
	{"queue-agrees", "queued at another epoch", func(s *story) { s.running().commit(w0, queueRow(unitA, 4)) }},
	{"queue-agrees", "queued at another priority", func(s *story) {
		s.running().commit(w0, gone(queueRow(unitA, 0)), row{"queue/000/" + unitA, "q1 epoch=0"})
	}},
	{"queue-agrees", "processing without a lease", func(s *story) {
		s.running().commit(w0, s.unitRow(unitA, "processing", "1 1 0 0", w0, ""), gone(queueRow(unitA, 0)))
	}},
	{"queue-agrees", "lease without an attempt", func(s *story) { s.running().commit(w0, leaseRow(w0, unitA, 1, 1)) }},
	{"queue-agrees", "leased twice", func(s *story) { s.running().claim(w0, unitA, "1 1 0 0").commit(w1, leaseRow(w1, unitA, 1, 1)) }},
	{"queue-agrees", "lease of another attempt", func(s *story) { s.running().claim(w0, unitA, "1 1 0 0").commit(w0, leaseRow(w0, unitA, 2, 1)) }},

	{"queue-agrees", "index of the failed is wrong", func(s *story) {
		s.running().commit(w0, row{"dead/" + unitA, "f1 epoch=1 attempts=1"}, queueRow(unitA, 0))
	}},

	{"shards-agree", "unit moved without its shard", func(s *story) {
		s.running().commitAt(w0, 50, 51, s.unitRow(unitA, "processing", "1 1 0 0", w0, ""))
	}},
	{"shards-agree", "shard counts what is not so", func(s *story) {
		s.running().commitAt(w0, 50, 51, s.unitRow(unitA, "processing", "1 1 0 0", w0, ""), row{"shard/" + bid + "/0000", "h1 processing=2 complete=0"})
	}},
	{"shards-agree", "shard counts what is not so", func(s *story) { s.running().commitAt(w0, 50, 51, row{"shard/" + bid + "/0000", "h1 taken=1"}) }},
	{"shards-agree", "shard digest changed without a result", func(s *story) {
		s.converted().commitAt(w0, 50, 51, row{"shard/" + bid + "/0000", "h1 complete=2 digest=77"})
	}},
	{"shards-agree", "shard deleted while the batch lives", func(s *story) { s.converted().commitAt(w0, 50, 51, row{"shard/" + bid + "/0000", ""}) }},
	{"shards-agree", "unit changed its shard", func(s *story) {
		s.running().commitAt(w0, 50, 51, s.unitRow(unitA, "pending", "0 0 0 0", "", "shard=1"))
	}},
	{"shards-agree", "unit of no shard", func(s *story) {
		s.submitted().commitAt(w0, 50, 51, s.unitRow(unitA, "pending", "0 0 0 0", "", "shard=1"))
	}},
	{"shards-agree", "slot of no attempt", func(s *story) {
		s.running().commitAt(w0, 50, 51, s.unitRow(unitA, "pending", "0 0 0 0", "", "slot=1"))
	}},

	{"attempts-bounded", "release miscounted", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0").commit(w0, s.unitRow(unitA, "pending", "1 0 2 0", w0, ""))
	}},
	{"attempts-bounded", "retry miscounted", func(s *story) { s.running().claim(w0, unitA, "1 1 0 1") }},
	{"attempts-bounded", "retry not counted", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0").commit(w0, s.unitRow(unitA, "dead", "1 1 0 0", w0, "error=x"))
		s.commit("client/1", s.unitRow(unitA, "pending", "1 1 0 0", w0, ""))
	}},
	{"attempts-bounded", "attempts miscounted", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0").commit(w0, s.unitRow(unitA, "failed", "1 0 0 0", w0, "error=x"))
	}},
	{"attempts-bounded", "more attempts than allowed", func(s *story) {
		s.running()
		for _, counts := range []string{"1 1 0 0", "2 2 0 0", "3 3 0 0", "4 4 0 0"} {
			s.claim(w0, unitA, counts)
		}
	}},

	{"merge-input", "merge input changed", func(s *story) { s.converted().claimMerge(w0, 1).commit(w0, mergeRow(w0, 1, "claimed", 2, 1)) }},
	{"merge-input", "merge claimed too early", func(s *story) { s.running().claimMerge(w0, 1) }},
	{"merge-input", "merge claimed in another phase", func(s *story) { s.converted().commit(w0, mergeRow(w0, 1, "claimed", 1, 2)) }},
	{"merge-input", "merge input of another size", func(s *story) {
		s.converted().commit(w0, batchRow("merging", "units=2"), mergeRow(w0, 1, "claimed", 1, 1))
	}},

	{"durable-pointers", "pointer to a missing object", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0").commit(w0, s.completeRow(w0, unitA, "1 1 0 0", stagingKey(unitA, 1)))
	}},
	{"durable-pointers", "pointer to another object", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0").put(w0, stagingKey(unitA, 1), "x")
		r := s.completeRow(w0, unitA, "1 1 0 0", stagingKey(unitA, 1))
		s.commit(w0, row{r.key, strings.Replace(r.value, "staged_size=1", "staged_size=2", 1)})
	}},
	{"durable-pointers", "pointer to another unit's object", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0").claim(w0, unitB, "1 1 0 0").put(w0, stagingKey(unitB, 1), "x")
		s.commit(w0, s.completeRow(w0, unitA, "1 1 0 0", stagingKey(unitB, 1)))
	}},
	{"durable-pointers", "result of a complete unit changed", func(s *story) {
		s.converted().commit(w0, s.unitRow(unitA, "complete", "1 1 0 0", w0, ""))
	}},
	{"durable-pointers", "published manifest is missing", func(s *story) { s.converted().claimMerge(w1, 1).flip(w1, 1) }},
	{"durable-pointers", "published manifest is unreadable", func(s *story) {
		s.converted().claimMerge(w1, 1).put(w1, datasetPrefix(1)+"manifest.json", "[")
		s.flip(w1, 1)
	}},
	{"durable-pointers", "pointer to a missing object", func(s *story) {
		s.converted().claimMerge(w1, 1).write(w1, 1, nil).delete(w1, datasetPrefix(1)+"meta/info.json")
		s.flip(w1, 1)
	}},
	{"durable-pointers", "manifest of another generation", func(s *story) {
		s.converted().claimMerge(w1, 1).put(w1, datasetPrefix(1)+"manifest.json", "{}")
		s.flip(w1, 1)
	}},
	{"durable-pointers", "manifest names another unit", func(s *story) {
		s.converted().claimMerge(w1, 1).put(w1, datasetPrefix(1)+"manifest.json",
			`{"generation":"00000001-00000001","units":[{"unit":"`+uidA+`","source":"in/b.rec"}]}`)
		s.flip(w1, 1)
	}},
	{"durable-pointers", "checkpoint of an unknown upload", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0").commit(w0, checkpointRow(unitA, 1, 1, 10, stagingKey(unitA, 1), "u9", "1:x:1"))
	}},
	{"durable-pointers", "checkpoint's parts are not in a row", func(s *story) {
		s.atCheckpoint().commit(w0, checkpointRow(unitA, 1, 2, 40, stagingKey(unitA, 1), upload1, "2:x:1"))
	}},
	{"durable-pointers", "checkpoint before its part", func(s *story) {
		s.atCheckpoint().commit(w0, checkpointRow(unitA, 1, 2, 40, stagingKey(unitA, 1), upload1, "1:x:1"))
	}},
	{"durable-pointers", "object deleted while named", func(s *story) { s.converted().delete(w0, stagingKey(unitA, 1)) }},
	{"durable-pointers", "object overwritten while named", func(s *story) { s.published().put(w1, datasetPrefix(1)+"meta/info.json", "x") }},
	{"durable-pointers", "upload aborted while named", func(s *story) { s.takenOver().abort(w1, stagingKey(unitA, 1), upload1) }},
	{"durable-pointers", "part overwritten while named", func(s *story) { s.takenOver().part(w0, stagingKey(unitA, 1), upload1, 1, "part two") }},

	{"cancel-final", "cancel acknowledged of nothing", func(s *story) { s.call("cancel"); s.returned("cancel", 0, env.ClassNone) }},
	{"cancel-final", "acknowledged cancel did not happen", func(s *story) {
		s.running().call("cancel")
		s.returned("cancel", 0, env.ClassNone)
	}},
	{"cancel-final", "acknowledged cancel did not happen", func(s *story) { // what ended meanwhile was not cancelled
		s.converted().claimMerge(w1, 1).write(w1, 1, nil).call("cancel")
		s.flip(w1, 1).call("submit")
		s.commit("client/1", batchRowOf(2, "pending", ""), row{activeRow.key, "a1 gen=2 priority=1"})
		s.returned("cancel", 0, env.ClassNone)
	}},
	{"cancel-final", "acknowledged cancel did not happen", func(s *story) { // what has expired was not, either
		s.published().collected().forgotten().call("cancel")
		s.returned("cancel", 0, env.ClassNone)
	}},
	{"cancel-final", "claimed after a cancel", func(s *story) { s.running().cancelled().claim(w0, unitA, "1 1 0 0") }},
	{"cancel-final", "unit created after a cancel", func(s *story) {
		s.submitted().cancelled().commit(w0, s.unitRow(unitA, "pending", "0 0 0 0", "", ""))
	}},
	{"cancel-final", "merge claimed after a cancel", func(s *story) { s.converted().cancelled().commit(w0, mergeRow(w0, 1, "claimed", 1, 2)) }},
	{"cancel-final", "published after a cancel", func(s *story) {
		s.converted().claimMerge(w1, 1).write(w1, 1, nil).cancelled().flip(w1, 1)
	}},

	{"submits-kept", "acknowledged submission is not there", func(s *story) { s.call("submit"); s.returned("submit", 1, env.ClassNone) }},
	{"submits-kept", "one submission acknowledged twice", func(s *story) {
		s.submitted().call("submit")
		s.returned("submit", 1, env.ClassNone)
	}},
	{"submits-kept", "submission is not what was asked for", func(s *story) {
		s.call("submit")
		r := batchRow("pending", "")
		s.commit("client/1", row{r.key, strings.Replace(r.value, "chunk=2", "chunk=3", 1)})
		s.returned("submit", 1, env.ClassNone)
	}},
	{"submits-kept", "submission is not what was asked for", func(s *story) { // but what was asked for before
		s.published().collected().ask("submit", 1)
		s.commit("client/1", batchRowOf(2, "pending", ""), row{activeRow.key, "a1 gen=2 priority=1"})
		s.returned("submit", 2, env.ClassNone)
	}},
	{"submits-kept", "submission rewritten", func(s *story) {
		r := batchRow("discovering", "")
		s.submitted().commit(w0, row{r.key, strings.Replace(r.value, "max_attempts=3", "max_attempts=4", 1)})
	}},
	{"submits-kept", "submitted more often than asked", func(s *story) {
		s.submitted().cancelled().commit("client/1", batchRowOf(2, "pending", ""))
	}},

	{"shards-agree", "batch of other shards than configured", func(s *story) {
		r := batchRow("pending", "")
		s.call("submit")
		s.commit("client/1", row{r.key, strings.Replace(r.value, "shards=1", "shards=2", 1)}, activeRow)
	}},

	{"outputs-exclusive", "output of two names", func(s *story) { s.submitted().commit("client/1", otherBatch("out/data/more", "in/")) }},
	{"outputs-exclusive", "output of two names", func(s *story) { s.submitted().cancelled().commit("client/1", otherBatch("out", "in/")) }},
	{"outputs-exclusive", "source within an output", func(s *story) { s.submitted().commit("client/1", otherBatch("out/data-1", "out/data/in/")) }},
	{"outputs-exclusive", "source within an output", func(s *story) { s.submitted().commit("client/1", otherBatch("out/data-1", "out/")) }},
	{"outputs-exclusive", "submission refused for nought", func(s *story) { s.call("submit"); s.refused("submit", schema.Live) }},
	{"outputs-exclusive", "submission refused for nought", func(s *story) { s.call("submit"); s.refused("submit", schema.OutputTaken) }},
	{"outputs-exclusive", "submission refused for nought", func(s *story) { // the name lives, and nobody has the output
		s.running().call("submit")
		s.refused("submit", schema.OutputTaken)
	}},
	{"outputs-exclusive", "submission refused for nought", func(s *story) { s.call("submit"); s.returned("submit", 0, env.ClassInvalid) }},
	{"outputs-exclusive", "submission refused for nought", func(s *story) { // an output beside it is not within it
		s.commit("client/1", otherBatch("out/data-1", "in/"))
		s.call("submit")
		s.refused("submit", schema.OutputTaken)
	}},
	{"outputs-exclusive", "submission refused for nought", func(s *story) { // another has the output of before
		s.commit("client/1", otherBatch(output, "in/"))
		s.ask("submit", 1)
		s.refused("submit", schema.OutputTaken)
	}},

	{"leadership", "leadership taken for somebody else", func(s *story) { s.commit(w0, leaderRow(w1, 1, 1)) }},
	{"leadership", "two writers in one leader epoch", func(s *story) { s.running().commit(w1, leaderRow(w0, 1, 2)) }},
	{"leadership", "scanned without leading", func(s *story) { s.discovering().commit(w1, discoveryRow(1, 2)) }},

	{"runs-once", "claimed again without a fault", func(s *story) { s.takenOver().settle() }},
	{"runs-once", "claimed more often than the faults explain", func(s *story) {
		s.running().fault(&fault.Crash{Restart: time.Second})
		for _, counts := range []string{"1 1 0 0", "2 2 0 0", "3 3 0 0", "4 4 0 0"} {
			s.claim(w0, unitA, counts)
			s.commit(w0, s.unitRow(unitA, "pending", counts, w0, ""))
		}
		s.settle()
	}},

	{"outcomes-justified", "unit failed without an error", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0").commit(w0, s.unitRow(unitA, "failed", "1 1 0 0", w0, ""))
	}},
	{"outcomes-justified", "unit dead before its last attempt", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0").commit(w0, s.unitRow(unitA, "dead", "1 1 0 0", w0, "error=x"))
	}},
	{"outcomes-justified", "unit cancelled while its batch lives", func(s *story) {
		s.running().commit(w0, s.unitRow(unitA, "cancelled", "0 0 0 0", "", ""))
	}},
	{"outcomes-justified", "cancelled without being asked", func(s *story) { s.running().commit(w0, batchRow("cancelled", "units=2")) }},
	{"outcomes-justified", "batch failed without an error", func(s *story) { s.running().commit(w0, batchRow("failed", "units=2")) }},
	{"outcomes-justified", "batch failed without a reason", func(s *story) { s.running().commit(w0, batchRow("failed", "units=2 error=x")); s.settle() }},

	{"no-flapping", "unit taken from an owner that beats", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0")
		s.pass(8 * time.Second)
		s.commit(w0, leaseRow(w0, unitA, 1, 2))
		s.pass(-6 * time.Second)
		s.reap(w1, w0, unitA, "1 1 0 0", 1)
	}},
	{"no-flapping", "merge taken from an owner that beats", func(s *story) { s.converted().claimMerge(w0, 1).claimMerge(w1, 2) }},
	{"no-flapping", "leadership taken from an owner that beats", func(s *story) { s.running().commit(w1, leaderRow(w1, 2, 1)) }},
	{"no-flapping", "unit taken from a living owner", func(s *story) {
		s.w.Heal(0)
		s.running().claim(w0, unitA, "1 1 0 0").pass(time.Hour)
		s.reap(w1, w0, unitA, "1 1 0 0", 1)
	}},
	{"no-flapping", "merge taken from a living owner", func(s *story) {
		s.w.Heal(0)
		s.converted().claimMerge(w0, 1).pass(time.Hour)
		s.claimMerge(w1, 2)
	}},
	{"no-flapping", "leadership taken from a living owner", func(s *story) {
		s.w.Heal(0)
		s.running().pass(time.Hour)
		s.commit(w1, leaderRow(w1, 2, 1))
	}},

	{"orphan-claimable", "orphan left behind", func(s *story) {
		s.process(sim.Booted, w0)
		s.running().claim(w0, unitA, "1 1 0 0").process(sim.Crashed, w0)
		s.w.Heal(s.at)
		s.process(sim.Healed, "")
		s.pass(time.Hour)
		s.settle()
	}},
	{"drains-gracefully", "drain takes too long", func(s *story) {
		s.process(sim.Booted, w0)
		s.faultOf("w0", &fault.Terminate{Grace: time.Hour})
		s.process(sim.Terminated, w0)
		s.pass(time.Hour).process(sim.Killed, w0)
		s.settle()
	}},
	{"drains-gracefully", "drain kept the lead", func(s *story) {
		s.process(sim.Booted, w0)
		s.faultOf("w0", &fault.Terminate{Grace: time.Hour})
		s.submitted().commit(w0, leaderRow(w0, 1, 1))
		s.pass(5*time.Second).process(sim.Terminated, w0)
		s.process(sim.Exited, w0)
		s.pass(10*time.Second).commit(w1, leaderRow(w1, 2, 1))
		s.settle()
	}},
	{"drains-gracefully", "drain kept its merge", func(s *story) {
		s.process(sim.Booted, w0)
		s.faultOf("w0", &fault.Terminate{Grace: time.Hour})
		s.converted().claimMerge(w0, 1).pass(5*time.Second).process(sim.Terminated, w0)
		s.process(sim.Exited, w0)
		s.pass(10*time.Second).claimMerge(w1, 2).settle()
	}},
	{"drains-gracefully", "drain burnt an attempt", func(s *story) {
		s.process(sim.Booted, w0)
		s.faultOf("w0", &fault.Terminate{Grace: time.Hour})
		s.running().claim(w0, unitA, "1 1 0 0").process(sim.Terminated, w0)
		s.pass(5*time.Second).process(sim.Exited, w0)
		s.reap(w1, w0, unitA, "1 1 0 0", 1).settle()
	}},
	{"drains-gracefully", "drain gave up early", func(s *story) {
		s.process(sim.Booted, w0)
		s.fault(&fault.LoseRequest{})
		s.running().claim(w0, unitA, "1 1 0 0").process(sim.Terminated, w0)
		s.request(w0, "release_unit", ops.KVGet, "unit/"+unitA, 0, done)
		s.asked = "" // it breaks by what follows
		s.process(sim.Exited, w0)
		s.reap(w1, w0, unitA, "1 1 0 0", 1)
	}},
	{"limits-enforced", "more units in execution than allowed", func(s *story) {
		r := s.running().running1()
		s.commit(w0, r)
		s.claim(w0, unitA, "1 1 0 0").claim(w1, unitB, "1 1 0 0")
	}},
	{"limits-enforced", "attempt not stopped", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0")
		s.fault(&fault.Slow{For: time.Hour})
		s.pass(2*time.Hour).complete(w0, unitA, "1 1 0 0").settle()
	}},
	{"owners-know", "owner that works and does not beat", func(s *story) {
		s.process(sim.Booted, w0)
		s.fault(&fault.LoseReply{})
		s.running().claim(w0, unitA, "1 1 0 0").commit(w0, leaseRow(w0, unitA, 1, 2))
		s.pass(9*time.Second).put(w0, stagingKey(unitA, 1), "x")
		s.reap(w1, w0, unitA, "1 1 0 0", 1).settle()
	}},
	{"owners-know", "owner that does not know", func(s *story) {
		s.process(sim.Booted, w0)
		s.fault(&fault.LoseReply{})
		s.running().claim(w0, unitA, "1 1 0 0").reap(w1, w0, unitA, "1 1 0 0", 1).settle()
	}},
	{"owners-know", "owner that outworks its lease", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0").commit(w0, leaseRow(w0, unitA, 1, 2))
		s.pass(7*time.Second).request(w0, "heartbeat", ops.KVGet, "unit/"+unitA, 0, refused)
		s.pass(time.Second).request(w0, "stage", ops.UploadPart, stagingKey(unitA, 1), 0, done).settle()
		if s.err == nil {
			s.pass(2*time.Second).request(w0, "stage", ops.UploadPart, stagingKey(unitA, 1), 0, done).settle()
		}
	}},
	{"owners-know", "owner that renews too seldom", func(s *story) { // it works on
		s.running().claim(w0, unitA, "1 1 0 0").request(w0, "heartbeat", ops.KVGet, leaseRow(w0, unitA, 1, 1).key, 0, refused)
		s.pass(5*time.Second).request(w0, "stage", ops.UploadPart, stagingKey(unitA, 1), 0, done).settle()
	}},
	{"owners-know", "owner that renews too seldom", func(s *story) { // its last renewal went well
		s.running().claim(w0, unitA, "1 1 0 0").request(w0, "heartbeat", ops.KVGet, "unit/"+unitA, 0, done)
		s.request(w0, "heartbeat", ops.Commit, leaseRow(w0, unitA, 1, 1).key, 0, done)
		s.pass(2*time.Second).request(w0, "heartbeat", ops.TSO, "", 0, done)
		s.request(w0, "heartbeat", ops.Commit, leaseRow(w0, unitA, 1, 1).key, 0, done)
		s.pass(2500*time.Millisecond).within("complete_unit").complete(w0, unitA, "1 1 0 0").settle()
	}},
	{"owners-know", "owner that renews too seldom", func(s *story) { // a merger
		s.converted().claimMerge(w0, 1).request(w0, "renew_merge", ops.KVGet, mergeRow(w0, 1, "claimed", 1, 1).key, 0, refused)
		s.pass(5*time.Second).request(w0, "merge", ops.Put, datasetPrefix(1)+"meta/info.json", 0, done).settle()
	}},
	{"owners-know", "leader that renews too seldom", func(s *story) {
		s.submitted().request(w0, "lead", ops.Commit, leaderRow(w0, 1, 1).key, 0, done)
		s.pass(6*time.Second).request(w0, "discover", ops.KVGet, leaderRow(w0, 1, 1).key, 0, done).settle()
	}},
	{"owners-know", "merger that outworks its claim", func(s *story) {
		s.converted().claimMerge(w0, 1).commit(w0, mergeRow(w0, 1, "claimed", 2, 2))
		s.pass(7*time.Second).request(w0, "renew_merge", ops.KVGet, mergeRow(w0, 1, "claimed", 2, 2).key, 0, refused)
		s.pass(time.Second).request(w0, "merge", ops.Put, datasetPrefix(1)+"meta/info.json", 0, done).settle()
		if s.err == nil {
			s.pass(2*time.Second).request(w0, "merge", ops.Put, datasetPrefix(1)+"meta/info.json", 0, done).settle()
		}
	}},
	{"owners-know", "two attempts of one epoch", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0")
		for beat, task := range []string{"worker0-heartbeat", "worker1-heartbeat", "worker0-heartbeat"} {
			s.task = task
			s.commit(w0, leaseRow(w0, unitA, 1, beat+2))
		}
	}},
	{"limits-enforced", "batch beyond its back-off limit", func(s *story) {
		s.running().claim(w0, unitA, "11 11 0 0").fail(w0, unitA, "failed", "11 11 0 0", 11)
		s.w.Heal(s.at)
		s.process(sim.Healed, "")
		s.pass(time.Hour).settle()
	}},
	{"limits-enforced", "queued again beyond the back-off limit", func(s *story) {
		s.running().claim(w0, unitA, "11 11 0 0").fail(w0, unitA, "failed", "11 11 0 0", 11)
		s.looks().requeue(unitA, "11 11 0 0", 11)
	}},
	{"attempts-bounded", "queued again before its back-off", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0").fail(w0, unitA, "failed", "1 1 0 0", 1).pass(-1900*time.Millisecond).requeue(unitA, "1 1 0 0", 1)
	}},
	{"attempts-bounded", "queued again long after its back-off", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0").fail(w0, unitA, "failed", "1 1 0 0", 1).pass(10*time.Second).requeue(unitA, "1 1 0 0", 1).settle()
	}},
	{"attempts-bounded", "to be tried again after its last attempt", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0").reap(w1, w0, unitA, "1 1 0 0", 1)
		s.claim(w1, unitA, "2 2 0 0").reap(w0, w1, unitA, "2 2 0 0", 2)
		s.claim(w0, unitA, "3 3 0 0").fail(w0, unitA, "failed", "3 3 0 0", 3)
	}},
	{"submits-kept", "own submission refused", func(s *story) {
		s.call("submit")
		s.commit("client/1", batchRow("pending", ""), activeRow)
		s.refused("submit", schema.Live)
	}},
	{"cancel-final", "cancel denied", func(s *story) {
		s.running().call("cancel")
		s.commit("client/1", batchRow("cancelled", "units=2"), gone(activeRow))
		s.refused("cancel", schema.Ended)
	}},
	{"checkpoints-monotone", "checkpoint of a complete unit", func(s *story) {
		s.atCheckpoint().put(w0, stagingKey(unitA, 1), "x")
		s.commit(w0, s.completeRow(w0, unitA, "1 1 0 0", stagingKey(unitA, 1)), gone(leaseRow(w0, unitA, 1, 1)))
	}},
	{"no-lost-unit", "two units with one id", func(s *story) {
		s.published().call("submit")
		s.commit("client/1", batchRowOf(2, "pending", ""), row{activeRow.key, "a1 gen=2"})
		s.commit(w0, batchRowOf(2, "discovering", ""))
		r := s.unitRow(unitA, "pending", "0 0 0 0", "", "")
		s.commit(w0, row{strings.Replace(r.key, "00000001", "00000002", 1), r.value})
	}},
	{"answers-true", "told what was never so (status)", func(s *story) {
		s.running().call("status")
		s.answered("status", "gen=1 running total=3 submitted=first pending=2 source=\"in/\",\"*.rec\",2,true,\"\"")
	}},
	{"answers-true", "told what was never so (list)", func(s *story) {
		s.show(sim.Effect{Kind: sim.EffectRecord, Record: sim.Record{What: "list", Of: "lab"}}, "client/1")
		s.show(sim.Effect{Kind: sim.EffectRecord, Record: sim.Record{What: "list", Of: "lab", Returned: true, Told: batch + ": gen=1 pending total=0; "}}, "client/1")
	}},
	{"answers-true", "absurd request accepted", func(s *story) { s.returned("absurd", 0, env.ClassNone) }},
	{"answers-true", "sound request refused", func(s *story) { s.running().call("status"); s.returned("status", 0, env.ClassInvalid) }},
	{"answers-true", "undocumented error", func(s *story) { s.running().call("list"); s.returned("list", 0, env.ClassOther) }},
	{"answers-true", "undocumented error", func(s *story) { s.running().call("status"); s.returned("status", 0, env.ClassUndetermined) }},
	{"answers-true", "undocumented error", func(s *story) { s.running().call("cancel"); s.returned("cancel", 0, env.ClassConflict) }},
	{"answers-true", "undocumented error", func(s *story) { s.running().call("retry"); s.refused("retry", schema.Superseded) }},
	{"answers-true", "told that there is none", func(s *story) { s.running().call("cancel"); s.refused("cancel", schema.NoBatch) }},
	{"answers-true", "told that there is none", func(s *story) { s.published().call("retry"); s.refused("retry", schema.NoBatch) }},
	{"answers-true", "told of a successor that is none", func(s *story) { s.published().call("cancel"); s.refused("cancel", schema.Superseded) }},
	{"answers-true", "told of an end that is none", func(s *story) { s.call("cancel"); s.refused("cancel", schema.Ended) }},
	{"answers-true", "told of an end that is none", func(s *story) {
		s.running().call("cancel")
		s.refused("cancel", schema.Ended)
	}},
	{"answers-true", "told of an end that is none", func(s *story) {
		s.running().call("retry")
		s.refused("retry", schema.Ended)
	}},
	{"answers-true", "retry told of another count", func(s *story) { s.running().call("retry"); s.returned("retry", 1, env.ClassNone) }},
	{"answers-true", "retry told of another count", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0").fail(w0, unitA, "dead", "1 1 0 0", 1).call("retry")
		s.commit("client/1", s.unitRow(unitA, "pending", "1 1 0 0", "", "retries=1"))
		s.returned("retry", 0, env.ClassNone)
	}},
	{"answers-true", "retry left a unit dead", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0").fail(w0, unitA, "dead", "1 1 0 0", 1).call("retry")
		s.returned("retry", 1, env.ClassNone)
	}},
	{"work-saved", "work not saved", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0")
		up := s.open(w0, stagingKey(unitA, 1))
		for number := range 5 {
			s.pass(2*time.Second).part(w0, stagingKey(unitA, 1), up, number+1, "part")
		}
		s.settle()
	}},
	{"work-saved", "work given away unsaved", func(s *story) {
		s.process(sim.Booted, w0)
		s.running().claim(w0, unitA, "1 1 0 0")
		up := s.open(w0, stagingKey(unitA, 1))
		for number := range 4 {
			s.part(w0, stagingKey(unitA, 1), up, number+1, "part")
		}
		s.process(sim.Terminated, w0)
		s.commit(w0, s.unitRow(unitA, "pending", "1 0 1 0", w0, ""), queueRow(unitA, 1), gone(leaseRow(w0, unitA, 1, 1)))
		s.settle()
	}},
	{"work-saved", "whole output made again", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0").put(w0, stagingKey(unitA, 1), "x")
		s.request(w0, "complete_unit", ops.Head, stagingKey(unitA, 1), 0, done)
		s.request(w0, "convert", ops.CreateUpload, stagingKey(unitA, 1), 0, done).settle()
	}},
	{"work-saved", "saved work not continued", func(s *story) { s.takenOver().complete(w1, unitA, "2 2 0 0") }},
	{"bounded-writes", "write larger than a part", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0").put(w0, stagingKey(unitA, 1), strings.Repeat("x", 6000))
	}},
	{"bounded-writes", "too many parts at once", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0")
		up := s.open(w0, stagingKey(unitA, 1))
		s.part(w0, stagingKey(unitA, 1), up, 1, "part")
		s.part(w0, stagingKey(unitA, 1), up, 9, "part")
	}},
	{"bounded-writes", "small object in parts", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0")
		up := s.open(w0, stagingKey(unitA, 1))
		p := s.part(w0, stagingKey(unitA, 1), up, 1, strings.Repeat("x", 4999))
		s.object(w0, objstore.Request{Kind: objstore.KindCompleteUpload, Key: stagingKey(unitA, 1), UploadID: up, Parts: []env.Part{p}})
	}},
	{"store-spared", "unavailable store called again", func(s *story) {
		s.running()
		for range 9 {
			s.request(w0, "stage", ops.Put, "out/x", 0, refused).pass(time.Second)
		}
		s.settle()
	}},
	{"store-spared", "called while its breaker is open", func(s *story) {
		s.running()
		for range 2 {
			s.request(w0, "stage", ops.Put, "out/x", 0, lost).pass(2 * time.Second)
		}
		s.pass(8*time.Second).request(w0, "stage", ops.Put, "out/x", 0, done).settle() // 11 s are over, and 10 since it was given up are not
	}},
	{"store-spared", "called while its breaker is open", func(s *story) {
		s.running()
		for range 2 {
			s.request(w0, "stage", ops.Put, "out/x", 0, lost).pass(2 * time.Second)
		}
		s.pass(10*time.Second).request(w0, "stage", ops.Put, "out/x", 0, done)
		s.request(w0, "stage", ops.Put, "out/x", 0, lost).pass(2 * time.Second)
		s.request(w0, "stage", ops.Put, "out/x", 0, done).settle() // one success was not enough
	}},
	{"store-spared", "next round too soon", func(s *story) {
		s.running().request(w0, "collect", ops.KVScan, "sweep/", 0, done).pass(time.Millisecond)
		s.request(w0, "collect", ops.KVScan, "sweep/", 0, done).settle()
	}},
	{"store-spared", "next round too soon", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0")
		s.commit(w0, leaseRow(w0, unitA, 1, 2))
		s.commit(w0, leaseRow(w0, unitA, 1, 3))
		s.settle()
	}},
	{"store-spared", "next round too soon", func(s *story) {
		s.running().commit(w0, leaderRow(w0, 1, 2))
		s.commit(w0, leaderRow(w0, 1, 3))
		s.settle()
	}},
	{"store-spared", "next round too soon", func(s *story) { // its last request failed
		s.fault(&fault.Partition{Service: ops.Every, For: time.Hour})
		s.running().looksAt(2, "active/").request(w0, "control", ops.KVGet, "batch/"+batch, 4, became{fate: sim.Lost})
		s.pass(500*time.Millisecond).looksAt(6, "active/").settle()
	}},
	{"store-spared", "next round too late", func(s *story) {
		s.running().looksAt(2, "active/").pass(1200*time.Millisecond).looksAt(4, "active/").settle()
	}},
	{"store-spared", "pauses all alike", func(s *story) {
		s.pausesOf(func(int) time.Duration { return 980 * time.Millisecond }).settle()
		s.asked = "" // no single request is to blame
	}},
	{"store-spared", "tried again too soon", func(s *story) {
		s.running().tries(2, conflict).pass(60*time.Millisecond).tries(4, conflict).pass(60*time.Millisecond).tries(6, done).settle()
	}},
	{"store-spared", "looked for work in an outage", func(s *story) {
		s.running()
		for range 9 {
			s.request(w0, "stage", ops.Put, "out/x", 0, refused).pass(10 * time.Second)
		}
		s.pass(-5*time.Second).request(w0, "claim_unit", ops.TSO, "", 0, done)
		s.request(w0, "claim_unit", ops.KVScan, "active/", 0, done).settle()
	}},
	{"orphan-claimable", "failed unit left behind", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0").fail(w0, unitA, "failed", "1 1 0 0", 1)
		s.w.Heal(s.at)
		s.process(sim.Healed, "")
		s.pass(time.Hour)
		s.settle()
	}},
	{"no-idle-beside-work", "idle worker beside a claimable unit", func(s *story) {
		s.process(sim.Booted, w1)
		s.running()
		s.w.Heal(s.at)
		s.process(sim.Healed, "")
		s.pass(time.Hour)
		s.process(sim.Healed, "")
	}},
	{"no-idle-beside-work", "less urgent unit claimed first", func(s *story) {
		dull := "lab/dull/00000001/00000000000000cc"
		r := s.running().dullRow()
		s.commit("client/1", r)
		s.commit(w0, s.unitRow(dull, "pending", "0 0 0 0", "", ""), queueRow(dull, 0))
		s.pass(time.Hour).claim(w0, dull, "1 1 0 0").settle()
	}},
	{"no-idle-beside-work", "looked at the queue and passed a claimable unit by", func(s *story) {
		s.running().looksForWork(done, "queue/998/"+unitA).settle()
		s.looksForWork(refused).settle() // and gave up
		s.looksForWork(done).settle()
	}},
	{"no-idle-beside-work", "claimed past a more urgent unit", func(s *story) { // that it had seen
		dull := "lab/dull/00000001/00000000000000cc"
		s.running().commit("client/1", s.dullRow())
		s.commit(w0, s.unitRow(dull, "pending", "0 0 0 0", "", ""), queueRow(dull, 0))
		s.looksForWork(done, "queue/998/"+unitA).claim(w0, dull, "1 1 0 0").settle()
	}},
	{"no-idle-beside-work", "claimed past a more urgent unit", func(s *story) { // that it could have seen
		dull, next := "lab/dull/00000001/00000000000000cc", "lab/dull/00000001/00000000000000dd"
		s.commit("client/1", s.dullRow())
		s.commit(w0, s.unitRow(dull, "pending", "0 0 0 0", "", ""), queueRow(dull, 0), s.unitRow(next, "pending", "0 0 0 0", "", ""), queueRow(next, 0))
		s.looksForWork(done, "queue/999/"+dull).claim(w0, dull, "1 1 0 0").running()
		s.step = "complete_unit"
		s.complete(w0, dull, "1 1 0 0").settle()
		s.step = ""
		s.claim(w0, next, "1 1 0 0").settle()
	}},
	{"merge-taken-over", "abandoned merge", func(s *story) {
		s.process(sim.Booted, w0)
		s.converted().claimMerge(w0, 1).process(sim.Crashed, w0)
		s.w.Heal(s.at)
		s.process(sim.Healed, "")
		s.pass(time.Hour)
		s.settle()
	}},
	{"every-batch-ends", "batch never ended", func(s *story) { s.running().settle() }},

	{"summaries-agree", "ended batch in the index", func(s *story) {
		s.running().commit("client/1", batchRow("cancelled", "units=2"))
		s.settle()
	}},
	{"summaries-agree", "living batch not in the index", func(s *story) { s.running().commit(w0, gone(activeRow)); s.settle() }},
	{"summaries-agree", "index of another generation", func(s *story) { s.running().commit(w0, row{activeRow.key, "a1 gen=2"}); s.settle() }},
	{"summaries-agree", "no status", func(s *story) { s.published().settle() }},
	{"summaries-agree", "status is not so", func(s *story) {
		s.running().commit(w0, statusRow("running", "pending=2"))
		s.cancelled().settle()
	}},
	{"summaries-agree", "status was never so", func(s *story) { s.published().commit(w0, statusRow("complete", "complete=1")) }},
	{"summaries-agree", "status of a forgotten batch", func(s *story) {
		s.published().collected().forgotten()
		s.commit(w0, statusRow("expired", ""))
		s.settle()
	}},
	{"summaries-agree", "status of a kept batch deleted", func(s *story) {
		s.running().commit(w0, gone(statusRow("running", "")))
	}},
	{"summaries-agree", "batch dated otherwise", func(s *story) { // in seconds
		r := s.running().cancelledRow()
		s.commit("client/1", row{r.key, strings.Replace(r.value, "finished_ms=then", "finished_ms=1704067200", 1)}, gone(activeRow))
	}},
	{"summaries-agree", "batch dated otherwise", func(s *story) { // when the transaction before began
		s.submitted().pass(time.Minute).commit(w0, leaderRow(w0, 1, 1))
		s.commit(w0, batchRow("discovering", ""))
		r := s.cancelledRow()
		s.commit("client/1", row{r.key, strings.Replace(r.value, "finished_ms=then", "finished_ms="+s.dates[r.key+" 1 submitted_ms=first"], 1)}, gone(activeRow))
	}},
	{"summaries-agree", "batch dated otherwise", func(s *story) { // long before it was asked for
		r := batchRow("pending", "")
		s.pass(time.Minute).call("submit")
		s.commit("client/1", row{r.key, strings.Replace(r.value, "submitted_ms=first", "submitted_ms=1704067200001", 1)}, activeRow)
	}},
	{"summaries-agree", "batch dated otherwise", func(s *story) {
		s.submitted().commit(w0, leaderRow(w0, 1, 1))
		r := batchRow("discovering", "")
		s.commit(w0, row{r.key, strings.Replace(r.value, "submitted_ms=first", "submitted_ms=1704067200000", 1)})
	}},
	{"summaries-agree", "batch dated otherwise", func(s *story) {
		s.published().collected()
		r := published(s, 1)
		s.commit(w0, row{r.key, strings.NewReplacer("phase=complete", "phase=expired", "finished_ms=then", "finished_ms=0").Replace(r.value)}, row{"status/" + batch, ""})
	}},
	{"summaries-agree", "end announced too soon", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0").fail(w0, unitA, "dead", "1 1 0 0", 1)
		s.commit(w1, batchRow("running", "units=2 closing=failed error=x"))
	}},
	{"summaries-agree", "status of no batch", func(s *story) { s.commit(w0, statusRow("running", "")) }},
	{"summaries-agree", "batch without its times", func(s *story) {
		r := s.running().cancelledRow()
		s.commit("client/1", row{r.key, strings.Replace(r.value, "finished_ms=then", "finished_ms=0", 1)}, gone(activeRow))
		s.settle()
	}},
	{"summaries-agree", "discovery not at its end", func(s *story) { s.running().commit(w0, discoveryRow(0, 2)); s.settle() }},
	{"summaries-agree", "units do not add up", func(s *story) { s.running().commit(w0, discoveryRow(1, 3)); s.settle() }},

	{"no-leaks", "expired too early", func(s *story) {
		r := published(s.published(), 1)
		s.commit(w0, row{r.key, strings.Replace(r.value, "phase=complete", "phase=expired", 1)})
	}},
	{"no-leaks", "batch watched for ever", func(s *story) {
		s.published().collected().commit(w0, row{"sweep/" + bid, "w1 state=collect"})
		s.w.Heal(s.at)
		s.pass(time.Hour)
		s.settle()
	}},
	{"no-leaks", "rows kept for ever", func(s *story) {
		s.published().collected()
		s.w.Heal(s.at)
		s.pass(time.Hour)
		s.settle()
	}},
	{"no-leaks", "rows kept for ever", func(s *story) {
		s.published().collected().forgotten().commit(w0, discoveryRow(1, 2))
		s.w.Heal(s.at)
		s.pass(time.Hour)
		s.settle()
	}},
	{"no-leaks", "rows kept for ever", func(s *story) {
		s.published().collected().forgotten().commit(w0, row{"dead/" + unitA, "f1 epoch=1 attempts=1"})
		s.w.Heal(s.at)
		s.pass(time.Hour)
		s.settle()
	}},
	{"no-leaks", "collected too early", func(s *story) { s.published().delete(w0, stagingKey(unitB, 1)) }},
	{"no-leaks", "object left behind", func(s *story) { s.published(); s.w.Heal(s.at); s.pass(time.Hour); s.settle() }},
	{"no-leaks", "upload left open", func(s *story) {
		s.published().open(w0, stagingKey(unitA, 1))
		s.collected().w.Heal(s.at)
		s.pass(time.Hour)
		s.settle()
	}},
	{"no-leaks", "probe left open", func(s *story) {
		s.within("probe").open(w0, "probe/uploads/w0/probe")
		s.process(sim.Booted, "w0/2")
		s.request("w0/2", "probe", ops.ListUploads, "probe/uploads/w0/probe", 0, done)
		s.request("w0/2", "convert", ops.Get, "in/a.rec", 0, done)
		s.asked = "" // it is what was left open that is judged
		s.settle()
	}},
	{"no-lost-update", "wrote over what it had not read", func(s *story) {
		s.commitAt(w0, 5, 9, leaderRow(w0, 1, 1))
		s.commitAt(w1, 10, 12, leaderRow(w1, 2, 1))
		s.commitAt(w0, 13, 15, leaderRow(w0, 3, 1))
		told := s.w.Told()
		told.Reads = listed(sim.TxnRead{StartTS: 4, Key: "leader/scanner"}, sim.TxnRead{StartTS: 10, Key: "leader/scanner"})
		told.Scans.Add(sim.TxnScan{StartTS: 13, From: "leader/", To: "leader0", Limit: 5})
		s.settle()
		if s.err == nil { // a full page says nothing of what is behind it
			for page := range told.Scans.All() {
				page.Limit, page.Pairs = 1, []env.Pair{{Key: "leader/a"}}
			}
			s.settle()
		}
	}},
	{"no-write-skew", "each read what the other wrote", func(s *story) {
		s.commitAt(w0, 5, 9, leaderRow(w0, 1, 1))
		s.commitAt(w1, 6, 10, activeRow)
		s.commitAt(w1, 10, 12, statusRow("running", ""))
		told := s.w.Told()
		told.Reads = listed(sim.TxnRead{StartTS: 5, Key: activeRow.key}, sim.TxnRead{StartTS: 10, Key: "leader/scanner"}, sim.TxnRead{StartTS: 7, Key: "leader/scanner"})
		s.settle()
		if s.err == nil {
			told.Reads.Add(sim.TxnRead{StartTS: 6, Key: "leader/scanner"})
			s.settle()
		}
	}},
	{"no-write-skew", "saved without holding the unit", func(s *story) {
		s.guarded().claim(w0, unitA, "1 1 0 0")
		saved := checkpointRow(unitA, 1, 1, 30, stagingKey(unitA, 1), upload1, "")
		s.commit(w0, saved, held("unit/"+unitA))
		s.commit(w0, saved, held(leaseRow(w0, unitA, 1, 1).key)) // which goes with the attempt
		s.commit(w0, gone(saved))
		s.settle()
		s.commit(w0, saved, held(leaseRow(w1, unitA, 1, 1).key))
		s.settle()
	}},
	{"no-write-skew", "scanned without holding the leadership", func(s *story) { // a batch moved on
		s.guarded().settle()
		s.commit(w0, batchRow("running", "units=1"))
		s.settle()
	}},
	{"no-write-skew", "scanned without holding the leadership", func(s *story) { // a unit, and how far it is
		s.guarded()
		s.commit(w0, gone(discoveryRow(1, 2)))
		s.settle()
		s.commit(w0, s.unitRow(unitB, "pending", "0 0 0 0", "", ""), queueRow(unitB, 0), discoveryRow(1, 2))
		s.settle()
	}},
	{"no-write-skew", "scanned without holding the leadership", func(s *story) { // a batch that the scanner fails
		s.guarded().within("control").commit(w1, batchRow("discovering", "closing=failed")) // which anybody may do who counts
		s.settle()
		s.within("discover").commit(w0, batchRow("failed", ""), held(shardA))
		s.settle()
	}},
	{"no-write-skew", "took an output or a source without holding those above it", func(s *story) {
		s.commit("client/1", batchRow("pending", ""), row{"output/a/b/c", "o1 name=x"}, held("output/in"), held("output/a"), held("output/a/b"))
		s.commit("client/1", batchRow("cancelled", ""), row{"output/a/b/c", "o1 name=y"}) // was there
		s.settle()
		s.commit("client/1", row{"output/d/e/f", "o1 name=y"}, held("output/d/e"))
		s.settle()
	}},
	{"no-write-skew", "took an output or a source without holding those above it", func(s *story) {
		s.commit("client/1", otherBatch("out", `in/x/\tx`), held("output/in/x"))
		s.settle()
	}},
	{"no-write-skew", "nothing keeps a unit and the end of its batch apart", func(s *story) {
		s.guarded().claim(w0, unitA, "1 1 0 0")
		s.commit("client/1", batchRow("cancelled", ""))
		s.settle()
	}},
	{"lock-order", "claims waited for in opposite orders", func(s *story) { // of one kind: by their keys
		s.running().claim(w0, unitA, "1 1 0 0").claim(w1, unitB, "1 1 0 0")
		s.polls(w0, "unit/"+unitA, "unit/"+unitB, 2).polls(w1, "unit/"+unitB, "unit/"+unitA, 2).settle()
	}},
	{"lock-order", "claims waited for in opposite orders", func(s *story) { // of two kinds
		s.running().claim(w0, unitA, "1 1 0 0").commit(w1, leaderRow(w1, 2, 1))
		s.polls(w0, "unit/"+unitA, "leader/scanner", 2).polls(w1, "leader/scanner", "unit/"+unitA, 2).settle()
	}},
	{"refines-model", "transition that the model has not", func(s *story) {
		s.within("submit").commit("client/1", batchRow("pending", ""), activeRow)
		s.within("heartbeat").commit(w0, batchRow("discovering", ""))
		s.settle()
	}},
	{"refines-model", "transition whose guard does not hold", func(s *story) { // nobody leads
		s.within("submit").commit("client/1", batchRow("pending", ""), activeRow)
		s.within("discover").commit(w0, batchRow("discovering", ""))
		s.settle()
	}},
	{"refines-model", "transition with another effect", func(s *story) {
		s.within("submit").commit("client/1", batchRow("pending", ""))
		s.settle()
	}},
	{"no-leaks", "unit not at rest", func(s *story) { s.running().cancelled(); s.w.Heal(s.at); s.pass(time.Hour); s.settle() }},
}

// clauses are those that the invariants declare, with their rules.
func clauses() map[sentence]string {
	all := map[sentence]string{}
	for _, inv := range properties.All(config()) {
		for shape, rule := range properties.Clauses(inv) {
			all[sentence{inv.Name(), shape}] = rule
		}
	}
	return all
}

// sentence is a clause of an invariant.
type sentence struct{ invariant, clause string }

func TestClauses(t *testing.T) {
	rules := clauses()
	for _, b := range breaches {
		t.Run(b.invariant+"/"+b.clause, func(t *testing.T) {
			s := newStory(b.invariant)
			b.tell(s)
			var v *sim.Violation
			require.ErrorAs(t, s.err, &v)
			require.Equal(t, b.invariant, v.Invariant)
			shape := b.clause
			if s.asked != "" { // a request broke it: its step is told
				shape += " (" + s.asked + ")"
			}
			require.Equal(t, shape, v.Shape)
			require.Equal(t, rules[sentence{b.invariant, b.clause}], v.Rule)
			require.NotEmpty(t, v.Text)
			require.NotEmpty(t, v.Subject)
			require.NotContains(t, v.Text, "%!")
		})
	}
}

// TestEveryClauseFires: a clause that no story breaks may be one that nothing
// can break; and what a story breaks is a clause.
func TestEveryClauseFires(t *testing.T) {
	declared, broken := clauses(), map[sentence]bool{}
	require.Greater(t, len(declared), 140)
	for _, b := range breaches {
		what := sentence{b.invariant, b.clause}
		broken[what] = true
		require.Contains(t, declared, what, "no invariant declares what this story breaks")
	}
	for what := range declared {
		require.True(t, broken[what], "no story breaks %s: %s", what.invariant, what.clause)
	}
	for _, inv := range properties.All(config()) {
		require.True(t, len(properties.Clauses(inv)) > 0 || inv.Name() == "marks", "%s has no clause", inv.Name())
	}
}
