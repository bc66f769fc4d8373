package conversion

import (
	"context"
	"strconv"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// rivals are other clients who do something about an errand's batch, each once: while
// the errand asks for something itself, or soon after.
type rivals struct {
	of    errand // which has none
	group env.Group
	task  string
	met   int
}

// maxRivals is how many an errand meets at most, and rivalAfter how long after its call.
const (
	maxRivals  = 4
	rivalAfter = 5 * time.Second
)

// meet begins what another client does, perhaps. Nobody has no rivals.
func (r *rivals) meet() {
	if r == nil || r.met == maxRivals {
		return
	}
	r.met++
	label := strconv.Itoa(r.met)
	if !r.of.draw.Chance("rival "+label, 600) {
		return
	}
	other := r.of
	other.draw, other.version = r.of.draw.Sub("rival "+label), 1
	r.group.Spawn(r.task+"-"+label, other.interfere)
}

// interfere is what another client does who knows nothing of the errand, and wants the
// dataset, too.
func (s *errand) interfere(ctx context.Context) error {
	after := time.Duration(s.draw.LogBetween("after", 1e6, int64(rivalAfter)))
	if err := s.env.Clock.Sleep(ctx, after); err != nil {
		return err
	}
	switch s.draw.Intn("what", 3) {
	case 0:
		if err := s.cancel(ctx); err != nil {
			return err
		}
	case 1:
		_ = s.retry(ctx)
		return nil
	}
	return s.submit(ctx)
}
