package properties

import (
	"fmt"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// unit is one unit, as its rows tell.
type unit struct {
	key, uid   string
	sub        *submission
	now        schema.Unit // its State is None if there is no row
	born       sim.Moment
	leases     []*lease
	queued     []*queued
	failed     bool // it is in the index of the failed
	dead       bool // it is in the index of the dead
	checkpoint checkpoint
	claims     []claim
	ending     sim.Moment // of the last attempt that ended
	lastBeat   sim.Moment // of the lease that ended with it
	last       unitChange
}

// unitChange is a unit's row written or deleted.
type unitChange struct {
	rowChange
	unit   *unit
	before schema.Unit // its State is None if there was no row
}

func (c *unitChange) show(on *on) error { return handle(on.unit, c) }

// edge is how the change moved the unit, for violations.
func (c *unitChange) edge() string {
	return c.before.State.String() + " -> " + c.unit.now.State.String()
}

// created reports whether the change brought the unit into being.
func (c *unitChange) created() bool { return !c.deleted && c.before.State == schema.None }

// claimed reports whether the change was a claim.
func (c *unitChange) claimed() bool {
	now := &c.unit.now
	return now.State == schema.Processing && (c.before.State != schema.Processing || now.Epoch != c.before.Epoch)
}

// left reports whether the change ended an attempt, or handed it to another.
func (c *unitChange) left() bool {
	return c.before.State == schema.Processing && (c.unit.now.State != schema.Processing || c.unit.now.Epoch != c.before.Epoch)
}

// became reports whether the change brought the unit into a state.
func (c *unitChange) became(state schema.State) bool {
	return c.unit.now.State == state && c.before.State != state
}

// byOwner reports whether whoever owned the unit before made the change.
func (c *unitChange) byOwner() bool { return c.isBy(c.before.Worker, c.before.Incarnation) }

func (u *unit) exists() bool { return u.now.State != schema.None }

// ownedBy reports whether the row, as of now, is that incarnation's.
func (u *unit) ownedBy(process, incarnation string) bool {
	return u.now.State == schema.Processing && u.now.Worker == process && u.now.Incarnation == incarnation
}

// claim is one claim of a unit, or of a merge.
type claim struct {
	sim.Moment
	epoch uint64
	// The owner, as the row named it.
	owner, ownerInc string
	// What the checkpoint told the claimant: the upload that it may adopt.
	upload, uploadKey string
	ended             sim.Moment
	endedIn           schema.State
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

// unitAt returns the unit of "<bid>/<uid>", or nil if that is malformed.
func (v *view) unitAt(text string) *unit {
	bid, uid, ok := schema.SplitUnitID(text)
	if !ok {
		return nil
	}
	if _, _, ok := schema.SplitBatchID(bid); !ok {
		return nil
	}
	key := schema.UnitTable.Key(text)
	u := v.units[key]
	if u == nil {
		u = &unit{key: key, uid: uid, sub: v.submission(bid)}
		u.sub.units = append(u.sub.units, u)
		v.units[key] = u
		v.unitOf[uid] = u
	}
	return u
}

func takeUnit(v *view, c rowChange, rest, row string) error {
	u := v.units[c.key]
	if u == nil { // only now is its key taken apart
		if u = v.unitAt(rest); u == nil {
			return errKey
		}
	}
	u.last = unitChange{rowChange: c, unit: u, before: u.now}
	v.changes = append(v.changes, &u.last)
	if u.last.created() {
		u.born = c.by.Moment()
	}
	if c.deleted {
		u.now = schema.Unit{}
		return nil
	}
	return u.now.Decode(row)
}

// leaseKey is the key of an owner's lease on the unit.
func (u *unit) leaseKey(worker, incarnation string) string {
	_, id := schema.Split(u.key)
	return schema.LeaseTable.Key(worker + "/" + incarnation + "/" + id)
}

// ownEnds are the steps in which the owner of an attempt ends it.
var ownEnds = map[string]bool{"complete_unit": true, "fail_unit": true, "release_unit": true}

// noteAttempts remembers claims and the ends of attempts.
func (v *view) noteAttempts(c *unitChange) {
	u := c.unit
	if c.left() {
		u.ending = c.by.Moment()
		u.sub.room = c.by.At
		if p := v.processes[c.before.Worker]; p != nil {
			p.freed = c.by.At + v.heardAfter(c.by)
		}
		if last := claimOf(u.claims, c.before.Epoch); last != nil {
			last.ended, last.endedIn = u.ending, u.now.State
		}
	}
	if c.claimed() {
		u.claims = append(u.claims, claim{
			Moment: c.by.Moment(), epoch: u.now.Epoch, owner: u.now.Worker, ownerInc: u.now.Incarnation,
			upload: u.checkpoint.now.Upload, uploadKey: u.checkpoint.now.Key,
		})
	}
}

// heardAfter is how long it may take until the owner of an attempt has heard
// that it ended: at once by its own doing, else with its next beat.
func (v *view) heardAfter(end *sim.Effect) time.Duration {
	if ownEnds[end.Step] {
		return 0
	}
	return drifted(v.cfg.Heartbeat + v.cfg.OpTimeout)
}

// breaks is the violation of a clause by the change.
func (c *unitChange) breaks(broken *clause, format string, args ...any) error {
	claims := c.unit.claims
	if c.claimed() { // the newest is this one
		claims = claims[:len(claims)-1]
	}
	violation := broken.breach(c.by, c.unit.uid, lastClaim(claims), c.edge(), format, args...)
	return telling(violation, func(v *sim.Violation) { v.Also = append(v.Also, c.unit.sub.key) })
}

// lastClaim names the newest claim of a unit, and lastMergeClaim that of a merge, as the
// first event of a violation.
func lastClaim(claims []claim) sim.EventRef { return newestClaim(claims, "claimed epoch %d") }

func lastMergeClaim(claims []claim) sim.EventRef { return newestClaim(claims, "claimed g%d") }

func newestClaim(claims []claim, what string) sim.EventRef {
	if len(claims) == 0 {
		return sim.EventRef{}
	}
	c := &claims[len(claims)-1]
	return c.Ref(fmt.Sprintf(what, c.epoch))
}
