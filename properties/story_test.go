package properties_test

import (
	"fmt"
	"hash/crc64"
	"slices"
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
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
)

const (
	batch  = "lab/data"
	bid    = batch + "/00000001"
	output = "out/data"
	uidA   = "00000000000000aa"
	uidB   = "00000000000000bb"
	unitA  = bid + "/" + uidA
	unitB  = bid + "/" + uidB
	w0     = "w0/1"
	w1     = "w1/1"
)

// asked is the workload of every story: one batch of two recordings, that is submitted
// with other chunks and another output later.
func asked() workload.Spec {
	b := workload.Batch{
		Namespace: "lab", Name: "data", Output: output + "/", ChunkSize: 2, MaxAttempts: 3, Priority: 1,
		Sources: []workload.Source{{Prefix: "in/", Filter: "*.rec", Recordings: []workload.Recording{
			{Name: "a.rec", ID: 1, Frames: 2, Task: "sort"}, {Name: "b.rec", ID: 2, Frames: 3, First: 7, Task: "sort"},
		}}},
	}
	revised := b
	revised.Output, revised.ChunkSize = output+".2/", 5
	b.Revised = &revised
	return workload.Spec{Batches: []workload.Batch{b}}
}

func config() properties.Config {
	return properties.Config{
		Workload: asked(), Heartbeat: time.Second, StaleAfter: 10 * time.Second, ScannerLease: 10 * time.Second, FenceMargin: time.Second,
		Poll: time.Second, ReapEvery: time.Second, ControlEvery: time.Second, ScanEvery: time.Second,
		MergePoll: time.Second, JanitorEvery: time.Second, UnitBackoff: time.Second, UnitBackoffMax: time.Second, OpTimeout: time.Second,
		StorageTimeout: time.Second, BackoffMax: time.Second, BreakerOpen: 10 * time.Second, MaxInFlight: 10 * time.Second,
		ConflictTries: 4, ConflictBackoff: 100 * time.Millisecond,
		BreakerFailures: 2, BreakerSuccesses: 2, MaxLatency: time.Millisecond, CheckpointEvery: time.Second, PartsInFlight: 1,
		Probe: "probe", Page: 2,
		PartSize: 5000, MultipartAbove: 5000, ReadChunk: 100,
		UnitTimeout: time.Hour, DrainTimeout: 5 * time.Second, WatchFor: 30 * time.Second, TTL: 40 * time.Second,
		MaxAttempts: 3, BackoffLimit: 10, Shards: 1, Slots: 1, Workers: []string{"w0", "w1"}, Controllers: []string{"w0", "w1"},
	}
}

// story tells what the stores did, one effect after another, to invariants. It
// stops at the first violation; what is told after that is not heard.
type story struct {
	w     *sim.TestWorld
	at    time.Duration
	event uint64
	ts    uint64
	step  string
	task  string
	asked string // the step of the last request
	err   error
	units map[string]string // their rows
	dates map[string]string // of a batch's submission and end, by generation
}

// untold are the invariants that judge what most stories leave out: the steps, some of the
// rows that go together, and what transactions have read.
var untold = []string{"refines-model", "no-lost-update", "no-write-skew"}

// newStory is judged by the named invariants, or by all but those that are told too little.
func newStory(names ...string) *story { return newStoryOf(config(), names...) }

func newStoryOf(config properties.Config, names ...string) *story {
	all := properties.All(config)
	chosen := all[:1]
	for _, inv := range all[1:] {
		if len(names) == 0 && !slices.Contains(untold, inv.Name()) || slices.Contains(names, inv.Name()) {
			chosen = append(chosen, inv)
		}
	}
	s := &story{w: sim.NewTestWorld(chosen...), units: map[string]string{}, dates: map[string]string{}}
	spec := asked()
	for _, o := range spec.Objects() {
		s.w.Prepare(objstore.Request{Kind: objstore.KindPut, Key: o.Key, Body: o.Body})
	}
	return s
}

func (s *story) show(e sim.Effect, who string) {
	if s.err != nil {
		return
	}
	s.event++
	s.at += time.Millisecond
	e.Event, e.At, e.Step, e.Task = s.event, s.at, s.step, s.task
	e.Process, e.Incarnation, _ = strings.Cut(who, "/")
	if e.TS == 0 {
		e.TS = s.ts
	}
	s.err = s.w.Show(e)
}

// row is one write of a commit.
type row struct{ key, value string }

