package tikv

// rollbackOp marks a write record that keeps a rolled back transaction out.
const rollbackOp Op = 255

// write is one record of a key's history. Records of a rolled back transaction
// stand at its start timestamp, all others at their commit timestamp.
type write struct {
	commitTS uint64
	startTS  uint64
	value    []byte
	op       Op
	// base is the index of the newest put or delete at or before this record,
	// -1 if there is none: a read need not walk over locks and rollbacks.
	base int32
}

// lockState is the lock on a row; startTS 0 means unlocked.
type lockState struct {
	startTS     uint64
	ttlMS       uint64
	minCommitTS uint64
	forUpdateTS uint64 // not 0 in a pessimistic transaction
	generation  uint64 // not 0 in a transaction that flushes
	primary     string
	value       []byte
	txnSize     uint32
	op          Op
	async       bool // it decides its transaction, together with the others
	inSpite     bool // a pessimistic lock in spite of a newer commit
}

// row is a key's lock and history. Rows don't move while they exist.
type row struct {
	lock   lockState
	writes []write // by commitTS, oldest first
	first  [1]write
}

// at returns the newest put or delete that is visible at ts, or nil.
func (r *row) at(ts uint64) *write {
	i := len(r.writes) - 1
	for i >= 0 && r.writes[i].commitTS > ts {
		i--
	}
	if i < 0 || r.writes[i].base < 0 {
		return nil
	}
	return &r.writes[r.writes[i].base]
}

// record returns the record of the transaction that began at startTS, or nil.
func (r *row) record(startTS uint64) *write {
	for i := len(r.writes) - 1; i >= 0 && r.writes[i].commitTS >= startTS; i-- {
		if r.writes[i].startTS == startTS {
			return &r.writes[i]
		}
	}
	return nil
}

// rolledBack reports whether the transaction that began at startTS was rolled
// back here. Another's commit may stand at the same timestamp.
func (r *row) rolledBack(startTS uint64) bool {
	w := r.record(startTS)
	return w != nil && w.op == rollbackOp
}

// newest returns the newest record of any kind, or nil.
func (r *row) newest() *write {
	if len(r.writes) == 0 {
		return nil
	}
	return &r.writes[len(r.writes)-1]
}

// add inserts a record at its place. It is nearly always the newest; the
// rollback record of a transaction that began later may already stand behind.
func (r *row) add(w write) {
	if r.writes == nil {
		r.writes = r.first[:0]
	}
	i := len(r.writes)
	for i > 0 && r.writes[i-1].commitTS > w.commitTS {
		i--
	}
	r.writes = append(r.writes, write{})
	copy(r.writes[i+1:], r.writes[i:])
	r.writes[i] = w
	r.index(i)
}

// index computes base for the records from position i on.
func (r *row) index(i int) {
	for ; i < len(r.writes); i++ {
		w := &r.writes[i]
		switch {
		case w.op == OpPut || w.op == OpDelete:
			w.base = int32(i)
		case i > 0:
			w.base = r.writes[i-1].base
		default:
			w.base = -1
		}
	}
}

// trim drops the records that no reader at or after safePoint needs, and
// reports whether the row is empty now.
func (r *row) trim(safePoint uint64) (empty bool) {
	last := -1 // the newest record at or before safePoint
	for last+1 < len(r.writes) && r.writes[last+1].commitTS <= safePoint {
		last++
	}
	if last >= 0 {
		kept := r.writes[:0]
		if base := r.writes[last].base; base >= 0 && r.writes[base].op == OpPut {
			kept = append(kept, r.writes[base])
		}
		kept = append(kept, r.writes[last+1:]...)
		clear(r.writes[len(kept):])
		r.writes = kept
		r.index(0)
	}
	return len(r.writes) == 0 && r.lock.startTS == 0
}

// chunkSize bounds a chunk's length: large enough that few chunks exist, small
// enough that inserting into the middle is one short copy.
const chunkSize = 128

type entry struct {
	key string
	row *row
}

// table is a sorted map of rows in chunks of at most chunkSize entries. No
// chunk is empty.
type table struct {
	chunks [][]entry
	slab   []row // rows not yet given out
}

