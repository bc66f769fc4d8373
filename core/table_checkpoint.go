package core

import (
	"context"
	"strconv"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// checkpointRow is checkpoint/<bid>/<uid>: where a successor continues.
type checkpointRow struct {
	epoch  uint64
	seq    uint64
	offset int64 // of the first source byte not yet converted
	frames int64
	key    string // of the upload; carries the epoch that opened it
	upload string
	parts  []env.Part
	digest string // of the parts so far
	state  string // the codec's
}

const checkpointPrefix = "checkpoint/"

func checkpointsPrefix(id batchID) string { return checkpointPrefix + string(id) + "/" }

func checkpointKey(id batchID, uid string) string {
	return checkpointPrefix + string(id) + "/" + uid
}

func (c *checkpointRow) fields(f *fields) {
	f.uint("epoch", &c.epoch)
	f.uint("seq", &c.seq)
	f.int64("offset", &c.offset)
	f.int64("frames", &c.frames)
	f.text("key", &c.key)
	f.text("upload", &c.upload)
	f.parts("parts", &c.parts)
	f.text("digest", &c.digest)
	f.text("state", &c.state)
}

func (c *checkpointRow) encode() []byte {
	f := writeRow("c1")
	c.fields(&f)
	return f.row
}

func decodeCheckpoint(key string, row []byte) (checkpointRow, error) {
	var c checkpointRow
	f := readRow(key, row, "c1")
	c.fields(&f)
	return c, f.end()
}

// readCheckpointed returns how many frames of a batch's units are checkpointed.
// Completion takes a unit's checkpoint away, so there are no more of them than
// units that were begun and are not complete.
func readCheckpointed(ctx context.Context, tx env.Txn, id batchID, page int) (frames int64, err error) {
	err = scan(ctx, tx, checkpointsPrefix(id), page, func(p env.Pair) (bool, error) {
		c, err := decodeCheckpoint(p.Key, p.Value)
		frames += c.frames
		return true, err
	})
	return frames, err
}

// parts is a field of number:etag:size,...
func (f *fields) parts(name string, value *[]env.Part) {
	text := joinParts(*value)
	f.text(name, &text)
	if f.writing || text == "" {
		return
	}
	parts, err := splitParts(text)
	if err != nil {
		f.fail(name + ": " + text)
	}
	*value = parts
}

// ETags are opaque, and may hold what parts are separated by: then nobody could read
// the checkpoint, nor write the next, and every successor would begin anew.
var (
	commas   = strings.NewReplacer("%", "%25", ",", "%2C")
	percents = strings.NewReplacer("%25", "%", "%2C", ",") // its inverse
)

func joinParts(parts []env.Part) string {
	var b []byte
	for i, p := range parts {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(p.Number), 10)
		b = append(append(append(b, ':'), commas.Replace(p.ETag)...), ':')
		b = strconv.AppendInt(b, p.Size, 10)
	}
	return string(b)
}

func splitParts(text string) ([]env.Part, error) {
	var parts []env.Part
	for one := range strings.SplitSeq(text, ",") {
		number, rest, _ := strings.Cut(one, ":")
		at := max(strings.LastIndexByte(rest, ':'), 0)
		n, err := strconv.Atoi(number)
		if err != nil {
			return nil, err
		}
		size, err := strconv.ParseInt(strings.TrimPrefix(rest[at:], ":"), 10, 64)
		if err != nil {
			return nil, err
		}
		parts = append(parts, env.Part{Number: n, ETag: percents.Replace(rest[:at]), Size: size})
	}
	return parts, nil
}

// newer reports whether the checkpoint c is behind other in (epoch, seq).
func (c *checkpointRow) newer(other *checkpointRow) bool {
	return c.epoch > other.epoch || c.epoch == other.epoch && c.seq > other.seq
}
