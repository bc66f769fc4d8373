package properties

import (
	"slices"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
)

// view is what the stores hold as of the observed effect, decoded, with as much
// of its history as several invariants need. Each written row is decoded once,
// for all of them.
//
// It is itself the first invariant: every stored row can be read, by its key
// and its fields, by somebody who knows the schema only. A row that cannot be
// read is lost to the next version of the system, and to the person who is
// called at night.
type view struct {
	cfg *Config

	// Of the observed effect.
	changes []change
	touched kinds16
	object  *object // EffectObject

	batches     map[string]*submission // by batch key: the newest submission
	submissions map[string]*submission // by bid
	order       []*submission          // as they appeared
	units       map[string]*unit       // by unit key
	unitOf      map[string]*unit       // by uid
	leases      map[string]*lease
	queue       map[string]*queued
	discoveries map[string]*discovery
	statuses    map[string]*status
	active      map[string]uint64 // generation by active key
	leader      leader
	objects     map[string]*object
	uploads     map[string]*upload
	processes   map[string]*process
	wanted      map[string]*workload.Batch // by "<ns>/<name>"
	faults      []strike
}

// kinds16 is a set of kinds.
type kinds16 uint16

func (k kinds16) has(kind kind) bool { return k&(1<<kind) != 0 }

// moment remembers who did something when, to name it in a violation.
type moment struct {
	event       uint64
	at          time.Duration
	process     string
	incarnation string
	step        string
}

func momentOf(e *sim.Effect) moment {
	return moment{event: e.Event, at: e.At, process: e.Process, incarnation: e.Incarnation, step: e.Step}
}

// ref names the moment for a violation: "w1/2 claimed epoch 3".
func (m *moment) ref(what string) sim.EventRef {
	return sim.EventRef{Event: m.event, At: m.at, What: m.who() + " " + what}
}

func (m *moment) who() string {
	if m.process == "" {
		return "the world"
	}
	return m.process + "/" + m.incarnation
}

// is reports whether the moment is one of the given incarnation's.
func (m *moment) is(process, incarnation string) bool {
	return m.process == process && m.incarnation == incarnation
}

// change is one row that the observed commit wrote or deleted. Which of the
// pointers are set depends on the kind; unit is set whenever the row belongs to
// one, and submission whenever it belongs to a batch.
type change struct {
	kind    kind
	deleted bool
	key     string
	sub     *submission
	before  *submission // kindBatch: the submission whose row it was
	unit    *unit
	lease   *lease
	queued  *queued
	found   *discovery
}

// submission is one generation of a batch.
type submission struct {
	bid, name, key string
	gen            uint64
	index          int
	row, was       batchRow // of this generation; was: before the last change
	exists         bool     // its row was seen
	born           moment
	ended          moment // when it became terminal
	running        moment // when it left discovering towards running
	units          []*unit
	discoveries    []*discovery
	merge          merge
	room           time.Duration // when an attempt last ended
	wanted         *workload.Batch
}

func (s *submission) terminal() bool { return terminal(s.row.phase) }

// current reports whether no newer submission has taken the name.
func (s *submission) current(v *view) bool { return v.batches[s.key] == s }

// startsUnits reports whether units of the submission may be claimed.
func (s *submission) startsUnits(v *view) bool {
	return s.current(v) && (s.row.phase == "discovering" || s.row.phase == "running")
}

// unit is one unit, as its rows tell.
type unit struct {
	key, bid, uid string
	sub           *submission
	index         int
	now, was      unitRow // was: before the last change
	state, before int     // of now and was; stateNone: no row
	changed       moment  // the last change
	born          moment
	leases        []*lease
	queued        []*queued
	checkpoint    checkpoint
	claims        []claim
	ending        moment // of the last attempt that ended
	lastBeat      moment // of the lease that ended with it
}

func (u *unit) exists() bool { return u.state != stateNone }

