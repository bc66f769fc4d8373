package mcap_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/codec/mcap"
)

// content is what a recording holds, as far as a Reader tells it.
type content struct {
	schemas  []mcap.Schema
	channels []mcap.Channel
	messages []mcap.Message
}

func (c *content) add(r *mcap.Record) {
	switch r.Kind {
	case mcap.SchemaRecord:
		s := r.Schema
		s.Data = bytes.Clone(s.Data)
		c.schemas = append(c.schemas, s)
	case mcap.ChannelRecord:
		c.channels = append(c.channels, r.Channel)
	case mcap.MessageRecord:
		m := r.Message
		m.Data = bytes.Clone(m.Data)
		c.messages = append(c.messages, m)
	}
}

// read reads a whole file at once.
func read(file []byte, keepTruncated bool) (content, error) {
	var c content
	r := mcap.NewReader(mcap.Position{})
	r.KeepTruncated = keepTruncated
	r.Feed(file, true)
	for {
		record, err := r.Peek()
		if err != nil || record.Kind == mcap.End {
			return c, err
		}
		c.add(record)
		r.Advance()
	}
}

var compressions = []string{"", "lz4", "zstd"}

func drawOptions(t *rapid.T) mcap.WriterOptions {
	return mcap.WriterOptions{
		ChunkSize:   rapid.SampledFrom([]int{0, 1, 50, 300, 100000}).Draw(t, "chunk"),
		Compression: rapid.SampledFrom(compressions).Draw(t, "compression"),
		NoIndex:     rapid.Bool().Draw(t, "no index"), NoCRC: rapid.Bool().Draw(t, "no crc"),
		Profile: "p", Library: "l",
	}
}

// draw writes a recording with everything that one may hold, and returns what a
// Reader must tell of it.
func draw(t *rapid.T, options mcap.WriterOptions) ([]byte, content) {
	var file bytes.Buffer
	var c content
	w := mcap.NewWriter(&file, options)
	text := rapid.StringN(0, 10, 20)
	addChannel := func() {
		s := mcap.Schema{Name: text.Draw(t, "schema"), Encoding: text.Draw(t, "encoding"), Data: rapid.SliceOfN(rapid.Byte(), 0, 30).Draw(t, "definition")}
		s.ID = w.AddSchema(s.Name, s.Encoding, s.Data)
		n := mcap.Channel{SchemaID: s.ID, Topic: text.Draw(t, "topic"), Encoding: text.Draw(t, "message encoding")}
		n.ID = w.AddChannel(n.Topic, n.SchemaID, n.Encoding)
		c.schemas, c.channels = append(c.schemas, s), append(c.channels, n)
	}
	addChannel()
	for range rapid.IntRange(0, 40).Draw(t, "records") {
		switch rapid.IntRange(0, 12).Draw(t, "what") {
		case 0:
			addChannel()
		case 1: // an attachment, metadata, an index without anything, and what nobody knows
			opcode := rapid.SampledFrom([]byte{0x09, 0x0c, 0x07, 0x10, 0x7f, 0x80, 0xff}).Draw(t, "opcode")
			w.WriteRecord(opcode, rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "content"))
		case 2:
			w.EndChunk()
		default:
			m := mcap.Message{
				ChannelID: c.channels[rapid.IntRange(0, len(c.channels)-1).Draw(t, "channel")].ID, Sequence: rapid.Uint32().Draw(t, "sequence"),
				LogTime: rapid.Uint64().Draw(t, "log time"), PublishTime: rapid.Uint64().Draw(t, "publish time"),
				Data: rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "data"),
			}
			w.Write(m)
			c.messages = append(c.messages, m)
		}
	}
	require.NoError(t, w.Close())
	return file.Bytes(), c
}

func requireContent(t require.TestingT, want, got content) {
	require.Len(t, got.messages, len(want.messages))
	for i := range want.messages {
		if len(want.messages[i].Data) == 0 {
			want.messages[i].Data, got.messages[i].Data = nil, nil
		}
	}
	require.Equal(t, want.messages, got.messages)
	require.Equal(t, want.channels, got.channels)
	require.Len(t, got.schemas, len(want.schemas))
	for i := range want.schemas {
		require.Equal(t, want.schemas[i].Name, got.schemas[i].Name)
		require.True(t, bytes.Equal(want.schemas[i].Data, got.schemas[i].Data))
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		file, want := draw(t, drawOptions(t))
		got, err := read(file, false)
		require.NoError(t, err)
		requireContent(t, want, got)
	})
}

