package lerobot

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/gauntlet-dst/gauntlet/core/dataset"
)

// Bounds on a configuration. They bound a converter's state (see [MaxState]) and
// the integers behind the statistics.
const (
	MaxFPS        = 1000
	MaxComponents = 256  // of all vectors together
	MaxCameras    = 8    //
	MaxSide       = 8192 // of an image, in pixels
	MaxName       = 128  // of a topic, feature or joint, in bytes
	MaxTask       = 1024 // in bytes
	MaxHoldLimit  = time.Hour
)

// Config says which topics become which features of the dataset. It is the same
// for every recording of a batch and for every process that works at it: a
// checkpoint of another configuration is refused, and the recording is begun
// anew.
type Config struct {
	// RobotType is info.json's robot_type.
	RobotType string `yaml:"robot-type"`
	// FPS is the number of frames a second, 1 to 1000.
	FPS int `yaml:"fps"`
	// Vectors are the features of numbers, Cameras those of images. At least one
	// of either.
	Vectors []Vector `yaml:"vectors"`
	Cameras []Camera `yaml:"cameras"`
	// TaskTopic, if set, is the topic whose first text is the episode's task.
	// Task is that of a recording in which there is none.
	TaskTopic string `yaml:"task-topic"`
	Task      string `yaml:"task"`
	// MaxHold is how old the last message of a topic may be at a frame, up to an
	// hour; 0 means 1 s. A topic that is silent for longer makes the recording
	// invalid: a frozen image looks like a robot that waits.
	MaxHold time.Duration `yaml:"max-hold"`
	// KeepTruncated makes an episode of what there is of a recording that is cut
	// short. Without it such a recording is invalid.
	KeepTruncated bool `yaml:"keep-truncated"`
}

// Vector is a feature of numbers: joints of a robot.
type Vector struct {
	Feature string `yaml:"feature"` // "observation.state", "action", ...
	Topic   string `yaml:"topic"`   // of JointState messages
	// Joints are the names of the joints, in the order of the feature.
	Joints []string `yaml:"joints"`
	// Field is what of each joint is taken: "position", "velocity" or "effort";
	// "" means "position".
	Field string `yaml:"field"`
}

// Camera is a feature of images.
type Camera struct {
	Feature string `yaml:"feature"` // "observation.images.<name>"
	Topic   string `yaml:"topic"`   // of CompressedImage or Image messages
	// Height and Width are those of every image, in pixels.
	Height int `yaml:"height"`
	Width  int `yaml:"width"`
}

// DefaultConfig is that of the example recordings: six joints, commanded and
// measured, one camera and a task, 30 frames a second.
func DefaultConfig() Config {
	joints := []string{"shoulder_pan", "shoulder_lift", "elbow", "wrist_flex", "wrist_roll", "gripper"}
	return Config{
		RobotType: "arm", FPS: 30,
		Vectors: []Vector{
			{Feature: "observation.state", Topic: "/joint_states", Joints: joints},
			{Feature: "action", Topic: "/joint_commands", Joints: joints},
		},
		Cameras:   []Camera{{Feature: "observation.images.front", Topic: "/camera/front", Height: 48, Width: 64}},
		TaskTopic: "/task",
	}
}

// ParseConfig reads a configuration from YAML. What it does not name is zero; a
// field that there is not is an error, as is what [New] refuses.
func ParseConfig(text []byte) (Config, error) {
	var c Config
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return Config{}, fmt.Errorf("lerobot: %w", err)
	}
	return c, c.Validate()
}

