package model

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// Actor is whose transaction it is, and in which step of the protocol it was made;
// "" is outside of every step.
type Actor struct{ Worker, Incarnation, Step string }

func (a Actor) is(worker, incarnation string) bool {
	return a.Worker == worker && a.Incarnation == incarnation
}

// Reason is how a transaction differs from every transition.
type Reason uint8

const (
	// NoTransition: the step has none between these states.
	NoTransition Reason = iota + 1
	// NotEnabled: the step has one, whose guard does not hold.
	NotEnabled
	// OtherEffect: it has one, which writes something else.
	OtherEffect
)

// Refusal says why a transaction is no transition of the model.
type Refusal struct {
	Reason  Reason
	Subject string // whose state it is: the id of a unit or of a batch, or a key
	What    string // the transition that was tried, or whatever else it was: "claim", "lease"
	Rule    string // the one that such rows stand under ("R9"), "" for none in particular
	Text    string
}

// Model is the state. A transaction begins with Begin, then tells its rows, each
// with nil if it deletes it, and ends with End. What a row holds is not kept.
type Model struct {
	by     Actor
	txn    uint64
	batchs map[string]*batch // by id, "<ns>/<name>/<gen>"
	newest map[string]*batch // by name, "<ns>/<name>"
	units  map[string]*unit  // by id, "<bid>/<uid>"
	leases map[string]*lease // by key
	leader leader

	// Of the transaction: whose rows it wrote, each once, in this order.
	batches     []*batch
	moved       []*unit
	beside      []*unit // rows that belong to them
	beaten      []*lease
	discoveries []*discovery
	shards      []*shard
	led         bool
	odd         string // a row that only one step writes, and not this one
}

// New returns the state before anything was asked for.
func New() *Model {
	return &Model{
		batchs: map[string]*batch{}, newest: map[string]*batch{}, units: map[string]*unit{}, leases: map[string]*lease{},
	}
}

type batch struct {
	id, name string
	was, now schema.Batch
	active   bool  // it is in the index of the living
	urgency  int64 // its priority there
	units    schema.Counts
	staged   int64 // units that name a staged object
	sources  []*discovery
	shards   []*shard
	merge    merge
	sweep    sweep
	txn      uint64 // in which it was last written
	wrote    bool   // the batch row itself
}

type sweep struct {
	row
	before, after schema.Sweep
}

// row is whether a row is there, was there before, and is written.
type row struct {
	was, now bool
	txn      uint64
}

func (r *row) write(txn uint64, there bool) {
	if r.txn != txn {
		r.txn, r.was = txn, r.now
	}
	r.now = there
}

type merge struct {
	row
	before, after schema.Merge
}

type unit struct {
	id, uid    string
	batch      *batch
	was, now   schema.Unit
	queued     int
	queueEpoch uint64
	queueAt    uint64 // its place: 999 less the batch's priority
	leases     int
	lease      *lease
	failed     bool
	dead       bool
	highest    uint64 // epoch that ever was
	saved      row    // its checkpoint
	savedWas   schema.Checkpoint
	savedNow   schema.Checkpoint
	txn, aside uint64
}

type lease struct {
	row
	worker, incarnation string
	unit                *unit
	before, after       schema.Lease
}

type discovery struct {
	row
	batch         *batch
	source        int64
	before, after schema.Discovery
	created       int64 // units by the transaction
}

type shard struct {
	batch *batch
	want  schema.Shard // what the units come to
	after schema.Shard // its row
	txn   uint64       // the last transaction that wrote it, or should have
}

type leader struct {
	row
	before, after schema.Leader
}

// Begin begins a transaction.
func (m *Model) Begin(by Actor) {
	m.by, m.odd, m.led = by, "", false
	m.txn++
	m.batches, m.moved, m.beside, m.beaten = m.batches[:0], m.moved[:0], m.beside[:0], m.beaten[:0]
	m.discoveries, m.shards = m.discoveries[:0], m.shards[:0]
}

func (m *Model) batchOf(id string) *batch {
	b := m.batchs[id]
	if b == nil {
		name, _, _ := schema.SplitBatchID(id)
		b = &batch{id: id, name: name}
		m.batchs[id] = b
	}
	return b
}

