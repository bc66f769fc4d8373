package core

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/dataset"
)

// StoreTraits names what stores have or allow that differs from one to the
// next. Core relies on nothing that is not promised here or by package env:
//
//   - ETags are opaque to it. They are handed back to the store, and tell one
//     version of a recording from another; contents are compared by digest.
//   - Conditional writes spare it other versions of equal bytes. A store that
//     ignores conditions is served as well.
//   - Listings in the order of the keys it cannot do without: a process that
//     finds them out of order refuses to work.
type StoreTraits struct {
	// MinPart is the smallest part of an upload that is not the last, in bytes;
	// 0 means that there is none. S3, MinIO: 5 MiB. OSS: 100 KiB.
	MinPart int64
	// MaxKey is the longest key of an object, in bytes. S3, MinIO: 1024. OSS:
	// 1023.
	MaxKey int
	// MaxSegment is the longest part of an object's key between two slashes, in
	// bytes; 0 means no limit. MinIO, posix gateways: 255.
	MaxSegment int
	// UploadsByPrefix tells that open uploads are listed by any prefix of their
	// keys. Without it they are looked for key by key: a round of the janitor
	// then costs a listing for every attempt and every object of every merge.
	// MinIO: false.
	UploadsByPrefix bool
	// MaxRowKey, MaxRow and MaxTxn bound a row's key, its key and value
	// together, and those of all rows that one transaction writes, in bytes.
	// TiKV's client: 65535, and TiDB's defaults of 6 MiB and 100 MiB, which
	// leave TiKV's own raft-entry-max-size of 8 MiB alone.
	MaxRowKey, MaxRow, MaxTxn int
	// Probe is the prefix, without a slash at the end, of the few objects with
	// which a process finds out at its start what the object store has; ""
	// means that these settings are taken at their word. See [Node.Run].
	Probe string
}

// DefaultStoreTraits are S3's, and those of TiKV as TiDB configures it.
func DefaultStoreTraits() StoreTraits {
	return StoreTraits{
		MinPart: 5 << 20, MaxKey: 1024, UploadsByPrefix: true,
		MaxRowKey: 65535, MaxRow: 6 << 20, MaxTxn: 100 << 20,
		Probe: ".gauntlet",
	}
}

const (
	// maxPut is the largest object that one put stores, and the largest part: 5
	// GiB on S3, MinIO and OSS.
	maxPut = 5 << 30
	// maxParts is how many parts an upload has at most, on all of them.
	maxParts = 10_000

	// maxProcessName bounds the name and the incarnation of a process, which are
	// parts of its leases' keys.
	maxProcessName = 128
	// minRowKey holds the longest key that does not depend on an output: a
	// lease's, with names of 128 bytes.
	minRowKey = 640
	// minKey and minSegment hold what core itself adds to an output.
	minKey     = 128
	minSegment = 32
	// rowRoom is what a row may grow by after it is created: error texts and
	// keys of objects, quoted.
	rowRoom = 16 << 10
	// minRow holds every row whose size core decides itself.
	minRow = 4 * rowRoom
)

// validate returns what is wrong, one field an error.
func (t *StoreTraits) validate(partSize, multipartAbove int64, page int) (errs []error) {
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("config: "+format, args...)) }
	if t.MinPart < 0 {
		wrong("Store.MinPart must not be negative, is %d", t.MinPart)
	}
	if partSize > 0 && partSize < t.MinPart {
		wrong("PartSize %d must not be below Store.MinPart %d: the store would refuse every upload", partSize, t.MinPart)
	}
	if partSize > maxPut || multipartAbove > maxPut {
		wrong("PartSize %d and MultipartAbove %d must be at most %d", partSize, multipartAbove, int64(maxPut))
	}
	if t.MaxKey < minKey {
		wrong("Store.MaxKey must be at least %d, is %d", minKey, t.MaxKey)
	}
	if t.MaxSegment != 0 && t.MaxSegment < minSegment {
		wrong("Store.MaxSegment must be 0 or at least %d, is %d", minSegment, t.MaxSegment)
	}
	if t.MaxRowKey < minRowKey {
		wrong("Store.MaxRowKey must be at least %d, is %d", minRowKey, t.MaxRowKey)
	}
	if t.MaxRow < minRow {
		wrong("Store.MaxRow must be at least %d, is %d", minRow, t.MaxRow)
	}
	if t.MaxTxn < t.MaxRow || t.MaxTxn/(page+1) < rowRoom {
		wrong("Store.MaxTxn %d must hold a row of Store.MaxRow %d, and Page %d rows of %d", t.MaxTxn, t.MaxRow, page, rowRoom)
	}
	if strings.HasSuffix(t.Probe, "/") || strings.ContainsAny(t.Probe, "\n\t") || t.Probe != "" && checkKey(t, t.Probe, probeRoom) != nil {
		wrong("Store.Probe %q is no prefix for objects", t.Probe)
	}
	return errs
}

// unitRoom is how large a unit's row may be, key and value: a page of them must
// fit one transaction, beside what else it writes.
func (c *Config) unitRoom() int { return min(c.Store.MaxRow, c.Store.MaxTxn/(c.Page+1)) - rowRoom/4 }

// outputRoom is the length of the longest key under an output, without it: an
// attempt's episode, or a dataset's object.
var outputRoom = max(
	len(stagingKey("", newBatchID("", 1), strings.Repeat("0", uidDigits), 1)),
	len(datasetPrefix("", 1, 1))+dataset.LongestPath,
)

// checkKey tells what is wrong with a key, or a prefix of keys, of which the
// longest is longer by room.
func checkKey(t *StoreTraits, key string, room int) error {
	if longest := len(key) + room; longest > t.MaxKey {
		return fmt.Errorf("its longest key would have %d bytes; the store allows %d", longest, t.MaxKey)
	}
	for segment := range strings.SplitSeq(key, "/") {
		switch {
		case segment == "" || segment == "." || segment == "..":
			return errors.New("a part between two slashes is empty, '.' or '..'")
		case t.MaxSegment > 0 && len(segment) > t.MaxSegment:
			return fmt.Errorf("a part between two slashes has %d bytes; the store allows %d", len(segment), t.MaxSegment)
		}
	}
	return nil
}