// Validate returns what is wrong, one field a line, or nil.
func (c *Config) Validate() error {
	v := validation{features: map[string]bool{"timestamp": true, "frame_index": true, "episode_index": true, "index": true, "task_index": true}, topics: map[string]bool{}}
	if c.FPS < 1 || c.FPS > MaxFPS {
		v.wrong("fps must be 1 to %d, is %d", MaxFPS, c.FPS)
	}
	if len(c.Vectors)+len(c.Cameras) == 0 {
		v.wrong("at least one vector or camera must be given")
	}
	if len(c.Cameras) > MaxCameras {
		v.wrong("cameras: at most %d, are %d", MaxCameras, len(c.Cameras))
	}
	if c.MaxHold < 0 || c.MaxHold > MaxHoldLimit {
		v.wrong("max-hold must be at most %s, is %s", MaxHoldLimit, c.MaxHold)
	}
	if !oneLine(c.Task) {
		v.wrong("task must be one line of at most %d bytes", MaxTask)
	}
	if len(c.RobotType) > MaxName {
		v.wrong("robot-type must have at most %d bytes", MaxName)
	}
	if c.TaskTopic != "" {
		v.topic(c.TaskTopic, "task-topic")
	}
	c.validateFeatures(&v)
	return errors.Join(v.errs...)
}

func (c *Config) validateFeatures(v *validation) {
	components := 0
	for i := range c.Vectors {
		f := &c.Vectors[i]
		where := fmt.Sprintf("vectors[%d]", i)
		v.feature(f.Feature, where)
		if strings.Contains(f.Feature, "image") {
			v.wrong("%s: feature %q must not contain \"image\": LeRobot takes it for a camera's", where, f.Feature)
		}
		v.name(f.Topic, where+": topic")
		components += len(f.Joints)
		if len(f.Joints) == 0 {
			v.wrong("%s: joints must be named", where)
		}
		seen := make(map[string]bool)
		for _, joint := range f.Joints {
			v.name(joint, where+": joint")
			if seen[joint] {
				v.wrong("%s: joint %q is named twice", where, joint)
			}
			seen[joint] = true
		}
		if f.Field != "" && !slices.Contains(fields[:], f.Field) {
			v.wrong("%s: field must be one of %s, is %q", where, strings.Join(fields[:], ", "), f.Field)
		}
	}
	if components > MaxComponents {
		v.wrong("vectors: at most %d joints in all, are %d", MaxComponents, components)
	}
	for i := range c.Cameras {
		f := &c.Cameras[i]
		where := fmt.Sprintf("cameras[%d]", i)
		v.feature(f.Feature, where)
		if !strings.HasPrefix(f.Feature, "observation.images.") {
			v.wrong("%s: feature %q must begin with \"observation.images.\"", where, f.Feature)
		}
		v.topic(f.Topic, where+": topic")
		if f.Height < 1 || f.Height > MaxSide || f.Width < 1 || f.Width > MaxSide {
			v.wrong("%s: height and width must be 1 to %d, are %d and %d", where, MaxSide, f.Height, f.Width)
		}
	}
	for i := range c.Vectors { // which may share one
		if v.topics[c.Vectors[i].Topic] {
			v.wrong("vectors[%d]: topic %q is another's", i, c.Vectors[i].Topic)
		}
	}
}

// validation gathers what is wrong.
type validation struct {
	errs             []error
	features, topics map[string]bool
}

func (v *validation) wrong(format string, args ...any) {
	v.errs = append(v.errs, fmt.Errorf("lerobot: "+format, args...))
}

func (v *validation) name(name, where string) {
	if name == "" || len(name) > MaxName || !oneLine(name) {
		v.wrong("%s must have 1 to %d bytes on one line, is %q", where, MaxName, name)
	}
}

func (v *validation) feature(name, where string) {
	v.name(name, where+": feature")
	if v.features[name] {
		v.wrong("%s: feature %q is there already", where, name)
	}
	v.features[name] = true
}

func (v *validation) topic(name, where string) {
	v.name(name, where)
	if v.topics[name] {
		v.wrong("%s: topic %q is another's", where, name)
	}
	v.topics[name] = true
}

func (c *Config) maxHold() int64 {
	if c.MaxHold == 0 {
		return int64(time.Second)
	}
	return int64(c.MaxHold)
}

// fingerprint tells configurations apart.
func (c *Config) fingerprint() uint64 {
	return uint64(dataset.Digest(0).Append(fmt.Appendf(nil, "%d %+v", stateVersion, *c)))
}
