package core

import (
	"path"
	"strings"
	"time"
)

// BatchSpec is what a client asks for: one dataset to build.
type BatchSpec struct {
	// Namespace and Name identify the batch; letters, digits, '.', '_' and '-',
	// at most 128 of them each.
	Namespace string
	Name      string
	// Sources are where the recordings are, at least one. The order of sources,
	// then that of the URLs within one, is the order of the episodes.
	Sources []Source
	// Output is the prefix under which everything of the batch is written,
	// without a slash at the end. It belongs to the name for ever.
	Output string
	// MaxAttempts bounds the attempts of each unit, BackoffLimit the failed
	// attempts of all units together that have not recovered, EpisodesPerChunk is
	// the dataset's. 0 means the configured default.
	MaxAttempts      int
	BackoffLimit     int
	EpisodesPerChunk int
	// Parallelism bounds how many units execute at once; 0 means no bound.
	Parallelism int
	// Priority is 0 to 999; higher goes first.
	Priority int
	// TTL is how long the rows of an ended batch are kept; 0 means for ever.
	// The published dataset stays.
	TTL time.Duration
}

// Source is one place where recordings are.
type Source struct {
	// URL is the key of one object, or a prefix of keys; then it ends in '/'.
	URL string
	// Filter, if not empty, is a pattern of package path that the last part of
	// a key must match.
	Filter string
}

// listed reports whether the source is a prefix rather than one object.
func (s Source) listed() bool { return strings.HasSuffix(s.URL, "/") }

// takes reports whether an object of the source is a recording to convert.
func (s Source) takes(key string) bool {
	if strings.HasSuffix(key, "/") {
		return false // a directory marker
	}
	if s.Filter == "" {
		return true
	}
	ok, err := path.Match(s.Filter, path.Base(key))
	return ok && err == nil
}

// check returns env.ErrInvalid with what is wrong with the specification, the
// stores' limits included: what would be refused when all the work is done is
// refused before it begins.
func (s *BatchSpec) check(store *StoreTraits) error {
	switch {
	case !validName(s.Namespace) || !validName(s.Name):
		return invalid("submit", s.Namespace+"/"+s.Name, "not a name")
	case len(s.Sources) == 0 || len(s.Sources) > 9999:
		return invalid("submit", s.Name, "needs between 1 and 9999 sources")
	case s.Output == "" || strings.HasSuffix(s.Output, "/") || strings.ContainsAny(s.Output, "\n\t"):
		return invalid("submit", s.Output, "not an output prefix")
	case s.Priority < 0 || s.Priority > maxPriority:
		return invalid("submit", s.Name, "priority must be 0 to 999")
	case s.MaxAttempts < 0 || s.BackoffLimit < 0 || s.EpisodesPerChunk < 0 || s.Parallelism < 0 || s.TTL < 0:
		return invalid("submit", s.Name, "limits must not be negative")
	case len(outputPrefix)+len(s.Output) > store.MaxRowKey:
		return invalid("submit", s.Output, "the output is too long for a row's key")
	}
	if err := checkKey(store, s.Output, outputRoom); err != nil {
		return invalid("submit", s.Output, "not an output prefix: "+err.Error())
	}
	for _, source := range s.Sources {
		if source.URL == "" || strings.ContainsAny(source.URL+source.Filter, "\n\t") {
			return invalid("submit", source.URL, "not a source")
		}
		if _, err := path.Match(source.Filter, ""); err != nil {
			return invalid("submit", source.Filter, "not a pattern")
		}
		if strings.HasPrefix(s.Output+"/", source.URL) {
			return invalid("submit", s.Output, "the output lies within a source")
		}
		if source.URL == s.Output { // a file where a folder must be; for the rest see checkSources
			return invalid("submit", source.URL, "the source is the output")
		}
		if len(source.URL) > store.MaxKey {
			return invalid("submit", source.URL, "the source is longer than the store's keys")
		}
	}
	return nil
}

// validName tells whether text may be a part of a key.
func validName(text string) bool {
	if text == "" || len(text) > 128 {
		return false
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// row is a new submission's row.
func (s *BatchSpec) row(cfg *Config) batchRow {
	return batchRow{
		phase:        PhasePending,
		output:       s.Output,
		sources:      listOf(s.Sources),
		maxAttempts:  orDefault(s.MaxAttempts, cfg.MaxAttempts),
		backoffLimit: orDefault(s.BackoffLimit, cfg.BackoffLimit),
		chunk:        orDefault(s.EpisodesPerChunk, cfg.EpisodesPerChunk),
		parallelism:  s.Parallelism,
		shards:       shardsFor(s.Parallelism, cfg.Shards),
		priority:     s.Priority,
		ttlMS:        s.TTL.Milliseconds(),
	}
}

// shardsFor is how many shards a batch gets: with a limit on its parallelism no
// more than that, so that each has a share of it.
func shardsFor(parallelism, shards int) int {
	if parallelism > 0 {
		return min(parallelism, shards)
	}
	return shards
}

func orDefault(value, def int) int {
	if value == 0 {
		return def
	}
	return value
}
