package fault

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Option describes one name=value of a kind's lines.
type Option struct {
	Name string
	// About says in one clause what it is.
	About string
	// Want says which values are allowed.
	Want string
	// Otherwise is the value of a line that leaves the option out; "" if no line
	// may.
	Otherwise string
}

// Options lists the options of the kind, in the order in which plans print them.
func (i *Info) Options() []Option {
	var list []Option
	for _, o := range i.New().options() {
		list = append(list, o.Option)
	}
	return list
}

// option binds an Option to a field of its kind.
type option struct {
	Option
	print func() string          // "" leaves it out
	size  *time.Duration         // the field, of a duration
	parse func(text string) bool // false: the value is not allowed
}

// set parses the option's value.
func (o *option) set(text string) error {
	if !o.parse(text) {
		return fmt.Errorf("%s=%s: want %s", o.Name, text, o.Want)
	}
	return nil
}

// duration binds a duration from lo to hi.
func duration(name, about string, field *time.Duration, lo, hi time.Duration) option {
	o := Option{name, about, fmt.Sprintf("a duration from %s to %s", lo, hi), ""}
	return option{Option: o, print: field.String, size: field, parse: func(text string) bool {
		d, err := time.ParseDuration(text)
		*field = d
		return err == nil && lo <= d && d <= hi
	}}
}

// lasting binds how long something lasts: up to MaxTime, never negative.
func lasting(name, about string, field *time.Duration) option {
	return duration(name, about, field, 0, MaxTime)
}

// number binds a whole number from lo to hi.
func number(name, about string, field *int64, lo, hi int64) option {
	print := func() string { return strconv.FormatInt(*field, 10) }
	return option{Option: Option{name, about, fmt.Sprintf("%d to %d", lo, hi), ""}, print: print, parse: func(text string) bool {
		n, err := strconv.ParseInt(text, 10, 64)
		*field = n
		return err == nil && lo <= n && n <= hi
	}}
}

// choice binds one of a few words.
func choice[T ~uint8](name, about string, field *T, words []string) option {
	print := func() string { return words[*field] }
	return option{Option: Option{name, about, "one of " + strings.Join(words, ", "), ""}, print: print, parse: func(text string) bool {
		i := slices.Index(words, text)
		*field = T(max(i, 0))
		return i >= 0
	}}
}

// optional is a choice that is left out where it is the first of its words.
func optional[T ~uint8](name, about string, field *T, words []string) option {
	o := choice(name, about, field, words)
	full := o.print
	o.Otherwise, o.print = words[0], func() string {
		if *field == 0 {
			return ""
		}
		return full()
	}
	return o
}

// word binds a word that may be left out.
func word(name, about string, field *string) option {
	return option{Option: Option{name, about, "a word", "any"}, print: func() string { return *field }, parse: func(text string) bool {
		if *field = text; text == "any" {
			*field = ""
		}
		return text != ""
	}}
}

// either is an optional choice between two words: no, which is left out, and
// yes.
func either(name, about string, field *bool, no, yes string) option {
	print := func() string {
		if *field {
			return yes
		}
		return ""
	}
	return option{Option: Option{name, about, "one of " + no + ", " + yes, no}, print: print, parse: func(text string) bool {
		*field = text == yes
		return text == yes || text == no
	}}
}

// phase binds the moment at which a fault befalls its process.
func phase(field *Phase) option {
	return choice("phase", "the moment of the call at which it befalls the process", field, phaseNames)
}
