package properties

import (
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
)

// outputsExclusive: an output is one name's, and neither lies in another's nor holds one;
// no source lies in what was an output when it was submitted, or holds one; and nobody is
// refused because of a name that does not live and an output that nobody has, or of sources
// that are nobody's output.
//
// Generations count by name: two names that share a prefix write the same keys. And in an
// output janitors delete, so that recordings there are gone one day. Outputs stay their
// names' own, whatever becomes of the batches.
type outputsExclusive struct{ watch }

var (
	outputsExclusiveSays = say("outputs-exclusive")

	outputOfTwoNames           = outputsExclusiveSays.clause("R1", "output of two names")
	sourceWithinAnOutput       = outputsExclusiveSays.clause("R7", "source within an output")
	submissionRefusedForNought = outputsExclusiveSays.clause("R17", "submission refused for nought")
)

func newOutputsExclusive(v *view) sim.Invariant {
	i := &outputsExclusive{}
	i.watch = v.watch(outputsExclusiveSays, on{batch: i.checkRow, record: i.checkRecord})
	return i
}

func (i *outputsExclusive) checkRow(c *batchChange) error {
	s := c.sub
	if c.deleted || c.prior == s {
		return nil
	}
	if other := i.rival(s.name, s.now.Output); other != nil {
		return about(outputOfTwoNames.breach(c.by, s.bid, other.born.Ref("submitted "+other.bid), "submitted "+s.bid,
			"the output %s of %s is not its own: %s has %s", s.now.Output, s.bid, other.bid, other.now.Output), s.now.Output, other.now.Output)
	}
	for line := range strings.SplitSeq(s.now.Sources, "\n") {
		url, _, _ := strings.Cut(line, "\t")
		if other := i.readFrom(url); other != nil {
			return about(sourceWithinAnOutput.breach(c.by, s.bid, other.born.Ref("submitted "+other.bid), "submitted "+s.bid,
				"the source %s of %s and the output %s of %s lie one in the other", url, s.bid, other.now.Output, other.bid), strings.TrimSuffix(url, "/"), other.now.Output)
		}
	}
	return nil
}

// readFrom returns a submission, of whichever name, in whose output a source lies, or whose
// output lies in it, a folder; nil if there is none.
func (i *outputsExclusive) readFrom(url string) *submission {
	for _, other := range i.order {
		if !other.exists {
			continue
		}
		if output := other.now.Output + "/"; strings.HasPrefix(url, output) || strings.HasSuffix(url, "/") && strings.HasPrefix(output, url) {
			return other
		}
	}
	return nil
}

// rival returns a submission of another name whose output is the same, lies within, or
// holds it; nil if there is none.
func (i *outputsExclusive) rival(name, output string) *submission {
	for _, other := range i.order {
		if other.exists && other.name != name && (within(other.now.Output, output) || within(output, other.now.Output)) {
			return other
		}
	}
	return nil
}

// within reports whether a prefix is the other one, or lies in it.
func within(prefix, other string) bool {
	return strings.HasPrefix(prefix+"/", other+"/")
}

func (i *outputsExclusive) checkRecord(e *sim.Effect) error {
	r := &e.Record
	call, wanted := i.answered, i.wanted[r.Of]
	if r.Class == env.ClassInvalid && call != nil && wanted != nil {
		return i.checkInvalid(e, call, wanted.Version(call.version))
	}
	if r.Class != env.ClassOther || call == nil || call.several || wanted == nil {
		return nil
	}
	newest, output := i.newest(r.Of), strings.TrimSuffix(wanted.Version(call.version).Output, "/")
	switch {
	case r.Told == schema.Live && (call.live || newest != nil && newest.born.Event > call.asked.Event):
		return nil
	case r.Told == schema.OutputTaken && i.rival(r.Of, output) != nil:
		return nil
	}
	why := "as if the name lived: it does not"
	if r.Told == schema.OutputTaken {
		why = "as if its output were another's: nobody else has " + output + "; " + i.taken(r.Of)
	}
	return about(submissionRefusedForNought.breach(e, r.Of, call.asked.Ref("asked for "+r.Of), "was refused",
		"a submission of %s was refused %s", r.Of, why), output)
}

// checkInvalid judges a submission that was refused as one that makes no sense. What the
// workload's clients submit does, unless somebody's output has come in between.
func (i *outputsExclusive) checkInvalid(e *sim.Effect, call *submitCall, b *workload.Batch) error {
	for _, source := range b.Sources {
		if i.readFrom(source.Prefix) != nil {
			return nil
		}
	}
	return submissionRefusedForNought.breach(e, e.Record.Of, call.asked.Ref("asked for "+e.Record.Of), "was refused",
		"a submission of %s was refused as if it made no sense: what it asks for is sound, and none of its sources lies in an output", e.Record.Of)
}

// taken says what the other names' outputs are, three at most.
func (i *outputsExclusive) taken(name string) string {
	var others []string
	for _, other := range i.order {
		if says := other.name + " has " + other.now.Output; other.exists && other.name != name && !slices.Contains(others, says) {
			others = append(others, says)
		}
	}
	if len(others) == 0 {
		return "no other name has any"
	}
	return strings.Join(others[:min(len(others), 3)], ", ")
}

// about adds to a violation who looked at those outputs' rows.
func about(violation error, outputs ...string) error {
	return telling(violation, func(v *sim.Violation) {
		for _, output := range outputs {
			v.Also = append(v.Also, "output/"+output)
		}
	})
}
