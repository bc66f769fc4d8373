package dataset

import (
	"iter"
	"strings"
)

// LongestPath is the length of the longest path of an object in a dataset, in
// bytes: up to ten million episodes in up to ten thousand chunks, with an
// extension of [MaxExt] bytes.
const LongestPath = len("data/chunk-0000/episode_0000000.") + MaxExt

// MaxExt is the longest extension of a codec, in bytes: parquet's.
const MaxExt = len("parquet")

var metaPaths = [...]string{tasksPath, episodesPath, episodesStatsPath, statsPath, infoPath, manifestPath}

// Paths iterates over the paths of all objects of a dataset with that many
// episodes, chunkSize in each chunk.
func Paths(episodes, chunkSize int, ext string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range episodes {
			if !yield(dataPath(i, chunkSize, ext)) {
				return
			}
		}
		for _, path := range metaPaths {
			if !yield(path) {
				return
			}
		}
	}
}

// IsPath reports whether path is that of an object of some dataset.
func IsPath(path, ext string) bool {
	for _, meta := range metaPaths {
		if path == meta {
			return true
		}
	}
	chunk, episode, ok := strings.Cut(strings.TrimPrefix(path, "data/chunk-"), "/episode_")
	number, isEpisode := strings.CutSuffix(episode, "."+ext)
	return ok && isEpisode && strings.HasPrefix(path, "data/chunk-") && isNumber(chunk, chunkDigits) && isNumber(number, episodeDigits)
}

const (
	chunkDigits   = 3
	episodeDigits = 6
)

func isNumber(text string, digits int) bool {
	return len(text) >= digits && strings.Trim(text, "0123456789") == ""
}

// dataPath is where episode i lies.
func dataPath(i, chunkSize int, ext string) string {
	path := make([]byte, 0, 64)
	path = append(path, "data/chunk-"...)
	path = appendPadded(path, i/chunkSize, chunkDigits)
	path = append(path, "/episode_"...)
	path = appendPadded(path, i, episodeDigits)
	path = append(path, '.')
	path = append(path, ext...)
	return string(path)
}
