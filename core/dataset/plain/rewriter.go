package plain

import (
	"bytes"
	"strconv"

	"github.com/gauntlet-dst/gauntlet/core/dataset"
)

// rewriter appends an episode's place to every record.
type rewriter struct {
	place   dataset.Place
	frame   int64  // the next record's frame_index
	episode []byte // scratch: the end of a record
}

// NewRewriter starts rewriting a staged episode.
func (Codec) NewRewriter(place dataset.Place) dataset.Rewriter {
	return &rewriter{place: place, episode: make([]byte, 0, 64)}
}

// Rewrite consumes whole records. A record that is not the next one of its
// episode is env.ErrInvalid, and so is a record that is cut short.
func (r *rewriter) Rewrite(dst, src []byte, eof bool) (out []byte, consumed int, err error) {
	for consumed < len(src) {
		length := bytes.IndexByte(src[consumed:], '\n')
		if length < 0 {
			break
		}
		record := src[consumed : consumed+length]
		r.episode = strconv.AppendInt(append(r.episode[:0], ','), r.frame, 10)
		if !bytes.HasSuffix(record, r.episode) {
			return dst, consumed, invalid("rewrite", errStaged)
		}
		dst = append(dst, record...)
		dst = strconv.AppendInt(append(dst, ','), int64(r.place.Episode), 10)
		dst = strconv.AppendInt(append(dst, ','), r.place.FirstIdx+r.frame, 10)
		dst = strconv.AppendInt(append(dst, ','), int64(r.place.TaskIndex), 10)
		dst = append(dst, '\n')
		r.frame++
		consumed += length + 1
	}
	if eof && consumed < len(src) {
		return dst, consumed, invalid("rewrite", errStaged)
	}
	return dst, consumed, nil
}
