package properties

import "strings"

// kind is what a row is, by the first part of its key.
type kind uint8

const (
	kindOther kind = iota // rows that no invariant judges
	kindBatch
	kindActive
	kindDiscovery
	kindUnit
	kindQueue
	kindLease
	kindCheckpoint
	kindMerge
	kindLeader
	kindStatus
	kinds
)

const (
	genDigits = 8
	uidDigits = 16
)

// splitKind returns the kind of a row and its key without the first part.
func splitKind(key string) (kind, string) {
	first, rest, _ := strings.Cut(key, "/")
	switch first {
	case "batch":
		return kindBatch, rest
	case "active":
		return kindActive, rest
	case "discovery":
		return kindDiscovery, rest
	case "unit":
		return kindUnit, rest
	case "queue":
		return kindQueue, rest
	case "lease":
		return kindLease, rest
	case "checkpoint":
		return kindCheckpoint, rest
	case "merge":
		return kindMerge, rest
	case "leader":
		return kindLeader, rest
	case "status":
		return kindStatus, rest
	}
	return kindOther, rest
}

// splitBatchID takes "<ns>/<name>/<gen>" apart.
func splitBatchID(bid string) (name string, gen uint64, ok bool) {
	at := len(bid) - genDigits - 1
	if at < 3 || bid[at] != '/' || strings.Count(bid[:at], "/") != 1 {
		return "", 0, false
	}
	gen, ok = digits(bid[at+1:], genDigits)
	return bid[:at], gen, ok && bid[0] != '/' && bid[at-1] != '/'
}

// splitUnitID takes "<bid>/<uid>" apart.
func splitUnitID(text string) (bid, uid string, ok bool) {
	at := len(text) - uidDigits - 1
	if at < 0 || text[at] != '/' || !hex(text[at+1:]) {
		return "", "", false
	}
	return text[:at], text[at+1:], true
}

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

// area is the part of the object store that a key belongs to.
type area uint8

const (
	areaOther area = iota
	areaStaging
	areaDataset
)

// objectKey is an object's key, taken apart.
type objectKey struct {
	area   area
	output string // without the '/' that follows it
	gen    uint64
	uid    string // areaStaging
	epoch  uint64 // areaStaging: the attempt's; areaDataset: the merge's generation
	prefix string // areaDataset: the dataset's, with the last '/'
	path   string // areaDataset: within the dataset
}

// stagingTail is how long a staging key is behind its output.
const stagingTail = len("/staging/") + genDigits + 1 + uidDigits + len("/e") + genDigits + len("/episode")

// splitObjectKey takes an object's key apart: <output>/staging/<gen>/<uid>/e<epoch>/episode
// or <output>/g<gen>-<merge_gen>/<path>.
func splitObjectKey(key string) objectKey {
	if at := len(key) - stagingTail; at > 0 {
		if k, ok := splitStaging(key[:at], key[at:]); ok {
			return k
		}
	}
	for at := 0; ; {
		next := strings.Index(key[at:], "/g")
		if next < 0 {
			return objectKey{}
		}
		at += next
		if k, ok := splitDataset(key, at); ok {
			return k
		}
		at++
	}
}

func splitStaging(output, tail string) (objectKey, bool) {
	tail, ok1 := strings.CutPrefix(tail, "/staging/")
	tail, ok2 := strings.CutSuffix(tail, "/episode")
	if !ok1 || !ok2 {
		return objectKey{}, false
	}
	const uidAt = genDigits + 1
	const epochAt = uidAt + uidDigits + len("/e")
	gen, ok1 := digits(tail[:genDigits], genDigits)
	epoch, ok2 := digits(tail[epochAt:], genDigits)
	uid := tail[uidAt : uidAt+uidDigits]
	ok := ok1 && ok2 && tail[genDigits] == '/' && tail[uidAt+uidDigits:epochAt] == "/e" && hex(uid)
	return objectKey{area: areaStaging, output: output, gen: gen, uid: uid, epoch: epoch}, ok
}

// splitDataset tries to find a dataset's name behind the '/' at the given place.
func splitDataset(key string, at int) (objectKey, bool) {
	const length = len("g") + genDigits + len("-") + genDigits
	name := key[at+1:]
	if len(name) <= length || name[length] != '/' || name[1+genDigits] != '-' {
		return objectKey{}, false
	}
	gen, ok1 := digits(name[1:1+genDigits], genDigits)
	mergeGen, ok2 := digits(name[2+genDigits:length], genDigits)
	return objectKey{
		area: areaDataset, output: key[:at], gen: gen, epoch: mergeGen,
		prefix: key[:at+1+length+1], path: name[length+1:],
	}, ok1 && ok2
}
