package properties

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// answersTrue: what a client is told of a batch was so, all of it at one
// instant between its question and the answer; and a retry that was
// acknowledged has left no unit dead that was dead when it was asked for. Nobody
// is told that a batch is over that is not. What makes no sense is refused, and so
// is what is another's; what makes sense is not refused as if it made none.
//
// An operator who is told half of one state and half of another cancels what
// works and waits for what is over.
type answersTrue struct {
	watch
	open []*question
}

// question is one that was asked and not yet answered, with every answer that
// has been true since. A client asks one thing at a time.
type question struct {
	client, what, of string

	asked sim.Moment
	texts []string
	dead  []*unit // retry: the units that have been dead ever since

	newest, living *submission // cancel, retry: of the name when it was asked for; of which there was no end
	died, revived  int         // retry: units dead then or since, and those that this very call has queued again
}

var (
	answersTrueSays = say("answers-true")

	toldAStatusThatNeverWas = answersTrueSays.clause("R17", "told what was never so (status)")
	toldAListThatNeverWas   = answersTrueSays.clause("R17", "told what was never so (list)")
	absurdRequestAccepted   = answersTrueSays.clause("R17", "absurd request accepted")
	soundRequestRefused     = answersTrueSays.clause("R17", "sound request refused")
	undocumentedError       = answersTrueSays.clause("R17", "undocumented error")
	toldOfAnEndThatIsNone   = answersTrueSays.clause("R17", "told of an end that is none")
	toldThatThereIsNone     = answersTrueSays.clause("R17", "told that there is none")
	toldOfNoSuccessor       = answersTrueSays.clause("R17", "told of a successor that is none")
	retryLeftAUnitDead      = answersTrueSays.clause("R12", "retry left a unit dead")
	retryToldOfAnotherCount = answersTrueSays.clause("R12", "retry told of another count")
)

func newAnswersTrue(v *view) sim.Invariant {
	i := &answersTrue{}
	i.watch = v.watch(answersTrueSays, on{record: i.takeRecord, unit: i.takeUnit, commit: i.takeCommit})
	return i
}

func (i *answersTrue) takeCommit(*sim.Effect) error {
	for _, q := range i.open {
		i.extend(q)
	}
	return nil
}

// takeUnit counts, for each retry that is under way, the units that die and those that it
// queues again.
func (i *answersTrue) takeUnit(c *unitChange) error {
	for _, q := range i.open {
		switch {
		case q.what != "retry" || q.of != c.unit.sub.name:
		case c.became(schema.Dead):
			q.died++
		case c.before.State == schema.Dead && q.client == c.by.Process+"/"+c.by.Task:
			q.revived++
		}
	}
	return nil
}

func (i *answersTrue) takeRecord(e *sim.Effect) error {
	r := &e.Record
	switch r.What {
	case "status", "list", "retry", "cancel", "submit":
	case "absurd":
		if r.Returned && r.Class == env.ClassNone {
			return absurdRequestAccepted.breach(e, r.Of, sim.EventRef{}, "was not refused",
				"a request that must be refused was not: %s", r.Of)
		}
		return nil
	default:
		return nil
	}
	if !r.Returned {
		i.ask(e)
		return nil
	}
	client := e.Process + "/" + e.Task
	at := slices.IndexFunc(i.open, func(q *question) bool { return q.client == client })
	if at < 0 {
		return nil
	}
	q := i.open[at]
	i.open = slices.Delete(i.open, at, at+1)
	switch {
	case r.Class != env.ClassNone:
		return i.checkRefusal(e, q)
	case r.What == "retry":
		return i.checkRetried(e, q)
	case r.Told == "" || r.What == "submit" || r.What == "cancel":
		return nil
	}
	if slices.Contains(q.texts, r.Told) {
		return nil
	}
	broken := toldAStatusThatNeverWas
	if r.What == "list" {
		broken = toldAListThatNeverWas
	}
	return broken.breach(e, r.Of, q.asked.Ref("asked for the "+r.What+" of "+r.Of), "was told",
		"the client was told that %s is %s; since it asked that was never so: %s", r.Of, r.Told, nearest(r.Told, q.texts))
}

// ask notes a question, and what is true as it is asked.
func (i *answersTrue) ask(e *sim.Effect) {
	r := &e.Record
	q := &question{client: e.Process + "/" + e.Task, what: r.What, of: r.Of, asked: e.Moment(), newest: i.newest(r.Of), living: i.living(r.Of)}
	if q.newest != nil && r.What == "retry" {
		q.dead = slices.Clone(q.newest.units)
	}
	i.open = append(i.open, q)
	i.extend(q)
	q.died = len(q.dead)
}

// nearest says in what an answer differs from the one of those that were true that is most
// like it.
func nearest(told string, texts []string) string {
	says, not := differences(told, texts[0])
	for _, text := range texts[1:] {
		if more, less := differences(told, text); len(more)+len(less) < len(says)+len(not) {
			says, not = more, less
		}
	}
	of := "the only state"
	if len(texts) > 1 {
		of = fmt.Sprintf("the nearest of %d states", len(texts))
	}
	switch {
	case not == "":
		return of + " says " + says + ", too"
	case says == "":
		return of + " does not say " + not
	}
	return of + " says " + says + ", not " + not
}

