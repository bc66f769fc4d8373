package lerobot

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gauntlet-dst/gauntlet/codec/mcap"
	"github.com/gauntlet-dst/gauntlet/core/dataset"
)

const (
	// maxLate is how much older than the newest message another may be.
	maxLate = int64(time.Second)

	// Schemas and channels of the topics that are read. They are part of the
	// state; a recording has a handful.
	maxSchemas  = 64
	maxChannels = 256

	never   = -1                                   // the log time of what has not come
	maxTime = math.MaxInt64 - uint64(MaxHoldLimit) // nanoseconds
)

// converter is the state of one conversion; see state.go for its stored form.
type converter struct {
	codec  *Codec
	reader *mcap.Reader

	schemas  []schema
	channels []channel

	begun   bool  // the head is written
	started bool  // origin is set
	ended   bool  // the recording was read to its end
	origin  int64 // log time of frame 0
	newest  int64 // log time of the newest message of a vector or camera
	frames  int64

	joints  []joint  // of all vectors
	cameras []camera // as configured
	values  []int64  // scratch: of a frame
	task    string
	told    bool // task is the recording's

	stats []dataset.Stat // of the schema's components
}

// schema is one whose messages may be read.
type schema struct {
	id    uint16
	shape shape
}

// channel is one of a topic that is read.
type channel struct {
	id     uint16
	topic  int // of Codec.topics
	shape  shape
	coding coding
}

// joint is the last value of a joint.
type joint struct {
	value int64 // in millionths
	at    int64 // log time, or never
}

// camera is the last image of a camera. While the reader is in the chunk where
// it lies, it is only known where: what no frame shows is never decoded. It
// is staged when a frame shows it, or at the chunk's end.
type camera struct {
	at      int64 // log time, or never
	pending bool
	place   uint32 // in the chunk, of a pending image
	stats   [channels]dataset.Stat
}

// NewConverter starts a conversion, or resumes one.
func (c *Codec) NewConverter(state []byte) (dataset.Converter, error) {
	n := &converter{codec: c, newest: never}
	n.joints = make([]joint, c.components)
	for i := range n.joints {
		n.joints[i].at = never
	}
	n.cameras = make([]camera, len(c.config.Cameras))
	for i := range n.cameras {
		n.cameras[i].at = never
	}
	n.values = make([]int64, c.components)
	n.stats = make([]dataset.Stat, c.components+channels*len(n.cameras)+1)
	at := mcap.Position{}
	if len(state) > 0 {
		var ok bool
		if at, ok = n.load(state); !ok {
			return nil, invalid("resume conversion", "", errState)
		}
	}
	n.reader = mcap.NewReader(at)
	n.reader.KeepTruncated = c.config.KeepTruncated
	return n, nil
}

// Frame reads messages until a frame is due. Messages that are older than the
// frame have been read then, and the next one is newer.
func (c *converter) Frame(dst, src []byte, eof bool) (out []byte, consumed int, frame bool, err error) {
	c.reader.Feed(src, eof)
	if !c.begun {
		dst = c.codec.appendHead(dst)
		c.begun = true
	}
	out, frame, err = c.read(dst)
	if err != nil {
		return dst, 0, false, err
	}
	return out, c.reader.Passed(), frame, nil
}

func (c *converter) read(dst []byte) (out []byte, frame bool, err error) {
	for {
		record, err := c.reader.Peek()
		if err != nil {
			return dst, false, invalid("read recording", "", err)
		}
		if record == nil {
			return dst, false, nil
		}
		switch record.Kind {
		case mcap.SchemaRecord:
			err = c.addSchema(&record.Schema)
		case mcap.ChannelRecord:
			err = c.addChannel(&record.Channel)
		case mcap.MessageRecord:
			if c.due(&record.Message) {
				return c.frame(dst)
			}
			dst, err = c.take(dst, record)
		case mcap.ChunkEnd:
			dst, err = c.showAll(dst)
		case mcap.End:
			if c.started && c.tick() <= c.newest {
				return c.frame(dst)
			}
			c.ended = true
			return dst, false, nil
		}
		if err != nil {
			return dst, false, err
		}
		c.reader.Advance()
	}
}

// addSchema notes a schema whose messages may be read.
func (c *converter) addSchema(s *mcap.Schema) error {
	is := shapes[s.Name]
	for i := range c.schemas {
		if c.schemas[i].id == s.ID {
			c.schemas[i].shape = is
			return nil
		}
	}
	if is == 0 {
		return nil
	}
	if len(c.schemas) == maxSchemas {
		return invalid("read schema", s.Name, errMany)
	}
	c.schemas = append(c.schemas, schema{s.ID, is})
	return nil
}

