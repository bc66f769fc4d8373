package sim

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// planHeader is the first line of every plan.
const planHeader = "gauntlet-plan 1"

// maxPlanSize bounds a plan's file, in bytes.
const maxPlanSize = 1 << 20

// Plan is a run as text: the whole configuration and every fault. Together
// with the code it was written for, it replays the run byte for byte; with
// other code, its anchors still name the same moments.
type Plan struct {
	// Seed keys what the plan leaves open: latencies and picks.
	Seed   uint64
	System string
	// Settings are name and value pairs in the order of the assembly.
	Settings []Field
	Faults   []*Fault
	// Expect names the invariant that the plan broke when it was kept; "none"
	// or "" if it must pass.
	Expect string
	// Why tells the plan's story, one line each.
	Why []string

	file  string
	lines map[string]int // of settings
}

func planOf(seed uint64, assembly Assembly, config *Config) *Plan {
	p := &Plan{Seed: seed, System: assembly.Name()}
	for _, s := range append(config.settings(), assembly.Settings()...) {
		p.Settings = append(p.Settings, Field{s.Name, s.String()})
	}
	return p
}

func (p *Plan) clone() *Plan {
	c := *p
	return &c
}

// String prints the plan in the form that ParsePlan reads.
func (p *Plan) String() string {
	var b strings.Builder
	b.WriteString(planHeader + "\n")
	for _, line := range p.Why {
		b.WriteString("# " + line + "\n")
	}
	fmt.Fprintf(&b, "seed 0x%016x\nsystem %s\n", p.Seed, p.System)
	if p.Expect != "" {
		fmt.Fprintf(&b, "expect %s\n", p.Expect)
	}
	for _, s := range p.Settings {
		fmt.Fprintf(&b, "set %s = %s\n", s.Name, s.Value)
	}
	for _, f := range p.Faults {
		fmt.Fprintf(&b, "fault %s\n", f)
	}
	return b.String()
}

// ParsePlan reads a plan. file is its name for error messages, each of which is
// one line with file and line number.
func ParsePlan(file string, text []byte) (*Plan, error) {
	p := &Plan{file: file, lines: map[string]int{}}
	switch {
	case len(text) > maxPlanSize:
		return nil, fmt.Errorf("%s:1: the file has %d bytes; a plan has at most %d", file, len(text), maxPlanSize)
	case len(bytes.TrimSpace(text)) == 0:
		return nil, fmt.Errorf("%s:1: the file is empty; a plan begins with %q", file, planHeader)
	case !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0:
		return nil, fmt.Errorf("%s:1: not text; a plan begins with %q", file, planHeader)
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
	if line == planHeader {
		return nil
	}
	if version, ok := strings.CutPrefix(line, "gauntlet-plan "); ok {
		return fmt.Errorf("plan version %q; this program reads version 1 only", version)
	}
	if len(line) > 40 {
		line = line[:40]
	}
	return fmt.Errorf("%q is not a plan's first line; want %q", line, planHeader)
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
		p.Expect = rest
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
		f, err := parseFault(rest)
		if err != nil {
			return err
		}
		f.line = number
		p.Faults = append(p.Faults, f)
		return nil
	}
	return fmt.Errorf("unknown word %q; known: seed, system, expect, set, fault, #", word)
}

// apply sets an assembly's configuration, and the simulator's own, from the
// plan. Every setting must be there: a plan never depends on defaults.
func (p *Plan) apply(assembly Assembly) (Config, error) {
	var config Config
	if p.System != assembly.Name() {
		return config, fmt.Errorf("%s: system %q; want %q", p.place(p.lines["system"]), p.System, assembly.Name())
	}
	known := map[string]Setting{}
	var names []string
	for _, s := range append(config.settings(), assembly.Settings()...) {
		known[s.Name] = s
		names = append(names, s.Name)
	}
	for _, f := range p.Settings {
		s, ok := known[f.Name]
		if !ok {
			return config, fmt.Errorf("%s: unknown setting %q; known: %s", p.place(p.lines["set "+f.Name]), f.Name, strings.Join(names, ", "))
		}
		if err := s.parse(f.Value); err != nil {
			return config, fmt.Errorf("%s: %w", p.place(p.lines["set "+f.Name]), err)
		}
		delete(known, f.Name)
	}
	for _, name := range names {
		if _, missing := known[name]; missing {
			return config, fmt.Errorf("%s: no %q; a plan sets every setting", p.place(p.lines["system"]), "set "+name)
		}
	}
	if config.LatencyMax < config.LatencyMin {
		return config, fmt.Errorf("%s: sim.latency_max is below sim.latency_min", p.place(p.lines["set sim.latency_max"]))
	}
	return config, nil
}

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