// held is a row that a commit locks and leaves as it is.
func held(key string) row { return row{key, heldValue} }

const heldValue = "held"

// commit writes rows, and with each unit what every move of it writes: its shard
// and its place in the index of the failed.
func (s *story) commit(who string, rows ...row) {
	s.ts += 2
	s.commitAt(who, s.ts-1, s.ts, append(rows, s.moved(rows)...)...)
}

// moved returns the rows that go with those of units.
func (s *story) moved(rows []row) (more []row) {
	shard := false
	for _, r := range rows {
		unit, ok := strings.CutPrefix(r.key, "unit/")
		if !ok || r.value == "" || r.value == heldValue {
			continue
		}
		was, now := schema.Field([]byte(s.units[unit]), "state"), schema.Field([]byte(r.value), "state")
		s.units[unit] = r.value
		if was != now && (was == "failed" || was == "dead") {
			more = append(more, row{was + "/" + unit, ""})
		}
		if was != now && (now == "failed" || now == "dead") {
			more = append(more, row{now + "/" + unit, "f1 epoch=" + schema.Field([]byte(r.value), "epoch") + " attempts=1"})
		}
		if was != "" {
			shard = true
		}
	}
	if shard {
		more = append(more, s.shardRow())
	}
	return more
}

// shardRow is the row of the only shard, as the units are.
func (s *story) shardRow() row {
	counts, failures := map[string]int{}, 0
	for _, value := range s.units {
		state := schema.Field([]byte(value), "state")
		counts[state]++
		if attempts, _ := strconv.Atoi(schema.Field([]byte(value), "attempts")); state != "processing" && state != "complete" {
			failures += attempts
		}
	}
	text := "h1"
	for _, state := range []string{"processing", "complete", "failed", "dead", "cancelled"} {
		text += fmt.Sprintf(" %s=%d", state, counts[state])
	}
	return row{"shard/" + bid + "/0000", text + fmt.Sprintf(" failures=%d taken=0 digest=%d", failures, counts["complete"])}
}

func (s *story) commitAt(who string, start, commit uint64, rows ...row) {
	c := tikv.Commit{StartTS: start, CommitTS: commit, Primary: rows[0].key}
	for _, r := range rows {
		m := tikv.Mutation{Op: tikv.OpPut, Key: r.key, Value: []byte(s.dated(r))}
		switch r.value {
		case "":
			m.Op = tikv.OpDelete
		case heldValue:
			m.Op, m.Value = tikv.OpLock, nil
		}
		c.Writes = append(c.Writes, m)
	}
	s.show(sim.Effect{Kind: sim.EffectCommit, TS: commit, Commit: c}, who)
}

// dated is the row of a batch with the dates of its first write and of its end.
func (s *story) dated(r row) string {
	if !strings.HasPrefix(r.key, "batch/") {
		return r.value
	}
	now, gen := strconv.FormatInt(sim.Epoch().Add(s.at).UnixMilli(), 10), schema.Field([]byte(r.value), "gen")
	for _, date := range []string{"submitted_ms=first", "finished_ms=then"} {
		of := r.key + " " + gen + " " + date
		if s.dates[of] == "" && strings.Contains(r.value, date) {
			s.dates[of] = now
		}
		field, _, _ := strings.Cut(date, "=")
		r.value = strings.Replace(r.value, date, field+"="+s.dates[of], 1)
	}
	return r.value
}

func (s *story) object(who string, req objstore.Request) objstore.Response {
	resp, effects := s.w.Handle(req)
	for _, o := range effects {
		s.show(sim.Effect{Kind: sim.EffectObject, Object: o}, who)
	}
	return resp
}

func (s *story) put(who, key, body string) env.Object {
	return s.object(who, objstore.Request{Kind: objstore.KindPut, Key: key, Body: []byte(body)}).Object
}

func (s *story) delete(who, key string) {
	s.object(who, objstore.Request{Kind: objstore.KindDelete, Key: key})
}

func (s *story) open(who, key string) string {
	return s.object(who, objstore.Request{Kind: objstore.KindCreateUpload, Key: key}).UploadID
}

func (s *story) part(who, key, upload string, number int, body string) env.Part {
	return s.object(who, objstore.Request{Kind: objstore.KindUploadPart, Key: key, UploadID: upload, Number: number, Body: []byte(body)}).Part
}

func (s *story) abort(who, key, upload string) {
	s.object(who, objstore.Request{Kind: objstore.KindAbortUpload, Key: key, UploadID: upload})
}

