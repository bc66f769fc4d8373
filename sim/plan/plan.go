// Package plan is a run as text: the whole configuration, every fault and every
// ordering. A plan is what a seed comes to, what a failure is reduced to, and what is kept
// in seeds/ and replayed.
package plan

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gauntlet-dst/gauntlet/sim/fault"
)

// header is the first line of every plan.
const header = "gauntlet-plan 1"

// maxSize bounds a plan's file, in bytes.
const maxSize = 1 << 20

// Plan is a run as text: the whole configuration and every deviation. Together
// with the code it was written for, it replays the run byte for byte; with
// other code, its anchors still name the same moments.
type Plan struct {
	// Seed keys what the plan leaves open: latencies and picks.
	Seed   uint64
	System string
	// Settings are name and value pairs in the order of the assembly.
	Settings []Field
	Faults   []*fault.Fault
	// Orders are the deviations from the order of events that the configuration
	// and the seed come to.
	Orders []*fault.Ordering
	// Expect names the invariant that the plan broke when it was kept; "none"
	// or "" if it must pass. Shape says how it broke it, "" in older plans.
	Expect, Shape string
	// Why tells the plan's story, one line each.
	Why []string

	file  string
	lines map[string]int // of settings
}

// Field is one name=value of a plan or of a run's line.
type Field struct{ Name, Value string }

// Of returns the plan of a seed of a system, as configured, without any fault.
func Of(seed uint64, system string, settings []Setting) *Plan {
	p := &Plan{Seed: seed, System: system}
	for _, s := range settings {
		p.Settings = append(p.Settings, Field{s.Name, s.String()})
	}
	return p
}

// Clone returns a copy that shares its settings and deviations.
func (p *Plan) Clone() *Plan {
	c := *p
	return &c
}

// Expects sets the identity of the failure that the plan is to show: an invariant and a
// shape, which stand on one line.
func (p *Plan) Expects(failure [2]string) {
	p.Expect, p.Shape = failure[0], strings.TrimSpace(Printable(failure[1]))
}

// With returns a copy of the plan in which a setting has another value.
func (p *Plan) With(name, value string) *Plan {
	c := p.Clone()
	c.Settings = slices.Clone(p.Settings)
	for i := range c.Settings {
		if c.Settings[i].Name == name {
			c.Settings[i].Value = value
		}
	}
	return c
}

// String prints the plan in the form that Parse reads.
func (p *Plan) String() string {
	var b strings.Builder
	b.WriteString(header + "\n")
	for _, line := range p.Why {
		b.WriteString("# " + line + "\n")
	}
	fmt.Fprintf(&b, "seed 0x%016x\nsystem %s\n", p.Seed, p.System)
	if p.Expect != "" {
		fmt.Fprintf(&b, "%s\n", strings.TrimSpace("expect "+p.Expect+" "+p.Shape))
	}
	for _, s := range p.Settings {
		fmt.Fprintf(&b, "set %s = %s\n", s.Name, s.Value)
	}
	for _, f := range p.Faults {
		fmt.Fprintf(&b, "fault %s\n", f)
	}
	for _, o := range p.Orders {
		fmt.Fprintf(&b, "order %s\n", o)
	}
	return b.String()
}

// Parse reads a plan. file is its name for error messages, each of which is
// one line with file and line number.
func Parse(file string, text []byte) (*Plan, error) {
	p := &Plan{file: file, lines: map[string]int{}}
	switch {
	case len(text) > maxSize:
		return nil, fmt.Errorf("%s:1: the file has %d bytes; a plan has at most %d", file, len(text), maxSize)
	case len(bytes.TrimSpace(text)) == 0:
		return nil, fmt.Errorf("%s:1: the file is empty; a plan begins with %q", file, header)
	case !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0:
		return nil, fmt.Errorf("%s:1: not text; a plan begins with %q", file, header)
	}
	lines := strings.Split(string(text), "\n")
	if err := checkHeader(strings.TrimRight(lines[0], "\r")); err != nil {
		return nil, fmt.Errorf("%s:1: %w", file, err)
	}
	for i, line := range lines[1:] {
		line = strings.TrimSpace(line)
		if comment, ok := strings.CutPrefix(line, "#"); ok {
			p.Why = append(p.Why, strings.TrimSpace(comment))
			continue
		}
		if line == "" {
			continue
		}
		if err := p.parseLine(i+2, line); err != nil {
			return nil, fmt.Errorf("%s: %w", p.place(i+2), err)
		}
	}
	for _, name := range []string{"seed", "system"} {
		if p.lines[name] == 0 {
			return nil, fmt.Errorf("%s: no %q line; every plan has one", p.place(len(lines)), name)
		}
	}
	return p, nil
}

