package firstlook

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/codec/example"
	"github.com/gauntlet-dst/gauntlet/core/dataset/plain/plaintest"
)

// takes is how many examples there are, of between firstFrames and firstFrames
// + (takes-1)*moreFrames frames each.
const (
	takes       = 6
	firstFrames = 240
	moreFrames  = 60
)

// Recordings are examples for the codec lerobot: MCAP files of a robot arm with a
// camera.
func Recordings() []Recording {
	return each("mcap", func(i uint64, frames int) []byte { return example.Recording(i, frames) })
}

// PlainRecordings are examples for the plain codec.
func PlainRecordings() []Recording {
	return each("rec", func(i uint64, frames int) []byte {
		return plaintest.Recording(i, example.Task(i), plaintest.Frames(i, 0, frames))
	})
}

func each(ext string, body func(i uint64, frames int) []byte) []Recording {
	all := make([]Recording, takes)
	for i := range all {
		frames := firstFrames + i*moreFrames
		all[i] = Recording{Name: fmt.Sprintf("take-%02d.%s", i+1, ext), Frames: frames, Body: body(uint64(i+1), frames)}
	}
	return all
}
