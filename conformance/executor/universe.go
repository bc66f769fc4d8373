package executor

import (
	"errors"
	"math/rand"
	"sync"
	"time"

	"github.com/gauntlet-dst/gauntlet/conformance/rpc"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

// universe is one run.
type universe struct {
	court   *sim.Court
	config  sim.Config
	bounds  sim.Bounds
	seed    uint64
	began   time.Time
	cluster *rpc.Cluster
	over    chan struct{} // closed when the run is over
	healing chan struct{} // closed when the world is healed
	turned  chan struct{} // told when the phase may be over; holds one
	running sync.WaitGroup

	// mu guards what follows, and the court. Nobody sleeps or waits with it.
	mu        sync.Mutex
	processes []*process
	tasks     map[uint64]*task // by goroutine
	threads   uint64           // tasks started
	sites     map[siteName]*site
	entered   map[string]uint64 // event at which a step was first entered
	taken     map[time.Duration]bool
	standing  []standing
	crossing  fault.Crossing
	events    uint64
	phase     phase
	zombies   time.Duration // until when those whom healing woke may still act
	hash      uint64
}

// phase is a part of a run.
type phase uint8

const (
	chaos phase = iota
	settle
	quiesce
)

// errModes: reduction writes modes out as single faults.
var errModes = errors.New("the plan has modes (sim.flaky, sim.lossy, sim.repeated, sim.reordered, sim.oracle_jump, sim.replace_after), which only the simulator injects: reduce it first")

func newUniverse(court *sim.Court) (*universe, error) {
	if c := court.Config(); c.Modes.Injector() != nil || c.OracleJump > 0 || c.ReplaceAfter > 0 {
		return nil, errModes
	}
	u := &universe{
		court: court, config: court.Config(), bounds: court.Bounds(), seed: court.Plan.Seed,
		over: make(chan struct{}), healing: make(chan struct{}), turned: make(chan struct{}, 1),
		tasks: map[uint64]*task{}, sites: map[siteName]*site{}, entered: map[string]uint64{}, taken: map[time.Duration]bool{},
	}
	u.hash = keyed.Mix(u.seed, 0x65786563)
	for i, program := range court.System().Programs() {
		u.processes = append(u.processes, &process{u: u, index: i, program: program, temp: map[string][]byte{}})
	}
	time.Sleep(time.Until(sim.Epoch()))
	u.began = time.Now()
	//lint:ignore SA1019 it is client-go's source that must be seeded, and that is the global one
	rand.Seed(int64(u.seed))
	var err error
	u.cluster, err = rpc.New(rpc.Config{Engine: court.KV(), Splits: splits(court.System())})
	return u, err
}

// splits are where the system's regions begin: at keys of one byte.
func splits(s sim.System) (keys []string) {
	for c := 1; c < 128; c++ {
		if s.Region(string(rune(c))) != s.Region(string(rune(c-1))) {
			keys = append(keys, string(rune(c)))
		}
	}
	return keys
}

// now is the virtual time since the universe began.
func (u *universe) now() time.Duration { return time.Since(u.began) }

// instant takes the first nanosecond, from at on, at which no other timer fires.
func (u *universe) instant(at time.Duration) time.Duration {
	for u.taken[at] {
		at++
	}
	u.taken[at] = true
	return at
}

// watch is shown every event of a run, for tests.
var watch func(now time.Duration, id uint64, what string)

// event begins the next event.
func (u *universe) event(id uint64, what string) {
	now := u.now()
	if watch != nil {
		watch(now, id, what)
	}
	u.events = u.court.Event(now)
	u.hash = keyed.Fold(u.hash^uint64(now), id)
}

// judged looks whether what was just judged ends the phase.
func (u *universe) judged() {
	if u.ended() {
		select {
		case u.turned <- struct{}{}:
		default:
		}
	}
}

// ended reports whether nothing keeps the phase from ending.
func (u *universe) ended() bool {
	switch {
	case u.court.Violation() != nil:
		return true
	case u.phase == chaos:
		return u.events >= uint64(u.config.ChaosEvents) || u.court.Done()
	case u.phase == settle:
		return u.court.Done()
	}
	return u.now() >= u.zombies && u.court.Quiet()
}

// passes lets the phase go on until it has ended, or its time is up.
func (u *universe) passes(bound time.Duration) {
	u.mu.Lock()
	until := u.instant(u.now() + bound)
	u.mu.Unlock()
	timer := time.NewTimer(until - u.now())
	defer timer.Stop()
	for {
		u.mu.Lock()
		ended := u.ended()
		u.mu.Unlock()
		if ended {
			return
		}
		select {
		case <-u.turned:
		case <-timer.C:
			return
		}
	}
}

// run takes the universe through its phases. It reports whether the faults ended
// because there were too many events.
func (u *universe) run() (inconclusive bool) {
	u.mu.Lock()
	for _, p := range u.processes {
		p.boot()
	}
	u.mu.Unlock()
	u.running.Go(u.collect)

	u.passes(u.config.ChaosFor)
	u.mu.Lock()
	inconclusive = u.events >= uint64(u.config.ChaosEvents)
	violated := u.court.Violation() != nil
	u.mu.Unlock()
	if violated {
		return inconclusive
	}
	u.heal()
	u.passes(u.bounds.Settle)
	u.mu.Lock()
	if u.court.Violation() == nil && !u.court.Done() {
		u.court.Standstill()
	}
	u.phase = quiesce
	u.mu.Unlock()
	u.passes(u.bounds.Quiesce)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.event(0, "end")
	u.court.Close()
	return inconclusive
}

// collect lets TiKV's garbage collection resolve the locks that were left.
func (u *universe) collect() {
	period := u.config.LockGC
	for period > 0 {
		u.mu.Lock()
		at := u.instant((u.now()/period + 1) * period)
		u.mu.Unlock()
		if !u.sleepUntil(at, nil) {
			return
		}
		u.mu.Lock()
		if u.court.KV().Locked() > 0 {
			u.event(1, "collect")
			u.court.Collect()
			u.judged()
		}
		u.mu.Unlock()
	}
}

// sleepUntil reports false if the run is over before that time. Closing sooner
// lets it return at once.
func (u *universe) sleepUntil(at time.Duration, sooner <-chan struct{}) bool {
	timer := time.NewTimer(at - u.now())
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-sooner:
		return true
	case <-u.over:
		return false
	}
}