func (s *story) expire(key, upload string) {
	s.show(sim.Effect{Kind: sim.EffectObject, Object: objstore.Effect{Kind: objstore.EffectExpire, Key: key, UploadID: upload}}, w0)
}

func (s *story) call(what string) { s.ask(what, 0) }

func (s *story) ask(what string, version int64) {
	s.show(sim.Effect{Kind: sim.EffectRecord, Record: sim.Record{What: what, Of: batch, Value: version}}, "client/1")
}

func (s *story) returned(what string, value int64, class env.Class) {
	s.show(sim.Effect{Kind: sim.EffectRecord, Record: sim.Record{What: what, Of: batch, Returned: true, Value: value, Class: class}}, "client/1")
}

func (s *story) refused(what, told string) {
	s.show(sim.Effect{Kind: sim.EffectRecord, Record: sim.Record{What: what, Of: batch, Returned: true, Class: env.ClassOther, Told: told}}, "client/1")
}

func (s *story) answered(what, told string) {
	told = strings.Replace(told, "submitted=first", "submitted="+s.dates["batch/"+batch+" 1 submitted_ms=first"], 1)
	s.show(sim.Effect{Kind: sim.EffectRecord, Record: sim.Record{What: what, Of: batch, Returned: true, Told: told}}, "client/1")
}

func (s *story) process(what sim.ProcessEvent, who string) {
	s.show(sim.Effect{Kind: sim.EffectProcess, Happened: what}, who)
}

func (s *story) fault(k fault.Kind) { s.faultOf("", k) }

func (s *story) faultOf(process string, k fault.Kind) {
	f := &fault.Fault{Kind: k, At: fault.Anchor{Process: process}}
	s.show(sim.Effect{Kind: sim.EffectProcess, Happened: sim.FaultFired, Fault: f}, w0)
}

// within: what follows is done in a step.
func (s *story) within(step string) *story {
	s.step, s.asked = step, step
	return s
}

func (s *story) pass(d time.Duration) *story {
	s.at += d
	return s
}

// settle ends the story at once.
func (s *story) settle() {
	if s.err == nil {
		s.err = s.w.Settle(s.at)
	}
}

// requireTold requires that an invariant has said so, or that all have held if it is "".
func (s *story) requireTold(t *testing.T, want string, of any) {
	t.Helper()
	if want == "" {
		require.NoError(t, s.err, of)
		return
	}
	require.ErrorContains(t, s.err, want, of)
}

// The rows of the story.

func batchRow(phase, more string) row { return batchRowOf(1, phase, more) }

func batchRowOf(gen int, phase, more string) row {
	ended := "0"
	switch phase {
	case "complete", "failed", "cancelled":
		ended = "then"
	}
	return row{"batch/" + batch, strings.TrimSpace(fmt.Sprintf(`b1 gen=%d phase=%s output=%s sources="in/\t*.rec" max_attempts=3 backoff_limit=10 parallelism=0 shards=1 priority=1 ttl=40000 chunk=2 submitted_ms=first finished_ms=%s %s`,
		gen, phase, output, ended, more))}
}

// revised is the row of a submission as it is asked for later.
func revised(r row) row {
	return row{r.key, strings.NewReplacer("output="+output, "output="+output+".2", "chunk=2", "chunk=5").Replace(r.value)}
}

// otherBatch is the row of a batch of another name.
func otherBatch(its, source string) row {
	r := batchRow("pending", "")
	return row{"batch/lab/other", strings.NewReplacer("output="+output, "output="+its, `"in/\t*.rec"`, source).Replace(r.value)}
}

func urlOf(unit string) string {
	if strings.HasSuffix(unit, uidA) {
		return "in/a.rec"
	}
	return "in/b.rec"
}

// unitRow is a unit's row; counts is "epoch attempts releases retries".
func (s *story) unitRow(unit, state, counts, owner, more string) row {
	var epoch, attempts, releases, retries int
	if _, err := fmt.Sscan(counts, &epoch, &attempts, &releases, &retries); err != nil {
		panic(err)
	}
	o, _ := s.w.Object(urlOf(unit))
	text := fmt.Sprintf("u1 state=%s epoch=%d attempts=%d releases=%d retries=%d source=0 url=%s size=%d etag=%s",
		state, epoch, attempts, releases, retries, urlOf(unit), o.Size, o.ETag)
	if owner != "" {
		worker, incarnation, _ := strings.Cut(owner, "/")
		text += " worker=" + worker + " incarnation=" + incarnation
	}
	return row{"unit/" + unit, strings.TrimSpace(text + " " + more)}
}

