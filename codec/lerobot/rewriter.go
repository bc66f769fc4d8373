package lerobot

import (
	"encoding/binary"
	"math"

	"github.com/parquet-go/parquet-go"

	"github.com/gauntlet-dst/gauntlet/core/dataset"
)

// rewriter makes a Parquet file of a staged episode. It holds a row group and one
// image of each camera.
type rewriter struct {
	codec  *Codec
	place  dataset.Place
	out    []byte // what the Parquet writer has written, not yet taken over
	file   *parquet.GenericWriter[any]
	row    *row
	frame  int64 // the next one's number
	begun  bool  // the head was read
	ended  bool
	bytes  int // in the row group, about
	rows   int // in the row group
	images []stagedImage
	values []float32
}

type stagedImage struct {
	format format
	bytes  []byte // nil before the first
}

// NewRewriter starts rewriting a staged episode.
func (c *Codec) NewRewriter(place dataset.Place) dataset.Rewriter {
	r := &rewriter{
		codec: c, place: place, row: c.parquet.newRow(),
		images: make([]stagedImage, len(c.config.Cameras)), values: make([]float32, c.components),
	}
	r.file = c.parquet.writer(r)
	return r
}

// Write takes over what the Parquet writer writes.
func (r *rewriter) Write(p []byte) (int, error) {
	r.out = append(r.out, p...)
	return len(p), nil
}

// Rewrite consumes whole records, up to the end of a row group, and the file's
// footer is written with the last.
func (r *rewriter) Rewrite(dst, src []byte, eof bool) (out []byte, consumed int, err error) {
	r.out = dst
	defer func() { r.out = nil }()
	full := false
	for consumed < len(src) && !full {
		n, err := r.record(src[consumed:])
		if err != nil {
			return dst, consumed, err
		}
		if n == 0 {
			break
		}
		consumed += n
		if full = r.rows == groupRows || r.bytes >= groupBytes; full {
			if err := r.endGroup(); err != nil {
				return dst, consumed, err
			}
		}
	}
	if !eof || full && consumed < len(src) {
		return r.out, consumed, nil // what was written is taken over first
	}
	if consumed < len(src) || !r.ended {
		return dst, consumed, invalid("rewrite", "", errStaged)
	}
	if err := r.file.Close(); err != nil {
		return dst, consumed, invalid("rewrite", "", err)
	}
	return r.out, consumed, nil
}

func (r *rewriter) endGroup() error {
	r.rows, r.bytes = 0, 0
	if err := r.file.Flush(); err != nil {
		return invalid("rewrite", "", err)
	}
	return nil
}

// record reads the record at the front of src and returns its size, or 0 while
// it is incomplete.
func (r *rewriter) record(src []byte) (int, error) {
	if !r.begun {
		return r.head(src)
	}
	if r.ended {
		return 0, invalid("rewrite", "", errStaged)
	}
	switch src[0] {
	case imageTag:
		return r.image(src)
	case frameTag:
		size := frameHead + 4*len(r.values)
		if len(src) < size {
			return 0, nil
		}
		return size, r.addRow(src[1:size])
	case endTag:
		if len(src) < endSize {
			return 0, nil
		}
		if int64(binary.LittleEndian.Uint32(src[1:])) != r.frame {
			return 0, invalid("rewrite", "", errStaged)
		}
		r.ended = true
		return endSize, nil
	}
	return 0, invalid("rewrite", "", errStaged)
}

func (r *rewriter) head(src []byte) (int, error) {
	if len(src) < headSize {
		return 0, nil
	}
	if string(src[:headSize]) != string(r.codec.appendHead(nil)) {
		return 0, invalid("rewrite", "", errStaged)
	}
	r.begun = true
	return headSize, nil
}

func (r *rewriter) image(src []byte) (int, error) {
	if len(src) < imageHead {
		return 0, nil
	}
	camera, form := int(src[1]), format(src[2])
	size := imageHead + int(binary.LittleEndian.Uint32(src[3:]))
	if camera >= len(r.images) || int(form) >= len(extensions) {
		return 0, invalid("rewrite", "", errStaged)
	}
	if len(src) < size {
		return 0, nil
	}
	img := &r.images[camera]
	img.format, img.bytes = form, append(img.bytes[:0], src[imageHead:size]...)
	return size, nil
}

// addRow adds a frame to the row group.
func (r *rewriter) addRow(frame []byte) error {
	if int64(binary.LittleEndian.Uint32(frame)) != r.frame {
		return invalid("rewrite", "", errStaged)
	}
	for i := range r.values {
		r.values[i] = math.Float32frombits(binary.LittleEndian.Uint32(frame[4+4*i:]))
	}
	config, rest := &r.codec.config, r.values
	for i := range config.Vectors {
		v := &config.Vectors[i]
		n := len(v.Joints)
		if n == 1 {
			r.row.float(v.Feature, rest[0])
		} else {
			r.row.floats(v.Feature, rest[:n])
		}
		rest = rest[n:]
	}
	for i := range config.Cameras {
		img := &r.images[i]
		if img.bytes == nil {
			return invalid("rewrite", "", errStaged)
		}
		r.row.image(config.Cameras[i].Feature, img.bytes, r.frame, img.format)
		r.bytes += len(img.bytes)
	}
	r.row.float("timestamp", float32(float64(r.frame)/float64(config.FPS)))
	r.row.int("frame_index", r.frame)
	r.row.int("episode_index", int64(r.place.Episode))
	r.row.int("index", r.place.FirstIdx+r.frame)
	r.row.int("task_index", int64(r.place.TaskIndex))
	r.bytes += len(frame)
	r.rows++
	r.frame++
	if _, err := r.file.WriteRows([]parquet.Row{r.row.all()}); err != nil {
		return invalid("rewrite", "", err)
	}
	return nil
}