// ownedBy reports whether the row, as of now, is that incarnation's.
func (u *unit) ownedBy(process, incarnation string) bool {
	return u.state == stateProcessing && u.now.worker == process && u.now.incarnation == incarnation
}

// edge is the unit's last change, for violations.
func (u *unit) edge() string { return stateNames[u.before] + " -> " + stateNames[u.state] }

// claim is one claim of a unit, or of a merge.
type claim struct {
	moment
	epoch uint64
	// The owner, as the row named it.
	owner, ownerInc string
	// What the checkpoint told the claimant: the upload that it may adopt.
	upload, uploadKey string
	ended             moment
	endedIn           int
}

// claimOf returns the claim of an epoch, or nil.
func claimOf(claims []claim, epoch uint64) *claim {
	for i := len(claims) - 1; i >= 0; i-- {
		if claims[i].epoch == epoch {
			return &claims[i]
		}
	}
	return nil
}

// checkpoint is a unit's checkpoint row.
type checkpoint struct {
	now, was        checkpointRow
	exists, existed bool
	written         moment
}

type lease struct {
	key, worker, incarnation string
	unit                     *unit
	now, was                 leaseRow
	exists, existed          bool
	beaten                   moment // when the beat last moved
}

type queued struct {
	key      string
	priority uint64
	unit     *unit
	exists   bool
	epoch    uint64
}

type merge struct {
	now, was        mergeRow
	exists, existed bool
	claims          []claim
	written         moment
	beaten, before  moment // when the beat last moved, and the time before
}

type discovery struct {
	key             string
	now, was        discoveryRow
	exists, existed bool
}

type status struct {
	now    statusRow
	exists bool
}

type leader struct {
	now, was        leaderRow
	exists, existed bool
	taken           moment // when the present epoch began
	beaten, before  moment // when the beat last moved, and the time before
}

// object is one object key that was ever written or deleted in the run.
type object struct {
	key string
	objectKey
	sub    *submission
	unit   *unit
	exists bool
	stored moment
}

// upload is one multipart upload.
type upload struct {
	id      string
	object  *object
	open    bool
	created moment
	ended   moment
	expired bool // by the store itself
	parts   []storedPart
}

type storedPart struct {
	part
	digest uint64
	stored moment
}

// process is one process as the world saw it.
type process struct {
	name, incarnation string
	alive, draining   bool
	since             moment        // of the last boot
	gone              moment        // of the last end
	freed             time.Duration // when it had heard that an attempt of it ended
}

// strike is one fault that fired.
type strike struct {
	fault *fault.Fault
	at    time.Duration
}

func newView(c *Config) *view {
	v := &view{
		cfg: c, batches: map[string]*submission{}, submissions: map[string]*submission{}, units: map[string]*unit{},
		unitOf: map[string]*unit{}, leases: map[string]*lease{}, queue: map[string]*queued{},
		discoveries: map[string]*discovery{}, statuses: map[string]*status{}, active: map[string]uint64{},
		objects: map[string]*object{}, uploads: map[string]*upload{}, processes: map[string]*process{},
		wanted: map[string]*workload.Batch{},
	}
	for i := range c.Workload.Batches {
		b := &c.Workload.Batches[i]
		v.wanted[b.Namespace+"/"+b.Name] = b
	}
	return v
}

func (v *view) Name() string { return "rows-readable" }

// Observe brings the view up to date.
func (v *view) Observe(_ *sim.World, e *sim.Effect) error {
	v.changes, v.touched, v.object = v.changes[:0], 0, nil
	switch e.Kind {
	case sim.EffectCommit:
		return v.takeCommit(e)
	case sim.EffectObject:
		v.takeObject(e)
	case sim.EffectProcess:
		v.takeProcess(e)
	}
	return nil
}

