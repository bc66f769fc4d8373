package sim

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// TestWorld is a World without a universe that runs: tests of invariants say
// what the stores did, one effect at a time. It is timely, and not healed until
// Heal.
type TestWorld struct {
	*World
	universe   Universe
	objects    *objstore.Store
	invariants []Invariant
}

// NewTestWorld returns an empty world that is judged by the invariants.
func NewTestWorld(invariants ...Invariant) *TestWorld {
	t := &TestWorld{objects: objstore.New(objstore.Options{MinPart: -1}), invariants: invariants}
	u := &t.universe
	u.arm = armNamed(narrowArm)
	u.objects, u.kv = t.objects, tikv.New(tikv.Options{})
	t.World = &u.world
	t.World.init(u)
	u.judge.observeBy(invariants)
	return t
}

// Prepare handles a request of the object store unseen, as before time began.
func (t *TestWorld) Prepare(req objstore.Request) (resp objstore.Response) {
	t.objects.Handle(&req, &resp)
	t.universe.drainPrepared()
	return resp
}

// Handle handles a request of the object store, without showing its effects:
// Show them one by one.
func (t *TestWorld) Handle(req objstore.Request) (resp objstore.Response, effects []objstore.Effect) {
	t.objects.Handle(&req, &resp)
	effects = append(effects, t.objects.Effects...)
	t.objects.Effects = t.objects.Effects[:0]
	return resp, effects
}

// Show makes an effect true and returns what the first invariant that objects
// says. Time goes on to the effect's.
func (t *TestWorld) Show(e Effect) error {
	t.universe.sched.now = max(t.universe.sched.now, int64(e.At))
	t.World.apply(&e)
	for _, inv := range t.invariants {
		if err := inv.Observe(t.World, &e); err != nil {
			return named(inv, err)
		}
	}
	return nil
}

// Call shows a request to those invariants that want to see requests.
func (t *TestWorld) Call(c Call) {
	for _, watcher := range t.universe.judge.watchers {
		watcher.ObserveCall(t.World, &c)
	}
}

// Settle gives the invariants their last word at the given time and returns what
// the first one that objects says.
func (t *TestWorld) Settle(at time.Duration) error {
	t.universe.sched.now = int64(at)
	for _, inv := range t.universe.judge.settlers {
		if err := inv.Settled(t.World); err != nil {
			return named(inv, err)
		}
	}
	return nil
}

// named completes a violation as the judge does.
func named(inv Invariant, err error) error {
	if v, ok := err.(*Violation); ok && v.Invariant == "" {
		v.Invariant = inv.Name()
	}
	return err
}

// Heal ends the faults at the given time.
func (t *TestWorld) Heal(at time.Duration) {
	t.universe.phase, t.universe.healedAt = settlePhase, int64(at)
}

// Read and Scan add to what TiKV answered.
func (t *TestWorld) Read(r tikv.Read)     { t.universe.kv.Ledger().Reads.Add(r) }
func (t *TestWorld) Scan(s tikv.ScanRead) { t.universe.kv.Ledger().Scans.Add(s) }

// Hurry lets timers overtake messages, as the elastic arm does.
func (t *TestWorld) Hurry() { t.universe.arm = armNamed(elasticArm) }

// Marked returns how often a mark was reached, and Stated how many abstract
// states were named.
func (t *TestWorld) Marked(name string) int { return t.marks[name] }
func (t *TestWorld) Stated() int            { return len(t.states) }
