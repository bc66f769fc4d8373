package properties_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim"
)

// What a violation tells beside its sentence: the first of its two events, whose story
// belongs to it, and of whom what was expected. Reports are made of that.
func TestViolationsTellTheirStory(t *testing.T) {
	lease := "lease/w0/1/" + unitA
	for _, c := range []struct {
		sentence
		first, subject string
		also           []string
		expected       *sim.Expected
	}{
		{sentence{"no-flapping", "merge taken from a living owner"}, "w0/1 beat", bid, []string{"batch/" + batch}, &sim.Expected{Process: "w0", Step: "renew_merge", About: "merge/" + bid}},
		{sentence{"no-flapping", "unit taken from a living owner"}, "w0/1 beat", uidA, nil, &sim.Expected{Process: "w0", Step: "heartbeat", About: lease}},
		{sentence{"limits-enforced", "more units in execution than allowed"}, "w0/1 claimed unit " + uidA, uidB, []string{"shard/" + bid, uidA}, nil},
		{sentence{"owners-know", "owner that works and does not beat"}, "w0/1 beat for the last time", uidA, nil, &sim.Expected{Process: "w0", Step: "heartbeat", About: lease}},
		{sentence{"owners-know", "owner that does not know"}, "w0/1 claimed epoch 1", uidA, nil, &sim.Expected{Process: "w0", Step: "heartbeat", About: lease}},
		{sentence{"owners-know", "owner that outworks its lease"}, "w0/1 renewed the lease", uidA, nil, &sim.Expected{Process: "w0", Step: "heartbeat", About: lease}},
		{sentence{"owners-know", "merger that outworks its claim"}, "w0/1 renewed the claim", bid, []string{"batch/" + batch, output + "/g00000001-00000001/"}, &sim.Expected{Process: "w0", Step: "renew_merge", About: "merge/" + bid}},
		{sentence{"no-idle-beside-work", "idle worker beside a claimable unit"}, "", uidA, nil, &sim.Expected{Process: "w1", Step: "claim_unit", About: uidA}},
		{sentence{"merge-taken-over", "abandoned merge"}, "", bid, []string{"batch/" + batch}, &sim.Expected{About: "merge/" + bid}},
		{sentence{"orphan-claimable", "orphan left behind"}, "", uidA, nil, &sim.Expected{About: uidA}},
		{sentence{"cancel-final", "claimed after a cancel"}, "client/1 was told that " + bid + " is cancelled", uidA, []string{"batch/" + batch}, nil},
		{sentence{"legal-edges", "unit left a terminal state"}, "", uidA, []string{"batch/" + batch}, nil},
		{sentence{"shards-agree", "shard counts what is not so"}, "", "shard/" + bid + "/0000", []string{uidA}, nil},
	} {
		t.Run(c.clause, func(t *testing.T) {
			v := broken(t, c.sentence)
			if c.first != "" {
				require.Equal(t, c.first, v.First.What)
			}
			if c.subject != "" {
				require.Equal(t, c.subject, v.Subject)
			}
			require.Equal(t, c.also, v.Also)
			require.Equal(t, c.expected, v.Expected)
		})
	}
}

// A batch fails in two commits: the first, which announces it, tells more than that it
// was once submitted.
func TestFailureNamesItsAnnouncement(t *testing.T) {
	s := newStory("outcomes-justified")
	s.running().commit(w1, batchRow("running", "units=2 closing=failed error=x"))
	s.commit(w0, batchRow("failed", "units=2 error=x"))
	s.settle()
	var v *sim.Violation
	require.ErrorAs(t, s.err, &v)
	require.Equal(t, "w1/1 announced the end", v.First.What)
}

// A wrong number of units is a source's, if its row tells another than were created: who
// wrote it last is the beginning of the story.
func TestMiscountNamesItsSource(t *testing.T) {
	s := newStory("no-lost-unit")
	s.discovering().commit(w1, discoveryRow(1, 1))
	s.commit(w0, batchRow("running", "units=1"))
	var v *sim.Violation
	require.ErrorAs(t, s.err, &v)
	require.Equal(t, "w1/1 wrote that source 0 has 1 units", v.First.What)
	require.Contains(t, v.Text, "of source 0, 2 were created and 1 counted")
}

// Who takes a merge over from itself has given it up: nobody has taken it away.
func TestMergeTakenOverFromItself(t *testing.T) {
	s := newStory("no-flapping")
	s.w.Heal(0)
	s.converted().claimMerge(w0, 1).pass(time.Hour)
	s.claimMerge(w0, 2)
	var v *sim.Violation
	require.ErrorAs(t, s.err, &v)
	require.Contains(t, v.Text, "over from itself")
}

// broken is the violation of the first story that breaks a clause.
func broken(t *testing.T, clause sentence) *sim.Violation {
	for _, b := range breaches {
		if (sentence{b.invariant, b.clause}) != clause {
			continue
		}
		s := newStory(b.invariant)
		b.tell(s)
		var v *sim.Violation
		require.ErrorAs(t, s.err, &v)
		return v
	}
	require.FailNow(t, "no story breaks it")
	return nil
}
