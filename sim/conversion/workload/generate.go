package workload

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Limits bounds what Generate draws. Every field is inclusive; a field that is
// 0 counts as 1, except the percentages.
type Limits struct {
	Batches    int
	Sources    int // per batch
	Recordings int // per source; sometimes a source has none
	Frames     int // per recording
	// PoisonPercent of the batches contain up to so many Poisoned recordings.
	PoisonPercent int
	Poisoned      int
	// EmptyPercent of the sources have no recording.
	EmptyPercent int
	// MissingPercent of the batches begin with a source that is one file, which is not
	// there.
	MissingPercent int
	// OverlapPercent of the other batches have one more source, which names what
	// another one holds already.
	OverlapPercent int
	// ForeignPercent of the batches but the first are in namespaces of their own, half of them
	// under a name that the first one has.
	ForeignPercent int
	// RevisePercent of the batches are submitted as something else once they have ended.
	RevisePercent int
}

// Draw returns a random number for a label; the same label gives the same
// number, so that one decision never shifts another.
type Draw func(label string) uint64

// Generate draws a workload. It aims at what conversions get wrong: names that
// are prefixes of other names, the same file name under two sources, several
// chunks, tasks that several recordings share, files that a filter excludes,
// sources that are one file.
func Generate(draw Draw, limits Limits) Spec {
	d := drawer{draw: draw}
	batches := 1 + d.below(limits.Batches, "batches")
	s := Spec{Batches: make([]Batch, batches)}
	for i := range s.Batches {
		s.Batches[i] = d.batch("b"+strconv.Itoa(i), i, limits)
	}
	return s
}

type drawer struct{ draw Draw }

// below draws from 0 to n-1; n below 1 counts as 1.
func (d drawer) below(n int, label string) int {
	return int(d.draw(label) % uint64(max(n, 1)))
}

func (d drawer) percent(p int, label string) bool { return d.below(100, label) < p }

func (d drawer) batch(label string, i int, limits Limits) Batch {
	// data, data-1, data-10, data-11, ...: each begins with the first.
	name := "data"
	if i > 0 {
		name += "-" + strconv.FormatInt(int64(i), 2)
	}
	b := Batch{
		Namespace:   "lab",
		Name:        name,
		Output:      "out/" + name + "/",
		ChunkSize:   [...]int{1, 2, 3, 1000}[d.below(4, label+"/chunk")],
		MaxAttempts: 3,
		Priority:    d.below(3, label+"/priority"),
		Parallelism: d.below(4, label+"/parallelism"),
		Sources:     make([]Source, 1+d.below(limits.Sources, label+"/sources")),
	}
	for k := range b.Sources {
		// The order of the sources is not that of their keys.
		b.Sources[k] = d.source(label+"/s"+strconv.Itoa(k), fmt.Sprintf("in/%s/robot%d/", name, (7*k+4)%10), limits)
	}
	if i > 0 && d.percent(limits.ForeignPercent, label+"/foreign") {
		b.Namespace = "lab" + strconv.Itoa(i+1) // which begins like the first one's
		if d.below(2, label+"/namesake") == 1 {
			b.Name = "data"
		}
	}
	if d.percent(limits.MissingPercent, label+"/missing") {
		s := &b.Sources[0]
		r := d.recording(label+"/missing/r0", 0, limits)
		s.Prefix, s.Ignored = s.Prefix+r.Name, nil
		r.Name, r.Missing = "", true
		s.Recordings = []Recording{r}
	} else if d.percent(limits.OverlapPercent, label+"/overlap") {
		d.overlap(&b, label+"/overlap")
	}
	if n := b.Units(); n > 0 && d.percent(limits.PoisonPercent, label+"/poison") {
		first := d.below(n, label+"/poisoned")
		for i := range min(max(limits.Poisoned, 1), n) {
			d.poison(&b, (first+i)%n, label)
		}
	}
	if d.percent(limits.RevisePercent, label+"/revise") {
		d.revise(&b, label+"/revised")
	}
	return b
}

