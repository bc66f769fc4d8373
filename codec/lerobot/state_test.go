package lerobot

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/codec/example"
	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/dataset"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// largest is a configuration of all that there may be.
func largest() Config {
	c := Config{FPS: MaxFPS, TaskTopic: "/task"}
	v := Vector{Feature: "observation.state", Topic: "/joints"}
	for i := range MaxComponents {
		v.Joints = append(v.Joints, fmt.Sprintf("%0*d", MaxName, i))
	}
	c.Vectors = []Vector{v}
	for i := range MaxCameras {
		name := fmt.Sprint("observation.images.", i)
		c.Cameras = append(c.Cameras, Camera{Feature: name, Topic: name, Height: MaxSide, Width: MaxSide})
	}
	return c
}

// A checkpoint's row has a limit: the smallest that core accepts holds the largest
// state twice.
func TestStateIsShort(t *testing.T) {
	codec, err := New(largest())
	require.NoError(t, err)
	fresh, err := codec.NewConverter(nil)
	require.NoError(t, err)
	c := fresh.(*converter)
	c.begun, c.started, c.told = true, true, true
	c.origin, c.newest, c.frames = math.MaxInt64-1e9, math.MaxInt64, maxFrames
	c.task = strings.Repeat("x", MaxTask)
	for i := range maxSchemas {
		c.schemas = append(c.schemas, schema{uint16(math.MaxUint16 - i), asText})
	}
	for i := range maxChannels {
		c.channels = append(c.channels, channel{uint16(math.MaxUint16 - i), MaxCameras, asText, inJSON})
	}
	wide := dataset.Stat{Count: maxFrames, Min: -maxValue * micro, Max: maxValue * micro, Sum: math.MinInt64, SquaresHi: math.MaxUint64 >> 1, SquaresLo: math.MaxUint64}
	for i := range c.joints {
		c.joints[i] = joint{value: -maxValue * micro, at: c.newest - int64(MaxHoldLimit)}
	}
	for i := range c.cameras {
		c.cameras[i] = camera{at: never, pending: true, place: math.MaxUint32, stats: [channels]dataset.Stat{wide, wide, wide}}
	}
	for i := range c.stats {
		c.stats[i] = wide
	}
	state := c.State()
	require.LessOrEqual(t, len(state), MaxState)
	require.Greater(t, len(state), MaxState*9/10, "the bound says nothing")
	again, err := codec.NewConverter(state)
	require.NoError(t, err)
	require.Equal(t, state, again.State())

	config := core.DefaultConfig()
	config.Store.MaxRow = 64 << 10
	require.NoError(t, config.Validate())
	require.LessOrEqual(t, MaxState, config.Store.MaxRow/2) // the rest is for keys and hundreds of parts
	config.Store.MaxRow--
	require.Error(t, config.Validate())
	t.Logf("the longest state has %d of %d bytes", len(state), MaxState)
}

func TestForeignStates(t *testing.T) {
	codec, err := New(DefaultConfig())
	require.NoError(t, err)
	converter, err := codec.NewConverter(nil)
	require.NoError(t, err)
	require.Nil(t, converter.State())
	_, _, _, err = converter.Frame(nil, example.Recording(1, 3), true)
	require.NoError(t, err)
	state := converter.State()
	refused := 0
	refuse := func(c *Codec, state []byte) {
		_, err := c.NewConverter(state)
		require.ErrorIs(t, err, env.ErrInvalid)
		refused++
	}
	for i := range state {
		other := bytes.Clone(state)
		other[i] ^= 1
		refuse(codec, other)
		refuse(codec, append(bytes.Clone(state[:i]), "A"...))
	}
	config := DefaultConfig()
	config.Vectors[0].Joints = append([]string{"torso"}, config.Vectors[0].Joints[1:]...)
	other, err := New(config)
	require.NoError(t, err)
	refuse(other, state)
	refuse(codec, []byte("plain1;0;0"))
	require.Greater(t, refused, 500)
	_, err = codec.NewConverter(state)
	require.NoError(t, err)
}

// A configuration that is wrong is told field by field, a line each.
func TestConfig(t *testing.T) {
	good := DefaultConfig()
	require.NoError(t, good.Validate())
	config := Config{
		FPS: 0, MaxHold: -1, Task: "a\nb", TaskTopic: "/a",
		Vectors: []Vector{
			{Feature: "observation.image", Topic: "/a"},
			{Feature: "action", Topic: "", Joints: []string{"x", "x"}, Field: "torque"},
			{Feature: "action", Topic: "/b", Joints: make([]string, MaxComponents+1)},
		},
		Cameras: []Camera{{Feature: "front", Topic: "/a", Height: 0, Width: MaxSide + 1}, {Feature: "index"}},
	}
	_, err := New(config)
	require.Error(t, err)
	for _, want := range []string{
		"fps must be 1 to 1000, is 0", "max-hold must be", "task must be one line", "joints must be named", "must not contain \"image\"",
		"joint \"x\" is named twice", "field must be one of position, velocity, effort, is \"torque\"", "\"action\" is there already",
		"at most 256 joints", "must begin with \"observation.images.\"", "\"/a\" is another's", "height and width must be 1 to 8192, are 0 and 8193",
		"\"index\" is there already", "topic must have 1 to 128 bytes",
	} {
		require.ErrorContains(t, err, want)
	}
	for line := range strings.Lines(err.Error()) {
		require.True(t, strings.HasPrefix(line, "lerobot: "), line)
	}
}

func TestParseConfig(t *testing.T) {
	text := `
robot-type: arm
fps: 20
vectors:
  - {feature: observation.state, topic: /joint_states, joints: [a, b], field: effort}
cameras:
  - {feature: observation.images.top, topic: /top, height: 2, width: 3}
task-topic: /task
task: sort
max-hold: 2s
keep-truncated: true
`
	config, err := ParseConfig([]byte(text))
	require.NoError(t, err)
	require.Equal(t, Config{
		RobotType: "arm", FPS: 20, TaskTopic: "/task", Task: "sort", MaxHold: 2e9, KeepTruncated: true,
		Vectors: []Vector{{Feature: "observation.state", Topic: "/joint_states", Joints: []string{"a", "b"}, Field: "effort"}},
		Cameras: []Camera{{Feature: "observation.images.top", Topic: "/top", Height: 2, Width: 3}},
	}, config)
	for wrong, want := range map[string]string{
		text + "colour: red\n": "colour", "fps: fast\n": "line 1", "": "fps must be", "fps: 30\n": "at least one vector or camera",
	} {
		_, err := ParseConfig([]byte(wrong))
		require.ErrorContains(t, err, want)
	}
}
