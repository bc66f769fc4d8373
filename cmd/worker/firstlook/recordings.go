package firstlook

import (
	"fmt"

	"github.com/gauntlet-dst/gauntlet/codec/example"
	"github.com/gauntlet-dst/gauntlet/core/dataset/plain/plaintest"
)

// Recordings are the first look's examples: MCAP files for the codec lerobot, or
// those of the plain codec.
func Recordings(plain bool) []Recording { return Examples(plain, 6, 240, 60) }

// Examples are so many recordings; each has more frames than the one before.
func Examples(plain bool, takes, frames, more int) []Recording {
	all := make([]Recording, takes)
	for i := range all {
		seed, n := uint64(i+1), frames+i*more
		all[i] = Recording{Name: fmt.Sprintf("take-%02d.mcap", i+1), Frames: n}
		if plain {
			all[i].Name = fmt.Sprintf("take-%02d.rec", i+1)
			all[i].Body = plaintest.Recording(seed, example.Task(seed), plaintest.Frames(seed, 0, n))
			continue
		}
		all[i].Body = example.Recording(seed, n)
	}
	return all
}
