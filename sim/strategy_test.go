package sim

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// toy is a system small enough for its probabilities to be known: tasks that each
// make their steps one after another, each step one request. It runs on the
// scheduler alone, so that nothing but the strategy decides.
type toy struct {
	sched  scheduler
	config Config
	tasks  []*task
	steps  []toyStep // of each task
	order  []int     // whose steps came, in order
}

// toyStep is one request: what a task reads or writes.
type toyStep struct {
	op  ops.Op
	key string
}

// lostUpdate is a task that reads a counter and then writes it. Two of them lose an
// update if both read before either writes.
var lostUpdate = []toyStep{{ops.KVGet, "counter"}, {ops.Prewrite, "counter"}}

var toyBounds = Bounds{
	RPCTimeout: time.Second, ObjectTimeout: 2 * time.Second, MaxInFlight: time.Hour, Leases: []time.Duration{10 * time.Second},
}

// newToy makes the tasks, whose first requests are on their way.
func newToy(seed uint64, config Config, start func(*scheduler, armSetup) strategy, tasks int, steps ...toyStep) *toy {
	y := &toy{config: config, steps: steps}
	y.sched.config = &y.config
	y.sched.strategy = start(&y.sched, armSetup{seed, &toyBounds})
	for i := range tasks {
		y.tasks = append(y.tasks, &task{serial: uint64(i), key: keyed.Mix(keyed.Mix(seed, keyed.ForWork), uint64(i))})
	}
	for _, t := range y.tasks {
		y.send(t, 0)
	}
	return y
}

func (y *toy) send(t *task, step int) {
	s := y.steps[step]
	m := &message{task: t}
	m.Op = s.op
	if s.op.HasEffect() {
		m.KV.Mutations = []tikv.Mutation{{Key: s.key}}
	} else {
		m.KV.Key = s.key
	}
	m.event = event{kind: evRequest, msg: m, pos: -1, gen: uint32(step), id: keyed.Mix(t.key, uint64(step))}
	m.event.tie = y.sched.tie(m.event.id)
	y.sched.send(&m.event)
}

// run lets everything happen and returns whose steps came in which order.
func (y *toy) run() []int {
	for e := y.sched.pick(); e != nil; e = y.sched.pick() {
		if e.msg == nil {
			continue
		}
		y.order = append(y.order, int(e.msg.task.serial))
		if next := int(e.gen) + 1; next < len(y.steps) {
			y.send(e.msg.task, next)
		}
	}
	return y.order
}

// loses reports whether two tasks of lostUpdate ran in such an order.
func loses(order []int) bool { return order[0] != order[1] }

// toySeeds is how many seeds each probability is measured with. Seeds are fixed, so
// a test either always passes or always fails.
const toySeeds = 4_000

// requireProbability holds a count of toySeeds to a probability: within four
// standard deviations, which a true probability leaves once in 16,000 times.
func requireProbability(t *testing.T, p float64, hits int) {
	t.Helper()
	is := float64(hits) / toySeeds
	t.Logf("want %.4f, is %.4f", p, is)
	require.InDelta(t, p, is, 4*math.Sqrt(p*(1-p)/toySeeds))
}

func count(of func(seed uint64) bool) (hits int) {
	for seed := range uint64(toySeeds) {
		if of(seed) {
			hits++
		}
	}
	return hits
}

var toyConfig = Config{LatencyMin: time.Millisecond, LatencyMax: 10 * time.Millisecond, TimerWeight: 1}

// surwKnowing is surw that knows how many events each task has, and takes all of them
// for interesting.
func surwKnowing(steps int64) func(*scheduler, armSetup) strategy {
	return func(s *scheduler, _ armSetup) strategy {
		return &surw{walk: walk{scheduler: s}, interesting: func(*event) bool { return true }, total: func(*task) int64 { return steps }}
	}
}

// pctOf is pct with d-1 changes among k events.
func pctOf(d, k int, aware bool) func(*scheduler, armSetup) strategy {
	return func(s *scheduler, a armSetup) strategy {
		p := &pct{scheduler: s, aware: aware, bounds: a.bounds, changes: d - 1}
		p.expect(int64(k))
		return p
	}
}

// lostUpdates is how likely an update is lost under each arm; TestLostUpdate says why.
var lostUpdates = []struct {
	name  string
	start func(*scheduler, armSetup) strategy
	p     float64
}{
	{"elastic", newWalk, 1. / 2},
	{"surw", surwKnowing(2), 4. / 6},
	{"pos", newPOS, 1. / 3},
	{"pct", pctOf(2, 4, false), 3. / 16},
	{"ta-pct", pctOf(2, 2, true), 1. / 2},
	{narrowArm, newNarrow, narrowLoses()},
	{DefaultArm, newDefault, 1},
}

