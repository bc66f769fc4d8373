// Package mcap reads and writes MCAP recordings (version 0 of the format,
// https://mcap.dev/spec) as a stream, front to back.
//
// # What is read
//
// A Reader is handed bytes as they arrive and yields schemas, channels and
// messages in the order of the file: from chunks (uncompressed, lz4, zstd) and
// from outside of chunks. It uses neither indexes nor the summary, so a
// recording need not have them. Everything else is passed over without being
// held in memory: attachments, metadata, indexes, and opcodes that it does not
// know.
//
// The checksums of chunks and of the data section are checked where the file has
// them (0 means none). What lies behind the data section is not looked at.
//
// # Where a file may end
//
// A recording is whole when its DataEnd record was read. A file that ends
// earlier is ErrTruncated. With KeepTruncated it ends behind its last whole
// record instead: a chunk that is cut is no whole record, since its checksum
// could not be checked.
//
// # Bounds
//
// A schema, channel, message or chunk has at most MaxRecord bytes, compressed and
// uncompressed; anything larger is ErrTooLarge before it is held. A Reader holds
// one uncompressed chunk.
package mcap

import (
	"errors"
	"strconv"
)

// MaxRecord is the largest schema, channel, message or chunk, in bytes.
const MaxRecord = 64 << 20

// The errors of a Reader, wrapped in an [Error] that tells where.
var (
	// ErrMagic: the file does not begin as an MCAP file does.
	ErrMagic = errors.New("not an MCAP file")
	// ErrTruncated: the file ends before its data section does.
	ErrTruncated = errors.New("the recording is cut short")
	// ErrChecksum: bytes are not those that were recorded.
	ErrChecksum = errors.New("wrong checksum")
	// ErrTooLarge: a record is larger than MaxRecord.
	ErrTooLarge = errors.New("a record of more than " + strconv.Itoa(MaxRecord) + " bytes")
	// ErrMalformed: a record is not what the format says.
	ErrMalformed = errors.New("malformed record")
	// ErrCompression: a chunk is compressed in a way that is not known, or its
	// bytes do not decompress to what the chunk says.
	ErrCompression = errors.New("unknown compression, or damaged chunk")
	// ErrPosition: a Position is not one of this recording.
	ErrPosition = errors.New("not a position in this recording")
)

// Error is what is wrong with a recording, and with which record.
type Error struct {
	Opcode byte // of the record; 0 if there is none
	Chunk  bool // the record lies in a chunk
	Err    error
	Detail string
}

func (e *Error) Error() string {
	text := "mcap: "
	if e.Opcode != 0 {
		text += "record 0x" + strconv.FormatUint(uint64(e.Opcode), 16)
		if e.Chunk {
			text += " in a chunk"
		}
		text += ": "
	}
	text += e.Err.Error()
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

const magic = "\x89MCAP0\r\n"

// The opcodes of records.
const (
	opHeader          = 0x01
	opFooter          = 0x02
	opSchema          = 0x03
	opChannel         = 0x04
	opMessage         = 0x05
	opChunk           = 0x06
	opMessageIndex    = 0x07
	opChunkIndex      = 0x08
	opAttachment      = 0x09
	opAttachmentIndex = 0x0a
	opStatistics      = 0x0b
	opMetadata        = 0x0c
	opSummaryOffset   = 0x0e
	opDataEnd         = 0x0f
)

// headSize is the size of an opcode and a length.
const headSize = 9

// Schema tells how messages are to be understood.
type Schema struct {
	ID       uint16
	Name     string
	Encoding string
	Data     []byte
}

// Channel is a stream of messages. SchemaID 0 means that there is no schema.
type Channel struct {
	ID       uint16
	SchemaID uint16
	Topic    string
	Encoding string // of the messages
}

// Message is one message. Times are nanoseconds since an epoch.
type Message struct {
	ChannelID   uint16
	Sequence    uint32
	LogTime     uint64
	PublishTime uint64
	Data        []byte
}
