package conversion

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

// watcher is somebody who asks how a batch stands, now and then in its usual
// life, and records what it is told.
type watcher struct {
	client   *client
	env      *env.Env
	api      *core.Client
	recorder sim.Recorder
	batch    *workload.Batch
	draw     keyed.Draw
}

func (w *watcher) run(ctx context.Context, pace time.Duration) error {
	const looks = 6
	name := w.batch.Namespace + "/" + w.batch.Name
	for n := range looks {
		wait := w.draw.LogBetween("look "+strconv.Itoa(n), 1e6, min(int64(pace), 10e9))
		if err := w.env.Clock.Sleep(ctx, time.Duration(wait)); err != nil {
			return err
		}
		if w.draw.Chance("absurd "+strconv.Itoa(n), 150) {
			w.ask(ctx, w.draw.Intn("which "+strconv.Itoa(n), len(absurdities)+len(absurdErrands)))
			continue
		}
		if output := w.client.outputs[name]; output != "" && w.draw.Chance("conflict "+strconv.Itoa(n), 150) {
			w.offend(ctx, &conflicts[w.draw.Intn("with "+strconv.Itoa(n), len(conflicts))], output)
			continue
		}
		if w.draw.Chance("list "+strconv.Itoa(n), 250) {
			w.recorder.Call("list", w.batch.Namespace)
			all, err := w.api.List(ctx, w.batch.Namespace)
			w.recorder.Answer("list", w.batch.Namespace, listText(all), err)
			continue
		}
		w.recorder.Call("status", name)
		status, err := w.api.Status(ctx, w.batch.Namespace, w.batch.Name)
		told := statusText(&status)
		if errors.Is(err, core.ErrNoBatch) {
			told, err = "none", nil
		}
		w.recorder.Answer("status", name, told, err)
	}
	return nil
}

// nobodys is an output that no batch has: every submission that names it is refused for
// something else.
const nobodys = "elsewhere/absurd"

// absurdities make a good submission a bad one.
var absurdities = [...]offence{
	{"a name with a slash", func(s *core.BatchSpec) { s.Name = "no/name" }},
	{"no namespace", func(s *core.BatchSpec) { s.Namespace = "" }},
	{"no source", func(s *core.BatchSpec) { s.Sources = nil }},
	{"no output", func(s *core.BatchSpec) { s.Output = "" }},
	{"a priority of 1000", func(s *core.BatchSpec) { s.Priority = 1000 }},
	{"a parallelism below 0", func(s *core.BatchSpec) { s.Parallelism = -1 }},
	{"a priority below 0", func(s *core.BatchSpec) { s.Priority = -1 }},
	{"fewer attempts than none", func(s *core.BatchSpec) { s.MaxAttempts = -1 }},
	{"fewer failures than none", func(s *core.BatchSpec) { s.BackoffLimit = -1 }},
	{"fewer episodes than none in a chunk", func(s *core.BatchSpec) { s.EpisodesPerChunk = -1 }},
	{"a time to live that is over", func(s *core.BatchSpec) { s.TTL = -1 }},
	{"a name of 129 letters", func(s *core.BatchSpec) { s.Name = strings.Repeat("a", 129) }},
	{"an output that ends in a slash", func(s *core.BatchSpec) { s.Output = nobodys + "/" }},
	{"an output of two lines", func(s *core.BatchSpec) { s.Output = nobodys + "\nmore" }},
	{"an output longer than keys", func(s *core.BatchSpec) { s.Output = nobodys + strings.Repeat("a", 1<<17) }},
	{"a source that is nothing", func(s *core.BatchSpec) { s.Sources = []core.Source{{URL: ""}} }},
	{"a source longer than keys", func(s *core.BatchSpec) { alsoReads(s, "in/"+strings.Repeat("a", 1<<17)) }},
	{"a source that is its output", func(s *core.BatchSpec) { alsoReads(s, nobodys) }},
	{"a source within its output", func(s *core.BatchSpec) { alsoReads(s, nobodys+"/more/") }},
	{"a source with a tab", func(s *core.BatchSpec) { s.Sources = []core.Source{{URL: "a\tb"}} }},
	{"a filter that is none", func(s *core.BatchSpec) { s.Sources = []core.Source{{URL: "in/", Filter: "["}} }},
	{"an output within its source", func(s *core.BatchSpec) {
		s.Output = s.Sources[0].URL + "out"
		s.Sources[0].URL = s.Output[:1]
	}},
}