// byOthers are the arms of which another test knows the probabilities.
var byOthers = map[string]string{quantisedArm: "TestTies", "mixture": "TestMixture"}

// TestEveryArmIsValidated: no arm draws for which no test computes what it must draw.
func TestEveryArmIsValidated(t *testing.T) {
	for _, a := range arms {
		validated := byOthers[a.name] != ""
		for i := range lostUpdates {
			validated = validated || lostUpdates[i].name == a.name
		}
		require.True(t, validated, "%s: want its probability of a lost update, or a test of its own", a.name)
	}
}

// TestLostUpdate: two tasks that read and then write one counter, under each arm.
//
//   - elastic: the first read leaves a write and a read, one of which is next: 1/2.
//   - surw: of the 6 interleavings of two and two, 4 lose an update.
//   - pos: reads race with nothing, so the second read keeps its draw, the worse
//     of two. A fresh one, the write's, is worse than that once in three times.
//   - pct, d=2, k=4: the task with the higher priority reads. Its read is a change
//     once in four: then the other one goes to its end. Else its write is, once in four,
//     and only then an update is lost: 3/4 * 1/4, which is more than the bound of
//     1/(2*4).
//   - ta-pct, d=2, k=2: only writes may be a change: 1/2, and nothing else comes between.
//   - narrow: the sums of latencies a+b and c+d of each task: an update is lost unless
//     c > a+b or a > c+d. With all of them uniform from 1 to 10: computed below.
func TestLostUpdate(t *testing.T) {
	for _, row := range lostUpdates {
		t.Run(row.name, func(t *testing.T) {
			requireProbability(t, row.p, count(func(seed uint64) bool {
				return loses(newToy(seed, toyConfig, row.start, 2, lostUpdate...).run())
			}))
		})
	}
}

// narrowLoses integrates over a grid of the four latencies that matter.
func narrowLoses() float64 {
	const n = 60
	at := func(i int) float64 { return 1 + 9*(float64(i)+0.5)/n }
	lost := 0
	for a := range n {
		for b := range n {
			for c := range n {
				if at(c) < at(a)+at(b) {
					lost++
				}
			}
		}
	}
	return 1 - 2*(1-float64(lost)/(n*n*n)) // two tasks, of which one may be first
}

// TestInterleavings: which of the interleavings of tasks with two steps each come
// how often.
func TestInterleavings(t *testing.T) {
	t.Run("elastic", func(t *testing.T) {
		// Each choice between two is even: 2 of the 6 have one choice after the first,
		// the other 4 have two.
		requireInterleavings(t, newWalk, map[string]float64{
			"[0 0 1 1]": 1. / 4, "[1 1 0 0]": 1. / 4,
			"[0 1 0 1]": 1. / 8, "[0 1 1 0]": 1. / 8, "[1 0 0 1]": 1. / 8, "[1 0 1 0]": 1. / 8,
		})
	})
	t.Run("surw", func(t *testing.T) {
		requireInterleavings(t, surwKnowing(2), map[string]float64{
			"[0 0 1 1]": 1. / 6, "[1 1 0 0]": 1. / 6,
			"[0 1 0 1]": 1. / 6, "[0 1 1 0]": 1. / 6, "[1 0 0 1]": 1. / 6, "[1 0 1 0]": 1. / 6,
		})
	})
	t.Run("pos of racing writes", func(t *testing.T) {
		// Everybody draws anew after each step: it is the random walk.
		writes := toyStep{ops.Prewrite, "counter"}
		requireInterleavings(t, newPOS, map[string]float64{
			"[0 0 1 1]": 1. / 4, "[1 1 0 0]": 1. / 4,
			"[0 1 0 1]": 1. / 8, "[0 1 1 0]": 1. / 8, "[1 0 0 1]": 1. / 8, "[1 0 1 0]": 1. / 8,
		}, writes, writes)
	})
	t.Run("pos of what does not race", func(t *testing.T) {
		// Nobody draws anew: with priorities a, b of the one task and c, d of the other, all
		// 24 ranks are as likely. [0 0 1 1]: c is the worst of a, b, c. [0 1 1 0]: a is
		// better than c, and b the worst of all. [0 1 0 1]: they rank as a, c, b, d.
		requireInterleavings(t, newPOS, map[string]float64{
			"[0 0 1 1]": 1. / 3, "[1 1 0 0]": 1. / 3, "[0 1 1 0]": 1. / 8, "[1 0 0 1]": 1. / 8,
			"[0 1 0 1]": 1. / 24, "[1 0 1 0]": 1. / 24,
		}, toyStep{ops.KVGet, "a"}, toyStep{ops.KVGet, "b"})
	})
}

