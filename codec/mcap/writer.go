package mcap

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"strconv"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// WriterOptions says how a recording is laid out.
type WriterOptions struct {
	// ChunkSize is how many bytes of records make a chunk, which ends behind the
	// record that reaches them; 0 means no chunks.
	ChunkSize int
	// Compression of the chunks: "", "lz4" or "zstd".
	Compression string
	// NoIndex leaves out the summary, and the indexes behind chunks.
	NoIndex bool
	// NoCRC leaves out all checksums.
	NoCRC bool
	// Profile and Library are the header's.
	Profile, Library string
}

// Writer writes one recording. The same calls make the same bytes. The first
// error of what it writes to sticks, and Close returns it.
type Writer struct {
	to      io.Writer
	options WriterOptions
	written uint64
	crc     uint32
	err     error

	schemas  []byte // their records, for the summary
	channels []byte
	numbers  struct{ schemas, channels, chunks, messages uint64 }
	counts   []uint64 // messages of each channel, from channel 1 on

	chunk       []byte
	first, last uint64 // log times in chunk
	begun       bool   // first and last are set
	offsets     [][]byte
	chunks      []byte // chunk indexes
	start, end  uint64 // log times in the file
	anyMessage  bool
}

// NewWriter begins a recording.
func NewWriter(to io.Writer, options WriterOptions) *Writer {
	w := &Writer{to: to, options: options}
	w.emit([]byte(magic))
	w.emit(appendRecord(nil, opHeader, appendText(appendText(nil, options.Profile), options.Library)))
	return w
}

// AddSchema writes a schema and returns its id.
func (w *Writer) AddSchema(name, encoding string, data []byte) uint16 {
	w.numbers.schemas++
	id := uint16(w.numbers.schemas)
	body := appendText(appendText(binary.LittleEndian.AppendUint16(nil, id), name), encoding)
	body = append(binary.LittleEndian.AppendUint32(body, uint32(len(data))), data...)
	record := appendRecord(nil, opSchema, body)
	w.schemas = append(w.schemas, record...)
	w.put(record)
	return id
}

// AddChannel writes a channel and returns its id.
func (w *Writer) AddChannel(topic string, schema uint16, encoding string) uint16 {
	w.numbers.channels++
	id := uint16(w.numbers.channels)
	body := binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(nil, id), schema)
	body = append(appendText(appendText(body, topic), encoding), 0, 0, 0, 0) // no metadata
	record := appendRecord(nil, opChannel, body)
	w.channels = append(w.channels, record...)
	w.counts = append(w.counts, 0)
	w.offsets = append(w.offsets, nil)
	w.put(record)
	return id
}

// Write writes a message of a channel that was added.
func (w *Writer) Write(m Message) {
	body := binary.LittleEndian.AppendUint16(make([]byte, 0, 22+len(m.Data)), m.ChannelID)
	body = binary.LittleEndian.AppendUint32(body, m.Sequence)
	body = binary.LittleEndian.AppendUint64(body, m.LogTime)
	body = append(binary.LittleEndian.AppendUint64(body, m.PublishTime), m.Data...)
	i := int(m.ChannelID) - 1
	w.counts[i]++
	w.numbers.messages++
	if !w.anyMessage {
		w.start, w.end, w.anyMessage = m.LogTime, m.LogTime, true
	}
	w.start, w.end = min(w.start, m.LogTime), max(w.end, m.LogTime)
	if !w.begun {
		w.first, w.last, w.begun = m.LogTime, m.LogTime, true
	}
	w.first, w.last = min(w.first, m.LogTime), max(w.last, m.LogTime)
	if w.options.ChunkSize > 0 {
		w.offsets[i] = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(w.offsets[i], m.LogTime), uint64(len(w.chunk)))
	}
	w.put(appendRecord(nil, opMessage, body))
}

// WriteRecord writes a record of any opcode outside of chunks: an attachment,
// metadata, or one that nobody knows.
func (w *Writer) WriteRecord(opcode byte, content []byte) {
	w.EndChunk()
	w.emit(appendRecord(nil, opcode, content))
}

// put writes a record to the chunk, or to the file if there are no chunks.
func (w *Writer) put(record []byte) {
	if w.options.ChunkSize == 0 {
		w.emit(record)
		return
	}
	w.chunk = append(w.chunk, record...)
	if len(w.chunk) >= w.options.ChunkSize {
		w.EndChunk()
	}
}

// EndChunk ends the chunk, if there is one.
func (w *Writer) EndChunk() {
	if len(w.chunk) == 0 {
		return
	}
	packed, err := compress(w.options.Compression, w.chunk)
	if err != nil {
		w.fail(err)
	}
	le := binary.LittleEndian
	body := le.AppendUint64(le.AppendUint64(nil, w.first), w.last)
	body = le.AppendUint64(body, uint64(len(w.chunk)))
	body = le.AppendUint32(body, w.sum(crc32.ChecksumIEEE(w.chunk)))
	body = appendText(body, w.options.Compression)
	body = append(le.AppendUint64(body, uint64(len(packed))), packed...)
	at := w.written
	w.emit(appendRecord(nil, opChunk, body))
	size := w.written - at
	w.indexChunk(at, size, uint64(len(packed)))
	w.chunk, w.first, w.last, w.begun = w.chunk[:0], 0, 0, false
	w.numbers.chunks++
}

