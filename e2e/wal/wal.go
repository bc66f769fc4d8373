// Package wal is a write-ahead log: records that are on the disk before anybody
// is told of them. A process that is killed at any instant finds, when it opens
// the log again, every record whose [Log.Wait] had returned, in the order of
// their appending, and perhaps some that followed.
//
// A record is stored as its length (4 bytes, little-endian, at least 1), the
// CRC-32C of its bytes (4 bytes), and its bytes. A record that the file's end
// cuts off, or that is the file's last and does not match its checksum, was being
// written when the process died: it is dropped. One that does not match and has
// others behind it is damage, and the log is not opened.
package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"
)

const header = 8 // bytes before a record's own

// MaxRecord is the longest record, in bytes.
const MaxRecord = 1 << 30

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Log is an open log. Any number of goroutines may use it at once.
type Log struct {
	file *os.File

	mu      sync.Mutex
	grown   *sync.Cond // pending, or closing
	synced  *sync.Cond // durable, or err
	pending []byte
	last    uint64 // sequence number of the newest record
	durable uint64 // every record up to it is on the disk
	err     error  // why nothing more becomes durable
	closing bool
	done    chan struct{}
}

// Open opens the log in the file at path, or a new one, and passes every record
// in it to replay, which must not keep its argument. dropped is how many bytes
// of an unfinished record were cut off. Errors: the file cannot be used, is
// damaged, or replay refused a record; then nothing is changed.
func Open(path string, replay func(record []byte) error) (log *Log, dropped int64, err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, 0, err
	}
	log = &Log{file: file, done: make(chan struct{})}
	if dropped, err = log.recover(path, replay); err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	log.grown, log.synced = sync.NewCond(&log.mu), sync.NewCond(&log.mu)
	go log.write()
	return log, dropped, nil
}

// recover reads what is there and cuts off an unfinished record.
func (l *Log) recover(path string, replay func([]byte) error) (dropped int64, err error) {
	data, err := io.ReadAll(l.file)
	if err != nil {
		return 0, err
	}
	at, err := each(path, data, replay)
	if err != nil {
		return 0, err
	}
	if err := l.file.Truncate(int64(at)); err != nil {
		return 0, err
	}
	if _, err := l.file.Seek(int64(at), io.SeekStart); err != nil {
		return 0, err
	}
	if err := l.file.Sync(); err != nil {
		return 0, err
	}
	return int64(len(data) - at), syncDir(filepath.Dir(path))
}

// Read passes every record of the log in the file at path to visit. The log may
// be open elsewhere: an unfinished record at its end is left out.
func Read(path string, visit func(record []byte) error) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	_, err = each(path, data, visit)
	return err
}

// each visits the records of data and returns where the last whole one ends.
func each(path string, data []byte, visit func([]byte) error) (end int, err error) {
	for end < len(data) {
		record, torn, err := next(data[end:])
		if err != nil {
			return 0, fmt.Errorf("%s: at byte %d: %w", path, end, err)
		}
		if torn {
			break
		}
		if err := visit(record); err != nil {
			return 0, fmt.Errorf("%s: at byte %d: %w", path, end, err)
		}
		end += header + len(record)
	}
	return end, nil
}

// next reads the first record of data, which is not empty.
func next(data []byte) (record []byte, torn bool, err error) {
	if len(data) < header {
		return nil, true, nil
	}
	length := int64(binary.LittleEndian.Uint32(data))
	if length == 0 || length > MaxRecord {
		return nil, false, fmt.Errorf("a record of %d bytes, allowed: 1 to %d", length, MaxRecord)
	}
	if int64(len(data)) < header+length {
		return nil, true, nil
	}
	record = data[header : header+length]
	if crc32.Checksum(record, castagnoli) == binary.LittleEndian.Uint32(data[4:]) {
		return record, false, nil
	}
	if int64(len(data)) == header+length {
		return nil, true, nil
	}
	return nil, false, errors.New("a record does not match its checksum, and others follow")
}

// syncDir makes the file's name as durable as its bytes.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Append adds a record of 1 to [MaxRecord] bytes and returns its number; it is
// not durable before [Log.Wait] says so. record is copied.
func (l *Log) Append(record []byte) (number uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var head [header]byte
	binary.LittleEndian.PutUint32(head[:], uint32(len(record)))
	binary.LittleEndian.PutUint32(head[4:], crc32.Checksum(record, castagnoli))
	l.pending = append(append(l.pending, head[:]...), record...)
	l.last++
	l.grown.Signal()
	return l.last
}

// Last returns the number of the newest record, 0 if none was appended since the
// log was opened.
func (l *Log) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// Wait returns once the record of that number, and so all before it, is on the
// disk. An error means that it may be or not, and that nothing more will be.
func (l *Log) Wait(number uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.durable < number && l.err == nil {
		l.synced.Wait()
	}
	if l.durable >= number {
		return nil
	}
	return l.err
}

// write writes what was appended, all of it at once, and syncs it: while the disk
// is busy with some records the next ones gather.
func (l *Log) write() {
	defer close(l.done)
	var batch []byte
	for {
		l.mu.Lock()
		for len(l.pending) == 0 && !l.closing {
			l.grown.Wait()
		}
		if len(l.pending) == 0 {
			l.err = errClosed
			l.mu.Unlock()
			return
		}
		batch, l.pending = l.pending, batch[:0]
		upTo := l.last
		l.mu.Unlock()

		_, err := l.file.Write(batch)
		if err == nil {
			err = l.file.Sync()
		}
		l.mu.Lock()
		if err != nil {
			l.err = err
		} else {
			l.durable = upTo
		}
		l.synced.Broadcast()
		l.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// errClosed is told to who waits for a record that came after the end: a request
// that a server's last moment let in would wait for it for ever.
var errClosed = errors.New("the log is closed")

// Close writes what is pending and closes the file. What is appended later is lost,
// and [Log.Wait] says so.
func (l *Log) Close() error {
	l.mu.Lock()
	l.closing = true
	l.grown.Signal()
	l.mu.Unlock()
	<-l.done
	err := l.err
	if err == errClosed {
		err = nil
	}
	return errors.Join(err, l.file.Close())
}