// revise draws what the name is submitted as later: what an operator changes who is
// not content with a dataset, or with how it came about. Its output begins like the
// first one, and does not lie in it.
func (d drawer) revise(b *Batch, label string) {
	r := *b
	r.ChunkSize = [...]int{1, 2, 3, 1000}[d.below(4, label+"/chunk")]
	r.MaxAttempts = 2 + d.below(3, label+"/attempts")
	r.Priority, r.Parallelism = d.below(3, label+"/priority"), d.below(4, label+"/parallelism")
	if d.below(2, label+"/output") == 1 {
		r.Output = strings.TrimSuffix(b.Output, "/") + ".2/"
	}
	r.Sources = slices.Clone(b.Sources)
	if !overlaps(b) { // else a recording might become another source's
		switch d.below(4, label+"/sources") {
		case 0:
			slices.Reverse(r.Sources)
		case 1: // with luck the one that holds the poison
			n := d.below(len(r.Sources), label+"/left out")
			if r.Sources = slices.Delete(r.Sources, n, n+1); len(r.Sources) == 0 {
				r.Sources = b.Sources
			}
		case 2: // one recording of a folder
			s := &r.Sources[d.below(len(r.Sources), label+"/filtered")]
			if n := len(s.Recordings); n > 0 && s.Recordings[0].Name != "" {
				s.Recordings = s.Recordings[d.below(n, label+"/kept"):][:1]
				s.Filter, s.Ignored = s.Recordings[0].Name, nil
			}
		}
	}
	b.Revised = &r
}

// overlaps reports whether a source names what another one holds.
func overlaps(b *Batch) bool {
	for i := range b.Sources {
		for j := range b.Sources {
			if i != j && strings.HasPrefix(b.Sources[i].Prefix, b.Sources[j].Prefix) {
				return true
			}
		}
	}
	return false
}

func (d drawer) source(label, prefix string, limits Limits) Source {
	s := Source{Prefix: prefix}
	if d.below(2, label+"/filter") == 1 {
		s.Filter = "*.rec"
		s.Ignored = []string{"README.md", "run-000.rec.part"}
	}
	if d.percent(limits.EmptyPercent, label+"/empty") {
		return s
	}
	if d.below(8, label+"/one") == 0 {
		s.Recordings = []Recording{d.recording(label+"/r0", 0, limits)}
		s.Prefix, s.Recordings[0].Name, s.Ignored = prefix+s.Recordings[0].Name, "", nil
		return s
	}
	s.Recordings = make([]Recording, 1+d.below(limits.Recordings, label+"/recordings"))
	for j := range s.Recordings {
		s.Recordings[j] = d.recording(label+"/r"+strconv.Itoa(j), j, limits)
	}
	return s
}

// overlap adds a source that names what a folder of the batch holds: all of it once
// more, or one recording, behind that folder or before it.
func (d drawer) overlap(b *Batch, label string) {
	folder := &b.Sources[d.below(len(b.Sources), label+"/of")]
	if !strings.HasSuffix(folder.Prefix, "/") || len(folder.Recordings) == 0 {
		return
	}
	n := d.below(len(folder.Recordings), label+"/one")
	r := folder.Recordings[n]
	file := Source{Prefix: folder.Prefix + r.Name}
	switch d.below(3, label+"/how") {
	case 0:
		b.Sources = append(b.Sources, Source{Prefix: folder.Prefix, Filter: "*.rec"})
	case 1:
		b.Sources = append(b.Sources, file)
	default: // the first source that names a recording has it
		folder.Recordings = slices.Delete(folder.Recordings, n, n+1)
		r.Name = ""
		file.Recordings = []Recording{r}
		b.Sources = slices.Insert(b.Sources, 0, file)
	}
}

// tasks need care when they are written: quotes, a backslash, the separators of
// rows and states, bytes beyond ASCII.
var tasks = [...]string{
	"pick the red cube", `open the "left" drawer`, "stack=2; sort, fold", `C:\bin`, "place the cup — 杯子", "",
}

func (d drawer) recording(label string, j int, limits Limits) Recording {
	return Recording{
		Name:   fmt.Sprintf("run-%03d.rec", j),
		ID:     d.draw(label + "/id"),
		Frames: 1 + d.below(limits.Frames, label+"/frames"),
		First:  int64(d.below(1000, label+"/first")),
		Task:   tasks[d.below(len(tasks), label+"/task")],
	}
}

// poison damages recording n of the batch.
func (d drawer) poison(b *Batch, n int, label string) {
	for k := range b.Sources {
		recordings := b.Sources[k].Recordings
		if n >= len(recordings) {
			n -= len(recordings)
			continue
		}
		r := &recordings[n]
		if r.Name == "" && d.below(2, label+"/missing") == 0 {
			r.Missing = true
			return
		}
		r.Poison = d.below(r.Frames+1, label+"/damage")
		if r.Poison == 0 {
			r.Frames = 0
		}
		return
	}
}
