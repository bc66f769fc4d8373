package core

import (
	"strconv"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// rowWriter writes a row: a version word and name=value fields.
type rowWriter struct{ b []byte }

func newRow(version string) rowWriter {
	return rowWriter{b: append(make([]byte, 0, 256), version...)}
}

func (w *rowWriter) text(name, value string) {
	if value == "" {
		return
	}
	w.name(name)
	if plain(value) {
		w.b = append(w.b, value...)
		return
	}
	w.b = strconv.AppendQuote(w.b, value)
}

func (w *rowWriter) uint(name string, value uint64) {
	w.name(name)
	w.b = strconv.AppendUint(w.b, value, 10)
}

func (w *rowWriter) int(name string, value int64) {
	w.name(name)
	w.b = strconv.AppendInt(w.b, value, 10)
}

func (w *rowWriter) name(name string) {
	w.b = append(w.b, ' ')
	w.b = append(w.b, name...)
	w.b = append(w.b, '=')
}

// plain reports whether value may stand unquoted: printable ASCII without
// space, quote and '='.
func plain(value string) bool {
	for i := 0; i < len(value); i++ {
		if c := value[i]; c <= ' ' || c == '"' || c == '=' || c >= 0x7f {
			return false
		}
	}
	return true
}

// rowReader reads what a rowWriter wrote. The first error sticks and ends the
// row.
type rowReader struct {
	key   string // the row's key, for errors
	rest  string
	name  string
	value string
	err   error
}

func readRow(key string, row []byte, version string) rowReader {
	r := rowReader{key: key, rest: string(row)}
	if len(r.rest) < len(version) || r.rest[:len(version)] != version {
		r.fail("version is not " + version)
		return r
	}
	r.rest = r.rest[len(version):]
	if r.rest != "" && r.rest[0] != ' ' {
		r.fail("version is not " + version)
	}
	return r
}

// next moves to the next field and reports whether there is one.
func (r *rowReader) next() bool {
	if r.err != nil || r.rest == "" {
		return false
	}
	at := 1 // behind the space
	for at < len(r.rest) && r.rest[at] != '=' {
		at++
	}
	if r.rest[0] != ' ' || at == len(r.rest) {
		r.fail("not a field: " + r.rest)
		return false
	}
	r.name, r.rest = r.rest[1:at], r.rest[at+1:]
	if r.rest != "" && r.rest[0] == '"' {
		return r.quoted()
	}
	at = 0
	for at < len(r.rest) && r.rest[at] != ' ' {
		at++
	}
	r.value, r.rest = r.rest[:at], r.rest[at:]
	return true
}

func (r *rowReader) quoted() bool {
	quoted, err := strconv.QuotedPrefix(r.rest)
	if err != nil {
		r.fail("bad quoting in " + r.name)
		return false
	}
	r.rest = r.rest[len(quoted):]
	if r.value, err = strconv.Unquote(quoted); err != nil {
		r.fail("bad quoting in " + r.name)
		return false
	}
	return true
}

func (r *rowReader) uint() uint64 {
	n, err := strconv.ParseUint(r.value, 10, 64)
	if err != nil {
		r.fail(r.name + " is not a number: " + r.value)
	}
	return n
}

func (r *rowReader) int64() int64 {
	n, err := strconv.ParseInt(r.value, 10, 64)
	if err != nil {
		r.fail(r.name + " is not a number: " + r.value)
	}
	return n
}

func (r *rowReader) int() int { return int(r.int64()) }

// unknown refuses a field that this version does not know: to read the row and
// write it back would lose it.
func (r *rowReader) unknown() { r.fail("unknown field " + r.name) }

func (r *rowReader) fail(text string) {
	if r.err == nil {
		r.err = &env.Error{Class: env.ClassInvalid, Op: "read row", Key: r.key, Err: rowError(text)}
	}
}

// rowError says what is wrong with a row.
type rowError string

func (e rowError) Error() string { return string(e) }
