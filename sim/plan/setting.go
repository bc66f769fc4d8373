package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Setting binds a name in a plan to a field of a configuration. Exactly one of
// Int, Size, Seed, Duration, Text and Bool is set.
type Setting struct {
	Name     string
	Int      *int
	Size     *int64
	Duration *time.Duration
	Text     *string
	Seed     *uint64
	Bool     *bool
	Min, Max int64    // Int, Size; Duration in nanoseconds
	Allowed  []string // Text; empty for any
	// Formerly is an earlier name of the setting, which older plans use, or "".
	Formerly string
	// Absent is what a plan means that lacks the setting, because it was written
	// before there was one; "" if every plan has it.
	Absent string
	// Simple is the value that tells a reader least, which reduction tries; "" for
	// Absent, or else for the smallest number, false, or the first of Allowed.
	// Durations that cannot be 0 then have none.
	Simple string
	// Provokes is the value at which work goes wrong by itself, or ends early, as it else does by
	// faults, which reduction tries in their place; "" if none does that.
	Provokes string
}

// Simplest returns the setting's simplest value, "" if it has none or is at it.
func (s Setting) Simplest() string {
	simple := cmp.Or(s.Simple, s.Absent)
	switch {
	case simple != "" || s.Seed != nil:
	case s.Int != nil || s.Size != nil:
		simple = strconv.FormatInt(s.Min, 10)
	case s.Bool != nil:
		simple = "false"
	case s.Duration != nil && s.Min == 0:
		simple = "0s"
	case len(s.Allowed) > 0:
		simple = s.Allowed[0]
	}
	if simple == s.String() {
		return ""
	}
	return simple
}

// Towards lists numbers between the setting's simplest value and its present one,
// the simplest first; none for other settings.
func (s Setting) Towards() []string {
	simple, err := strconv.ParseInt(s.Simplest(), 10, 64)
	is, notNumber := strconv.ParseInt(s.String(), 10, 64)
	if err != nil || notNumber != nil {
		return nil
	}
	step := int64(1)
	if is < simple {
		step = -1
	}
	var list []string
	for _, n := range []int64{simple + step, simple + (is-simple)/4, simple + (is-simple)/2, is - step} {
		if text := strconv.FormatInt(n, 10); n != simple && n != is && !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return list
}

// String returns the setting's value as a plan prints it.
func (s Setting) String() string {
	switch {
	case s.Int != nil:
		return strconv.Itoa(*s.Int)
	case s.Seed != nil:
		return fmt.Sprintf("0x%016x", *s.Seed)
	case s.Size != nil:
		return strconv.FormatInt(*s.Size, 10)
	case s.Duration != nil:
		return s.Duration.String()
	case s.Bool != nil:
		return strconv.FormatBool(*s.Bool)
	}
	return *s.Text
}

// parse sets the field from a plan's text. The error names what is allowed.
func (s Setting) parse(text string) error {
	switch {
	case s.Int != nil:
		n, err := strconv.Atoi(text)
		if err != nil || int64(n) < s.Min || int64(n) > s.Max {
			return fmt.Errorf("%s = %s: want a whole number from %d to %d", s.Name, text, s.Min, s.Max)
		}
		*s.Int = n
	case s.Seed != nil:
		seed, err := ParseSeed(text)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		*s.Seed = seed
	case s.Size != nil:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < s.Min || n > s.Max {
			return fmt.Errorf("%s = %s: want a whole number from %d to %d", s.Name, text, s.Min, s.Max)
		}
		*s.Size = n
	case s.Duration != nil:
		d, err := time.ParseDuration(text)
		if err != nil || int64(d) < s.Min || int64(d) > s.Max {
			return fmt.Errorf("%s = %s: want a duration from %s to %s", s.Name, text, time.Duration(s.Min), time.Duration(s.Max))
		}
		*s.Duration = d
	case s.Bool != nil:
		if text != "true" && text != "false" {
			return fmt.Errorf("%s = %s: want true or false", s.Name, text)
		}
		*s.Bool = text == "true"
	default:
		if len(s.Allowed) > 0 && !slices.Contains(s.Allowed, text) {
			return fmt.Errorf("%s = %s: want one of %s", s.Name, text, strings.Join(s.Allowed, ", "))
		}
		*s.Text = text
	}
	return nil
}
