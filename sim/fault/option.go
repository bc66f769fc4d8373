package fault

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// option binds one name=value of a fault's line to a field of its kind.
type option struct {
	name  string
	must  bool          // a line without it is refused
	print func() string // "" leaves it out
	parse func(text string) error
}

// duration binds a duration from lo to hi.
func duration(name string, field *time.Duration, lo, hi time.Duration) option {
	return option{name, true, func() string { return field.String() }, func(text string) error {
		d, err := time.ParseDuration(text)
		if err != nil || d < lo || d > hi {
			return fmt.Errorf("%s=%s: want a duration from %s to %s", name, text, lo, hi)
		}
		*field = d
		return nil
	}}
}

// lasting binds how long something lasts: up to MaxTime, never negative.
func lasting(name string, field *time.Duration) option { return duration(name, field, 0, MaxTime) }

// number binds a whole number from lo to hi.
func number(name string, field *int64, lo, hi int64) option {
	return option{name, true, func() string { return strconv.FormatInt(*field, 10) }, func(text string) error {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < lo || n > hi {
			return fmt.Errorf("%s=%s: want %d to %d", name, text, lo, hi)
		}
		*field = n
		return nil
	}}
}

// choice binds one of a few words.
func choice[T ~uint8](name string, field *T, words []string) option {
	return option{name, true, func() string { return words[*field] }, func(text string) error {
		i, err := pick(name, text, words)
		*field = T(i)
		return err
	}}
}

// optional is a choice that is left out where it is the first of its words.
func optional[T ~uint8](name string, field *T, words []string) option {
	o := choice(name, field, words)
	full := o.print
	o.must, o.print = false, func() string {
		if *field == 0 {
			return ""
		}
		return full()
	}
	return o
}

// either is an optional choice between two words: no, which is left out, and
// yes.
func either(name string, field *bool, no, yes string) option {
	words := []string{no, yes}
	return option{name, false, func() string {
		if *field {
			return yes
		}
		return ""
	}, func(text string) error {
		i, err := pick(name, text, words)
		*field = i == 1
		return err
	}}
}

// phase binds the moment at which a fault befalls its process.
func phase(field *Phase) option { return choice("phase", field, phaseNames) }

func pick(name, text string, words []string) (int, error) {
	i := slices.Index(words, text)
	if i < 0 {
		return 0, fmt.Errorf("%s=%s: want one of %s", name, text, strings.Join(words, ", "))
	}
	return i, nil
}