// takeCommit decodes what a commit wrote. Claims are noted last, when every row
// of the commit has been read.
func (v *view) takeCommit(e *sim.Effect) error {
	for i := range e.Commit.Writes {
		m := &e.Commit.Writes[i]
		if m.Op != tikv.OpPut && m.Op != tikv.OpDelete {
			continue
		}
		if bad := v.take(e, m); bad != "" {
			return breach("", "row cannot be read", m.Key, sim.EventRef{}, e, "wrote it",
				"the row "+m.Key+" cannot be read: "+bad)
		}
	}
	if v.touched.has(kindUnit) || v.touched.has(kindMerge) {
		for i := range v.changes {
			v.noteClaims(e, &v.changes[i])
		}
	}
	return nil
}

// take reads one written row. It returns what is wrong with it, or "".
func (v *view) take(e *sim.Effect, m *tikv.Mutation) (bad string) {
	kind, rest := splitKind(m.Key)
	if kind == kindOther {
		return ""
	}
	c := change{kind: kind, key: m.Key, deleted: m.Op == tikv.OpDelete}
	row := string(m.Value)
	switch kind {
	case kindBatch:
		bad = v.takeBatch(e, &c, rest, row)
	case kindUnit:
		bad = v.takeUnit(e, &c, rest, row)
	case kindQueue:
		bad = v.takeQueue(&c, rest, row)
	case kindLease:
		bad = v.takeLease(e, &c, rest, row)
	case kindCheckpoint:
		bad = v.takeCheckpoint(e, &c, rest, row)
	case kindMerge:
		bad = v.takeMerge(e, &c, rest, row)
	case kindDiscovery:
		bad = v.takeDiscovery(&c, rest, row)
	case kindLeader:
		bad = v.takeLeader(e, &c, row)
	case kindStatus:
		bad = v.takeStatus(&c, row)
	case kindActive:
		bad = v.takeActive(&c, row)
	}
	v.touched |= 1 << kind
	v.changes = append(v.changes, c)
	return bad
}

const badKey = "its key has not the form that the schema gives"

func (v *view) takeBatch(e *sim.Effect, c *change, rest, row string) string {
	c.before = v.batches[c.key]
	if c.deleted {
		c.sub = c.before
		return ""
	}
	if strings.Count(rest, "/") != 1 {
		return badKey
	}
	var b batchRow
	if bad := b.decode(row); bad != "" {
		return bad
	}
	s := v.submission(bidOf(rest, b.gen))
	c.sub = s
	s.was, s.row = s.row, b
	if !s.exists {
		s.exists, s.born = true, momentOf(e)
	}
	if !terminal(s.was.phase) && s.terminal() {
		s.ended = momentOf(e)
	}
	if s.was.phase != b.phase && b.phase == "running" {
		s.running = momentOf(e)
	}
	v.batches[c.key] = s
	return ""
}

// bidOf builds "<ns>/<name>/<gen>".
func bidOf(name string, gen uint64) string { return name + "/" + padded(gen) }

// padded is a generation as keys hold it: 8 digits with leading zeros.
func padded(gen uint64) string {
	var text [20]byte
	at := len(text)
	for gen > 0 || len(text)-at < genDigits {
		at--
		text[at] = byte('0' + gen%10)
		gen /= 10
	}
	return string(text[at:])
}

// submission returns the submission of a bid, which is well-formed. One whose
// batch row was never seen does not exist yet.
func (v *view) submission(bid string) *submission {
	s := v.submissions[bid]
	if s == nil {
		name, gen, _ := splitBatchID(bid)
		s = &submission{bid: bid, name: name, key: "batch/" + name, gen: gen, index: len(v.order), wanted: v.wanted[name]}
		v.submissions[bid] = s
		v.order = append(v.order, s)
	}
	return s
}

// unit returns the unit of "<bid>/<uid>", or nil if that is malformed.
func (v *view) unit(text string) *unit {
	bid, uid, ok := splitUnitID(text)
	if !ok {
		return nil
	}
	if _, _, ok := splitBatchID(bid); !ok {
		return nil
	}
	key := "unit/" + text
	u := v.units[key]
	if u == nil {
		s := v.submission(bid)
		u = &unit{key: key, bid: bid, uid: uid, sub: s, index: len(v.units)}
		s.units = append(s.units, u)
		v.units[key] = u
		v.unitOf[uid] = u
	}
	return u
}

