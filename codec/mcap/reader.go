package mcap

import (
	"encoding/binary"
	"hash/crc32"
)

// Kind is what a Reader has found.
type Kind uint8

// Of the kinds, SchemaRecord, ChannelRecord and MessageRecord say which field of
// a Record is set. ChunkEnd stands behind the last record of a chunk, whose
// messages can be asked for by their place until it is advanced over. End stands
// behind all.
const (
	SchemaRecord Kind = iota + 1
	ChannelRecord
	MessageRecord
	ChunkEnd
	End
)

// Record is what stands at a Reader's position. Its byte slices are valid until
// the Reader is advanced or fed.
type Record struct {
	Kind    Kind
	Schema  Schema
	Channel Channel
	Message Message
	// InChunk tells whether the record lies in a chunk, and Place where in it.
	InChunk bool
	Place   uint32
}

// The parts of a file.
const (
	phaseMagic = iota
	phaseData
	phaseTail // behind DataEnd, or where a truncated file was given up
)

// Position is where a Reader stands: with the bytes from the first on that were
// not passed, it is all that a successor needs to continue.
type Position struct {
	Phase uint8
	CRC   uint32 // of all bytes that were passed
	Skip  uint64 // bytes still to pass over
	Place uint32 // in the chunk that stands at the front; 0 outside of chunks
}

// Reader reads one recording. Feed hands it bytes, Peek tells what stands next,
// Advance goes on. It is bound to no source: whoever feeds it keeps the bytes
// that are not Passed, and feeds them again with more behind them.
type Reader struct {
	// KeepTruncated makes a file that ends too early end behind its last whole
	// record.
	KeepTruncated bool

	at     Position
	src    []byte
	eof    bool
	passed int

	inside    bool   // a chunk
	chunk     []byte // decompressed; only memory to use again outside of chunks
	chunkSize int    // of the record, in src
	place     int    // in chunk

	record Record
	size   int // of record in src or chunk; 0 if nothing was peeked
	unpack decompressor
}

// NewReader returns a reader that stands at a position; the zero Position is the
// start of a file.
func NewReader(at Position) *Reader { return &Reader{at: at} }

// Feed hands the reader the bytes from the first on that it has not passed. eof
// tells that the file has no more than these.
func (r *Reader) Feed(src []byte, eof bool) {
	r.src, r.eof, r.passed = src, eof, 0
	if !r.inside {
		r.size = 0
	}
}

// Passed is how many of the bytes that were fed are needed no more.
func (r *Reader) Passed() int { return r.passed }

// Position is where a successor continues, with the bytes behind those passed.
func (r *Reader) Position() Position {
	at := r.at
	if r.inside {
		at.Place = uint32(r.place)
	}
	return at
}

// Peek returns the record at the reader's position, or nil if the bytes that
// were fed hold no whole one.
func (r *Reader) Peek() (*Record, error) {
	for r.size == 0 {
		ready, err := r.step()
		if err != nil {
			return nil, err
		}
		if !ready {
			return nil, nil
		}
	}
	return &r.record, nil
}

// Advance goes on behind the record that Peek returned. End is never passed.
func (r *Reader) Advance() {
	switch {
	case r.size == 0 || r.record.Kind == End:
		return
	case r.record.Kind == ChunkEnd:
		r.inside, r.at.Place = false, 0
		r.pass(r.chunkSize)
	case r.inside:
		r.place += r.size
	default:
		r.pass(r.size)
	}
	r.size = 0
}

// At returns the message at a place of the chunk that the reader is in. Its place
// is that of a Record.
func (r *Reader) At(place uint32) (Message, error) {
	if !r.inside || uint64(place) >= uint64(len(r.chunk)) {
		return Message{}, &Error{Err: ErrPosition}
	}
	op, content, ok := cut(r.chunk[place:])
	if !ok || op != opMessage {
		return Message{}, &Error{Err: ErrPosition}
	}
	d := decoder{rest: content}
	m := d.message()
	return m, d.check(opMessage, true)
}

// step parses what stands next, or passes something that is of no interest.
// ready tells that it got further.
func (r *Reader) step() (ready bool, err error) {
	if r.inside {
		return true, r.inChunk()
	}
	switch {
	case r.at.Phase == phaseTail:
		r.passed = len(r.src)
		if r.eof {
			r.found(Record{Kind: End}, 1)
		}
		return r.eof, nil
	case r.at.Skip > 0:
		n := min(r.at.Skip, uint64(len(r.rest())))
		r.pass(int(n))
		r.at.Skip -= n
		return r.enough(r.at.Skip == 0)
	case r.at.Phase == phaseMagic:
		return r.readMagic()
	}
	return r.readRecord()
}

func (r *Reader) readMagic() (bool, error) {
	rest := r.rest()
	if n := min(len(rest), len(magic)); string(rest[:n]) != magic[:n] {
		return false, &Error{Err: ErrMagic}
	}
	if len(rest) < len(magic) {
		if r.eof && len(rest) == 0 {
			return false, &Error{Err: ErrMagic, Detail: "it is empty"}
		}
		return r.enough(false)
	}
	r.pass(len(magic))
	r.at.Phase = phaseData
	return true, nil
}

