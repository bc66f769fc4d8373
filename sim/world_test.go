package sim_test

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/counter"
)

// watcher is an invariant without a last word.
type watcher func(w *sim.World, e *sim.Effect) error

func (watcher) Name() string                                { return "watcher" }
func (f watcher) Observe(w *sim.World, e *sim.Effect) error { return f(w, e) }

// TestWorldRemembers: an invariant can ask for a row before the effect that it
// is shown, and for who wrote it last, and keeps no book itself.
func TestWorldRemembers(t *testing.T) {
	type seen struct {
		before, after string
		there         bool
		last, earlier sim.EventRef
		writes        map[string][]byte
	}
	var got []seen
	w := sim.NewTestWorld(watcher(func(w *sim.World, e *sim.Effect) error {
		before, there := w.Before("a/1")
		after, _ := w.Get("a/1")
		last, earlier := w.LastWrite("a/1"), w.WriteBefore("a/1")
		got = append(got, seen{string(before), string(after), there, last.Ref("wrote it"), earlier.Ref("wrote it"), maps.Collect(e.Writes("a/"))})
		return nil
	}))
	put := func(key, value string) tikv.Mutation {
		return tikv.Mutation{Op: tikv.OpPut, Key: key, Value: []byte(value)}
	}
	commit := func(event uint64, writes ...tikv.Mutation) {
		e := sim.Effect{Kind: sim.EffectCommit, Event: event, At: time.Duration(event) * time.Second, Process: "w0", Incarnation: "2"}
		e.Commit.Writes = writes
		require.NoError(t, w.Show(e))
	}
	commit(1, put("a/1", "x"), put("b/1", "z"), tikv.Mutation{Op: tikv.OpLock, Key: "a/2"})
	commit(2, put("b/1", "y"))
	commit(3, put("a/1", ""))
	require.Empty(t, w.Keys("a/2"))
	require.Equal(t, []string{"a/1", "b/1"}, w.Keys(""))
	commit(4, tikv.Mutation{Op: tikv.OpDelete, Key: "a/1"})
	commit(5, put("b/1", "x"))
	require.Equal(t, []string{"b/1"}, w.Keys(""))

	wrote := func(event uint64) sim.EventRef {
		return sim.EventRef{Event: event, At: time.Duration(event) * time.Second, What: "w0/2 wrote it"}
	}
	none := map[string][]byte{}
	require.Equal(t, []seen{
		{"", "x", false, wrote(1), sim.EventRef{}, map[string][]byte{"a/1": []byte("x")}},
		{"x", "x", true, wrote(1), wrote(1), none},
		{"x", "", true, wrote(3), wrote(1), map[string][]byte{"a/1": {}}},
		{"", "", true, wrote(4), wrote(3), map[string][]byte{"a/1": nil}},
		{"", "", false, wrote(4), wrote(4), none},
	}, got)
	require.NoError(t, w.Settle(time.Minute))
}

// raised is a counter that somebody has raised before time began.
type raised struct{ counter.System }

func (r *raised) New() (sim.System, error) { return r, nil }

func (r *raised) Prepare(s *sim.Stores) {
	s.Write("counter", []byte("1"))
	s.Write("counter", []byte("2"))
}

// TestPreparedRows: rows that are there when time begins are no effects, and
// nothing that is judged comes before them.
func TestPreparedRows(t *testing.T) {
	var before []string
	r, err := sim.Run(sim.Target{
		Assemble: func() sim.Assembly { return &raised{} },
		Invariants: func(sim.Assembly, sim.System) []sim.Invariant {
			return []sim.Invariant{watcher(func(w *sim.World, e *sim.Effect) error {
				for range e.Writes("counter") {
					value, _ := w.Before("counter")
					before = append(before, string(value))
				}
				return nil
			})}
		},
	}, 1)
	require.NoError(t, err)
	require.Nil(t, r.Violation)
	require.NotEmpty(t, before)
	require.Equal(t, "2", before[0])
}
