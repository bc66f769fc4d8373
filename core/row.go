package core

import (
	"strconv"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// fields writes or reads one row: a version word and name=value fields. Each
// table lists its fields once, in the order in which they are stored, and the
// one list serves both ways. The first error sticks and ends the row.
type fields struct {
	writing bool
	row     []byte // written so far
	key     string // the row's key, for errors
	rest    string // not yet read
	err     error
}

// writeRow begins a row.
func writeRow(version string) fields {
	return fields{writing: true, row: append(make([]byte, 0, 256), version...)}
}

// readRow begins to read a row.
func readRow(key string, row []byte, version string) fields {
	f := fields{key: key, rest: string(row)}
	if len(f.rest) < len(version) || f.rest[:len(version)] != version {
		f.fail("version is not " + version)
		return f
	}
	f.rest = f.rest[len(version):]
	if f.rest != "" && f.rest[0] != ' ' {
		f.fail("version is not " + version)
	}
	return f
}

// end returns what was wrong with a row that was read. A field that the table
// does not list is refused: to read the row and write it back would lose it.
func (f *fields) end() error {
	if f.err == nil && f.rest != "" {
		f.fail("not a field, or not in its place:" + f.rest)
	}
	return f.err
}

// text is a field of any text; an empty one is left out.
func (f *fields) text(name string, value *string) {
	switch {
	case !f.writing:
		if text, ok := f.take(name); ok {
			*value = text
		}
	case *value == "":
	case plain(*value):
		f.row = append(f.begin(name), *value...)
	default:
		f.row = strconv.AppendQuote(f.begin(name), *value)
	}
}

func (f *fields) uint(name string, value *uint64) {
	if f.writing {
		f.row = strconv.AppendUint(f.begin(name), *value, 10)
		return
	}
	if text, ok := f.take(name); ok {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			f.fail(name + " is not a number: " + text)
		}
		*value = n
	}
}

func (f *fields) int64(name string, value *int64) {
	if f.writing {
		f.row = strconv.AppendInt(f.begin(name), *value, 10)
		return
	}
	if text, ok := f.take(name); ok {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			f.fail(name + " is not a number: " + text)
		}
		*value = n
	}
}

func (f *fields) int(name string, value *int) {
	if f.writing {
		f.row = strconv.AppendInt(f.begin(name), int64(*value), 10)
		return
	}
	if text, ok := f.take(name); ok {
		n, err := strconv.Atoi(text) // the fastest: most fields are small numbers
		if err != nil {
			f.fail(name + " is not a number: " + text)
		}
		*value = n
	}
}

// bool is a field of 0 or 1.
func (f *fields) bool(name string, value *bool) {
	n := 0
	if *value {
		n = 1
	}
	f.int(name, &n)
	*value = n == 1
}

// begin writes a field up to its value.
func (f *fields) begin(name string) []byte {
	f.row = append(f.row, ' ')
	f.row = append(f.row, name...)
	return append(f.row, '=')
}

// take reads the next field, if it has that name.
func (f *fields) take(name string) (value string, ok bool) {
	at := len(name) + 1
	if f.err != nil || len(f.rest) <= at || f.rest[0] != ' ' || f.rest[1:at] != name || f.rest[at] != '=' {
		return "", false
	}
	rest := f.rest[at+1:]
	if rest != "" && rest[0] == '"' {
		return f.takeQuoted(name, rest)
	}
	for at = 0; at < len(rest) && rest[at] != ' '; at++ {
	}
	f.rest = rest[at:]
	return rest[:at], true
}

// takeQuoted reads a value that rest begins with, up to the first quote that is
// not escaped.
func (f *fields) takeQuoted(name, rest string) (string, bool) {
	end := 1
	for end < len(rest) && rest[end] != '"' {
		if rest[end] == '\\' {
			end++
		}
		end++
	}
	end = min(end+1, len(rest))
	value, err := strconv.Unquote(rest[:end])
	if err != nil {
		f.fail("bad quoting in " + name)
		return "", false
	}
	f.rest = rest[end:]
	return value, true
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

func (f *fields) fail(text string) {
	if f.err == nil {
		f.err = &env.Error{Class: env.ClassInvalid, Op: "read row", Key: f.key, Err: rowError(text)}
	}
}

// rowError says what is wrong with a row.
type rowError string

func (e rowError) Error() string { return string(e) }