func requireInterleavings(t *testing.T, start func(*scheduler, armSetup) strategy, want map[string]float64, steps ...toyStep) {
	t.Helper()
	if steps == nil {
		steps = lostUpdate
	}
	got := map[string]int{}
	for seed := range uint64(toySeeds) {
		got[fmt.Sprint(newToy(seed, toyConfig, start, 2, steps...).run())]++
	}
	for order := range got {
		require.Contains(t, want, order)
	}
	for order, p := range want {
		t.Log(order)
		requireProbability(t, p, got[order])
	}
}

// TestDeepBug: three tasks of three steps, and one ordering of all nine that must come. PCT
// finds a bug of depth d at least once in n*k^(d-1) times. The bug here has depth 3:
// the task of the first step is put back after its first and that one's successor after
// its second, so that the third one comes between both.
func TestDeepBug(t *testing.T) {
	write := toyStep{ops.Prewrite, "counter"}
	steps := []toyStep{write, write, write}
	hits := count(func(seed uint64) bool {
		order := newToy(seed, toyConfig, pctOf(3, 9, false), 3, steps...).run()
		return order[0] != order[1] && order[1] == order[2] && order[3] != order[1] && order[3] != order[0]
	})
	t.Logf("%d of %d seeds; the bound is %d", hits, toySeeds, toySeeds/(3*9*9))
	require.Greater(t, hits, toySeeds/(3*9*9))
}

// TestElasticClock: the earliest timer is one candidate beside a message, with its
// weight; it fires late if it loses, and never early.
func TestElasticClock(t *testing.T) {
	for _, weight := range []int{1000, 500, 100} {
		for name, start := range map[string]func(*scheduler, armSetup) strategy{"elastic": newWalk, "pos": newPOS, "surw": surwKnowing(1)} {
			t.Run(fmt.Sprint(name, weight), func(t *testing.T) {
				config := toyConfig
				config.TimerWeight = weight
				hits := count(func(seed uint64) bool {
					y := newToy(seed, config, start, 1, lostUpdate[0])
					timer := &event{kind: evTimer, pos: -1, when: int64(time.Minute), id: keyed.Mix(seed, keyed.ForTimer)}
					y.sched.timers.push(timer)
					first := y.sched.pick()
					require.Equal(t, first == timer, y.sched.now == int64(time.Minute))
					second := y.sched.pick()
					require.NotSame(t, first, second)
					require.GreaterOrEqual(t, y.sched.now, int64(time.Minute))
					return first == timer
				})
				requireProbability(t, float64(weight)/float64(1000+weight), hits)
			})
		}
	}
}

// TestTies: under quantised time, latencies of up to two quanta tie once in two, and
// who is first among equals is even, a timer's chance as good as a message's. Without
// a quantum nothing ties.
func TestTies(t *testing.T) {
	config := Config{LatencyMin: time.Nanosecond, LatencyMax: 20 * time.Millisecond, Quantum: 10 * time.Millisecond}
	ties := func(config Config) (hits, first int) {
		hits = count(func(seed uint64) bool {
			y := newToy(seed, config, newNarrow, 2, lostUpdate[0])
			a, b := y.sched.pick(), y.sched.pick()
			if a.when == b.when && a.msg.task.serial == 0 {
				first++
			}
			return a.when == b.when
		})
		return hits, first
	}
	hits, first := ties(config)
	requireProbability(t, 1./2, hits)
	requireProbability(t, 1./4, first)
	config.Quantum = 0
	hits, _ = ties(config)
	require.Zero(t, hits)

	config.Quantum, config.LatencyMax = 10*time.Millisecond, 10*time.Millisecond
	requireProbability(t, 1./2, count(func(seed uint64) bool {
		y := newToy(seed, config, newNarrow, 1, lostUpdate[0])
		id := keyed.Mix(seed, keyed.ForTimer)
		timer := &event{kind: evTimer, pos: -1, when: int64(10 * time.Millisecond), id: id, tie: y.sched.tie(id)}
		y.sched.timers.push(timer)
		return y.sched.pick() == timer
	}))
}

