package core

import (
	"strconv"
	"strings"
)

// Keys are text, their parts separated by '/'. Prefixes of keys end in the
// separator, so that no scan mixes two batches (R18).

const (
	genDigits = 8  // of generations and epochs in keys
	uidDigits = 16 // of unit ids
)

// batchID names one submission: "<ns>/<name>/<gen>".
type batchID string

func newBatchID(name string, gen uint64) batchID {
	return batchID(name + "/" + pad(gen, genDigits))
}

// name is "<ns>/<name>": what the batch, active and status rows are keyed by.
func (b batchID) name() string { return string(b[:len(b)-genDigits-1]) }

// gen is the submission's generation.
func (b batchID) gen() uint64 {
	gen, _ := strconv.ParseUint(string(b[len(b)-genDigits:]), 10, 64)
	return gen
}

// validBatchID tells whether text has the form of a batchID.
func validBatchID(text string) bool {
	if len(text) < genDigits+4 || text[len(text)-genDigits-1] != '/' {
		return false
	}
	if _, err := strconv.ParseUint(text[len(text)-genDigits:], 10, 64); err != nil {
		return false
	}
	return strings.Count(text, "/") == 2
}

// splitUnit takes "<bid>/<uid>" apart.
func splitUnit(text string) (id batchID, uid string, ok bool) {
	at := len(text) - uidDigits - 1
	if at < 0 || text[at] != '/' || !validBatchID(text[:at]) {
		return "", "", false
	}
	return batchID(text[:at]), text[at+1:], true
}

// prefixEnd is the upper bound of a scan over all keys that begin with prefix,
// which ends in '/': the next byte is '0'.
func prefixEnd(prefix string) string {
	switch prefix { // idle processes scan these over and over: no allocation
	case leasePrefix:
		return "lease0"
	case activePrefix:
		return "active0"
	case sweepPrefix:
		return "sweep0"
	}
	return prefix[:len(prefix)-1] + "0"
}

// unitID is a stable hash of a batch and a source's full URL: FNV-1a with a
// final mix, in hex.
func unitID(id batchID, url string) string {
	h := fnv(fnvOffset, string(id))
	h = (h ^ '/') * 1099511628211
	h = fnv(h, url)
	return hex16(mix(h))
}

const fnvOffset = uint64(14695981039346656037)

func fnv(h uint64, text string) uint64 {
	for i := 0; i < len(text); i++ {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return h
}

// mix spreads every bit of h over the whole word.
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

func hex16(h uint64) string {
	const digits = "0123456789abcdef"
	var text [uidDigits]byte
	for i := range text {
		text[i] = digits[h>>(60-4*i)&15]
	}
	return string(text[:])
}

// pad prints n with leading zeros, so that keys sort as numbers (rule R2).
func pad(n uint64, digits int) string {
	var text [20]byte
	at := len(text)
	for n > 0 || len(text)-at < digits {
		at--
		text[at] = byte('0' + n%10)
		n /= 10
	}
	return string(text[at:])
}