// place returns the position of the first entry whose key is not less than
// key: in chunk c at i, where i may be the chunk's length.
func (t *table) place(key string) (c, i int) {
	lo, hi := 0, len(t.chunks)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if t.chunks[mid][0].key <= key {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 {
		return 0, 0
	}
	c = lo - 1
	chunk := t.chunks[c]
	lo, hi = 0, len(chunk)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if chunk[mid].key < key {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return c, lo
}

// walk is a way through a range of rows, chunk by chunk.
type walk struct {
	chunks        [][]entry // those that the range touches
	first, behind int       // where it begins in the first of them and ends in the last
}

// walk returns the way through [from, to); to "" is the end. Nothing may be
// inserted or dropped meanwhile.
func (t *table) walk(from, to string) walk {
	if len(t.chunks) == 0 || to != "" && to <= from {
		return walk{}
	}
	c, i := t.place(from)
	last := len(t.chunks) - 1
	behind := len(t.chunks[last])
	if to != "" {
		last, behind = t.place(to)
	}
	return walk{chunks: t.chunks[c : last+1], first: i, behind: behind}
}

// next returns the next part of the range, nil behind the last.
func (w *walk) next() []entry {
	for len(w.chunks) > 0 {
		part := w.chunks[0]
		if len(w.chunks) == 1 {
			part = part[:w.behind]
		}
		part = part[w.first:]
		w.chunks, w.first = w.chunks[1:], 0
		if len(part) > 0 {
			return part
		}
	}
	return nil
}

// last returns the last part of the range and takes it away, nil before the first.
func (w *walk) last() []entry {
	for len(w.chunks) > 0 {
		n := len(w.chunks) - 1
		part := w.chunks[n][:w.behind]
		if w.chunks = w.chunks[:n]; n == 0 {
			part = part[w.first:]
		} else {
			w.behind = len(w.chunks[n-1])
		}
		if len(part) > 0 {
			return part
		}
	}
	return nil
}

// get returns key's row, or nil.
func (t *table) get(key string) *row {
	c, i := t.place(key)
	if c < len(t.chunks) && i < len(t.chunks[c]) && t.chunks[c][i].key == key {
		return t.chunks[c][i].row
	}
	return nil
}

// ensure returns key's row and creates it if need be.
func (t *table) ensure(key string) *row {
	c, i := t.place(key)
	if c < len(t.chunks) && i < len(t.chunks[c]) && t.chunks[c][i].key == key {
		return t.chunks[c][i].row
	}
	if len(t.slab) == 0 {
		t.slab = make([]row, 32)
	}
	r := &t.slab[0]
	t.slab = t.slab[1:]
	t.insert(c, i, entry{key, r})
	return r
}

func (t *table) insert(c, i int, e entry) {
	if len(t.chunks) == 0 {
		t.chunks = append(t.chunks, make([]entry, 0, chunkSize))
	}
	chunk := t.chunks[c]
	if len(chunk) == chunkSize {
		half := make([]entry, chunkSize/2, chunkSize)
		copy(half, chunk[chunkSize/2:])
		clear(chunk[chunkSize/2:])
		t.chunks[c] = chunk[:chunkSize/2]
		t.chunks = append(t.chunks, nil)
		copy(t.chunks[c+2:], t.chunks[c+1:])
		t.chunks[c+1] = half
		if i > chunkSize/2 {
			c, i = c+1, i-chunkSize/2
		}
		chunk = t.chunks[c]
	}
	chunk = append(chunk, entry{})
	copy(chunk[i+1:], chunk[i:])
	chunk[i] = e
	t.chunks[c] = chunk
}

// cut drops the rows of [from, to) after showing each; "" is no upper bound.
func (t *table) cut(from, to string, show func(key string, r *row)) {
	chunks := t.chunks[:0]
	for _, chunk := range t.chunks {
		kept := chunk[:0]
		for _, e := range chunk {
			if e.key < from || to != "" && e.key >= to {
				kept = append(kept, e)
				continue
			}
			show(e.key, e.row)
		}
		clear(chunk[len(kept):])
		if len(kept) > 0 {
			chunks = append(chunks, kept)
		}
	}
	clear(t.chunks[len(chunks):])
	t.chunks = chunks
}

// trim drops what no reader at or after safePoint needs.
func (t *table) trim(safePoint uint64) {
	chunks := t.chunks[:0]
	for _, chunk := range t.chunks {
		kept := chunk[:0]
		for _, e := range chunk {
			if !e.row.trim(safePoint) {
				kept = append(kept, e)
			}
		}
		clear(chunk[len(kept):])
		if len(kept) > 0 {
			chunks = append(chunks, kept)
		}
	}
	clear(t.chunks[len(chunks):])
	t.chunks = chunks
}