// knownUnit is unit, without building the key of one that is known.
func (v *view) knownUnit(key, text string) *unit {
	if u := v.units[key]; u != nil {
		return u
	}
	return v.unit(text)
}

func (v *view) takeUnit(e *sim.Effect, c *change, rest, row string) string {
	u := v.knownUnit(c.key, rest)
	if u == nil {
		return badKey
	}
	c.unit, c.sub = u, u.sub
	u.was, u.before = u.now, u.state
	if u.state == stateNone && !c.deleted {
		u.born = momentOf(e)
	}
	u.changed = momentOf(e)
	if c.deleted {
		u.now, u.state = unitRow{}, stateNone
		return ""
	}
	bad := u.now.decode(row)
	u.state = stateOf(u.now.state)
	if bad == "" && u.state == stateNone {
		bad = "there is no state " + u.now.state
	}
	return bad
}

func (v *view) takeQueue(c *change, rest, row string) (bad string) {
	q := v.queue[c.key]
	if q == nil {
		priority, unit, _ := strings.Cut(rest, "/")
		q = &queued{key: c.key, unit: v.unit(unit)}
		var ok bool
		if q.priority, ok = digits(priority, 3); !ok || q.unit == nil {
			return badKey
		}
		v.queue[c.key] = q
	}
	c.queued, c.unit, c.sub = q, q.unit, q.unit.sub
	switch {
	case c.deleted && q.exists:
		q.exists = false
		q.unit.queued = drop(q.unit.queued, q)
	case !c.deleted && !q.exists:
		q.exists = true
		q.unit.queued = append(q.unit.queued, q)
	}
	if !c.deleted {
		q.epoch, bad = decodeNumber(row, "q1", "epoch")
	}
	return bad
}

// drop removes one element and keeps the order of the others.
func drop[T comparable](list []T, one T) []T {
	if at := slices.Index(list, one); at >= 0 {
		return slices.Delete(list, at, at+1)
	}
	return list
}

func (v *view) takeLease(e *sim.Effect, c *change, rest, row string) string {
	l := v.leases[c.key]
	if l == nil {
		worker, tail, ok1 := strings.Cut(rest, "/")
		incarnation, unit, ok2 := strings.Cut(tail, "/")
		l = &lease{key: c.key, worker: worker, incarnation: incarnation, unit: v.unit(unit)}
		if !ok1 || !ok2 || l.unit == nil {
			return badKey
		}
		v.leases[c.key] = l
	}
	c.lease, c.unit, c.sub = l, l.unit, l.unit.sub
	l.was, l.existed = l.now, l.exists
	if c.deleted {
		if l.exists {
			l.unit.leases = drop(l.unit.leases, l)
			l.unit.lastBeat = l.beaten
		}
		l.exists = false
		return ""
	}
	if !l.exists {
		l.exists = true
		l.unit.leases = append(l.unit.leases, l)
	}
	bad := l.now.decode(row)
	if !l.existed || l.now != l.was {
		l.beaten = momentOf(e)
	}
	return bad
}

func (v *view) takeCheckpoint(e *sim.Effect, c *change, rest, row string) string {
	u := v.unit(rest)
	if u == nil {
		return badKey
	}
	c.unit, c.sub = u, u.sub
	p := &u.checkpoint
	p.was, p.existed = p.now, p.exists
	p.exists, p.written = !c.deleted, momentOf(e)
	if c.deleted {
		p.now = checkpointRow{}
		return ""
	}
	return p.now.decode(row)
}