// However a file is fed, and wherever another reader takes over from a position,
// the records are the same; and what need not be held is passed.
func TestAnyCutAnyPosition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		file, want := draw(t, drawOptions(t))
		var got content
		r := mcap.NewReader(mcap.Position{})
		offset, have := 0, 0
		for ended := false; !ended; {
			have = min(max(have, offset)+rapid.IntRange(0, 300).Draw(t, "read"), len(file))
			src := bytes.Clone(file[offset:have])
			r.Feed(src, have == len(file))
			for {
				record, err := r.Peek()
				require.NoError(t, err)
				if record == nil {
					break
				}
				if ended = record.Kind == mcap.End; ended {
					break
				}
				got.add(record)
				r.Advance()
				if rapid.IntRange(0, 5).Draw(t, "stop") == 0 {
					break
				}
			}
			offset += r.Passed()
			if rapid.IntRange(0, 3).Draw(t, "die") == 0 {
				r = mcap.NewReader(r.Position())
				have = offset
			}
		}
		require.Equal(t, len(file), offset)
		requireContent(t, want, got)
	})
}

// example is a file of 12 messages in chunks of about 3, or outside of chunks.
func example(options mcap.WriterOptions) []byte {
	var file bytes.Buffer
	w := mcap.NewWriter(&file, options)
	channel := w.AddChannel("/topic", w.AddSchema("s", "text", nil), "json")
	for i := range 12 {
		w.Write(mcap.Message{ChannelID: channel, Sequence: uint32(i), LogTime: uint64(i), Data: []byte("message message message")})
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return file.Bytes()
}

// dataEnd is where the data section of a file ends, behind its DataEnd.
func dataEnd(t *testing.T, file []byte) int {
	for at := 8; at < len(file); {
		size := 9 + int(binary.LittleEndian.Uint64(file[at+1:]))
		if file[at] == 0x0f {
			return at + size
		}
		at += size
	}
	require.Fail(t, "no DataEnd")
	return 0
}

// A file that ends before its data does is refused, or yields its whole records.
// What ends behind is whole.
func TestTruncated(t *testing.T) {
	for _, compression := range compressions {
		for _, chunk := range []int{0, 150} {
			if chunk == 0 && compression != "" {
				continue
			}
			file := example(mcap.WriterOptions{ChunkSize: chunk, Compression: compression})
			end, counts := dataEnd(t, file), map[int]bool{}
			last := 0
			for n := range len(file) {
				got, err := read(file[:n], false)
				if n >= end {
					require.NoError(t, err)
					require.Len(t, got.messages, 12)
					continue
				}
				require.Error(t, err)
				kept, err := read(file[:n], true)
				if n < 8 {
					require.Error(t, err)
					continue
				}
				require.NoError(t, err)
				require.GreaterOrEqual(t, len(kept.messages), last)
				last = len(kept.messages)
				counts[last] = true
			}
			require.Equal(t, 12, last)
			if chunk == 0 {
				require.Len(t, counts, 13) // message by message
			} else {
				require.Len(t, counts, 6) // chunk by chunk
			}
		}
	}
	_, err := read(nil, false)
	require.ErrorIs(t, err, mcap.ErrMagic)
	_, err = read(example(mcap.WriterOptions{})[:20], false)
	require.ErrorIs(t, err, mcap.ErrTruncated)
}

// A flipped bit of what the data section's checksum covers is noticed, in every
// byte.
func TestDamageIsNoticed(t *testing.T) {
	flipped := 0
	for _, compression := range compressions {
		file := example(mcap.WriterOptions{ChunkSize: 150, Compression: compression})
		for i := range dataEnd(t, file) - len(record(0x0f, make([]byte, 4))) {
			damaged := bytes.Clone(file)
			damaged[i] ^= 1 << (i % 8)
			_, err := read(damaged, false)
			require.Error(t, err, "%q byte %d", compression, i)
			var e *mcap.Error
			require.ErrorAs(t, err, &e)
			flipped++
		}
	}
	require.Greater(t, flipped, 1500)
}

// A chunk's own checksum tells when that of the data section is not there.
func TestChunkChecksum(t *testing.T) {
	file := example(mcap.WriterOptions{ChunkSize: 1 << 20})
	end := dataEnd(t, file)
	binary.LittleEndian.PutUint32(file[end-4:], 0)
	_, err := read(file, false)
	require.NoError(t, err)
	at := bytes.Index(file, []byte("message message"))
	file[at]++
	_, err = read(file, false)
	require.ErrorIs(t, err, mcap.ErrChecksum)
}

func record(op byte, content []byte) []byte {
	return append(binary.LittleEndian.AppendUint64([]byte{op}, uint64(len(content))), content...)
}

// chunk is a chunk record that says that it is size bytes.
func chunk(size uint64, sum uint32, compression string, packed []byte) []byte {
	b := make([]byte, 16)
	b = binary.LittleEndian.AppendUint64(b, size)
	b = binary.LittleEndian.AppendUint32(b, sum)
	b = append(binary.LittleEndian.AppendUint32(b, uint32(len(compression))), compression...)
	return record(0x06, append(binary.LittleEndian.AppendUint64(b, uint64(len(packed))), packed...))
}

const magic = "\x89MCAP0\r\n"

func TestRefused(t *testing.T) {
	encoder, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	bomb := encoder.EncodeAll(make([]byte, 10<<20), nil)
	inner := []byte{0x05, 200, 0, 0, 0, 0, 0, 0, 0, 1}
	long := binary.LittleEndian.AppendUint64([]byte{0x05}, mcap.MaxRecord+1)
	cases := map[string]struct {
		body []byte
		want error
	}{
		"another format":           {[]byte("SQLite format 3\x00"), mcap.ErrMagic},
		"an older version":         {[]byte("\x89MCAP\x00\r\n"), mcap.ErrMagic},
		"opcode 0":                 {append([]byte(magic), record(0, nil)...), mcap.ErrMalformed},
		"a footer too early":       {append([]byte(magic), record(0x02, make([]byte, 20))...), mcap.ErrMalformed},
		"a message too large":      {append([]byte(magic), long...), mcap.ErrTooLarge},
		"a chunk too large":        {append([]byte(magic), chunk(mcap.MaxRecord+1, 0, "zstd", bomb)...), mcap.ErrTooLarge},
		"a bomb":                   {append([]byte(magic), chunk(100, 0, "zstd", bomb)...), mcap.ErrCompression},
		"too little in a chunk":    {append([]byte(magic), chunk(11<<20, 0, "zstd", bomb)...), mcap.ErrCompression},
		"another size":             {append([]byte(magic), chunk(11, 0, "", inner)...), mcap.ErrCompression},
		"unknown compression":      {append([]byte(magic), chunk(10, 0, "brotli", inner)...), mcap.ErrCompression},
		"not lz4":                  {append([]byte(magic), chunk(10, 0, "lz4", inner)...), mcap.ErrCompression},
		"a chunk's wrong sum":      {append([]byte(magic), chunk(10, crc32.ChecksumIEEE(inner)+1, "", inner)...), mcap.ErrChecksum},
		"a chunk ends in a record": {append([]byte(magic), chunk(10, crc32.ChecksumIEEE(inner), "", inner)...), mcap.ErrMalformed},
		"a short message":          {append([]byte(magic), record(0x05, make([]byte, 21))...), mcap.ErrMalformed},
		"a short channel":          {append([]byte(magic), record(0x04, []byte{1, 0, 0, 0, 9, 0, 0, 0})...), mcap.ErrMalformed},
		"schema 0":                 {append([]byte(magic), record(0x03, make([]byte, 14))...), mcap.ErrMalformed},
		"a short DataEnd":          {append([]byte(magic), record(0x0f, make([]byte, 3))...), mcap.ErrMalformed},
		"a wrong data sum":         {append([]byte(magic), record(0x0f, []byte{1, 2, 3, 4})...), mcap.ErrChecksum},
		"an endless unknown":       {append([]byte(magic), 0x90, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), mcap.ErrMalformed},
		"a long unknown, cut":      {append([]byte(magic), 0x90, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0), mcap.ErrTruncated},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := read(c.body, false)
			require.ErrorIs(t, err, c.want)
			require.True(t, strings.HasPrefix(err.Error(), "mcap: "), err)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

// What the format lets others append to records is passed over, and so is what
// nobody knows, in chunks, too.
func TestUnknownIsPassedOver(t *testing.T) {
	inner := record(0x80, []byte("nobody knows"))
	inner = append(inner, record(0x03, append([]byte{1, 0, 1, 0, 0, 0, 's', 0, 0, 0, 0, 0, 0, 0, 0}, "later"...))...)
	inner = append(inner, record(0x05, append(make([]byte, 22), "data"...))...)
	inner = append(inner, record(0x11, nil)...)
	file := append([]byte(magic), record(0x01, append(make([]byte, 8), "later"...))...)
	file = append(file, record(0x99, make([]byte, 1000))...)
	file = append(file, chunk(uint64(len(inner)), crc32.ChecksumIEEE(inner), "", inner)...)
	file = append(file, record(0x0f, []byte{0, 0, 0, 0, 9})...)
	got, err := read(file, false)
	require.NoError(t, err)
	require.Len(t, got.schemas, 1)
	require.Len(t, got.messages, 1)
	require.Equal(t, "data", string(got.messages[0].Data))
}

// What is of no interest is passed while it arrives: an attachment of any size
// needs no memory.
func TestAttachmentsAreNotHeld(t *testing.T) {
	const size = 1 << 30
	r := mcap.NewReader(mcap.Position{})
	feed := func(p []byte, eof bool) *mcap.Record {
		r.Feed(p, eof)
		record, err := r.Peek()
		require.NoError(t, err)
		require.Equal(t, len(p), r.Passed())
		return record
	}
	require.Nil(t, feed(append([]byte(magic), binary.LittleEndian.AppendUint64([]byte{0x09}, size)...), false))
	piece := make([]byte, 1<<20)
	for range size / len(piece) {
		require.Nil(t, feed(piece, false))
		r = mcap.NewReader(r.Position())
	}
	require.Equal(t, mcap.End, feed(record(0x0f, make([]byte, 4)), true).Kind)
}

// Whatever bytes there are, the reader ends, with an error or without.
func TestAnyBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		file := example(mcap.WriterOptions{
			ChunkSize: rapid.SampledFrom([]int{0, 150}).Draw(t, "chunk"), Compression: rapid.SampledFrom(compressions).Draw(t, "compression"), NoCRC: true,
		})
		for range rapid.IntRange(0, 8).Draw(t, "edits") {
			at := rapid.IntRange(0, len(file)-1).Draw(t, "at")
			switch rapid.IntRange(0, 2).Draw(t, "how") {
			case 0:
				file[at] = rapid.Byte().Draw(t, "byte")
			case 1:
				file = append(file[:at:at], append(rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "more"), file[at:]...)...)
			case 2:
				end := min(len(file), at+rapid.IntRange(1, 20).Draw(t, "less"))
				file = append(file[:at:at], file[end:]...)
			}
			if len(file) == 0 {
				return
			}
		}
		for _, keep := range []bool{false, true} {
			_, err := read(file, keep)
			var e *mcap.Error
			require.True(t, err == nil || errors.As(err, &e), "%v", err)
		}
	})
}