func queueRow(unit string, epoch int) row {
	return row{"queue/998/" + unit, fmt.Sprintf("q1 epoch=%d", epoch)}
}

func leaseRow(who, unit string, epoch, beat int) row {
	return row{"lease/" + who + "/" + unit, fmt.Sprintf("l1 epoch=%d beat=%d ttl_ms=10000", epoch, beat)}
}

func gone(r row) row { return row{r.key, ""} }

func checkpointRow(unit string, epoch, seq, offset int, key, upload, parts string) row {
	return row{"checkpoint/" + unit, fmt.Sprintf("c1 epoch=%d seq=%d offset=%d frames=%d key=%s upload=%s parts=%s", epoch, seq, offset, offset/10, key, upload, parts)}
}

func mergeRow(who string, gen int, state string, beat, units int) row {
	text := fmt.Sprintf("m1 gen=%d state=%s", gen, state)
	if who != "" {
		worker, incarnation, _ := strings.Cut(who, "/")
		text += " worker=" + worker + " incarnation=" + incarnation
	}
	return row{"merge/" + bid, text + fmt.Sprintf(" beat=%d units=%d digest=d", beat, units)}
}

func leaderRow(who string, epoch, beat int) row {
	text := fmt.Sprintf("s1 epoch=%d", epoch)
	if who != "" {
		worker, incarnation, _ := strings.Cut(who, "/")
		text += " worker=" + worker + " incarnation=" + incarnation
	}
	return row{"leader/scanner", text + fmt.Sprintf(" beat=%d", beat)}
}

func discoveryRow(done, found int) row {
	return row{"discovery/" + bid + "/0000", fmt.Sprintf("d1 after=in/b.rec done=%d found=%d", done, found)}
}

var activeRow = row{"active/" + batch, "a1 gen=1 priority=1"}

func statusRow(phase, counts string) row {
	return row{"status/" + batch, strings.TrimSpace("t1 gen=1 phase=" + phase + " " + counts)}
}

func stagingKey(unit string, epoch int) string {
	at := strings.LastIndexByte(unit, '/')
	return fmt.Sprintf("%s/staging/00000001/%s/e%08d/episode", output, unit[at+1:], epoch)
}

func datasetPrefix(gen int) string { return fmt.Sprintf("%s/g00000001-%08d/", output, gen) }

// The chapters of a life without trouble.

// submitted: the batch was asked for and is there.
func (s *story) submitted() *story {
	s.call("submit")
	s.commit("client/1", batchRow("pending", ""), activeRow)
	s.returned("submit", 1, env.ClassNone)
	return s
}

// discovering: w0 leads, and both units are there.
func (s *story) discovering() *story {
	s.submitted()
	s.commit(w0, leaderRow(w0, 1, 1))
	s.commit(w0, batchRow("discovering", ""))
	s.commit(w0, s.unitRow(unitA, "pending", "0 0 0 0", "", ""), queueRow(unitA, 0),
		s.unitRow(unitB, "pending", "0 0 0 0", "", ""), queueRow(unitB, 0), discoveryRow(1, 2))
	return s
}

func (s *story) running() *story {
	s.discovering()
	s.commit(w0, batchRow("running", "units=2"))
	return s
}

// claim: who claims a pending unit; counts are those of after the claim.
func (s *story) claim(who, unit, counts string) *story {
	var epoch int
	if _, err := fmt.Sscan(counts, &epoch); err != nil {
		panic(err)
	}
	s.commit(who, s.unitRow(unit, "processing", counts, who, ""), gone(queueRow(unit, 0)), leaseRow(who, unit, epoch, 1))
	return s
}

// reap: by takes a unit away from its owner.
func (s *story) reap(by, owner, unit, counts string, epoch int) *story {
	s.pass(11 * time.Second)
	s.commit(by, s.unitRow(unit, "pending", counts, owner, "error=stale"), queueRow(unit, epoch), gone(leaseRow(owner, unit, epoch, 1)))
	return s
}

// complete: who stages a unit's episode and completes it.
func (s *story) complete(who, unit, counts string) *story {
	var epoch int
	if _, err := fmt.Sscan(counts, &epoch); err != nil {
		panic(err)
	}
	s.put(who, stagingKey(unit, epoch), "episode of "+unit)
	s.commit(who, s.completeRow(who, unit, counts, stagingKey(unit, epoch)), gone(leaseRow(who, unit, epoch, 1)), row{"checkpoint/" + unit, ""})
	return s
}

