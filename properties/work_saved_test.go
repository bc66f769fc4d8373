package properties_test

import (
	"testing"
	"time"
)

// An attempt that failed leaves a part that no checkpoint names, and the next one, of the
// same process, goes on with the same upload: what it stores is due a checkpoint after its
// own first part, and not after the other's, which was a minute ago (seed 0x2eec70 at
// 691c939060c2, one of 278,000 universes).
func TestNextAttemptSavesItsOwn(t *testing.T) {
	for parts, want := range map[int]string{3: "", 9: "work-saved"} {
		s := newStory("work-saved").atCheckpoint()
		s.commit(w0, checkpointRow(unitA, 1, 2, 20, stagingKey(unitA, 1), upload1, "1:x:1"))
		s.part(w0, stagingKey(unitA, 1), upload1, 2, "part")
		s.fail(w0, unitA, "failed", "1 1 0 0", 1).pass(time.Minute).requeue(unitA, "1 1 0 0", 1)
		s.claim(w0, unitA, "2 2 0 0")
		for n := range parts {
			s.pass(300*time.Millisecond).part(w0, stagingKey(unitA, 1), upload1, n+2, "part")
		}
		s.settle()
		s.requireTold(t, want, parts)
	}
}
