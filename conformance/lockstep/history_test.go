package lockstep_test

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"pgregory.net/rapid"
)

// history is what a few transactions do, one operation after the other. A slot is a
// transaction at a time: the first operation on an empty one begins it, and commit
// and rollback end it.
type history []op

type op struct {
	verb verb
	slot int
	key  int
	meet trouble
}

type verb uint8

const (
	get verb = iota
	scan
	put
	remove
	lock
	commit
	rollback
	pass // time passes
)

var verbs = [...]string{"get", "scan", "put", "delete", "lock", "commit", "rollback", "pass"}

// trouble is what befalls the calls of one operation.
type trouble uint8

const (
	none            trouble = iota
	lostOnce                // a read, or the prewrite
	replyLostOnce           // of a read, or of the prewrite
	lost                    // a read, or the prewrite, until the deadline
	replyLost               // of a read, or of the prewrite, until the deadline
	commitLostOnce          // the primary's commit
	commitReplyOnce         // the reply to it
	commitLost              // until the deadline
	commitReplyLost         // until the deadline
	dies                    // the process, between prewrite and commit
	overtaken               // by a reader of its keys, between prewrite and commit
	zombie                  // stands still there until another has written its keys
	troubles
)

var troubleNames = [...]string{
	"", "lost once", "reply lost once", "lost", "reply lost", "commit lost once", "commit's reply lost once",
	"commit lost", "commit's reply lost", "dies", "overtaken", "zombie",
}

const (
	slots = 4
	keys  = 5
	// page is shorter than the key space, so that a page ends before its range.
	page = 3
	// patience is the deadline of an operation whose calls are lost for ever: longer
	// than a dead transaction's locks stand, which is 5 s.
	patience = 20 * time.Second
	// nap is how much time passes at once: more than a lock's time to live.
	nap = 7 * time.Second
)

// key names begin in three regions: see splits.
func keyOf(i int) string { return string(rune('a'+i)) + "key" }

var splits = []string{"c", "e"}

func regionOf(key string) int { return sort.SearchStrings(splits, key+"\x00") }

func (o op) String() string {
	text := verbs[o.verb]
	switch o.verb {
	case pass:
		return text
	case get, put, remove, lock:
		text += " " + keyOf(o.key)
	case scan:
		text += " from " + keyOf(o.key)
	}
	text = fmt.Sprintf("t%d %s", o.slot, text)
	if o.meet != none {
		text += " (" + troubleNames[o.meet] + ")"
	}
	return text
}

func (h history) String() string {
	var b strings.Builder
	for i, o := range h {
		fmt.Fprintf(&b, "%3d %s\n", i, o)
	}
	return b.String()
}

// weights make most histories one of short transactions, a good part of which
// meet each other.
var weights = [...]verb{get, get, get, scan, put, put, put, put, remove, lock, commit, commit, commit, commit, rollback, pass}

// one draws a number below n, each about as likely: rapid's ranges prefer the ends,
// and histories of little but reads of one key would find little.
func one(t *rapid.T, n int, label string) int {
	number := 0
	for range 6 {
		number *= 2
		if rapid.Bool().Draw(t, label) {
			number++
		}
	}
	return number % n
}

func drawHistory(t *rapid.T, length int) history {
	one := rapid.Custom(func(t *rapid.T) op {
		o := op{verb: weights[one(t, len(weights), "verb")], slot: one(t, slots, "slot"), key: one(t, keys, "key")}
		meets := one(t, 4, "meets") == 3
		switch {
		case !meets:
		case o.verb == commit:
			o.meet = trouble(one(t, int(troubles), "trouble"))
		case o.verb == get || o.verb == scan:
			o.meet = trouble(one(t, int(replyLost)+1, "trouble"))
		}
		return o
	})
	return rapid.SliceOfN(one, length/2, length).Draw(t, "history")
}