// readRecord reads the record outside of chunks that stands next.
func (r *Reader) readRecord() (bool, error) {
	rest := r.rest()
	if len(rest) < headSize {
		return r.enough(false)
	}
	op, length := rest[0], binary.LittleEndian.Uint64(rest[1:])
	if r.at.Place > 0 && op != opChunk {
		return false, &Error{Err: ErrPosition}
	}
	switch op {
	case 0, opFooter:
		return false, &Error{Opcode: op, Err: ErrMalformed, Detail: "it does not belong into the data section"}
	case opSchema, opChannel, opMessage, opChunk, opDataEnd:
		if length > MaxRecord {
			return false, &Error{Opcode: op, Err: ErrTooLarge}
		}
		if uint64(len(rest)-headSize) < length {
			return r.enough(false)
		}
	default:
		if length > 1<<62 {
			return false, &Error{Opcode: op, Err: ErrMalformed, Detail: "its length"}
		}
		r.at.Skip = headSize + length
		return true, nil
	}
	content := rest[headSize : headSize+int(length)]
	switch op {
	case opChunk:
		r.chunkSize = headSize + int(length)
		return true, r.openChunk(content)
	case opDataEnd:
		return true, r.endData(content)
	}
	return true, r.parse(op, content)
}

func (r *Reader) endData(content []byte) error {
	d := decoder{rest: content}
	sum := d.uint32()
	if err := d.check(opDataEnd, false); err != nil {
		return err
	}
	if sum != 0 && sum != r.at.CRC {
		return &Error{Opcode: opDataEnd, Err: ErrChecksum, Detail: "of the data section"}
	}
	r.at.Phase = phaseTail
	return nil
}

// openChunk decompresses a chunk and stands at its first record, or at the one
// where a predecessor stood.
func (r *Reader) openChunk(content []byte) error {
	d := decoder{rest: content}
	d.skip(16) // the times of its first and last message
	size, sum, compression := d.uint64(), d.uint32(), d.text()
	records := d.block64()
	if err := d.check(opChunk, false); err != nil {
		return err
	}
	if size > MaxRecord {
		return &Error{Opcode: opChunk, Err: ErrTooLarge, Detail: "uncompressed"}
	}
	chunk, err := r.unpack.all(r.chunk, int(size), compression, records)
	if err != nil {
		return err
	}
	if sum != 0 && crc32.ChecksumIEEE(chunk) != sum {
		return &Error{Opcode: opChunk, Err: ErrChecksum, Detail: "of a chunk"}
	}
	if uint64(r.at.Place) > size {
		return &Error{Opcode: opChunk, Err: ErrPosition}
	}
	r.inside, r.chunk, r.place = true, chunk, int(r.at.Place)
	return nil
}

// inChunk parses the record of the chunk that stands next.
func (r *Reader) inChunk() error {
	if r.place == len(r.chunk) {
		r.found(Record{Kind: ChunkEnd}, 1)
		return nil
	}
	op, content, ok := cut(r.chunk[r.place:])
	if !ok {
		return &Error{Opcode: op, Chunk: true, Err: ErrMalformed, Detail: "the chunk ends within it"}
	}
	switch op {
	case opSchema, opChannel, opMessage:
		return r.parse(op, content)
	}
	r.place += headSize + len(content)
	return nil
}

// parse reads a schema, channel or message.
func (r *Reader) parse(op byte, content []byte) error {
	d := decoder{rest: content}
	record := Record{InChunk: r.inside}
	if r.inside {
		record.Place = uint32(r.place)
	}
	switch op {
	case opSchema:
		record.Kind = SchemaRecord
		record.Schema = Schema{ID: d.uint16(), Name: d.text(), Encoding: d.text(), Data: d.block32()}
		d.failed = d.failed || record.Schema.ID == 0
	case opChannel:
		record.Kind = ChannelRecord
		record.Channel = Channel{ID: d.uint16(), SchemaID: d.uint16(), Topic: d.text(), Encoding: d.text()}
		d.block32() // metadata
	default:
		record.Kind = MessageRecord
		record.Message = d.message()
	}
	r.found(record, headSize+len(content))
	return d.check(op, r.inside)
}

func (r *Reader) found(record Record, size int) { r.record, r.size = record, size }

func (r *Reader) rest() []byte { return r.src[r.passed:] }

// pass goes over bytes of the data section.
func (r *Reader) pass(n int) {
	r.at.CRC = crc32.Update(r.at.CRC, crc32.IEEETable, r.src[r.passed:r.passed+n])
	r.passed += n
}

// enough tells whether there is something to go on with: if not, at the end of
// the file, it is truncated.
func (r *Reader) enough(yes bool) (bool, error) {
	if yes || !r.eof {
		return yes, nil
	}
	if !r.KeepTruncated || r.at.Phase == phaseMagic {
		return false, &Error{Err: ErrTruncated}
	}
	r.at.Phase, r.at.Skip = phaseTail, 0
	return true, nil
}

// cut returns the record at the front of a chunk's bytes.
func cut(rest []byte) (op byte, content []byte, ok bool) {
	if len(rest) == 0 {
		return 0, nil, false
	}
	op = rest[0]
	if len(rest) < headSize {
		return op, nil, false
	}
	length := binary.LittleEndian.Uint64(rest[1:])
	if length > uint64(len(rest)-headSize) {
		return op, nil, false
	}
	return op, rest[headSize : headSize+int(length)], true
}