func (v *view) takeMerge(e *sim.Effect, c *change, rest, row string) string {
	if _, _, ok := splitBatchID(rest); !ok {
		return badKey
	}
	c.sub = v.submission(rest)
	m := &c.sub.merge
	m.was, m.existed = m.now, m.exists
	m.exists, m.written = !c.deleted, momentOf(e)
	if c.deleted {
		m.now = mergeRow{}
		return ""
	}
	bad := m.now.decode(row)
	if m.now.gen != m.was.gen || m.now.beat != m.was.beat {
		m.beaten, m.before = momentOf(e), m.beaten
	}
	return bad
}

func (v *view) takeDiscovery(c *change, rest, row string) string {
	d := v.discoveries[c.key]
	bid, source, ok := rest, "", false
	if at := strings.LastIndexByte(rest, '/'); at >= 0 {
		bid, source = rest[:at], rest[at+1:]
		_, _, ok = splitBatchID(bid)
	}
	if _, number := digits(source, 4); !ok || !number {
		return badKey
	}
	if d == nil {
		d = &discovery{key: c.key}
		v.discoveries[c.key] = d
		s := v.submission(bid)
		s.discoveries = append(s.discoveries, d)
	}
	c.found, c.sub = d, v.submission(bid)
	d.was, d.existed = d.now, d.exists
	d.exists = !c.deleted
	if c.deleted {
		d.now = discoveryRow{}
		return ""
	}
	return d.now.decode(row)
}

func (v *view) takeLeader(e *sim.Effect, c *change, row string) string {
	l := &v.leader
	l.was, l.existed, l.exists = l.now, l.exists, !c.deleted
	if c.deleted {
		l.now = leaderRow{}
		return ""
	}
	bad := l.now.decode(row)
	if l.now.epoch != l.was.epoch || l.now.beat != l.was.beat {
		l.beaten, l.before = momentOf(e), l.beaten
	}
	if l.now.epoch != l.was.epoch {
		l.taken = momentOf(e)
	}
	return bad
}

func (v *view) takeStatus(c *change, row string) string {
	s := v.statuses[c.key]
	if s == nil {
		s = &status{}
		v.statuses[c.key] = s
	}
	s.exists = !c.deleted
	if c.deleted {
		return ""
	}
	return s.now.decode(row)
}

func (v *view) takeActive(c *change, row string) string {
	if c.deleted {
		delete(v.active, c.key)
		return ""
	}
	gen, bad := decodeNumber(row, "a1", "gen")
	v.active[c.key] = gen
	return bad
}

// controlled returns since when a process that reaps, merges and controls has
// been up: it knows nothing of what it has not watched. ok is false while none is.
func (v *view) controlled() (since time.Duration, ok bool) {
	for _, name := range v.cfg.Controllers {
		p := v.processes[name]
		if p == nil { // nothing has befallen it
			return 0, true
		}
		if !p.alive || p.draining {
			continue
		}
		if !ok || p.since.at < since {
			since, ok = p.since.at, true
		}
	}
	return since, ok
}

// ownEnds are the steps in which the owner of an attempt ends it.
var ownEnds = map[string]bool{"complete_unit": true, "fail_unit": true, "release_unit": true}

// noteClaims remembers claims and the ends of attempts.
func (v *view) noteClaims(e *sim.Effect, c *change) {
	switch c.kind {
	case kindUnit:
		u := c.unit
		if u.before == stateProcessing && (u.state != stateProcessing || u.now.epoch != u.was.epoch) {
			u.ending = momentOf(e)
			u.sub.room = e.At
			if p := v.processes[u.was.worker]; p != nil {
				p.freed = e.At
				if !ownEnds[e.Step] { // its owner hears of it with the next beat
					p.freed += drifted(v.cfg.Heartbeat + v.cfg.OpTimeout)
				}
			}
			if last := claimOf(u.claims, u.was.epoch); last != nil {
				last.ended, last.endedIn = momentOf(e), u.state
			}
		}
		if u.claimed() {
			u.claims = append(u.claims, claim{
				moment: momentOf(e), epoch: u.now.epoch, owner: u.now.worker, ownerInc: u.now.incarnation,
				upload: u.checkpoint.now.upload, uploadKey: u.checkpoint.now.key,
			})
		}
	case kindMerge:
		m := &c.sub.merge
		if !c.deleted && m.now.gen != m.was.gen {
			m.claims = append(m.claims, claim{
				moment: momentOf(e), epoch: m.now.gen, owner: m.now.worker, ownerInc: m.now.incarnation,
			})
		}
	}
}