// addChannel notes a channel of a topic that is read.
func (c *converter) addChannel(m *mcap.Channel) error {
	n := channel{id: m.ID, topic: never, coding: codings[m.Encoding]}
	for i, topic := range c.codec.topics {
		if topic == m.Topic {
			n.topic = i
		}
	}
	known := c.channelOf(m.ID)
	if n.topic == never {
		if known != nil {
			return invalid("read channel", m.Topic, mcap.ErrMalformed) // one id, two topics
		}
		return nil
	}
	for _, s := range c.schemas {
		if s.id == m.SchemaID {
			n.shape = s.shape
		}
	}
	if n.coding == 0 || !c.codec.reads(m.Topic, n.shape) {
		return invalid("read channel", m.Topic, errEncoding)
	}
	if known != nil {
		*known = n
		return nil
	}
	if len(c.channels) == maxChannels {
		return invalid("read channel", m.Topic, errMany)
	}
	c.channels = append(c.channels, n)
	return nil
}

// reads tells whether a topic's messages may have a shape.
func (c *Codec) reads(topic string, is shape) bool {
	switch is {
	case asJoints:
		for i := range c.config.Vectors {
			if c.config.Vectors[i].Topic == topic {
				return true
			}
		}
	case asPacked, asPixels:
		for i := range c.config.Cameras {
			if c.config.Cameras[i].Topic == topic {
				return true
			}
		}
	case asText:
		return topic == c.config.TaskTopic
	}
	return false
}

func (c *converter) channelOf(id uint16) *channel {
	for i := range c.channels {
		if c.channels[i].id == id {
			return &c.channels[i]
		}
	}
	return nil
}

// tick is the log time of the next frame.
func (c *converter) tick() int64 {
	return c.origin + c.frames*int64(time.Second)/int64(c.codec.config.FPS)
}

// due reports whether a frame comes before a message.
func (c *converter) due(m *mcap.Message) bool {
	if !c.started || m.LogTime > maxTime || int64(m.LogTime) <= c.tick() {
		return false
	}
	from := c.channelOf(m.ChannelID)
	return from != nil && from.shape != asText
}

// take makes a message's content what its topic shows from now on.
func (c *converter) take(dst []byte, record *mcap.Record) ([]byte, error) {
	m := &record.Message
	from := c.channelOf(m.ChannelID)
	if from == nil {
		return dst, nil
	}
	topic := c.codec.topics[from.topic]
	if from.shape == asText {
		return dst, c.takeTask(topic, m.Data, from.coding)
	}
	if m.LogTime > maxTime {
		return dst, invalid("read message", topic, errTime)
	}
	at := int64(m.LogTime)
	if c.newest != never && at < c.newest-maxLate {
		return dst, invalid("read message", topic, errOrder)
	}
	c.newest = max(c.newest, at)
	var err error
	if from.shape == asJoints {
		err = c.takeJoints(topic, m.Data, from.coding, at)
	} else {
		dst, err = c.takeImage(dst, topic, record, at)
	}
	if err == nil && !c.started && c.complete() {
		c.started, c.origin = true, c.newest
	}
	return dst, err
}

// complete reports whether there is something to show of every feature.
func (c *converter) complete() bool {
	oldest := c.newest - c.codec.config.maxHold()
	for i := range c.joints {
		if at := c.joints[i].at; at == never || at < oldest {
			return false
		}
	}
	for i := range c.cameras {
		if at := c.cameras[i].at; at == never || at < oldest {
			return false
		}
	}
	return true
}

func (c *converter) takeTask(topic string, data []byte, how coding) error {
	task, err := decodeText(data, how)
	if err != nil {
		return invalid("read message", topic, err)
	}
	if !oneLine(task) || c.told && task != c.task {
		return invalid("read message", topic, errTask)
	}
	c.told, c.task = true, task
	return nil
}

// takeJoints takes the joints that a message names over into the vectors of its
// topic. A message need not name them all.
func (c *converter) takeJoints(topic string, data []byte, how coding, at int64) error {
	first := 0
	for i := range c.codec.config.Vectors {
		v := &c.codec.config.Vectors[i]
		own := c.joints[first : first+len(v.Joints)]
		first += len(v.Joints)
		if v.Topic != topic {
			continue
		}
		m, err := decodeJoints(data, how, v.field())
		if err != nil {
			return invalid("read message", topic, err)
		}
		for k := range own {
			n := m.index(v.Joints[k], k)
			if n < 0 || at < own[k].at {
				continue
			}
			x := m.values[n]
			if !(math.Abs(x) < maxValue) { // so it is no number, or too large
				return invalid("read message", topic+" "+v.Joints[k], errValue)
			}
			own[k] = joint{value: int64(math.Round(x * micro)), at: at}
		}
	}
	return nil
}

func (v *Vector) field() string {
	if v.Field == "" {
		return fields[0]
	}
	return v.Field
}

// index is where a joint stands in a message, or -1. guess is where to look
// first.
func (s *jointState) index(name string, guess int) int {
	if guess < len(s.names) && s.names[guess] == name {
		return guess
	}
	for i := range s.names {
		if s.names[i] == name {
			return i
		}
	}
	return -1
}

