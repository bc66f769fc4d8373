// Package lerobot is the codec of real recordings: MCAP in, episodes of a LeRobot
// v2.1 dataset out. docs/RECORDINGS.md tells it from the user's side.
//
// # From messages to frames
//
// Frame k shows the robot at t0 + k/FPS: of every topic the last message that
// was logged at or before that instant. t0 is the log time at which every
// feature has, for the first time, a value that is not older than max-hold. The last frame is the last one
// that is not after the last message of any vector or camera.
//
// Messages are taken in the order of the file. One that is up to a second older
// than the newest before it counts, unless its own topic has gone on meanwhile;
// one that is older than that is an error.
//
// # The staged episode
//
// A converter stages what it has decoded, not Parquet: an episode's Parquet file
// contains its place in the dataset, which only a merge knows, and a Parquet
// file's footer cannot be continued from a short state. Images are staged once,
// however many frames show them. The rewriter makes the Parquet file of it, a row
// group at a time.
package lerobot

import (
	"errors"
	"slices"

	"github.com/gauntlet-dst/gauntlet/core/dataset"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Codec implements dataset.Codec. It may be used by any number of goroutines.
type Codec struct {
	config      Config
	fingerprint uint64
	schema      dataset.Schema
	parquet     *layout
	components  int      // of all vectors
	topics      []string // that are read, each once
}

var _ dataset.Codec = (*Codec)(nil)

// New returns the codec of a configuration, or what [Config.Validate] says.
func New(config Config) (*Codec, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	c := &Codec{config: config, fingerprint: config.fingerprint()}
	c.schema = dataset.Schema{RobotType: config.RobotType, FPS: config.FPS}
	for i := range config.Vectors {
		v := &config.Vectors[i]
		c.components += len(v.Joints)
		c.schema.Features = append(c.schema.Features, dataset.Feature{
			Name: v.Feature, DType: "float32", Names: v.Joints, Components: len(v.Joints), Divisor: micro,
		})
	}
	for i := range config.Cameras {
		camera := &config.Cameras[i]
		c.schema.Features = append(c.schema.Features, dataset.Feature{
			Name: camera.Feature, DType: "image", Shape: []int{camera.Height, camera.Width, channels},
			Names: []string{"height", "width", "channels"}, Components: channels, Samples: camera.samples(), Divisor: 255,
		})
	}
	c.schema.Features = append(c.schema.Features, dataset.Feature{
		Name: "timestamp", DType: "float32", Components: 1, Divisor: int64(config.FPS),
	})
	for i := range config.Vectors {
		c.addTopic(config.Vectors[i].Topic)
	}
	for i := range config.Cameras {
		c.addTopic(config.Cameras[i].Topic)
	}
	c.addTopic(config.TaskTopic)
	var err error
	c.parquet, err = newLayout(&c.config)
	return c, err
}

func (c *Codec) addTopic(topic string) {
	if topic != "" && !slices.Contains(c.topics, topic) {
		c.topics = append(c.topics, topic)
	}
}

// Ext returns "parquet".
func (*Codec) Ext() string { return "parquet" }

// Schema describes the columns: vectors, cameras, timestamp.
func (c *Codec) Schema() dataset.Schema { return c.schema }

// micro is what values of vectors are counted in: they are rounded to millionths,
// so that their statistics are exact.
const micro = 1_000_000

// The limits that keep statistics exact: maxValue in millionths, times maxFrames,
// is below 2^63.
const (
	maxFrames = 1 << 22
	maxValue  = 1_000_000
)

// The causes that an env.Error of class invalid wraps, besides those of package
// mcap.
var (
	errState    = errors.New("not a state of this codec and configuration")
	errEarly    = errors.New("the recording has not ended")
	errEncoding = errors.New("the topic's messages have an encoding or a schema that is not read")
	errDecode   = errors.New("malformed message")
	errValue    = errors.New("a joint's value is not a number, or beyond a million")
	errImage    = errors.New("not an image that can be shown")
	errShape    = errors.New("an image of another size than the camera's")
	errOrder    = errors.New("a message is more than a second older than one before it: sort the recording first")
	errTime     = errors.New("a log time beyond the year 2262")
	errSilent   = errors.New("a topic is silent for longer than max-hold")
	errNoFrame  = errors.New("the recording has no frame")
	errTask     = errors.New("not a task: it must be one line, and the same throughout the recording")
	errLong     = errors.New("the recording has more than 4194304 frames")
	errMany     = errors.New("too many schemas or channels of the topics that are read")
	errStaged   = errors.New("not a staged episode of this codec and configuration")
)

func invalid(op, key string, cause error) error {
	return &env.Error{Class: env.ClassInvalid, Op: op, Key: key, Err: cause}
}
