// Package dataset is what a conversion produces: the codec that turns a
// recording's frames into an episode, and the layout that a merge publishes.
package dataset

// Codec is a pair of formats: how sources are read, how episodes are written.
// Implementations are deterministic: the same source bytes yield the same
// episode bytes, however often the conversion is interrupted (rule R5).
type Codec interface {
	// Ext is the extension of an episode's file, without the dot.
	Ext() string
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
	// Frame decodes the frame at the front of src and appends its encoded form
	// to dst. consumed is the number of source bytes taken: 0 when src holds
	// no whole frame, which at eof with bytes left is an error, and without
	// bytes left is the end. A malformed source is env.ErrInvalid: poison, not
	// worth another attempt.
	Frame(dst, src []byte, eof bool) (out []byte, consumed int, err error)
	// State returns what a successor needs to continue after the last frame.
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

// Summary is what the dataset's meta files need to know of an episode.
type Summary struct {
	Frames int64
	Task   string // the task's description, one line
	Stats  string // per-feature statistics, the codec's own exact text form
}
