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

// crashed: a fault ended a process.
func (s *story) crashed(who string) *story {
	s.fault(&fault.Crash{Restart: time.Second})
	s.process(sim.Crashed, who)
	return s
}

// became is what became of a request.
type became struct {
	fate   sim.Fate
	answer sim.Answer
}

var (
	done     = became{}
	refused  = became{sim.Refused, sim.Answer{Class: env.ClassUnavailable}}
	dropped  = became{fate: sim.ReplyDropped}
	lost     = became{fate: sim.Lost}
	conflict = became{answer: sim.Answer{KV: tikv.StatusWriteConflict}}
)

// request: a store was asked, and this became of it.
func (s *story) request(who, step string, op ops.Op, key string, startTS uint64, is became) *story {
	c := sim.Call{Event: s.event, At: s.at, Task: s.task, Step: step, Op: op, Key: key, StartTS: startTS, Fate: is.fate, Answer: is.answer}
	c.Process, c.Incarnation, _ = strings.Cut(who, "/")
	s.asked = step
	s.w.Call(c)
	return s
}

func (s *story) fail(who, unit, state, counts string, epoch int) *story {
	s.commit(who, s.unitRow(unit, state, counts, who, `error="unit timeout"`), gone(leaseRow(who, unit, epoch, 1)))
	return s
}

func (s *story) requeue(unit, counts string, epoch int) *story {
	s.pass(2 * time.Second)
	s.commit(w1, s.unitRow(unit, "pending", counts, w0, "error=x"), queueRow(unit, epoch))
	return s
}

