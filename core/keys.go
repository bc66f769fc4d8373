package core

import (
	"strconv"
	"strings"
)

// The first parts of keys. All end in the separator, so that no scan mixes two
// batches (rule R18).
const (
	batchPrefix      = "batch/"
	activePrefix     = "active/"
	sweepPrefix      = "sweep/"
	outputPrefix     = "output/"
	discoveryPrefix  = "discovery/"
	unitPrefix       = "unit/"
	queuePrefix      = "queue/"
	leasePrefix      = "lease/"
	checkpointPrefix = "checkpoint/"
	mergePrefix      = "merge/"
	statusPrefix     = "status/"

	leaderKey = "leader/scanner"
)

const (
	genDigits   = 8  // of generations and epochs in keys
	uidDigits   = 16 // of unit ids
	maxPriority = 999
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

func batchKey(name string) string           { return batchPrefix + name }
func activeKey(name string) string          { return activePrefix + name }
func statusKey(name string) string          { return statusPrefix + name }
func sweepKey(id batchID) string            { return sweepPrefix + string(id) }
func mergeKey(id batchID) string            { return mergePrefix + string(id) }
func unitsPrefix(id batchID) string         { return unitPrefix + string(id) + "/" }
func unitKey(id batchID, uid string) string { return unitPrefix + string(id) + "/" + uid }

func discoveriesPrefix(id batchID) string { return discoveryPrefix + string(id) + "/" }

func discoveryKey(id batchID, source int) string {
	return discoveryPrefix + string(id) + "/" + pad(uint64(source), 4)
}

func checkpointsPrefix(id batchID) string { return checkpointPrefix + string(id) + "/" }

func checkpointKey(id batchID, uid string) string {
	return checkpointPrefix + string(id) + "/" + uid
}

// queueKey sorts the queue by priority, highest first.
func queueKey(priority int, id batchID, uid string) string {
	return queuePrefix + pad(uint64(maxPriority-priority), 3) + "/" + string(id) + "/" + uid
}

// splitQueueKey is queueKey's inverse, the priority aside.
func splitQueueKey(key string) (id batchID, uid string, ok bool) {
	const from = len(queuePrefix) + 4
	if len(key) < from {
		return "", "", false
	}
	return splitUnit(key[from:])
}

// queueBehindBatch is where the queue goes on behind the entries of the key's
// batch.
func queueBehindBatch(key string) string {
	_, uid, ok := splitQueueKey(key)
	if !ok {
		return key + "\x00"
	}
	return prefixEnd(strings.TrimSuffix(key, uid))
}

// queueBand is the part of a queue key that all units of its priority share.
func queueBand(key string) string { return key[:len(queuePrefix)+4] }

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
	case queuePrefix:
		return "queue0"
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
	h := uint64(14695981039346656037)
	h = fnv(h, string(id))
	h = (h ^ '/') * 1099511628211
	h = fnv(h, url)
	return hex16(mix(h))
}

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

// The keys of objects. A key carries the epoch or generation of its writer,
// because object effects cannot be fenced (rule R1).

func stagingPrefix(output string, gen uint64) string {
	return output + "/staging/" + pad(gen, genDigits) + "/"
}

func stagingKey(output string, id batchID, uid string, epoch uint64) string {
	return stagingPrefix(output, id.gen()) + uid + "/e" + pad(epoch, genDigits) + "/episode"
}

// mergesPrefix is the common prefix of the datasets of all merges of one
// submission.
func mergesPrefix(output string, gen uint64) string {
	return output + "/g" + pad(gen, genDigits) + "-"
}

func datasetPrefix(output string, gen, mergeGen uint64) string {
	return mergesPrefix(output, gen) + pad(mergeGen, genDigits) + "/"
}
