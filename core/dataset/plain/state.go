package plain

import (
	"bytes"
	"hash/crc32"
	"math"
	"strconv"

	"github.com/gauntlet-dst/gauntlet/core/dataset"
)

// A stored state is text: the version word, source, ended, frames, origin,
// number and stamp, the statistics, and the task, separated by ';'; then a
// checksum of all of it, in 8 hexadecimal digits. The task comes last but one
// because it alone may contain a ';'.
const (
	stateVersion = "plain1;"
	checksumSize = 9 // ';' and 8 digits
	stateNumbers = 6
)

// State returns what a successor needs to continue after the last frame, nil
// if there was none.
func (c *converter) State() []byte {
	if !c.started {
		return nil
	}
	dst := make([]byte, 0, 256)
	dst = append(dst, stateVersion...)
	ended := int64(0)
	if c.ended {
		ended = 1
	}
	for _, v := range [stateNumbers]int64{int64(c.source), ended, c.frames, c.origin, c.number, c.stamp} {
		dst = append(strconv.AppendInt(dst, v, 10), ';')
	}
	dst, _ = dataset.AppendStats(dst, c.stats[:]) // cannot fail: see maxFrames
	dst = append(dst, ';')
	dst = append(dst, c.task...)
	return appendChecksum(dst)
}

func appendChecksum(dst []byte) []byte {
	sum := dataset.Digest(crc32.ChecksumIEEE(dst)).String()
	return append(append(dst, ';'), sum[8:]...)
}

// load reverses State; false means that the state is not one of this codec.
func (c *converter) load(state []byte) bool {
	if len(state) < len(stateVersion)+checksumSize || string(state[:len(stateVersion)]) != stateVersion {
		return false
	}
	body := state[:len(state)-checksumSize]
	if string(appendChecksum(bytes.Clone(body))) != string(state) {
		return false
	}
	rest := body[len(stateVersion):]
	var numbers [stateNumbers]int64
	for i := range numbers {
		digits, more, ok := bytes.Cut(rest, []byte{';'})
		v, err := strconv.ParseInt(string(digits), 10, 64)
		if !ok || err != nil {
			return false
		}
		numbers[i], rest = v, more
	}
	stats, task, ok := bytes.Cut(rest, []byte{';'})
	if !ok || dataset.ParseStats(c.stats[:], string(stats)) != nil {
		return false
	}
	c.setSource(uint64(numbers[0]))
	c.started = true
	c.ended = numbers[1] == 1
	c.frames, c.origin, c.number, c.stamp = numbers[2], numbers[3], numbers[4], numbers[5]
	c.task = string(task)
	return c.frames > 0 && c.frames < math.MaxInt64 && oneLine(task)
}
