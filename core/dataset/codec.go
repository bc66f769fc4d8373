// Package dataset is what a conversion produces: the codec that turns a
// recording's frames into an episode, and the layout that a merge publishes.
//
// # Layout
//
// A dataset is a LeRobot v2.1 dataset without videos; <ext> and the features
// are the codec's. Episodes are numbered from 0, tasks in the order in which
// they first appear.
//
//	data/chunk-<c>/episode_<i>.<ext>  c = i / chunk size, 3 digits; i, 6 digits
//	meta/info.json             version, totals, chunk size, fps, splits, features
//	meta/tasks.jsonl           {"task_index","task"} a line
//	meta/episodes.jsonl        {"episode_index","tasks","length"} a line
//	meta/episodes_stats.jsonl  {"episode_index","stats"} a line: of each feature
//	                           and component min, max, mean, std, and the count
//	meta/stats.json            the same over all episodes; {} if there is none
//	manifest.json              name, generation, totals, each unit with its
//	                           episode, each other object with size, etag (as the
//	                           store told it, for reference), digest
//
// Statistics are computed from exact integer sums. std is the population's;
// mean and std are rounded float64s, printed in full.
package dataset

// Codec is a pair of formats: how sources are read, how episodes are written.
// Implementations are deterministic: the same source bytes yield the same
// episode bytes, however often the conversion is interrupted (rule R5).
type Codec interface {
	// Ext is the extension of an episode's file, without the dot.
	Ext() string
	// Schema describes the columns of the episodes that this codec writes.
	Schema() Schema
	// NewConverter starts a conversion, or resumes one from a state that
	// Converter.State returned; nil starts afresh. A state that is not its own
	// is refused with env.ErrInvalid.
	NewConverter(state []byte) (Converter, error)
	// NewRewriter starts rewriting a staged episode for its place in the
	// dataset.
	NewRewriter(place Place) Rewriter
}

// Converter converts one source, one frame at a time.
type Converter interface {
	// Frame decodes src up to the end of the next frame and appends its encoded
	// form to dst. consumed is the number of bytes at the front of src that are
	// needed no more; the next call gets the rest, and possibly more behind it.
	// frame tells whether a frame has ended. A call that neither consumes bytes
	// nor ends a frame wants more bytes than src holds; at eof, without bytes
	// left, that is the end, and with bytes left an error. A frame may consume
	// nothing: several frames can lie in one compressed block. A malformed
	// source is env.ErrInvalid: poison, not worth another attempt.
	Frame(dst, src []byte, eof bool) (out []byte, consumed int, frame bool, err error)
	// State returns what a successor needs to continue after the last frame,
	// from the first byte on that was not consumed. It becomes part of a row:
	// it is short, whatever the source, and best printable, since every other
	// byte takes up to four.
	State() []byte
	// Finish appends the trailer, if the format has one, and sums up.
	Finish(dst []byte) ([]byte, Summary, error)
}

// Rewriter streams a staged episode into its published form.
type Rewriter interface {
	// Rewrite consumes staged bytes from the front of src and appends their
	// published form to dst; it may leave a partial record unconsumed.
	Rewrite(dst, src []byte, eof bool) (out []byte, consumed int, err error)
}

// Place is where an episode stands in the published dataset.
type Place struct {
	Episode   int   // contiguous from 0
	FirstIdx  int64 // the running sum of the frames before it
	TaskIndex int
}

// Summary is what the dataset's meta files need to know of an episode. All of
// it must survive between conversion and merge: it is stored with the unit.
type Summary struct {
	Frames int64  // at least 1: a dataset has no room for an empty episode
	Task   string // the task's description, one line
	Stats  string // one Stat for each component of the schema, see AppendStats
}

// Schema is what info.json says of every episode of a dataset.
type Schema struct {
	RobotType string
	FPS       int
	// Features are the codec's own columns, in their order in the episode. The
	// layout adds frame_index, episode_index, index and task_index.
	Features []Feature
}

// Feature is one column, or one group of columns, of an episode.
type Feature struct {
	Name  string
	DType string // "float32", "int64", "string", "image", ...
	// Shape is the shape of one frame's value; nil means Components values in a
	// row, or one.
	Shape []int
	// Names names the values of a vector, or the axes of an image; nil is null.
	Names []string
	// Components is the number of numeric components, each with a Stat in
	// Summary.Stats; 0 for a column without statistics. An image's are its
	// channels, whose statistics have the shape (Components, 1, 1).
	Components int
	// Samples is how many values of each component a frame adds to its Stat; 0
	// means 1. An image's are its pixels.
	Samples int64
	// Divisor is what the integers that are summed up stand above, 1 to 1e9; 0
	// means 1: statistics are exact because they are integers.
	Divisor int64
}

func (f *Feature) divisor() int64 { return max(f.Divisor, 1) }

func (f *Feature) samples() int64 { return max(f.Samples, 1) }