// claimed reports whether the unit's last change was a claim.
func (u *unit) claimed() bool {
	return u.state == stateProcessing && (u.before != stateProcessing || u.now.epoch != u.was.epoch)
}

// takeObject follows objects and uploads.
func (v *view) takeObject(e *sim.Effect) {
	o := &e.Object
	known := v.objects[o.Key]
	if known == nil {
		known = &object{key: o.Key, objectKey: splitObjectKey(o.Key)}
		v.objects[o.Key] = known
	}
	v.object = known
	v.place(known)
	up := v.uploads[o.UploadID]
	switch o.Kind {
	case objstore.EffectPut, objstore.EffectComplete:
		known.exists, known.stored = true, momentOf(e)
	case objstore.EffectDelete:
		known.exists = false
	case objstore.EffectCreateUpload:
		v.uploads[o.UploadID] = &upload{id: o.UploadID, object: known, open: true, created: momentOf(e)}
	case objstore.EffectUploadPart:
		up.store(e)
	}
	switch o.Kind {
	case objstore.EffectComplete, objstore.EffectAbort, objstore.EffectExpire:
		up.open, up.ended = false, momentOf(e)
		up.expired = o.Kind == objstore.EffectExpire
	}
}

func (up *upload) store(e *sim.Effect) {
	p := storedPart{
		part:   part{number: e.Object.Number, etag: e.Object.ETag, size: e.Object.Size},
		digest: e.Object.Digest, stored: momentOf(e),
	}
	if old := up.find(p.number); old != nil {
		*old = p
		return
	}
	up.parts = append(up.parts, p)
}

func (up *upload) find(number int) *storedPart {
	for i := range up.parts {
		if up.parts[i].number == number {
			return &up.parts[i]
		}
	}
	return nil
}

// place finds the batch and the unit that an object belongs to.
func (v *view) place(o *object) {
	if o.sub != nil || o.area == areaOther {
		return
	}
	if o.area == areaStaging {
		u := v.unitOf[o.uid]
		if u == nil || u.sub.gen != o.gen || strings.TrimSuffix(u.sub.row.output, "/") != o.output {
			return
		}
		o.unit, o.sub = u, u.sub
		return
	}
	for _, s := range v.order {
		if s.gen == o.gen && s.exists && strings.TrimSuffix(s.row.output, "/") == o.output {
			o.sub = s
			return
		}
	}
}

// takeProcess follows the processes' lives, and the faults.
func (v *view) takeProcess(e *sim.Effect) {
	if e.Happened == sim.FaultFired {
		v.faults = append(v.faults, strike{fault: e.Fault, at: e.At})
		return
	}
	p := v.processes[e.Process]
	if p == nil {
		p = &process{name: e.Process}
		v.processes[e.Process] = p
	}
	switch e.Happened {
	case sim.Booted:
		p.incarnation, p.alive, p.draining, p.since = e.Incarnation, true, false, momentOf(e)
	case sim.Crashed, sim.Exited, sim.Killed:
		p.alive, p.gone = false, momentOf(e)
	case sim.Terminated:
		p.draining = true
	}
}

// lives reports whether an incarnation is alive, as far as the world has told,
// and if not, when it ended.
func (v *view) lives(name, incarnation string) (alive bool, gone moment) {
	p := v.processes[name]
	if p == nil {
		return true, moment{}
	}
	return p.alive && p.incarnation == incarnation, p.gone
}
