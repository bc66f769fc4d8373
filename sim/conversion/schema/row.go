package schema

import (
	"bytes"
	"errors"
	"iter"
	"strconv"
	"strings"
)

// fields reads a row: a version word and name=value fields, values with spaces,
// quotes, '=' or control characters quoted as Go strings.
type fields struct {
	rest        string
	name, value string
	bad         string // what is wrong with the row, "" if nothing yet
}

func (f *fields) err() error {
	if f.bad == "" {
		return nil
	}
	return errors.New(f.bad)
}

func readFields(row, version string) fields {
	rest, ok := strings.CutPrefix(row, version)
	f := fields{rest: rest}
	if !ok || rest != "" && rest[0] != ' ' {
		f.bad = "its version is not " + version
	}
	return f
}

// next moves to the next field and reports whether there is one.
func (f *fields) next() bool {
	if f.rest == "" || f.bad != "" {
		return false
	}
	equals := strings.IndexByte(f.rest, '=')
	if f.rest[0] != ' ' || equals < 2 || strings.IndexByte(f.rest[1:equals], ' ') >= 0 {
		f.bad = "it has no name= at " + strconv.Quote(f.rest)
		return false
	}
	f.name, f.rest = f.rest[1:equals], f.rest[equals+1:]
	if strings.HasPrefix(f.rest, `"`) {
		return f.quoted()
	}
	end := strings.IndexByte(f.rest, ' ')
	if end < 0 {
		end = len(f.rest)
	}
	f.value, f.rest = f.rest[:end], f.rest[end:]
	return true
}

func (f *fields) quoted() bool {
	quoted, err := strconv.QuotedPrefix(f.rest)
	if err == nil {
		f.value, err = strconv.Unquote(quoted)
	}
	if err != nil {
		f.bad = "the value of " + f.name + " is not quoted as a Go string"
		return false
	}
	f.rest = f.rest[len(quoted):]
	return true
}

func (f *fields) uint() uint64 {
	n, err := strconv.ParseUint(f.value, 10, 64)
	if err != nil {
		f.fail(f.name + " is not a number: " + f.value)
	}
	return n
}

func (f *fields) int() int64 {
	n, err := strconv.ParseInt(f.value, 10, 64)
	if err != nil {
		f.fail(f.name + " is not a number: " + f.value)
	}
	return n
}

// fail notes what is wrong with the row, if nothing is yet.
func (f *fields) fail(what string) {
	if f.bad == "" {
		f.bad = what
	}
}

// Fields walks the names and values of a row, whatever its table and version, as
// far as it can be read.
func Fields(row []byte) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		f := fields{}
		if at := bytes.IndexByte(row, ' '); at >= 0 {
			f.rest = string(row[at:])
		}
		for f.next() {
			if !yield(f.name, f.value) {
				return
			}
		}
	}
}

// Field reads one field of a row; "" if it is not there, or cannot be read.
func Field(row []byte, name string) string {
	for field, value := range Fields(row) {
		if field == name {
			return value
		}
	}
	return ""
}