// after lets do happen later, with u.mu held. u.mu is held.
func (u *universe) after(d time.Duration, do func()) {
	at := u.instant(u.now() + d)
	u.running.Go(func() {
		if !u.sleepUntil(at, nil) {
			return
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		do()
		u.judged()
	})
}

// heal ends the chaos phase: every fault is lifted, every process is brought
// back (except one that died for good).
func (u *universe) heal() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.event(2, "heal")
	u.phase, u.standing = settle, nil
	u.zombies = u.now() + 2*u.bounds.RPCTimeout
	close(u.healing)
	u.court.Heal()
	for _, p := range u.processes {
		p.standing = nil
		if p.life != nil {
			p.life.resume()
			continue
		}
		if !p.never && p.restarts {
			p.boot()
		}
	}
}

// shutdown ends every process, and waits until nothing of the run is left.
func (u *universe) shutdown() {
	close(u.over)
	u.mu.Lock()
	for _, p := range u.processes {
		if p.life != nil {
			p.end()
		}
	}
	u.mu.Unlock()
	u.running.Wait()
	_ = u.cluster.Close() // no call is under way
	time.Sleep(longestBackoff)
}

// longestBackoff is how long the client's goroutines may go on after it was
// closed: its pools and tickers, and back-offs that no context ends.
const longestBackoff = 15 * time.Minute
