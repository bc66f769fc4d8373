package core

import "strings"

// leaseRow is lease/<worker>/<incarnation>/<bid>/<uid>: present exactly while
// the unit is processing under that owner and epoch.
type leaseRow struct {
	epoch uint64
	beat  uint64
	ttlMS int64
}

const leasePrefix = "lease/"

func leaseKey(worker, incarnation string, id batchID, uid string) string {
	return leasePrefix + worker + "/" + incarnation + "/" + string(id) + "/" + uid
}

// splitLeaseKey is leaseKey's inverse.
func splitLeaseKey(key string) (worker, incarnation string, id batchID, uid string, ok bool) {
	worker, rest, ok1 := strings.Cut(key[len(leasePrefix):], "/")
	incarnation, rest, ok2 := strings.Cut(rest, "/")
	id, uid, ok = splitUnit(rest)
	return worker, incarnation, id, uid, ok && ok1 && ok2
}

func (l *leaseRow) fields(f *fields) {
	f.uint("epoch", &l.epoch)
	f.uint("beat", &l.beat)
	f.int64("ttl_ms", &l.ttlMS)
}

func (l *leaseRow) encode() []byte {
	f := writeRow("l1")
	l.fields(&f)
	return f.row
}

func decodeLease(key string, row []byte) (leaseRow, error) {
	var l leaseRow
	f := readRow(key, row, "l1")
	l.fields(&f)
	return l, f.end()
}

// sign is what an observer watches: the attempt's sign of life.
func (l *leaseRow) sign() beat { return beat{epoch: l.epoch, count: l.beat} }