func checkHeader(line string) error {
	if line == header {
		return nil
	}
	if version, ok := strings.CutPrefix(line, "gauntlet-plan "); ok {
		return fmt.Errorf("plan version %q; this program reads version 1 only", version)
	}
	if len(line) > 40 {
		line = line[:40]
	}
	return fmt.Errorf("%q is not a plan's first line; want %q", line, header)
}

func (p *Plan) place(line int) string {
	return p.file + ":" + strconv.Itoa(line)
}

func (p *Plan) parseLine(number int, line string) error {
	word, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	once := func(name string) error {
		if p.lines[name] != 0 {
			return fmt.Errorf("%q stands twice, first on line %d", name, p.lines[name])
		}
		p.lines[name] = number
		return nil
	}
	switch word {
	case "seed":
		seed, err := ParseSeed(rest)
		if err != nil {
			return err
		}
		p.Seed = seed
		return once("seed")
	case "system":
		p.System = rest
		return once("system")
	case "expect":
		p.Expect, p.Shape, _ = strings.Cut(rest, " ")
		return once("expect")
	case "set":
		name, value, ok := strings.Cut(rest, "=")
		if !ok {
			return fmt.Errorf("%q: want set NAME = VALUE", line)
		}
		name = strings.TrimSpace(name)
		p.Settings = append(p.Settings, Field{name, strings.TrimSpace(value)})
		return once("set " + name)
	case "fault":
		f, err := fault.Parse(rest)
		if err != nil {
			return err
		}
		f.Line = number
		p.Faults = append(p.Faults, f)
		return nil
	case "order":
		o, err := fault.ParseOrdering(rest)
		if err != nil {
			return err
		}
		o.Line = number
		p.Orders = append(p.Orders, o)
		return nil
	}
	return fmt.Errorf("unknown word %q; known: seed, system, expect, set, fault, order, #", word)
}

// Apply sets a system's settings from the plan. Every setting must be there: a
// plan never depends on defaults. One that came later than the plan has the
// value that keeps the plan's meaning.
func (p *Plan) Apply(system string, settings []Setting) error {
	if p.System != system {
		return p.Wrong("system", fmt.Errorf("system %q; want %q", p.System, system))
	}
	known, formerly := map[string]Setting{}, map[string]string{}
	var names []string
	for _, s := range settings {
		known[s.Name] = s
		formerly[cmp.Or(s.Formerly, s.Name)] = s.Name
		names = append(names, s.Name)
	}
	for _, f := range p.Settings {
		s, ok := known[f.Name]
		if !ok {
			s, ok = known[formerly[f.Name]]
		}
		if !ok {
			return p.Wrong("set "+f.Name, fmt.Errorf("unknown setting %q; known: %s", f.Name, strings.Join(names, ", ")))
		}
		if err := s.parse(f.Value); err != nil {
			return p.Wrong("set "+f.Name, err)
		}
		delete(known, s.Name)
	}
	for _, name := range names {
		s, missing := known[name]
		if missing && s.Absent != "" {
			missing = false
			if err := s.parse(s.Absent); err != nil {
				return p.Wrong("system", fmt.Errorf("the value of an absent setting: %w", err))
			}
		}
		if missing {
			return p.Wrong("system", fmt.Errorf("no %q; a plan sets every setting", "set "+name))
		}
	}
	return nil
}

// Wrong says what is wrong with the plan, with the place of the line: "system",
// "set NAME".
func (p *Plan) Wrong(line string, err error) error {
	return fmt.Errorf("%s: %w", p.place(p.lines[line]), err)
}

// WrongFault is the same for the line of a fault. One that was not read from a file
// is named itself.
func (p *Plan) WrongFault(f *fault.Fault, err error) error {
	if f.Line == 0 {
		return fmt.Errorf("%s: %w", f, err)
	}
	return fmt.Errorf("%s: %w", p.place(f.Line), err)
}

// WrongOrder is the same for the line of an ordering.
func (p *Plan) WrongOrder(o *fault.Ordering, err error) error {
	return fmt.Errorf("%s: %w", p.place(o.Line), err)
}

// Deviations counts what the plan adds to its configuration.
func (p *Plan) Deviations() int { return len(p.Faults) + len(p.Orders) }

// ParseSeed reads a seed: decimal, 0x hex, or exactly 40 hex digits (a commit;
// its first 16 count).
func ParseSeed(text string) (uint64, error) {
	if len(text) == 40 && strings.Trim(strings.ToLower(text), "0123456789abcdef") == "" {
		text = "0x" + text[:16]
	}
	base := 10
	digits := text
	if rest, ok := strings.CutPrefix(strings.ToLower(text), "0x"); ok {
		base, digits = 16, rest
	}
	seed, err := strconv.ParseUint(digits, base, 64)
	if err != nil {
		return 0, fmt.Errorf("seed %q: want a decimal number, 0x and up to 16 hex digits, or a commit's 40 hex digits", text)
	}
	return seed, nil
}
