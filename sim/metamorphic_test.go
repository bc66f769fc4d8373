package sim_test

import (
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

var relations = flag.Int("relations", 40, "in how many universes TestMetamorphic tries each relation: one seed of a hundred, from 1 on; 40 is 1 % of the seeds that .ci/run sweeps")

// relation is a change of a universe without faults that must not change what comes of
// it: every batch ends in the same phase, and each dataset has the same objects with the
// same bytes, path by path behind its generation's prefix. Manifests are left out: they
// name batches, generations and ETags.
type relation struct {
	name  string
	plan  func(p *plan.Plan)
	alter func(spec *workload.Spec)
	// back is the name that a batch of the changed universe had.
	back func(name string) string
}

const renamed = "renamed-"

var metamorphic = []relation{
	{name: "renamed ids", alter: func(spec *workload.Spec) {
		for i := range spec.Batches {
			b := &spec.Batches[i]
			b.Namespace, b.Output = renamed+b.Namespace, renamed+b.Output
		}
	}, back: func(name string) string { return strings.TrimPrefix(name, renamed) }},
	{name: "permuted submissions", alter: func(spec *workload.Spec) { slices.Reverse(spec.Batches) }},
	{name: "idle workers added", plan: func(p *plan.Plan) {
		workers, _ := strconv.Atoi(setting(p, "workers"))
		set(p, "workers", strconv.Itoa(workers+2))
	}},
	// Halved: some are as long as they may be. The lives of TiKV's locks are TiKV's.
	{name: "all times scaled", plan: func(p *plan.Plan) {
		for i := range p.Settings {
			s := &p.Settings[i]
			if d, err := time.ParseDuration(s.Value); err == nil && d > 1000 {
				s.Value = (d / 2).String()
			}
		}
	}},
}

func set(p *plan.Plan, name, value string) {
	for i := range p.Settings {
		if p.Settings[i].Name == name {
			p.Settings[i].Value = value
			return
		}
	}
	panic("no setting " + name)
}

func setting(p *plan.Plan, name string) string {
	for i := range p.Settings {
		if p.Settings[i].Name == name {
			return p.Settings[i].Value
		}
	}
	panic("no setting " + name)
}

// cameOf is what came of the batches of a universe, by name and by path.
type cameOf map[string]string

func (cameOf) Name() string                          { return "came-of" }
func (cameOf) Observe(*sim.World, *sim.Effect) error { return nil }
func (cameOf) NeverObjects()                         {}
func (c cameOf) Settled(w *sim.World) error {
	for _, key := range w.Keys("batch/") {
		row, _ := w.Get(key)
		var b schema.Batch
		if err := b.Decode(string(row)); err != nil {
			return err
		}
		name := strings.TrimPrefix(key, "batch/")
		c[name] = b.Phase
		prefix := schema.SplitObjectKey(b.Manifest).Prefix
		if prefix == "" {
			continue
		}
		for _, object := range w.ObjectKeys(prefix) {
			if path := object[len(prefix):]; path != "manifest.json" {
				body, _ := w.Body(object)
				c[name+" "+path] = fmt.Sprintf("%d bytes, %016x", len(body), keyed.HashText(string(body)))
			}
		}
	}
	return nil
}

// calm is the universe of a seed that the relations are about: nobody cancels, retries or
// submits again, no row expires, and no timer overtakes a message.
func calm(t *testing.T, seed uint64) *plan.Plan {
	p, err := sim.Draft(suite.Target(), seed)
	require.NoError(t, err)
	for _, name := range []string{"cancel_percent", "resubmit_percent", "retry_percent", "comeback_percent", "meddle_percent"} {
		set(p, name, "0")
	}
	set(p, "ttl", "0s")
	set(p, "sim.arm", "narrow")
	return p
}

// runAltered runs a plan of a workload that was altered, and returns what came of it.
func runAltered(t *testing.T, p *plan.Plan, alter func(*conversion.Config, *workload.Spec)) cameOf {
	target, came := suite.Target(), cameOf{}
	target.Assemble = func() sim.Assembly {
		c := &conversion.Config{}
		c.Alter = func(spec *workload.Spec) { alter(c, spec) }
		return c
	}
	judged := target.Invariants
	target.Invariants = func(a sim.Assembly, s sim.System) []sim.Invariant { return append(judged(a, s), came) }
	r, err := sim.Replay(target, p)
	require.NoError(t, err)
	require.Nil(t, r.Violation)
	require.NotEmpty(t, came)
	return came
}

// differ returns what a relation says must be equal and is not, "" if all is.
func (rel *relation) differ(t *testing.T, p *plan.Plan, bug func(*conversion.Config, *workload.Spec)) string {
	apply := func(alter func(*workload.Spec)) func(*conversion.Config, *workload.Spec) {
		return func(c *conversion.Config, spec *workload.Spec) {
			if alter != nil {
				alter(spec)
			}
			if bug != nil {
				bug(c, spec)
			}
		}
	}
	before := runAltered(t, p, apply(nil))
	changed := p.Clone()
	if rel.plan != nil {
		rel.plan(changed)
	}
	after := cameOf{}
	for name, what := range runAltered(t, changed, apply(rel.alter)) {
		if rel.back != nil {
			name = rel.back(name)
		}
		after[name] = what
	}
	for name, what := range before {
		if after[name] != what {
			return fmt.Sprintf("%s: %s, and with %s: %s", name, what, rel.name, after[name])
		}
	}
	if len(after) != len(before) {
		return fmt.Sprintf("%d phases and objects, and with %s: %d", len(before), rel.name, len(after))
	}
	return ""
}

// TestMetamorphic: what comes of a universe without faults depends on none of the
// relations' changes. It needs no reference, and so finds what would spoil that, too.
func TestMetamorphic(t *testing.T) {
	count := *relations
	if testing.Short() {
		count = 2
	}
	compared := 0
	for seed := range uint64(count) {
		p := calm(t, 1+seed*100)
		for i := range metamorphic {
			require.Empty(t, metamorphic[i].differ(t, p, nil), "seed %d", 1+seed*100)
			compared++
		}
	}
	require.Positive(t, compared)
	fmt.Printf("metamorphic: %d universes, %d relations: %d pairs, all as they must be\n", count, len(metamorphic), compared)
}

// TestMetamorphicBites: systems whose datasets depend on what they must not. Their
// references are spoilt as they are, so that every invariant holds of them.
func TestMetamorphicBites(t *testing.T) {
	spoil := func(spec *workload.Spec, by int) {
		for i := range spec.Batches {
			sources := spec.Batches[i].Sources
			for j := range sources {
				for k := range sources[j].Recordings {
					sources[j].Recordings[k].ID += uint64(by)
				}
			}
		}
	}
	bugs := map[string]func(*conversion.Config, *workload.Spec){
		"renamed ids": func(_ *conversion.Config, spec *workload.Spec) { spoil(spec, len(spec.Batches[0].Namespace)) },
		"permuted submissions": func(_ *conversion.Config, spec *workload.Spec) {
			spoil(spec, int(keyed.HashText(spec.Batches[0].Name)%1000))
		},
		"idle workers added": func(c *conversion.Config, spec *workload.Spec) { spoil(spec, c.Workers) },
		"all times scaled":   func(c *conversion.Config, spec *workload.Spec) { spoil(spec, int(c.Core.Heartbeat/time.Millisecond)) },
	}
	for i := range metamorphic {
		rel, found := &metamorphic[i], false
		for seed := uint64(1); seed <= 12 && !found; seed++ {
			p := calm(t, seed)
			require.Empty(t, rel.differ(t, p, nil), "the system itself, seed %d", seed)
			found = rel.differ(t, p, bugs[rel.name]) != ""
		}
		require.True(t, found, "%s: no universe tells", rel.name)
	}
}

// A batch that is never there is reported with what its submission was answered: nothing else says why.
func TestRefusalIsTold(t *testing.T) {
	target := suite.Target()
	target.Assemble = func() sim.Assembly {
		return &conversion.Config{Alter: func(spec *workload.Spec) {
			for i := range spec.Batches {
				spec.Batches[i].Output = "out/same/"
			}
		}}
	}
	for seed := uint64(1); seed <= 100; seed++ {
		r, err := sim.Run(target, seed)
		require.NoError(t, err)
		if r.Violation == nil {
			continue // of one batch
		}
		require.Contains(t, r.Violation.Text, " is not there, its submission was answered last: the output belongs to another batch")
		return
	}
	require.Fail(t, "no universe of 100 has two batches")
}