// takeImage notes an image in a chunk, and stages another at once.
func (c *converter) takeImage(dst []byte, topic string, record *mcap.Record, at int64) ([]byte, error) {
	for i := range c.cameras {
		if c.codec.config.Cameras[i].Topic != topic {
			continue
		}
		if at < c.cameras[i].at {
			return dst, nil // another has gone on
		}
		c.cameras[i].at = at
		if !record.InChunk {
			return c.stage(dst, i, &record.Message)
		}
		c.cameras[i].pending, c.cameras[i].place = true, record.Place
	}
	return dst, nil
}

// showAll stages the images that lie in the chunk.
func (c *converter) showAll(dst []byte) ([]byte, error) {
	for i := range c.cameras {
		if !c.cameras[i].pending {
			continue
		}
		m, err := c.reader.At(c.cameras[i].place)
		if err != nil {
			return dst, invalid("read recording", "", err)
		}
		if dst, err = c.stage(dst, i, &m); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// stage decodes an image and appends it.
func (c *converter) stage(dst []byte, i int, m *mcap.Message) ([]byte, error) {
	how := &c.codec.config.Cameras[i]
	from := c.channelOf(m.ChannelID)
	if from == nil {
		return dst, invalid("read recording", how.Topic, mcap.ErrPosition)
	}
	p, err := how.decode(m.Data, from.shape, from.coding)
	if err != nil {
		return dst, invalid("read message", how.Topic, err)
	}
	c.cameras[i].pending, c.cameras[i].place, c.cameras[i].stats = false, 0, p.stats
	return appendImage(dst, i, &p), nil
}

func (c *Camera) decode(data []byte, is shape, how coding) (picture, error) {
	if is == asPacked {
		b, err := decodePacked(data, how)
		if err != nil {
			return picture{}, err
		}
		return c.unpack(b)
	}
	m, err := decodePixels(data, how)
	if err != nil {
		return picture{}, err
	}
	return c.unpackRaw(m)
}

// frame appends the next frame.
func (c *converter) frame(dst []byte) ([]byte, bool, error) {
	if c.frames == maxFrames {
		return dst, false, invalid("make frame", "", errLong)
	}
	if err := c.checkHold(); err != nil {
		return dst, false, err
	}
	dst, err := c.showAll(dst)
	if err != nil {
		return dst, false, err
	}
	for i := range c.joints {
		c.values[i] = c.joints[i].value
		c.stats[i].Add(c.values[i])
	}
	for i := range c.cameras {
		for k, s := range c.cameras[i].stats {
			if err := c.stats[len(c.joints)+channels*i+k].Merge(s); err != nil {
				return dst, false, err
			}
		}
	}
	c.stats[len(c.stats)-1].Add(c.frames)
	dst = appendFrame(dst, c.frames, c.values)
	c.frames++
	return dst, true, nil
}

// checkHold looks for a topic that has been silent for too long.
func (c *converter) checkHold() error {
	oldest := c.tick() - c.codec.config.maxHold()
	silent := func(topic string) error {
		return invalid("make frame", topic, fmt.Errorf("%w: at frame %d", errSilent, c.frames))
	}
	first := 0
	for i := range c.codec.config.Vectors {
		v := &c.codec.config.Vectors[i]
		for k, joint := range v.Joints {
			if c.joints[first+k].at < oldest {
				return silent(v.Topic + " " + joint)
			}
		}
		first += len(v.Joints)
	}
	for i := range c.cameras {
		if c.cameras[i].at < oldest {
			return silent(c.codec.config.Cameras[i].Topic)
		}
	}
	return nil
}

// Finish appends the end and sums up.
func (c *converter) Finish(dst []byte) ([]byte, dataset.Summary, error) {
	if !c.ended {
		return dst, dataset.Summary{}, invalid("finish conversion", "", errEarly)
	}
	if c.frames == 0 {
		return dst, dataset.Summary{}, invalid("finish conversion", "", c.whyNoFrame())
	}
	stats, err := dataset.AppendStats(nil, c.stats)
	if err != nil {
		return dst, dataset.Summary{}, err
	}
	task := c.task
	if !c.told {
		task = c.codec.config.Task
	}
	return appendEnd(dst, c.frames), dataset.Summary{Frames: c.frames, Task: task, Stats: string(stats)}, nil
}

// whyNoFrame names what has not come.
func (c *converter) whyNoFrame() error {
	var missing []string
	first := 0
	for i := range c.codec.config.Vectors {
		v := &c.codec.config.Vectors[i]
		for k, name := range v.Joints {
			if c.joints[first+k].at == never {
				missing = append(missing, v.Topic+" "+name)
				break
			}
		}
		first += len(v.Joints)
	}
	for i := range c.cameras {
		if c.cameras[i].at == never {
			missing = append(missing, c.codec.config.Cameras[i].Topic)
		}
	}
	if missing == nil {
		return fmt.Errorf("%w: its topics never speak at the same time", errNoFrame)
	}
	return fmt.Errorf("%w: there is nothing of %s", errNoFrame, strings.Join(missing, ", "))
}

// oneLine reports whether a text is valid, of one line, and not too long.
func oneLine(text string) bool {
	for _, r := range text {
		if r == utf8.RuneError || unicode.IsControl(r) {
			return false
		}
	}
	return len(text) <= MaxTask
}