func TestPositionsOfOthers(t *testing.T) {
	file := example(mcap.WriterOptions{ChunkSize: 150})
	for _, at := range []mcap.Position{{Phase: 1, Place: 5}, {Phase: 1, Place: 1 << 30}} {
		r := mcap.NewReader(at)
		r.Feed(file[8:], true)
		for err := error(nil); err == nil; {
			var record *mcap.Record
			record, err = r.Peek()
			if err != nil {
				require.ErrorIs(t, err, mcap.ErrPosition)
				break
			}
			require.NotEqual(t, mcap.End, record.Kind)
			r.Advance()
		}
	}
}

func TestAt(t *testing.T) {
	r := mcap.NewReader(mcap.Position{})
	_, err := r.At(0)
	require.ErrorIs(t, err, mcap.ErrPosition)
	r.Feed(example(mcap.WriterOptions{ChunkSize: 1 << 20, Compression: "zstd"}), true)
	places := map[uint32]uint32{}
	for {
		record, err := r.Peek()
		require.NoError(t, err)
		if record.Kind == mcap.ChunkEnd {
			break
		}
		if record.Kind == mcap.MessageRecord {
			require.True(t, record.InChunk)
			places[record.Message.Sequence] = record.Place
		}
		r.Advance()
	}
	require.Len(t, places, 12)
	for sequence, place := range places {
		m, err := r.At(place)
		require.NoError(t, err)
		require.Equal(t, sequence, m.Sequence)
	}
	_, err = r.At(places[3] + 1)
	require.ErrorIs(t, err, mcap.ErrPosition)
	_, err = r.At(1 << 30)
	require.ErrorIs(t, err, mcap.ErrPosition)
}
