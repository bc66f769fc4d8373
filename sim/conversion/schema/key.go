package schema

import "strings"

// Table is what a row is, by the first part of its key.
type Table uint8

// The tables; Other are rows that nobody but the system itself reads.
const (
	Other Table = iota
	BatchTable
	ActiveTable
	DiscoveryTable
	UnitTable
	QueueTable
	LeaseTable
	CheckpointTable
	MergeTable
	LeaderTable
	StatusTable
	SweepTable
	ShardTable
	FailedTable
	DeadTable
	tables
)

// tableNames are the first parts of the keys.
var tableNames = [tables]string{
	"", "batch", "active", "discovery", "unit", "queue", "lease", "checkpoint", "merge", "leader", "status", "sweep",
	"shard", "failed", "dead",
}

// String is the first part of the keys of a table's rows.
func (t Table) String() string { return tableNames[t] }

// Key is the key of a table's row, given what follows the first part.
func (t Table) Key(rest string) string { return tableNames[t] + "/" + rest }

// Split returns the table of a row, and its key without the first part.
func Split(key string) (Table, string) {
	first, rest, _ := strings.Cut(key, "/")
	switch first {
	case "batch":
		return BatchTable, rest
	case "active":
		return ActiveTable, rest
	case "discovery":
		return DiscoveryTable, rest
	case "unit":
		return UnitTable, rest
	case "queue":
		return QueueTable, rest
	case "lease":
		return LeaseTable, rest
	case "checkpoint":
		return CheckpointTable, rest
	case "merge":
		return MergeTable, rest
	case "leader":
		return LeaderTable, rest
	case "status":
		return StatusTable, rest
	case "sweep":
		return SweepTable, rest
	case "shard":
		return ShardTable, rest
	case "failed":
		return FailedTable, rest
	case "dead":
		return DeadTable, rest
	}
	return Other, rest
}

const (
	genDigits = 8
	uidDigits = 16
)

// BatchID is "<ns>/<name>/<gen>", which the other tables' keys hold.
func BatchID(name string, gen uint64) string {
	return name + "/" + padded(gen)
}

// DatasetGeneration is "<gen>-<merge_gen>", as a manifest tells it.
func DatasetGeneration(gen, mergeGen uint64) string { return padded(gen) + "-" + padded(mergeGen) }

// padded is a generation as keys hold it: 8 digits with leading zeros.
func padded(gen uint64) string {
	var text [20]byte
	at := len(text)
	for gen > 0 || len(text)-at < genDigits {
		at--
		text[at] = byte('0' + gen%10)
		gen /= 10
	}
	return string(text[at:])
}

// SplitBatchID takes "<ns>/<name>/<gen>" apart.
func SplitBatchID(bid string) (name string, gen uint64, ok bool) {
	at := len(bid) - genDigits - 1
	if at < 3 || bid[at] != '/' || strings.Count(bid[:at], "/") != 1 {
		return "", 0, false
	}
	gen, ok = digits(bid[at+1:], genDigits)
	return bid[:at], gen, ok && bid[0] != '/' && bid[at-1] != '/'
}

// SplitUnitID takes "<bid>/<uid>" apart.
func SplitUnitID(text string) (bid, uid string, ok bool) {
	at := len(text) - uidDigits - 1
	if at < 0 || text[at] != '/' || !hex(text[at+1:]) {
		return "", "", false
	}
	return text[:at], text[at+1:], true
}

// SplitQueueKey takes "<priority>/<bid>/<uid>" apart.
func SplitQueueKey(rest string) (priority uint64, unit string, ok bool) {
	text, unit, _ := strings.Cut(rest, "/")
	priority, ok = digits(text, 3)
	return priority, unit, ok
}

// SplitLeaseKey takes "<worker>/<incarnation>/<bid>/<uid>" apart.
func SplitLeaseKey(rest string) (worker, incarnation, unit string, ok bool) {
	worker, rest, ok1 := strings.Cut(rest, "/")
	incarnation, unit, ok2 := strings.Cut(rest, "/")
	return worker, incarnation, unit, ok1 && ok2
}

// SplitDiscoveryKey takes "<bid>/<source>" apart.
func SplitDiscoveryKey(rest string) (bid string, source uint64, ok bool) {
	at := strings.LastIndexByte(rest, '/')
	if at < 0 {
		return "", 0, false
	}
	if _, _, ok = SplitBatchID(rest[:at]); !ok {
		return "", 0, false
	}
	source, ok = digits(rest[at+1:], 4)
	return rest[:at], source, ok
}

// SplitShardKey takes "<bid>/<shard>" apart.
func SplitShardKey(rest string) (bid string, shard uint64, ok bool) { return SplitDiscoveryKey(rest) }

// digits reads exactly n decimal digits.
func digits(text string, n int) (value uint64, ok bool) {
	if len(text) != n {
		return 0, false
	}
	for i := range n {
		c := text[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		value = value*10 + uint64(c-'0')
	}
	return value, true
}

func hex(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return text != ""
}
