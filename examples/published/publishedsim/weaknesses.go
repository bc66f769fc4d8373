package publishedsim

import (
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/examples/published"
)

// weakness is one mechanism as the design has it. Its race is told at the field
// of published.Weak that setting returns.
type weakness struct {
	name    string
	setting func(*published.Weak) *bool
	// says is what the design says, and breaks the invariant that does.
	says, breaks string
	// hits is in how many of 1,000 universes that happens: measured, see README.md.
	hits int
}

// weaknesses are all of them, in the order of the protocol.
func weaknesses() []weakness {
	return []weakness{
		{"snapshot-claim", func(w *published.Weak) *bool { return &w.SnapshotClaim },
			"claims are pessimistic transactions", "claimed-once", 213},
		{"lost-reply-is-failure", func(w *published.Weak) *bool { return &w.LostReplyIsFailure },
			"a claim that fails is tried on another job", "progress-after-healing", 22},
		{"beat-by-name", func(w *published.Weak) *bool { return &w.BeatByName },
			"a job whose worker beats is not touched", "progress-after-healing", 101},
		{"wall-clock", func(w *published.Weak) *bool { return &w.WallClock },
			"a beat older than the limit is a dead worker", "reaped-alive", 3},
		{"complete-unfenced", func(w *published.Weak) *bool { return &w.CompleteUnfenced },
			"who has converted a job writes that it is done", "owner-writes", 15},
		{"blind-status", func(w *published.Weak) *bool { return &w.BlindStatus },
			"each worker keeps the batch's progress up to date", "status-agrees", 126},
		{"stage-by-worker", func(w *published.Weak) *bool { return &w.StageByWorker },
			"each worker has a staging folder of its own", "dataset-whole", 38},
		{"resume-from-zero", func(w *published.Weak) *bool { return &w.ResumeFromZero },
			"a job that was interrupted starts again", "checkpoints-advance", 83},
		{"uncounted-retries", func(w *published.Weak) *bool { return &w.UncountedRetries },
			"a job that fails is retried", "attempts-bounded", 82},
		{"clean-up-prefix", func(w *published.Weak) *bool { return &w.CleanUpPrefix },
			"who gives a job up removes its partial output", "named-objects-exist", 99},
		{"put-then-read-back", func(w *published.Weak) *bool { return &w.PutThenReadBack },
			"a merger writes its claim and verifies it", "published-once", 244},
		{"key-exists", func(w *published.Weak) *bool { return &w.KeyExists },
			"a lock object keeps a second merger out", "published-once", 59},
		{"claim-forever", func(w *published.Weak) *bool { return &w.ClaimForever },
			"one worker merges, the others wait", "progress-after-healing", 14},
		{"flip-unfenced", func(w *published.Weak) *bool { return &w.FlipUnfenced },
			"the claim makes sure that only one publishes", "published-once", 19},
		{"error-fails-batch", func(w *published.Weak) *bool { return &w.ErrorFailsBatch },
			"a merge that fails marks the batch failed", "ends-deserved", 22},
	}
}

// named returns the weakness of that name.
func named(name string) weakness {
	all := weaknesses()
	i := slices.IndexFunc(all, func(w weakness) bool { return w.name == name })
	if i < 0 {
		var names []string
		for _, w := range all {
			names = append(names, w.name)
		}
		panic("no weakness " + name + "; known: " + strings.Join(names, ", "))
	}
	return all[i]
}