// legal are stories in which nothing is wrong, and the marks that they reach.
var legal = []struct {
	name  string
	marks string
	tell  func(s *story)
}{
	{"an owner dies, its successor continues its upload", "takeover_after_expiry resume_open_upload resume_from_checkpoint", func(s *story) {
		s.atCheckpoint().crashed(w0).reap(w1, w0, unitA, "1 1 0 0", 1).claim(w1, unitA, "2 2 0 0")
		key := stagingKey(unitA, 1)
		second := strings.Repeat("part two", 5000/8)
		p := s.part(w1, key, upload1, 2, second)
		s.commit(w1, checkpointRow(unitA, 2, 1, 50, key, upload1, "1:"+etagOf(s, 1)+":8,2:"+p.ETag+":5000"))
		s.part(w0, key, upload1, 2, second) // the zombie writes the same
		s.object(w1, objstore.Request{Kind: objstore.KindCompleteUpload, Key: key, UploadID: upload1, Parts: []env.Part{{Number: 1, ETag: etagOf(s, 1)}, p}})
		s.commit(w1, s.completeRow(w1, unitA, "2 2 0 0", key), gone(leaseRow(w1, unitA, 2, 1)), row{"checkpoint/" + unitA, ""})
	}},
	{"an upload expires, its work begins anew", "", func(s *story) {
		s.atCheckpoint().expire(stagingKey(unitA, 1), upload1)
		key := stagingKey(unitA, 1)
		up := s.open(w0, key)
		p := s.part(w0, key, up, 1, "part")
		s.commit(w0, checkpointRow(unitA, 1, 2, 10, key, up, "1:"+p.ETag+":4"))
	}},
	{"more of a probe is open than is listed at once", "", func(s *story) {
		for range 3 {
			s.within("probe").open(w0, "probe/uploads/w0/probe")
		}
		s.request("w0/2", "probe", ops.ListUploads, "probe/uploads/w0/probe", 0, done)
		s.request("w0/2", "convert", ops.Get, "in/a.rec", 0, done).open(w0, "probe/uploads/w0/probe")
	}},
	{"a process wakes up when its batch's watch is over, and writes", "", func(s *story) {
		s.published().collected().pass(time.Hour)
		s.put(w0, stagingKey(unitA, 1), "episode")
		s.open(w0, stagingKey(unitA, 1))
		s.w.Heal(s.at)
		s.pass(75 * time.Second) // what is left is overdue after 45 s, the rows only after 115 s
		s.settle()
	}},
	{"a checkpoint is written twice", "", func(s *story) {
		s.atCheckpoint().checkpoint(w0, 1, 2, 40, "part one")
		s.checkpoint(w0, 1, 2, 40, "part one")
	}},
	{"an attempt fails, is tried again, dies, is retried", "attempt_timed_out dead_letter", func(s *story) {
		s.fault(&fault.Partition{Service: ops.Every, For: time.Hour})
		s.running().claim(w0, unitA, "1 1 0 0").fail(w0, unitA, "failed", "1 1 0 0", 1).requeue(unitA, "1 1 0 0", 1)
		s.claim(w0, unitA, "2 2 0 0").fail(w0, unitA, "failed", "2 2 0 0", 2).requeue(unitA, "2 2 0 0", 2)
		s.claim(w0, unitA, "3 3 0 0").fail(w0, unitA, "dead", "3 3 0 0", 3)
		s.commit("client/1", s.unitRow(unitA, "pending", "3 3 0 1", w0, "error=x"), queueRow(unitA, 3))
		s.claim(w0, unitA, "4 4 0 1").complete(w0, unitA, "4 4 0 1")
	}},
	{"poison dies at a checkpoint, is retried, begins anew", "dead_letter", func(s *story) {
		s.fault(&fault.Partition{Service: ops.Every, For: time.Hour})
		s.atCheckpoint().fail(w0, unitA, "failed", "1 1 0 0", 1).requeue(unitA, "1 1 0 0", 1)
		s.claim(w0, unitA, "2 2 0 0").fail(w0, unitA, "failed", "2 2 0 0", 2).requeue(unitA, "2 2 0 0", 2)
		s.claim(w0, unitA, "3 3 0 0")
		s.commit(w0, s.unitRow(unitA, "dead", "3 3 0 0", w0, "error=x"), gone(leaseRow(w0, unitA, 3, 1)), row{"checkpoint/" + unitA, ""})
		s.commit("client/1", s.unitRow(unitA, "pending", "3 3 0 1", w0, "error=x"), queueRow(unitA, 3))
		s.claim(w0, unitA, "4 4 0 1")
		key := stagingKey(unitA, 4)
		up := s.open(w0, key)
		p := s.part(w0, key, up, 1, "part")
		s.commit(w0, checkpointRow(unitA, 4, 1, 10, key, up, "1:"+p.ETag+":4"))
	}},
	{"a process drains", "drain_mid_unit", func(s *story) {
		s.process(sim.Booted, w0)
		s.fault(&fault.Terminate{Grace: time.Second})
		s.running().claim(w0, unitA, "1 1 0 0").process(sim.Terminated, w0)
		s.commit(w0, s.unitRow(unitA, "pending", "1 0 1 0", w0, ""), queueRow(unitA, 1), gone(leaseRow(w0, unitA, 1, 1)))
		s.claim(w1, unitA, "2 1 1 0").complete(w1, unitA, "2 1 1 0")
	}},
	{"a fault becomes known late", "takeover_after_expiry", func(s *story) {
		s.takenOver().expire(stagingKey(unitA, 1), upload1)
		s.complete(w1, unitA, "2 2 0 0").claim(w1, unitB, "1 1 0 0").complete(w1, unitB, "1 1 0 0")
		s.claimMerge(w1, 1).write(w1, 1, nil).flip(w1, 1)
		s.collectedBy(w1, "2 2 0 0", w1).forgotten()
		s.fault(&fault.Delay{For: time.Hour})
		s.settle()
	}},
	{"a heartbeat is written again, and beats", "", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0")
		s.commit(w0, leaseRow(w0, unitA, 1, 2))
		s.commit(w0, leaseRow(w0, unitA, 1, 2))
		s.commit(w0, leaseRow(w0, unitA, 1, 3))
	}},
	{"a merge is taken over, its loser discards", "merge_takeover", func(s *story) {
		s.converted().claimMerge(w0, 1).write(w0, 1, nil).crashed(w0).pass(time.Minute)
		s.claimMerge(w1, 2)
		s.delete(w0, datasetPrefix(1)+"manifest.json")
		s.write(w1, 2, nil).flip(w1, 2)
	}},
	{"a merge is let go", "merge_takeover", func(s *story) {
		s.converted().claimMerge(w0, 1)
		s.fault(&fault.Refuse{})
		s.commit(w0, mergeRow("", 1, "claimed", 1, 2))
		s.claimMerge(w1, 2).write(w1, 2, nil).flip(w1, 2)
	}},
	{"another scanner leads", "scanner_takeover", func(s *story) {
		s.submitted().commit(w0, leaderRow(w0, 1, 1))
		s.crashed(w0).pass(time.Minute)
		s.commit(w1, leaderRow(w1, 2, 1))
		s.commit(w1, batchRow("discovering", ""))
		s.commit(w1, leaderRow(w1, 2, 2))
	}},
	{"another scanner leads in the middle of a listing", "scanner_takeover scanner_takeover_mid_listing", func(s *story) {
		s.submitted().commit(w0, leaderRow(w0, 1, 1))
		s.commit(w0, batchRow("discovering", ""))
		s.commit(w0, s.unitRow(unitA, "pending", "0 0 0 0", "", ""), queueRow(unitA, 0), discoveryRow(0, 1))
		s.crashed(w0).pass(time.Minute)
		s.commit(w1, leaderRow(w1, 2, 1))
	}},
	{"a cancel wins, the name is submitted again", "cancel_wins", func(s *story) {
		s.running().claim(w0, unitA, "1 1 0 0").put(w0, stagingKey(unitA, 1), "x")
		s.cancelled()
		s.commit(w1, s.unitRow(unitA, "cancelled", "1 1 0 0", w0, ""), gone(leaseRow(w0, unitA, 1, 1)),
			s.unitRow(unitB, "cancelled", "0 0 0 0", "", ""), gone(queueRow(unitB, 0)))
		s.pass(time.Minute)
		s.delete(w1, stagingKey(unitA, 1))
		s.call("submit")
		s.commit("client/1", batchRowOf(2, "pending", ""), row{activeRow.key, "a1 gen=2"})
		s.returned("submit", 2, env.ClassNone)
	}},
	{"a source has become somebody's output", "", func(s *story) {
		s.show(sim.Effect{Kind: sim.EffectRecord, Record: sim.Record{What: "submit", Of: "lab/other"}}, "client/2")
		s.commit("client/1", otherBatch("in/more", "elsewhere/"))
		s.call("submit")
		s.returned("submit", 0, env.ClassInvalid)
	}},
	{"a cancel loses", "cancel_loses", func(s *story) {
		s.published().call("cancel")
		s.refused("cancel", schema.Ended)
	}},
	{"a cancel has no known outcome", "", func(s *story) {
		s.running().call("cancel")
		s.returned("cancel", 0, env.ClassUndetermined)
		s.claim(w0, unitA, "1 1 0 0")
	}},
	{"a submission has no known outcome, and happens", "", func(s *story) {
		s.call("submit")
		s.returned("submit", 0, env.ClassUndetermined)
		s.commit("client/1", batchRow("pending", ""), activeRow)
	}},
	{"faults end every attempt, and the batch fails", "dead_letter", func(s *story) {
		s.running()
		for epoch, counts := range []string{"1 1 0 0", "2 2 0 0", "3 3 0 0"} {
			s.fault(&fault.Partition{Service: ops.Every, For: time.Minute})
			s.claim(w0, unitA, counts)
			if epoch < 2 {
				s.fail(w0, unitA, "failed", counts, epoch+1).requeue(unitA, counts, epoch+1)
			}
		}
		s.fail(w0, unitA, "dead", "3 3 0 0", 3)
		s.commit(w1, batchRow("failed", "units=2 error=x"), gone(activeRow))
	}},
	{"an ended batch expires", "", func(s *story) {
		s.published().collected().forgotten().settle()
	}},
	{"a superseded batch is forgotten", "", func(s *story) {
		s.published().collected().call("submit")
		s.commit("client/1", batchRowOf(2, "pending", ""), row{activeRow.key, "a1 gen=2"})
		s.returned("submit", 2, env.ClassNone)
		s.commit(w0, row{"unit/" + unitA, ""}, row{"unit/" + unitB, ""}, row{"discovery/" + bid + "/0000", ""}, row{"shard/" + bid + "/0000", ""}, row{"merge/" + bid, ""})
		s.call("cancel")
		s.commit("client/1", batchRowOf(2, "cancelled", ""), gone(activeRow))
		s.commit(w0, row{"status/" + batch, "t1 gen=2 phase=cancelled"})
		s.settle()
	}},
	{"somebody submits again what another's cancel has just ended", "cancel_wins", func(s *story) {
		s.running().call("cancel")
		s.commit("client/1", batchRow("cancelled", "units=2"), gone(activeRow))
		s.task = "meddler"
		s.call("submit")
		s.commit("client/1", batchRowOf(2, "pending", ""), row{activeRow.key, "a1 gen=2 priority=1"})
		s.returned("submit", 2, env.ClassNone)
		s.task = ""
		s.returned("cancel", 0, env.ClassNone)
	}},
	{"a cancel is superseded, and another cancels what came", "", func(s *story) {
		s.published().call("cancel")
		s.task = "meddler"
		s.call("submit")
		s.commit("client/1", batchRowOf(2, "pending", ""), row{activeRow.key, "a1 gen=2 priority=1"})
		s.returned("submit", 2, env.ClassNone)
		s.call("cancel")
		s.commit("client/1", batchRowOf(2, "cancelled", ""), gone(activeRow))
		s.returned("cancel", 0, env.ClassNone)
		s.task = ""
		s.refused("cancel", schema.Superseded)
	}},
	{"a name comes back as something else", "resubmitted_otherwise", func(s *story) {
		s.published().collected().ask("submit", 1)
		s.commit("client/1", revised(batchRowOf(2, "pending", "")), row{activeRow.key, "a1 gen=2 priority=1"})
		s.returned("submit", 2, env.ClassNone)
	}},
	{"an earlier call's submission arrives while the next asks for something else", "", func(s *story) {
		s.call("submit")
		s.returned("submit", 0, env.ClassUndetermined)
		s.ask("submit", 1)
		s.commit("client/1", batchRow("pending", ""), activeRow)
		s.returned("submit", 0, env.ClassUndetermined)
		s.commit(w0, leaderRow(w0, 1, 1))
		s.commit(w0, batchRow("discovering", ""))
	}},
	{"a request of the dead arrives", "late_request_of_old_run", func(s *story) {
		s.process(sim.Booted, w0)
		s.running().claim(w0, unitA, "1 1 0 0").crashed(w0)
		_, effects := s.w.Handle(objstore.Request{Kind: objstore.KindPut, Key: stagingKey(unitA, 1), Body: []byte("late")})
		s.show(sim.Effect{Kind: sim.EffectObject, Object: effects[0], Late: true}, w0)
	}},
	{"zombies are refused", "merge_takeover zombie_complete_refused zombie_flip_refused", func(s *story) {
		s.fault(&fault.Pause{For: time.Hour})
		s.takenOver().request(w0, "complete_unit", ops.KVGet, "unit/"+unitA, 1, done).expire(stagingKey(unitA, 1), upload1)
		s.complete(w1, unitA, "2 2 0 0").claim(w1, unitB, "1 1 0 0").complete(w1, unitB, "1 1 0 0")
		s.claimMerge(w0, 1).pass(time.Minute)
		s.claimMerge(w1, 2).request(w0, "flip", ops.Prewrite, "batch/"+batch, 2, conflict)
	}},
	{"a committer dies between its two phases", "crash_between_prewrite_and_commit", func(s *story) {
		s.request(w0, "lead", ops.Prewrite, "leader/scanner", 1, done).request(w0, "lead", ops.Commit, "leader/scanner", 1, done)
		s.request(w0, "lead", ops.Prewrite, "leader/scanner", 2, done).request(w0, "lead", ops.Prewrite, "leader/scanner", 2, done).crashed(w0)
	}},
	{"a client's wall clock is wrong", "", func(s *story) {
		s.faultOf("client", &fault.Skew{By: -time.Hour})
		s.running().call("cancel")
		r := s.cancelledRow()
		s.commit("client/1", row{r.key, strings.Replace(r.value, "finished_ms=then", "finished_ms="+strconv.FormatInt(sim.Epoch().Add(s.at-time.Hour).UnixMilli(), 10), 1)}, gone(activeRow))
	}},
	{"a client asks while the batch moves on", "", func(s *story) {
		s.running().call("status")
		s.claim(w0, unitA, "1 1 0 0").complete(w0, unitA, "1 1 0 0")
		s.answered("status", "gen=1 running total=2 submitted=first pending=1 processing=1 source=\"in/\",\"*.rec\",2,true,\"\"")
		s.call("status")
		s.answered("status", "gen=1 running total=2 submitted=first pending=1 complete=1 source=\"in/\",\"*.rec\",2,true,\"\"")
	}},
	{"an outage is waited out", "", func(s *story) {
		s.published().collected().fault(&fault.Outage{Service: ops.Every, For: time.Minute})
		for range 20 {
			s.request(w0, "merge", ops.Put, "out/x", 0, refused).pass(20 * time.Second)
			s.request(w1, "claim_unit", ops.KVScan, "active/", 0, done)
		}
		s.request(w0, "merge", ops.Put, "out/x", 0, done).request(w0, "merge", ops.Put, "out/x", 0, done)
		s.request(w0, "merge", ops.Put, "out/x", 0, refused)
		s.request(w0, "merge", ops.Put, "out/x", 0, done).settle()
	}},
	{"a caller gives up in an outage, and its reply comes too late", "", func(s *story) {
		s.published().collected().fault(&fault.Outage{Service: ops.Every, For: time.Minute})
		for range 9 {
			s.request(w0, "stage", ops.Put, "out/x", 0, refused).pass(20 * time.Second)
		}
		s.request(w0, "stage", ops.Put, "out/x", 0, refused).pass(time.Millisecond)
		s.request(w0, "stage", ops.Put, "out/x", 0, dropped).settle()
	}},
	{"a request to a store that is silent is the last of its task", "", func(s *story) {
		s.published().collected()
		for range 2 {
			s.request(w0, "stage", ops.Put, "out/x", 0, lost).pass(time.Second + time.Millisecond)
			s.request(w0, "complete", ops.KVGet, "unit/"+unitA, 0, done)
		}
		s.request(w0, "stage", ops.Put, "out/x", 0, done).settle()
	}},
	{"a silent store is called again when its breaker may be half open", "", func(s *story) {
		s.published().collected()
		for range 2 {
			s.request(w0, "stage", ops.Put, "out/x", 0, lost).pass(2 * time.Second)
		}
		s.pass(9*time.Second).request(w0, "stage", ops.Put, "out/x", 0, done)
		s.request(w0, "stage", ops.Put, "out/x", 0, done).request(w0, "stage", ops.Put, "out/x", 0, lost)
		s.pass(2*time.Second).request(w0, "stage", ops.Put, "out/x", 0, done).settle()
	}},
	{"a probe's refusal is dropped", "", func(s *story) {
		s.published().collected()
		for range 9 {
			s.request(w0, "stage", ops.Put, "out/x", 0, refused).pass(10 * time.Second)
		}
		s.request(w0, "stage", ops.Put, "out/x", 0, refused)
		s.request(w0, "stage", ops.Put, "out/x", 0, dropped)
		s.pass(time.Second).request(w0, "stage", ops.Put, "out/x", 0, refused).settle()
	}},
	{"a probe's refusal comes too late to stop the next call", "", func(s *story) {
		s.published().collected()
		for range 9 {
			s.request(w0, "stage", ops.Put, "out/x", 0, refused).pass(10 * time.Second)
		}
		s.request(w0, "stage", ops.Put, "out/x", 0, refused)
		s.pass(time.Second).request(w0, "stage", ops.Put, "out/x", 0, refused).pass(time.Second)
		s.request(w0, "stage", ops.Put, "out/x", 0, dropped).settle()
	}},
	{"a look at the queue goes on while the store refuses", "", func(s *story) {
		s.published().collected()
		for range 9 {
			s.request(w0, "stage", ops.Put, "out/x", 0, refused).pass(20 * time.Second)
		}
		s.request(w0, "claim_unit", ops.KVScan, "active/", 0, done).request(w0, "stage", ops.Put, "out/x", 0, refused)
		s.pass(time.Second).request(w0, "claim_unit", ops.KVScan, "active/lab/x\x00", 0, done).settle()
	}},
	{"a process asks what the store has", "", func(s *story) {
		s.published().collected()
		s.step = "probe"
		s.put(w0, "probe/listing/1", "probe")
		s.abort(w0, "probe/uploads/w0/probe", s.open(w0, "probe/uploads/w0/probe"))
		s.settle()
	}},
	{"a listing fails", "list_page_failed", func(s *story) {
		s.running().request(w0, "discover", ops.List, "in/", 0, refused)
	}},
	{"timers overtake messages", "takeover_after_expiry double_takeover", func(s *story) {
		s.w.Hurry()
		s.running().claim(w0, unitA, "1 1 0 0").reap(w1, w0, unitA, "1 1 0 0", 1).claim(w0, unitA, "2 2 0 0")
		s.reap(w1, w0, unitA, "2 2 0 0", 2).claim(w0, unitA, "3 3 0 0")
	}},
}