// touch notes that the transaction writes a row of the batch.
func (m *Model) touch(b *batch) {
	if b.txn == m.txn {
		return
	}
	b.txn, b.wrote, b.was = m.txn, false, b.now
	m.batches = append(m.batches, b)
}

// Batch is the row batch/<name>.
func (m *Model) Batch(name string, now *schema.Batch) {
	if now == nil {
		m.odd = "the row of batch " + name + ", deleted"
		return
	}
	b := m.batchOf(schema.BatchID(name, now.Gen))
	m.touch(b)
	b.wrote, b.now = true, *now
}

// Active is the row active/<name>.
func (m *Model) Active(name string, now *schema.Active) {
	b := m.newest[name]
	if now != nil {
		b = m.batchOf(schema.BatchID(name, now.Gen))
	}
	if b == nil {
		m.odd = "the row of batch " + name + " in the index of the living"
		return
	}
	m.touch(b)
	if b.active = now != nil; b.active {
		b.urgency = now.Priority
	}
}

// Sweep is the row sweep/<id>.
func (m *Model) Sweep(id string, now *schema.Sweep) {
	b := m.batchOf(id)
	m.touch(b)
	b.sweep.write(m.txn, now != nil)
	b.sweep.before, b.sweep.after = b.sweep.after, schema.Sweep{}
	if now != nil {
		b.sweep.after = *now
	}
}

// Merge is the row merge/<id>.
func (m *Model) Merge(id string, now *schema.Merge) {
	b := m.batchOf(id)
	m.touch(b)
	b.merge.write(m.txn, now != nil)
	b.merge.before, b.merge.after = b.merge.after, schema.Merge{}
	if now != nil {
		b.merge.after = *now
	}
}

// Leader is the row leader/scanner.
func (m *Model) Leader(now *schema.Leader) {
	l := &m.leader
	l.write(m.txn, now != nil)
	l.before, l.after, m.led = l.after, schema.Leader{}, true
	if now != nil {
		l.after = *now
	}
}

// Discovery is the row discovery/<id>/<source>.
func (m *Model) Discovery(id string, source uint64, now *schema.Discovery) {
	b := m.batchOf(id)
	var d *discovery
	for _, other := range b.sources {
		if other.source == int64(source) {
			d = other
		}
	}
	if d == nil {
		d = &discovery{batch: b, source: int64(source)}
		b.sources = append(b.sources, d)
	}
	d.write(m.txn, now != nil)
	d.before, d.after, d.created = d.after, schema.Discovery{}, 0
	if now != nil {
		d.after = *now
	}
	m.discoveries = append(m.discoveries, d)
}

func (m *Model) unitOf(id string) *unit {
	u := m.units[id]
	if u == nil {
		bid, uid, _ := schema.SplitUnitID(id)
		u = &unit{id: id, uid: uid, batch: m.batchOf(bid)}
		m.units[id] = u
	}
	return u
}

// besides returns a unit of which the transaction writes another row than its own.
func (m *Model) besides(id string) *unit {
	u := m.unitOf(id)
	if u.aside != m.txn {
		u.aside = m.txn
		m.beside = append(m.beside, u)
	}
	return u
}

// Unit is the row unit/<id>.
func (m *Model) Unit(id string, now *schema.Unit) {
	u := m.unitOf(id)
	u.txn, u.was, u.now = m.txn, u.now, schema.Unit{}
	if now != nil {
		u.now = *now
	}
	m.moved = append(m.moved, u)
	m.count(u)
}

// Queued is the row queue/<at>/<id>.
func (m *Model) Queued(id string, at uint64, now *schema.Queue) {
	u := m.besides(id)
	switch {
	case now == nil && u.queued > 0 && at == u.queueAt:
		u.queued--
	case now != nil && (u.queued == 0 || at != u.queueAt):
		u.queued++
	}
	if now != nil {
		u.queueAt, u.queueEpoch = at, now.Epoch
	}
}

// Lease is the row lease/<worker>/<incarnation>/<id>, by its key.
func (m *Model) Lease(key, worker, incarnation, id string, now *schema.Lease) {
	l := m.leases[key]
	if l == nil {
		l = &lease{worker: worker, incarnation: incarnation, unit: m.unitOf(id)}
		m.leases[key] = l
	}
	l.write(m.txn, now != nil)
	l.before, l.after = l.after, schema.Lease{}
	if now != nil {
		l.after = *now
		l.unit.lease = l
	}
	if l.was != l.now {
		u := m.besides(id)
		if l.now {
			u.leases++
		} else {
			u.leases--
		}
	}
	m.beaten = append(m.beaten, l)
}