// TestMixture: so many latencies lie past a deadline as the weight says, past each of
// them one third, and all others are narrow.
func TestMixture(t *testing.T) {
	config := toyConfig
	config.TimerWeight = 400
	s := scheduler{config: &config}
	mixture := newMixture(&s, armSetup{bounds: &toyBounds})
	counts := map[string]int{}
	for i := range uint64(toySeeds) {
		counts[place(t, time.Duration(mixture.delay(keyed.Mix(i, i))))]++
	}
	for of, p := range map[string]float64{"narrow": 0.9, "time-out 1s": 0.1 / 6, "time-out 2s": 0.1 / 6, "lease": 0.1 / 3, "beyond": 0.1 / 3} {
		t.Log(of)
		requireProbability(t, p, counts[of])
	}
}

// place names what a latency lies past.
func place(t *testing.T, d time.Duration) string {
	for name, deadline := range map[string]time.Duration{
		"time-out 1s": time.Second, "time-out 2s": 2 * time.Second, "lease": 10 * time.Second, "beyond": 20 * time.Second,
	} {
		if d > deadline && d <= deadline+deadline/8+1 {
			return name
		}
	}
	require.GreaterOrEqual(t, d, toyConfig.LatencyMin)
	require.LessOrEqual(t, d, toyConfig.LatencyMax)
	return "narrow"
}

// TestTraceAwareHold: a change of ta-pct holds a write back past a deadline, and reads
// never.
func TestTraceAwareHold(t *testing.T) {
	y := newToy(1, toyConfig, pctOf(2, 1, true), 1, lostUpdate...)
	y.sched.pick()
	require.Less(t, y.sched.now, int64(time.Second), "the read was held")
	y.send(y.tasks[0], 1)
	y.sched.pick()
	require.Greater(t, y.sched.now, int64(time.Second), "the write was not held")
}

// TestArms: the shares add up, and seeds draw each arm as often.
func TestArms(t *testing.T) {
	sum, counts := 0, map[string]int{}
	for seed := range uint64(toySeeds) {
		counts[drawArm(keyed.New(seed, "sim"))]++
	}
	for _, a := range arms {
		sum += a.share
		requireProbability(t, float64(a.share)/1000, counts[a.name])
	}
	require.Equal(t, 1000, sum)
	require.Len(t, counts, 6)
}

// TestRacing: which requests race.
func TestRacing(t *testing.T) {
	kv := func(op ops.Op, req tikv.Request) *message {
		m := &message{}
		m.Op, m.KV = op, req
		return m
	}
	write := func(keys ...string) *message {
		m := kv(ops.Prewrite, tikv.Request{Primary: "p"})
		for _, k := range keys {
			m.KV.Mutations = append(m.KV.Mutations, tikv.Mutation{Key: k})
		}
		return m
	}
	object := func(op ops.Op, key string) *message {
		m := &message{}
		m.Op, m.Object.Key = op, key
		return m
	}
	tso, get := kv(ops.TSO, tikv.Request{}), kv(ops.KVGet, tikv.Request{Key: "b"})
	for name, row := range map[string]struct {
		a, b *message
		race bool
	}{
		"two reads":                 {get, get, false},
		"read and write":            {get, write("a", "b"), true},
		"a primary elsewhere":       {kv(ops.KVGet, tikv.Request{Key: "p"}), write("a"), false},
		"writes of other keys":      {write("a"), write("b"), false},
		"writes of one key":         {write("a", "b"), write("b", "c"), true},
		"commit":                    {kv(ops.Commit, tikv.Request{Keys: []string{"a", "b"}}), get, true},
		"scan over":                 {kv(ops.KVScan, tikv.Request{Key: "a", EndKey: "c"}), write("b"), true},
		"scan before":               {kv(ops.KVScan, tikv.Request{Key: "a", EndKey: "b"}), write("b"), false},
		"scan without end":          {kv(ops.KVScan, tikv.Request{Key: "a"}), write("z"), true},
		"scan backwards":            {kv(ops.KVScan, tikv.Request{Key: "c", EndKey: "a", Reverse: true}), write("b"), true},
		"status of a transaction":   {kv(ops.CheckTxn, tikv.Request{Primary: "b"}), write("b"), true},
		"resolution of all":         {kv(ops.Resolve, tikv.Request{}), get, true},
		"timestamps":                {tso, tso, true},
		"timestamp and write":       {tso, write("a"), false},
		"services":                  {object(ops.Put, "b"), write("b"), false},
		"objects":                   {object(ops.Put, "b"), object(ops.Head, "b"), true},
		"other objects":             {object(ops.Put, "b"), object(ops.Head, "c"), false},
		"listing over":              {object(ops.Put, "in/b"), object(ops.List, "in/"), true},
		"listing of another folder": {object(ops.Put, "in/b"), object(ops.List, "out/"), false},
	} {
		require.Equal(t, row.race, racing(row.a, row.b), name)
		require.Equal(t, row.race, racing(row.b, row.a), name)
	}
}
