package settings

import (
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/core"
)

// Value is a place in Settings that is written and read as text. Set refuses
// what is not allowed and then changes nothing. What String returns, Set takes.
type Value interface {
	Set(text string) error
	String() string
	// Type is what kind of value it is: "duration", "size", "count", ...
	Type() string
	// Allowed says what Set takes.
	Allowed() string
}

func refuse(text string, v Value) error {
	return fmt.Errorf("%q is not allowed, allowed: %s", text, v.Allowed())
}

// word is a text of one line.
type word struct {
	p       *string
	allowed string
	check   func(string) bool // nil: anything
}

func (v word) String() string  { return *v.p }
func (v word) Type() string    { return "text" }
func (v word) Allowed() string { return v.allowed }

func (v word) Set(text string) error {
	if strings.ContainsAny(text, "\n\r\x00") || v.check != nil && !v.check(text) {
		return refuse(text, v)
	}
	*v.p = text
	return nil
}

// isName tells whether text may name a process: it becomes a part of keys.
func isName(text string) bool {
	return text != "" && len(text) <= 128 && !strings.ContainsAny(text, "/ \t")
}

// isAddress tells whether text is HOST:PORT.
func isAddress(text string) bool {
	host, port, err := net.SplitHostPort(text)
	n, bad := strconv.Atoi(port)
	return err == nil && bad == nil && host != "" && n >= 0 && n <= math.MaxUint16
}

func isAddressOrEmpty(text string) bool { return text == "" || isAddress(text) }

// choice is one of a few words.
type choice struct {
	p  *string
	of []string
}

func (v choice) String() string  { return *v.p }
func (v choice) Type() string    { return "choice" }
func (v choice) Allowed() string { return strings.Join(v.of, ", ") }

func (v choice) Set(text string) error {
	if !slices.Contains(v.of, text) {
		return refuse(text, v)
	}
	*v.p = text
	return nil
}

// yesNo is true or false.
type yesNo struct{ p *bool }

func (v yesNo) String() string  { return strconv.FormatBool(*v.p) }
func (v yesNo) Type() string    { return "bool" }
func (v yesNo) Allowed() string { return "true, false" }

func (v yesNo) Set(text string) error {
	if text != "true" && text != "false" {
		return refuse(text, v)
	}
	*v.p = text == "true"
	return nil
}

// addresses are HOST:PORT, with commas between them.
type addresses struct{ p *[]string }

func (v addresses) String() string  { return strings.Join(*v.p, ",") }
func (v addresses) Type() string    { return "list" }
func (v addresses) Allowed() string { return "HOST:PORT, several with commas" }

func (v addresses) Set(text string) error {
	if text == "" {
		*v.p = nil
		return nil
	}
	list := strings.Split(text, ",")
	for i := range list {
		if list[i] = strings.TrimSpace(list[i]); !isAddress(list[i]) {
			return refuse(text, v)
		}
	}
	*v.p = list
	return nil
}

// roles are what a process does.
type roles struct{ p *core.Role }

var roleNames = [...]struct {
	name string
	role core.Role
}{
	{"scanner", core.Scanner}, {"controller", core.Controller}, {"worker", core.Worker},
	{"reaper", core.Reaper}, {"merger", core.Merger}, {"janitor", core.Janitor},
}

const unified = "unified"

func (v roles) Type() string { return "list" }

func (v roles) Allowed() string {
	var b strings.Builder
	for _, r := range roleNames {
		b.WriteString(r.name + ", ")
	}
	return b.String() + "several with commas, or " + unified + " for all"
}

func (v roles) String() string {
	if *v.p == core.Unified {
		return unified
	}
	return strings.Join(RoleNames(*v.p), ",")
}

func (v roles) Set(text string) error {
	var all core.Role
	for one := range strings.SplitSeq(text, ",") {
		one = strings.TrimSpace(one)
		at := slices.IndexFunc(roleNames[:], func(r struct {
			name string
			role core.Role
		}) bool {
			return r.name == one
		})
		switch {
		case one == unified:
			all = core.Unified
		case at < 0:
			return refuse(text, v)
		default:
			all |= roleNames[at].role
		}
	}
	*v.p = all
	return nil
}

// duration is a time with its unit.
type duration struct {
	p        *time.Duration
	min, max time.Duration
}

func (v duration) String() string { return formatDuration(*v.p) }
func (v duration) Type() string   { return "duration" }

func (v duration) Allowed() string {
	return formatDuration(v.min) + " to " + formatDuration(v.max)
}

func (v duration) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%q is no duration, allowed: %s, with a unit, such as 90s or 1m30s", text, v.Allowed())
	}
	if d < v.min || d > v.max {
		return refuse(text, v)
	}
	*v.p = d
	return nil
}

// formatDuration leaves out the zeros at the end: 5m, not 5m0s.
func formatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// count is a whole number.
type count struct {
	p        *int
	min, max int
}

func (v count) String() string  { return strconv.Itoa(*v.p) }
func (v count) Type() string    { return "count" }
func (v count) Allowed() string { return fmt.Sprintf("%d to %d", v.min, v.max) }

func (v count) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < v.min || n > v.max {
		return refuse(text, v)
	}
	*v.p = n
	return nil
}

// size is a number of bytes.
type size[T int | int64] struct {
	p        *T
	min, max int64
}

func (v size[T]) String() string  { return formatSize(int64(*v.p)) }
func (v size[T]) Type() string    { return "size" }
func (v size[T]) Allowed() string { return formatSize(v.min) + " to " + formatSize(v.max) }

func (v size[T]) Set(text string) error {
	n, err := parseSize(text)
	if err != nil {
		return fmt.Errorf("%q is no size, allowed: %s, in bytes or with KiB, MiB or GiB", text, v.Allowed())
	}
	if n < v.min || n > v.max {
		return refuse(text, v)
	}
	*v.p = T(n)
	return nil
}

var sizeUnits = [...]struct {
	suffix string
	bytes  int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

func formatSize(n int64) string {
	for _, u := range sizeUnits {
		if n != 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatInt(n, 10)
}

var errSize = errors.New("no size")

func parseSize(text string) (int64, error) {
	scale := int64(1)
	for _, u := range sizeUnits {
		if number, ok := strings.CutSuffix(text, u.suffix); ok {
			text, scale = number, u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/scale {
		return 0, errSize
	}
	return n * scale, nil
}