func (s *story) completeRow(who, unit, counts, key string) row {
	body, _ := s.w.Body(key)
	return s.unitRow(unit, "complete", counts, who, fmt.Sprintf("staged=%s staged_size=%d staged_etag=any digest=%s", key, len(body), workload.Digest(body)))
}

// converted: both units are complete.
func (s *story) converted() *story {
	s.running()
	s.claim(w0, unitA, "1 1 0 0").complete(w0, unitA, "1 1 0 0")
	s.claim(w1, unitB, "1 1 0 0").complete(w1, unitB, "1 1 0 0")
	return s
}

func (s *story) claimMerge(who string, gen int) *story {
	s.commit(who, batchRow("merging", "units=2"), mergeRow(who, gen, "claimed", 1, 2))
	return s
}

// write: who writes the dataset of a generation; change may spoil it.
func (s *story) write(who string, gen int, change func(objects map[string][]byte)) *story {
	spec := asked()
	objects := workload.Reference(&spec.Batches[0])
	if change != nil {
		change(objects)
	}
	var named []string
	ecma := crc64.MakeTable(crc64.ECMA)
	for _, path := range slices.Sorted(func(yield func(string) bool) {
		for path := range objects {
			if !yield(path) {
				return
			}
		}
	}) {
		o := s.put(who, datasetPrefix(gen)+path, string(objects[path]))
		named = append(named, fmt.Sprintf(`{"path":%q,"size":%d,"etag":%q,"digest":"%016x"}`, path, o.Size, o.ETag, crc64.Checksum(objects[path], ecma)))
	}
	s.put(who, datasetPrefix(gen)+"manifest.json", fmt.Sprintf(
		`{"name":%q,"generation":"00000001-%08d","total_episodes":2,"total_frames":5,"total_tasks":1,"units":[{"unit":%q,"source":"in/a.rec","episode_index":0},{"unit":%q,"source":"in/b.rec","episode_index":1}],"objects":[%s]}`,
		batch, gen, uidA, uidB, strings.Join(named, ",")))
	return s
}

func published(s *story, gen int) row {
	key := datasetPrefix(gen) + "manifest.json"
	o, _ := s.w.Object(key)
	return batchRow("complete", fmt.Sprintf("units=2 merge_gen=%d manifest=%s manifest_etag=%s", gen, key, o.ETag))
}

func (s *story) flip(who string, gen int) *story {
	s.commit(who, published(s, gen), gone(activeRow), mergeRow(who, gen, "published", 1, 2))
	return s
}

// published: the batch is complete.
func (s *story) published() *story {
	return s.converted().claimMerge(w1, 1).write(w1, 1, nil).flip(w1, 1)
}

// collected: nothing is left of the batch but its dataset.
func (s *story) collected() *story { return s.collectedBy(w0, "1 1 0 0", w1) }

// collectedBy is collected, when unit A was completed by ownerA, with counts,
// and unit B by ownerB.
func (s *story) collectedBy(ownerA, counts, ownerB string) *story {
	s.commit(w0, s.unitRow(unitA, "complete", counts, ownerA, "digest=x"), s.unitRow(unitB, "complete", "1 1 0 0", ownerB, "digest=x"))
	s.pass(time.Minute)
	for epoch := 1; epoch <= 2; epoch++ {
		s.delete(w0, stagingKey(unitA, epoch))
		s.delete(w0, stagingKey(unitB, epoch))
	}
	s.commit(w0, statusRow("complete", "pending=0 processing=0 complete=2 failed=0 dead=0 cancelled=0"))
	return s
}

// forgotten: the batch's time to live is over.
func (s *story) forgotten() *story {
	r := published(s, 1)
	s.commit(w0, row{r.key, strings.Replace(r.value, "phase=complete", "phase=expired", 1)}, row{"status/" + batch, ""})
	s.commit(w0, row{"unit/" + unitA, ""}, row{"unit/" + unitB, ""}, row{"shard/" + bid + "/0000", ""}, row{"merge/" + bid, ""}, gone(discoveryRow(1, 2)))
	return s
}

func TestLifeWithoutTrouble(t *testing.T) {
	s := newStory()
	s.published().collected().forgotten()
	s.w.Heal(s.at)
	s.pass(time.Hour)
	s.settle()
	require.NoError(t, s.err)
	require.Positive(t, s.w.Stated())
}