// differences are what was true and what was told, without the words that both begin and end
// with.
func differences(told, text string) (says, not string) {
	a, b := strings.Split(text, " "), strings.Split(told, " ")
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return strings.Join(a, " "), strings.Join(b, " ")
}

// living returns the newest submission of a name unless it has ended, or is about to. Of one
// that merges no unit is tried again, but it can be cancelled.
func (i *answersTrue) living(name string) *submission {
	if s := i.newest(name); s != nil && s.exists && !s.terminal() && s.now.Closing == "" {
		return s
	}
	return nil
}

func (i *answersTrue) checkRetried(e *sim.Effect, q *question) error {
	if told := int(e.Record.Value); told < q.revived || told > q.died {
		return retryToldOfAnotherCount.breach(e, q.of, q.asked.Ref("asked for a retry of "+q.of), fmt.Sprintf("was told that %d were dead", told),
			"a retry of %s was told of %d dead units; it has queued %d again, and %d were dead then or died since", q.of, told, q.revived, q.died)
	}
	if len(q.dead) == 0 {
		return nil
	}
	u := q.dead[0]
	changed := i.world.LastWrite(u.key)
	return retryLeftAUnitDead.breach(e, u.uid, changed.Ref("left the unit dead"), "was told that the dead units are tried again",
		"a retry of %s was acknowledged, but unit %s has been dead all the time", u.sub.name, u.uid)
}

// extend notes what is true now.
func (i *answersTrue) extend(q *question) {
	var text string
	switch q.what {
	case "retry":
		q.dead = slices.DeleteFunc(q.dead, func(u *unit) bool { return u.now.State != schema.Dead || !u.sub.startsUnits(i.view) })
		return
	case "status":
		text = i.statusText(q.of)
	case "list":
		text = i.listText(q.of)
	}
	if n := len(q.texts); n == 0 || q.texts[n-1] != text {
		q.texts = append(q.texts, text)
	}
}

// statusText is the status of a batch as its rows tell, in the form in which
// the workload's client records what it is told.
func (i *answersTrue) statusText(name string) string {
	s := i.newest(name)
	if s == nil {
		return "none"
	}
	var b strings.Builder
	counts, _ := s.counts()
	if s.now.Phase == "expired" {
		counts = schema.Counts{} // its rows are gone, or going
	}
	i.headText(&b, s, &counts)
	if n := s.frames(); n != 0 {
		fmt.Fprintf(&b, " frames=%d", n)
	}
	for n, source := range strings.Split(s.now.Sources, "\n") {
		d := &schema.Discovery{}
		if row := i.discoveries[schema.DiscoveryTable.Key(fmt.Sprintf("%s/%04d", s.bid, n))]; row != nil {
			d = &row.now
		}
		url, filter, _ := strings.Cut(source, "\t")
		fmt.Fprintf(&b, " source=%q,%q,%d,%t,%q", url, filter, d.Found, d.Done, d.Error)
	}
	units := slices.Clone(s.units)
	if s.now.Phase == "expired" {
		units = nil
	}
	slices.SortFunc(units, func(a, b *unit) int { return strings.Compare(a.uid, b.uid) })
	for _, u := range units {
		if u.now.State == schema.Failed || u.now.State == schema.Dead {
			fmt.Fprintf(&b, " unit=%s,%q,%s,%d,%d,%q", u.uid, u.now.URL, u.now.State, u.now.Attempts, u.now.Epoch, u.now.Error)
		}
	}
	return b.String()
}

// listText is the list of a namespace's batches. Its counts are those of the
// controller's last look.
func (i *answersTrue) listText(namespace string) string {
	var all []*submission
	for _, s := range i.order {
		if s.exists && s.current(i.view) && strings.HasPrefix(s.name, namespace+"/") {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b *submission) int { return strings.Compare(a.name, b.name) })
	if len(all) == 0 {
		return "none"
	}
	var b strings.Builder
	for _, s := range all {
		counts := schema.Counts{}
		if t := i.statuses[schema.StatusTable.Key(s.name)]; t != nil && t.exists && t.now.Gen == s.gen {
			counts = t.now.Counts
		}
		b.WriteString(s.name + ": ")
		i.headText(&b, s, &counts)
		b.WriteString("; ")
	}
	return b.String()
}

func (i *answersTrue) headText(b *strings.Builder, s *submission, counts *schema.Counts) {
	fmt.Fprintf(b, "gen=%d %s total=%d submitted=%d", s.gen, s.now.Phase, s.now.Units, s.now.SubmittedMS)
	if s.now.FinishedMS != 0 {
		fmt.Fprintf(b, " finished=%d", s.now.FinishedMS)
	}
	if s.now.Manifest != "" {
		b.WriteString(" manifest=" + s.now.Manifest)
	}
	if s.now.Error != "" {
		fmt.Fprintf(b, " error=%q", s.now.Error)
	}
	for _, state := range schema.States() {
		if counts[state] != 0 {
			fmt.Fprintf(b, " %s=%d", state, counts[state])
		}
	}
}