// conflicts are with the output of a batch, which stays its own.
var conflicts = [...]offence{
	{"another's output", func(*core.BatchSpec) {}},
	{"another's output, in another namespace", func(s *core.BatchSpec) { s.Namespace = "elsewhere" }},
	{"a namesake's output", func(s *core.BatchSpec) { s.Namespace, s.Name = "elsewhere", baseOf(s.Output) }},
	{"an output within another's", func(s *core.BatchSpec) { s.Output += "/some/more" }},
	{"an output that holds another's", func(s *core.BatchSpec) { s.Output = top(s.Output) }},
	{"a source within another's output", func(s *core.BatchSpec) { alsoReads(s, s.Output+"/some/more/") }},
	{"a source that is another's output", func(s *core.BatchSpec) { alsoReads(s, s.Output+"/") }},
	{"a source that holds another's output", func(s *core.BatchSpec) { alsoReads(s, top(s.Output)+"/") }},
	{"a recording in another's output", func(s *core.BatchSpec) {
		alsoReads(s, s.Output+"/run.rec")
		slices.Reverse(s.Sources) // it is what is looked at first
	}},
}

// offence is one way to ask for what must be refused.
type offence struct {
	what   string
	commit func(*core.BatchSpec)
}

// top is the outermost folder that holds an output.
func top(output string) string {
	folder, _, _ := strings.Cut(output, "/")
	return folder
}

// baseOf is the innermost folder of an output, which has the name of its batch, unless that
// was submitted as something else or is a namesake itself.
func baseOf(output string) string { return output[strings.LastIndexByte(output, '/')+1:] }

// alsoReads adds a source to a submission whose output is nobody's.
func alsoReads(s *core.BatchSpec, url string) {
	s.Output = nobodys
	s.Sources = append(s.Sources, core.Source{URL: url})
}

// absurdErrands are requests about what is not there, or cannot be.
var absurdErrands = [...]struct {
	what string
	send func(ctx context.Context, api *core.Client, namespace string) error
}{
	{"a cancel of nobody", func(ctx context.Context, api *core.Client, namespace string) error {
		return api.Cancel(ctx, namespace, "nobody")
	}},
	{"a retry of nobody", func(ctx context.Context, api *core.Client, namespace string) error {
		_, err := api.Retry(ctx, namespace, "nobody")
		return err
	}},
	{"a list of no namespace", func(ctx context.Context, api *core.Client, _ string) error {
		_, err := api.List(ctx, "no/namespace")
		return err
	}},
}

// ask makes a request that makes no sense.
func (w *watcher) ask(ctx context.Context, which int) {
	if which < len(absurdities) {
		w.offend(ctx, &absurdities[which], nobodys)
		return
	}
	errand := &absurdErrands[which-len(absurdities)]
	w.refused(errand.what, func() error { return errand.send(ctx, w.api, w.batch.Namespace) })
}

// offend submits what is good but for its output, and one thing more.
func (w *watcher) offend(ctx context.Context, by *offence, output string) {
	spec := specOf(w.batch, 0)
	spec.Name, spec.Output = "absurd", output
	by.commit(&spec)
	w.refused(by.what, func() error {
		_, err := w.api.Submit(ctx, spec)
		return err
	})
}

// refused makes a request that must be refused, and records what it was.
func (w *watcher) refused(what string, request func() error) {
	of := w.batch.Namespace + "/" + w.batch.Name + ", " + what
	w.recorder.Call("absurd", of)
	w.recorder.Return("absurd", of, 0, request())
}

// statusText is a status as the invariants write it down themselves.
func statusText(s *core.BatchStatus) string {
	var b strings.Builder
	headText(&b, s)
	if s.Frames != 0 {
		fmt.Fprintf(&b, " frames=%d", s.Frames)
	}
	for _, source := range s.Sources {
		fmt.Fprintf(&b, " source=%q,%q,%d,%t,%q", source.URL, source.Filter, source.Found, source.Done, source.Error)
	}
	for _, u := range s.Failures {
		fmt.Fprintf(&b, " unit=%s,%q,%s,%d,%d,%q", u.ID, u.URL, u.State, u.Attempts, u.Epoch, u.Error)
	}
	return b.String()
}

func listText(all []core.BatchStatus) string {
	if len(all) == 0 {
		return "none"
	}
	var b strings.Builder
	for i := range all {
		b.WriteString(all[i].Namespace + "/" + all[i].Name + ": ")
		headText(&b, &all[i])
		b.WriteString("; ")
	}
	return b.String()
}

func headText(b *strings.Builder, s *core.BatchStatus) {
	fmt.Fprintf(b, "gen=%d %s total=%d submitted=%d", s.Generation, s.Phase, s.Total, s.Submitted.UnixMilli())
	if !s.Finished.IsZero() {
		fmt.Fprintf(b, " finished=%d", s.Finished.UnixMilli())
	}
	if s.Manifest != "" {
		b.WriteString(" manifest=" + s.Manifest)
	}
	if s.Error != "" {
		fmt.Fprintf(b, " error=%q", s.Error)
	}
	for _, count := range []struct {
		state core.UnitState
		n     int
	}{
		{core.UnitPending, s.Pending}, {core.UnitProcessing, s.Processing}, {core.UnitComplete, s.Complete},
		{core.UnitFailed, s.Failed}, {core.UnitDead, s.Dead}, {core.UnitCancelled, s.Cancelled},
	} {
		if count.n != 0 {
			fmt.Fprintf(b, " %s=%d", count.state, count.n)
		}
	}
}