func etagOf(s *story, number int) string {
	body := map[int]string{1: "part one", 2: "part two"}[number]
	return s.part(w1, stagingKey(unitA, 1), upload1, number, body).ETag
}

// TestMarksAreReached: every mark can be reached, and each by name.
func TestMarksAreReached(t *testing.T) {
	reached := make(map[string]bool)
	for _, l := range legal {
		for _, mark := range strings.Fields(l.marks) {
			reached[mark] = true
		}
	}
	for _, mark := range properties.Marks() {
		require.True(t, reached[mark], "no story reaches %s", mark)
		delete(reached, mark)
	}
	require.Empty(t, reached)
}

func TestLegalStories(t *testing.T) {
	for _, l := range legal {
		t.Run(l.name, func(t *testing.T) {
			s := newStory()
			l.tell(s)
			require.NoError(t, s.err)
			for _, mark := range strings.Fields(l.marks) {
				require.Positive(t, s.w.Marked(mark), mark)
			}
		})
	}
}

// TestHeldRowsAreEnough: whoever holds a row that the other writes or holds is kept apart from it.
func TestHeldRowsAreEnough(t *testing.T) {
	s := newStory("no-write-skew")
	s.guarded().claim(w0, unitA, "1 1 0 0")
	s.commit("client/1", batchRow("cancelled", ""), held(shardA))
	s.settle()
	require.NoError(t, s.err)

	s = newStory("no-write-skew") // its units are complete for good
	s.guarded().claim(w0, unitA, "1 1 0 0").commit(w0, batchRow("running", "units=1"), held("leader/scanner"))
	s.commit(w0, s.completeRow(w0, unitA, "1 1 0 0", stagingKey(unitA, 1)), gone(leaseRow(w0, unitA, 1, 1)))
	s.commit(w1, batchRow("merging", "units=1"), mergeRow(w1, 1, "claimed", 1, 1))
	s.commit(w1, batchRow("failed", "units=1"))
	s.settle()
	require.NoError(t, s.err)
}

// TestLooksAreOver: a look may find nothing where it is cut short, or nothing is left to claim.
func TestLooksAreOver(t *testing.T) {
	s := newStory("no-idle-beside-work")
	s.w.Hurry()
	s.running().looksForWork(done).settle()
	require.NoError(t, s.err)

	s = newStory("no-idle-beside-work")
	s.running().looksForWork(done).fault(&fault.Pause{For: time.Second})
	s.settle()
	require.NoError(t, s.err)

	s = newStory("no-idle-beside-work")
	s.running().claim(w0, unitA, "1 1 0 0").claim(w1, unitB, "1 1 0 0").looksForWork(done).settle()
	require.NoError(t, s.err)
}