// Checkpoint is the row checkpoint/<id>.
func (m *Model) Checkpoint(id string, now *schema.Checkpoint) {
	u := m.besides(id)
	u.saved.write(m.txn, now != nil)
	u.savedWas, u.savedNow = u.savedNow, schema.Checkpoint{}
	if now != nil {
		u.savedNow = *now
	}
}

// Failed is the row failed/<id>, or dead/<id>.
func (m *Model) Failed(id string, dead, there bool) {
	u := m.besides(id)
	if dead {
		u.dead = there
	} else {
		u.failed = there
	}
}

func (m *Model) shardOf(b *batch, number int64) *shard {
	for int64(len(b.shards)) <= number {
		b.shards = append(b.shards, &shard{batch: b})
	}
	return b.shards[number]
}

// Shard is the row shard/<id>/<number>.
func (m *Model) Shard(id string, number int64, now *schema.Shard) {
	s := m.shardOf(m.batchOf(id), number)
	s.after = schema.Shard{}
	if now != nil {
		s.after = *now
	}
	m.concern(s)
}

// concern notes that the transaction has to do with a shard.
func (m *Model) concern(s *shard) {
	if s.txn != m.txn {
		s.txn = m.txn
		m.shards = append(m.shards, s)
	}
}

// count brings what is counted of a unit's batch up to date.
func (m *Model) count(u *unit) {
	u.highest = max(u.highest, u.was.Epoch)
	for _, side := range [...]struct {
		u *schema.Unit
		n int64
	}{{&u.was, -1}, {&u.now, +1}} {
		state := side.u.State
		if state == schema.None {
			continue
		}
		u.batch.units[state] += side.n
		if side.u.Staged != "" {
			u.batch.staged += side.n
		}
		s := m.shardOf(u.batch, side.u.Shard)
		m.concern(s)
		s.want.Counts[state] += side.n
		switch state {
		case schema.Complete:
			s.want.Frames += side.n * side.u.Frames
		case schema.Processing:
		default:
			s.want.Failures += side.n * side.u.Attempts
		}
		if side.u.Slot > 0 {
			taken := m.shardOf(u.batch, side.u.Slot-1)
			m.concern(taken)
			taken.want.Taken += side.n
		}
	}
}

// refuse says that a transaction is not the transition that it looks like.
func (m *Model) refuse(reason Reason, subject, what, format string, args ...any) *Refusal {
	return &Refusal{Reason: reason, Subject: subject, What: what, Text: fmt.Sprintf(format, args...)}
}

// under says which rule of the protocol what is refused stands under.
func (r *Refusal) under(rule string) *Refusal {
	r.Rule = rule
	return r
}

// End returns why the transaction is no transition, or nil. The state is in any
// case what the rows say.
func (m *Model) End() *Refusal {
	if m.odd != "" {
		return m.refuse(NoTransition, m.odd, "odd row", "no step writes %s; %s did", m.odd, m.step())
	}
	if m.led {
		if r := m.judgeLeader(); r != nil {
			return r
		}
	}
	for _, u := range m.moved {
		if r := m.judgeUnit(u); r != nil {
			return r
		}
	}
	for _, u := range m.moved {
		if r := m.judgeBeside(u); r != nil {
			return r
		}
	}
	for _, u := range m.beside {
		if r := m.judgeBeside(u); r != nil {
			return r
		}
	}
	for _, l := range m.beaten {
		if r := m.judgeLease(l); r != nil {
			return r
		}
	}
	return m.endBatches()
}

func (m *Model) endBatches() *Refusal {
	for _, d := range m.discoveries {
		if r := m.judgeDiscovery(d); r != nil {
			return r
		}
	}
	for _, b := range m.batches {
		if r := m.judgeBatch(b); r != nil {
			return r
		}
	}
	for _, s := range m.shards {
		if r := m.judgeShard(s); r != nil {
			return r
		}
	}
	return nil
}

// step names the step for people.
func (m *Model) step() string {
	if m.by.Step == "" {
		return m.by.Worker + ", outside of every step,"
	}
	return m.by.Worker + " in " + m.by.Step
}
