package schema

import "strings"

// Area is the part of the object store that a key belongs to.
type Area uint8

const (
	// OtherArea: neither of these, such as the sources.
	OtherArea Area = iota
	// Staging: the output of one attempt.
	Staging
	// Dataset: what one merge wrote, published or not.
	Dataset
)

// ObjectKey is an object's key, taken apart.
type ObjectKey struct {
	Area   Area
	Output string // without the '/' that follows it
	Gen    uint64
	UID    string // Staging
	Epoch  uint64 // Staging: the attempt's; Dataset: the merge's generation
	Prefix string // Dataset: the dataset's, with the last '/'
	Path   string // Dataset: within the dataset
}

// stagingTail is how long a staging key is behind its output.
const stagingTail = len("/staging/") + genDigits + 1 + uidDigits + len("/e") + genDigits + len("/episode")

// SplitObjectKey takes an object's key apart: <output>/staging/<gen>/<uid>/e<epoch>/episode
// or <output>/g<gen>-<merge_gen>/<path>.
func SplitObjectKey(key string) ObjectKey {
	if at := len(key) - stagingTail; at > 0 {
		if k, ok := splitStaging(key[:at], key[at:]); ok {
			return k
		}
	}
	for at := 0; ; {
		next := strings.Index(key[at:], "/g")
		if next < 0 {
			return ObjectKey{}
		}
		at += next
		if k, ok := splitDataset(key, at); ok {
			return k
		}
		at++
	}
}

func splitStaging(output, tail string) (ObjectKey, bool) {
	tail, ok1 := strings.CutPrefix(tail, "/staging/")
	tail, ok2 := strings.CutSuffix(tail, "/episode")
	if !ok1 || !ok2 {
		return ObjectKey{}, false
	}
	const uidAt = genDigits + 1
	const epochAt = uidAt + uidDigits + len("/e")
	gen, ok1 := digits(tail[:genDigits], genDigits)
	epoch, ok2 := digits(tail[epochAt:], genDigits)
	uid := tail[uidAt : uidAt+uidDigits]
	ok := ok1 && ok2 && tail[genDigits] == '/' && tail[uidAt+uidDigits:epochAt] == "/e" && hex(uid)
	return ObjectKey{Area: Staging, Output: output, Gen: gen, UID: uid, Epoch: epoch}, ok
}

// splitDataset tries to find a dataset's name behind the '/' at the given place.
func splitDataset(key string, at int) (ObjectKey, bool) {
	const length = len("g") + genDigits + len("-") + genDigits
	name := key[at+1:]
	if len(name) <= length || name[length] != '/' || name[1+genDigits] != '-' {
		return ObjectKey{}, false
	}
	gen, ok1 := digits(name[1:1+genDigits], genDigits)
	mergeGen, ok2 := digits(name[2+genDigits:length], genDigits)
	return ObjectKey{
		Area: Dataset, Output: key[:at], Gen: gen, Epoch: mergeGen,
		Prefix: key[:at+1+length+1], Path: name[length+1:],
	}, ok1 && ok2
}
