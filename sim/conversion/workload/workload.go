// Package workload describes what a simulated system is asked to convert, and
// computes from the description alone what it must publish.
//
// It writes the formats of package core/dataset/plain and the layout of package
// core/dataset a second time and shares no code with them, nor with anything
// else in core: so that a mistake there is seen, wherever it is.
//
// # The rules of a published dataset
//
//   - Every recording that a batch's sources contain is one episode. Episodes
//     are numbered from 0, by source in the batch's order, then by key.
//   - A recording without frames, with a damaged one, or that is not there, is
//     poison: its batch can never be published.
//   - A batch without recordings is published as a dataset without episodes:
//     the same five meta files, three of them empty.
//   - A file that a source's filter excludes leaves no trace.
package workload

import (
	"cmp"
	"iter"
	"slices"
	"strings"
)

// Spec is everything that is submitted in one universe.
type Spec struct {
	Batches []Batch
	// Format is how recordings and datasets are written; nil is as packages
	// core/dataset/plain and core/dataset do.
	Format *Format
}

// Format is how recordings and the datasets of them are written.
type Format struct {
	// Recording returns the source file of a recording, with that many frames, or
	// with what makes it poison.
	Recording func(r *Recording) []byte
	// Reference returns the dataset that a batch must publish, as [Reference]
	// does.
	Reference func(b *Batch) map[string][]byte
}

// Reference returns the dataset that the batch must publish in the format of the
// specification: every object's exact bytes under its path within the dataset,
// without manifest.json. It is nil if the batch is poisoned.
func (s *Spec) Reference(b *Batch) map[string][]byte {
	if s.Format == nil {
		return Reference(b)
	}
	return s.Format.Reference(b)
}

func (s *Spec) recording(r *Recording) []byte {
	if s.Format == nil {
		return r.Bytes()
	}
	return s.Format.Recording(r)
}

// Batch is one dataset to build. Sources of a batch may overlap: a recording that
// several of them name is one episode, of the first of them, and stands in the
// Recordings of that one only. Two batches may read the same recordings.
type Batch struct {
	Namespace string
	Name      string
	Output    string // prefix of the keys under which it is published
	// ChunkSize is the number of episodes in a data/chunk-NNN, at least 1.
	ChunkSize    int
	MaxAttempts  int  // at least 1
	BackoffLimit int  // failed attempts of the whole batch; 0 is what the system gives it
	Terse        bool // its submission names neither of these: the system gives it the same
	Priority     int  // 0 to 999, higher is sooner
	Parallelism  int  // units at a time; 0 is no limit
	Sources      []Source
	// Revised is what the name is submitted as from its second submission on, of some of
	// the same recordings; nil is the same again.
	Revised *Batch
}

// Version is what submission n of the name, from 0 on, asks for.
func (b *Batch) Version(n int) *Batch {
	if n > 0 && b.Revised != nil {
		return b.Revised
	}
	return b
}

// Source is one place that holds recordings.
type Source struct {
	// Prefix of object keys; it ends in '/', or is the key of the source's only
	// recording, whose Name is "".
	Prefix string
	// Filter is a pattern in the syntax of path.Match for the last element of
	// a key; "" selects every file.
	Filter     string
	Recordings []Recording
	Ignored    []string // names of files that the filter excludes
}

// Recording is one source file.
type Recording struct {
	Name   string // the key without the source's prefix
	ID     uint64 // determines the frames' contents
	Frames int    // at least 0; a recording without frames is poison
	First  int64  // the first frame's number, 0 to 2^30; the others follow
	Task   string // at most 65535 bytes, UTF-8 without control characters
	// Poison is the frame, counted from 1, whose checksum is wrong; 0 is none.
	Poison int
	// Missing: there is no such file. Only for a source that is one file.
	Missing bool
}

// Poisoned reports whether the recording can never be converted.
func (r *Recording) Poisoned() bool { return r.Frames == 0 || r.Poison > 0 || r.Missing }

// Poisoned reports whether the batch can never be published.
func (b *Batch) Poisoned() bool {
	for i := range b.Sources {
		for j := range b.Sources[i].Recordings {
			if b.Sources[i].Recordings[j].Poisoned() {
				return true
			}
		}
	}
	return false
}

// Units is the number of recordings of the batch.
func (b *Batch) Units() int {
	n := 0
	for i := range b.Sources {
		n += len(b.Sources[i].Recordings)
	}
	return n
}

// Keys returns the keys of the batch's recordings in the order of their
// episodes.
func (b *Batch) Keys() []string {
	keys := make([]string, 0, b.Units())
	for _, e := range b.episodes() {
		keys = append(keys, e.key)
	}
	return keys
}

// Recordings iterates over the keys of the batch's recordings, and these, in the
// order of their episodes.
func (b *Batch) Recordings() iter.Seq2[string, *Recording] {
	return func(yield func(string, *Recording) bool) {
		for _, e := range b.episodes() {
			if !yield(e.key, e.recording) {
				return
			}
		}
	}
}

// Object is one file of a source.
type Object struct {
	Key  string
	Body []byte
}

// Objects returns every file of every source, in key order, each key once.
func (s *Spec) Objects() []Object {
	var all []Object
	for i := range s.Batches {
		for _, source := range s.Batches[i].Sources {
			for j := range source.Recordings {
				r := &source.Recordings[j]
				if r.Missing {
					continue
				}
				all = append(all, Object{source.Prefix + r.Name, s.recording(r)})
			}
			for _, name := range source.Ignored {
				all = append(all, Object{source.Prefix + name, []byte("not a recording: " + name + "\n")})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Object) int { return strings.Compare(a.Key, b.Key) })
	return slices.CompactFunc(all, func(a, b Object) bool { return a.Key == b.Key })
}

// episode is a recording with the key that it has in its batch.
type episode struct {
	key       string
	recording *Recording
}

// episodes returns the recordings of the batch in the order of their episodes.
func (b *Batch) episodes() []episode {
	all := make([]episode, 0, b.Units())
	for i := range b.Sources {
		source := &b.Sources[i]
		from := len(all)
		for j := range source.Recordings {
			r := &source.Recordings[j]
			all = append(all, episode{source.Prefix + r.Name, r})
		}
		slices.SortFunc(all[from:], func(a, b episode) int { return cmp.Compare(a.key, b.key) })
	}
	return all
}