// indexChunk writes the indexes of the chunk that was just written.
func (w *Writer) indexChunk(at, size, packed uint64) {
	le := binary.LittleEndian
	var offsets []byte
	begin := w.written
	for i := range w.offsets {
		entries := w.offsets[i]
		w.offsets[i] = nil
		if w.options.NoIndex || len(entries) == 0 {
			continue
		}
		offsets = le.AppendUint64(le.AppendUint16(offsets, uint16(i+1)), w.written)
		body := le.AppendUint32(le.AppendUint16(nil, uint16(i+1)), uint32(len(entries)))
		w.emit(appendRecord(nil, opMessageIndex, append(body, entries...)))
	}
	body := le.AppendUint64(le.AppendUint64(nil, w.first), w.last)
	body = le.AppendUint64(le.AppendUint64(body, at), size)
	body = append(le.AppendUint32(body, uint32(len(offsets))), offsets...)
	body = appendText(le.AppendUint64(body, w.written-begin), w.options.Compression)
	body = le.AppendUint64(le.AppendUint64(body, packed), uint64(len(w.chunk)))
	w.chunks = appendRecord(w.chunks, opChunkIndex, body)
}

// Close ends the data section and writes the summary.
func (w *Writer) Close() error {
	w.EndChunk()
	w.emit(appendRecord(nil, opDataEnd, binary.LittleEndian.AppendUint32(nil, w.sum(w.crc))))
	w.writeSummary()
	w.emit([]byte(magic))
	return w.err
}

func (w *Writer) writeSummary() {
	le := binary.LittleEndian
	begin := w.written
	var summary, offsets []byte
	group := func(op byte, records []byte) {
		if w.options.NoIndex || len(records) == 0 {
			return
		}
		at := begin + uint64(len(summary))
		summary = append(summary, records...)
		body := le.AppendUint64(append([]byte(nil), op), at)
		offsets = appendRecord(offsets, opSummaryOffset, le.AppendUint64(body, uint64(len(records))))
	}
	group(opSchema, w.schemas)
	group(opChannel, w.channels)
	group(opStatistics, w.statistics())
	group(opChunkIndex, w.chunks)
	body := make([]byte, 16)
	if len(summary) > 0 {
		le.PutUint64(body, begin)
		le.PutUint64(body[8:], begin+uint64(len(summary)))
	}
	all := append(summary, offsets...)
	footer := appendRecord(nil, opFooter, append(body, 0, 0, 0, 0))
	all = append(all, footer[:len(footer)-4]...)
	sum := uint32(0)
	if len(summary) > 0 {
		sum = w.sum(crc32.ChecksumIEEE(all))
	}
	w.emit(le.AppendUint32(all, sum))
}

func (w *Writer) statistics() []byte {
	le := binary.LittleEndian
	body := le.AppendUint64(nil, w.numbers.messages)
	body = le.AppendUint16(body, uint16(w.numbers.schemas))
	body = le.AppendUint32(body, uint32(w.numbers.channels))
	body = le.AppendUint32(le.AppendUint32(body, 0), 0) // attachments and metadata are not counted
	body = le.AppendUint32(body, uint32(w.numbers.chunks))
	body = le.AppendUint64(le.AppendUint64(body, w.start), w.end)
	body = le.AppendUint32(body, uint32(10*len(w.counts)))
	for i, n := range w.counts {
		body = le.AppendUint64(le.AppendUint16(body, uint16(i+1)), n)
	}
	return appendRecord(nil, opStatistics, body)
}

func (w *Writer) emit(p []byte) {
	w.written += uint64(len(p))
	w.crc = crc32.Update(w.crc, crc32.IEEETable, p)
	if w.err == nil {
		_, w.err = w.to.Write(p)
	}
}

func (w *Writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *Writer) sum(crc uint32) uint32 {
	if w.options.NoCRC {
		return 0
	}
	return crc
}

// zstdWriter compresses whole blocks, on the caller's goroutine.
var zstdWriter, _ = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest)) // the options are valid

func compress(compression string, chunk []byte) ([]byte, error) {
	switch compression {
	case "":
		return chunk, nil
	case "zstd":
		return zstdWriter.EncodeAll(chunk, nil), nil
	case "lz4":
		var packed bytes.Buffer
		w := lz4.NewWriter(&packed)
		if _, err := w.Write(chunk); err != nil {
			return nil, err
		}
		err := w.Close()
		return packed.Bytes(), err
	}
	return nil, &Error{Opcode: opChunk, Err: ErrCompression, Detail: strconv.Quote(compression)}
}

func appendRecord(dst []byte, op byte, content []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(append(dst, op), uint64(len(content)))
	return append(dst, content...)
}

func appendText(dst []byte, text string) []byte {
	return append(binary.LittleEndian.AppendUint32(dst, uint32(len(text))), text...)
}
