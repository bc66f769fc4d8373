package workload

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
)

const manifestPath = "manifest.json"

// Diff compares a published dataset, object by object and byte by byte, with
// its reference and returns an error that tells the first difference in one
// sentence, or nil. Both map paths within the dataset to bytes; manifest.json
// is not compared (see CheckManifest). Nothing can be published of a poisoned
// batch: a nil reference differs from every dataset.
func Diff(reference, published map[string][]byte) error {
	if reference == nil {
		return fmt.Errorf("a dataset of %d objects was published of a batch that contains poison", len(published))
	}
	for _, path := range slices.Sorted(maps.Keys(reference)) {
		got, ok := published[path]
		if !ok {
			return fmt.Errorf("object %s is missing", path)
		}
		if want := reference[path]; !bytes.Equal(want, got) {
			return fmt.Errorf("object %s %s", path, firstDifference(want, got))
		}
	}
	if len(published) == len(reference) {
		return nil
	}
	for _, path := range slices.Sorted(maps.Keys(published)) {
		if _, ok := reference[path]; !ok && path != manifestPath {
			return fmt.Errorf("object %s should not exist", path)
		}
	}
	return nil
}

// firstDifference describes where two unequal objects part.
func firstDifference(want, got []byte) string {
	at := 0
	for at < len(want) && at < len(got) && want[at] == got[at] {
		at++
	}
	line := bytes.Count(want[:at], []byte{'\n'}) + 1
	begin := bytes.LastIndexByte(want[:at], '\n') + 1
	switch {
	case at == len(got):
		return fmt.Sprintf("ends after %d of %d bytes, in line %d: want %s", at, len(want), line, excerpt(want, begin, at))
	case at == len(want):
		return fmt.Sprintf("has %d bytes after its end, from line %d on: %s", len(got)-at, line, excerpt(got, begin, at))
	}
	return fmt.Sprintf("differs in line %d, column %d (byte %d): want %s, got %s",
		line, at-begin+1, at, excerpt(want, begin, at), excerpt(got, begin, at))
}

// excerpt quotes the line that begins at begin, or the part of it around at.
func excerpt(text []byte, begin, at int) string {
	const width = 80
	line := text[begin:]
	if end := bytes.IndexByte(line, '\n'); end >= 0 {
		line = line[:end]
	}
	if len(line) <= width {
		return fmt.Sprintf("%q", line)
	}
	from := max(0, min(at-begin-width/2, len(line)-width))
	return fmt.Sprintf("...%q...", line[from:from+width])
}
