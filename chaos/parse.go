package chaos

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// The keys of a configuration file.
const (
	keySeed        = "seed"
	keyOperations  = "operations"
	keyFailBefore  = "fail_before"
	keyFailAfter   = "fail_after"
	keyDelayBefore = "delay_before"
	keyDelayAfter  = "delay_after"
	keyRate        = "rate"
	keyNth         = "nth"
	keyOnce        = "once"
	keyError       = "error"
	keyFor         = "for"
)

var (
	configKeys  = [...]string{keySeed, keyOperations}
	ruleKeys    = [...]string{keyFailBefore, keyFailAfter, keyDelayBefore, keyDelayAfter}
	failureKeys = [...]string{keyRate, keyNth, keyOnce, keyError}
	delayKeys   = [...]string{keyRate, keyNth, keyOnce, keyFor}
)

// errorClasses are the classes that some operation allows.
var errorClasses = [...]env.Class{
	env.ClassUnavailable, env.ClassUndetermined, env.ClassConflict, env.ClassNotFound,
}

// Parse reads a configuration. name is the file's name, for errors only. The
// reading is strict: whatever is not exactly a configuration is refused with
// one line "file:line: what is wrong, what is allowed". So is what could inject
// nothing: a trigger that picks no call, a call that its step never makes, a
// point that no call reaches. The operations are those of catalogue; an error
// that begins with "catalogue:" is about itself.
//
//	seed: 7
//	operations:
//	  kv.commit:
//	    fail_before: {rate: 0.05, error: conflict}    # not applied
//	    fail_after: {nth: [3, 9]}                     # applied
//	    delay_before: {rate: 0.2, for: 10ms..2s}
//	  flip/kv.commit:
//	    fail_after: {once: true}
func Parse(name string, data []byte, catalogue Catalogue) (Config, error) {
	if err := catalogue.Validate(); err != nil {
		return Config{}, err
	}
	d := decoder{file: name, catalogue: &catalogue, lines: make(map[string]int)}
	root, err := d.root(data)
	if err != nil {
		return Config{}, err
	}
	config, err := d.config(root)
	if err != nil {
		return Config{}, err
	}
	if p := config.check(&catalogue); p != nil {
		return Config{}, d.refuse(d.lines[joinPath(p.path)], "%s", p.text)
	}
	return config, nil
}

// decoder turns YAML's nodes into a Config and remembers where each value
// stood, for the checks that follow.
type decoder struct {
	file      string
	catalogue *Catalogue
	lines     map[string]int // by joinPath
}

func joinPath(path []string) string { return strings.Join(path, "\x00") }

func (d *decoder) refuse(line int, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", d.file, max(line, 1), fmt.Sprintf(format, args...))
}

func (d *decoder) root(data []byte) (*yaml.Node, error) {
	if len(data) > MaxConfigBytes {
		return nil, d.refuse(1, "file has %d bytes, allowed: at most %d", len(data), MaxConfigBytes)
	}
	if at := binaryAt(data); at >= 0 {
		return nil, d.refuse(1+bytes.Count(data[:at], []byte("\n")), "byte %#02x is not text, allowed: YAML in UTF-8", data[at])
	}
	var document yaml.Node
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err == nil {
		err = loader.Load(&document)
	}
	if err != nil || len(document.Content) == 0 {
		return nil, d.syntax(err)
	}
	var second yaml.Node
	if err := loader.Load(&second); err == nil {
		return nil, d.refuse(second.Line, "a second document, allowed: one")
	} else if line := syntaxLine(err); line > 0 {
		return nil, d.syntax(err)
	}
	return document.Content[0], nil
}

// binaryAt returns the index of the first byte that no text file has, or -1.
func binaryAt(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 || r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == 0x7f {
			return i
		}
		i += size
	}
	return -1
}

// syntax reports what the YAML reader found, or that it found nothing.
func (d *decoder) syntax(err error) error {
	var load *yaml.LoadError
	if !errors.As(err, &load) || load.Mark.Line == 0 {
		return d.refuse(1, "file is empty, allowed: the keys %s", oneOf(configKeys[:]))
	}
	text := load.Message
	if load.ContextMsg != "" {
		text += " " + load.ContextMsg
	}
	return d.refuse(load.Mark.Line, "%s, allowed: YAML", text)
}

func syntaxLine(err error) int {
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		return 0
	}
	return load.Mark.Line
}

// fields calls visit for each key of a mapping, after checking that node is
// one, that the key is allowed and that it comes once. allowed == nil allows
// any.
func (d *decoder) fields(node *yaml.Node, path, allowed []string, visit func(key string, value *yaml.Node, path []string) error) error {
	if node.Kind != yaml.MappingNode {
		return d.wrongType(node, "a mapping of "+keysAllowed(allowed))
	}
	seen := make(map[string]bool, len(node.Content)/2)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			return d.wrongType(key, "keys "+keysAllowed(allowed))
		}
		if allowed != nil && !contains(allowed, key.Value) {
			return d.refuse(key.Line, "unknown key %q, allowed: %s", key.Value, oneOf(allowed))
		}
		if seen[key.Value] {
			return d.refuse(key.Line, "key %q given twice, allowed: once", key.Value)
		}
		seen[key.Value] = true
		below := append(path[:len(path):len(path)], key.Value)
		d.lines[joinPath(below)] = key.Line
		if err := visit(key.Value, value, below); err != nil {
			return err
		}
	}
	return nil
}

func keysAllowed(allowed []string) string {
	if allowed == nil {
		return "operations' names"
	}
	return oneOf(allowed)
}

func contains(list []string, s string) bool {
	for _, have := range list {
		if have == s {
			return true
		}
	}
	return false
}

func (d *decoder) wrongType(node *yaml.Node, want string) error {
	return d.refuse(node.Line, "%s is not allowed here, allowed: %s", describe(node), want)
}

// describe names a node's type for an error message.
func describe(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		if len(node.Content) == 0 {
			return "an empty list"
		}
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	case yaml.ScalarNode:
		if node.Tag == "!!null" {
			return "an empty value"
		}
		return strconv.Quote(node.Value)
	}
	return "this"
}

func (d *decoder) config(root *yaml.Node) (Config, error) {
	var config Config
	err := d.fields(root, nil, configKeys[:], func(key string, value *yaml.Node, path []string) error {
		if key == keySeed {
			return d.seed(value, &config.Seed)
		}
		return d.fields(value, path, nil, func(name string, value *yaml.Node, path []string) error {
			rule, err := d.rule(name, value, path)
			config.Rules = append(config.Rules, rule)
			return err
		})
	})
	return config, err
}

func (d *decoder) rule(name string, node *yaml.Node, path []string) (Rule, error) {
	rule := Rule{Operation: name}
	if _, p := d.catalogue.find(name); p != nil { // before what is below it
		return rule, d.refuse(d.lines[joinPath(path)], "%s", p.text)
	}
	err := d.fields(node, path, ruleKeys[:], func(key string, value *yaml.Node, path []string) (err error) {
		switch key {
		case keyFailBefore:
			rule.FailBefore, err = d.failure(value, path)
		case keyFailAfter:
			rule.FailAfter, err = d.failure(value, path)
		case keyDelayBefore:
			rule.DelayBefore, err = d.delay(value, path)
		case keyDelayAfter:
			rule.DelayAfter, err = d.delay(value, path)
		}
		return err
	})
	return rule, err
}

func (d *decoder) failure(node *yaml.Node, path []string) (*Failure, error) {
	failure := &Failure{}
	err := d.fields(node, path, failureKeys[:], func(key string, value *yaml.Node, _ []string) error {
		if key == keyError {
			return d.class(value, &failure.Error)
		}
		return d.trigger(key, value, &failure.Trigger)
	})
	return failure, err
}

func (d *decoder) delay(node *yaml.Node, path []string) (*Latency, error) {
	delay := &Latency{}
	err := d.fields(node, path, delayKeys[:], func(key string, value *yaml.Node, _ []string) error {
		if key == keyFor {
			return d.span(value, delay)
		}
		return d.trigger(key, value, &delay.Trigger)
	})
	if err == nil && delay.Max == 0 {
		err = d.refuse(d.lines[joinPath(path)], "%s lacks \"for\", allowed: a duration above 0s, or MIN..MAX", path[len(path)-1])
	}
	return delay, err
}

func (d *decoder) trigger(key string, node *yaml.Node, trigger *Trigger) (err error) {
	switch key {
	case keyRate:
		trigger.Rate, err = d.number(node)
	case keyOnce:
		trigger.Once, err = d.bool(node)
	case keyNth:
		trigger.Nth, err = d.ordinals(node)
	}
	return err
}

func plain(node *yaml.Node, tags ...string) bool {
	return node.Kind == yaml.ScalarNode && node.Style == 0 && contains(tags, node.Tag)
}

func (d *decoder) seed(node *yaml.Node, seed *uint64) error {
	value, err := strconv.ParseUint(node.Value, 0, 64)
	if err != nil || !plain(node, "!!int") {
		return d.wrongType(node, "a whole number from 0 to 2^64-1")
	}
	*seed = value
	return nil
}

func (d *decoder) number(node *yaml.Node) (float64, error) {
	value, err := strconv.ParseFloat(node.Value, 64)
	if err == nil && value == 0 {
		return 0, d.refuse(node.Line, "rate %s picks no call, allowed: above 0 to 1", node.Value)
	}
	if node.Value == ".nan" || err != nil || !plain(node, "!!int", "!!float") {
		return 0, d.wrongType(node, "a number above 0, up to 1")
	}
	return value, nil
}

func (d *decoder) bool(node *yaml.Node) (bool, error) {
	if !plain(node, "!!bool") || node.Value != "true" && node.Value != "false" {
		return false, d.wrongType(node, "true or false")
	}
	return node.Value == "true", nil
}

func (d *decoder) ordinals(node *yaml.Node) ([]int, error) {
	want := "a list of rising numbers from 1"
	if node.Kind != yaml.SequenceNode || len(node.Content) == 0 {
		return nil, d.wrongType(node, want)
	}
	list := make([]int, len(node.Content))
	for i, item := range node.Content {
		n, err := strconv.Atoi(item.Value)
		if err != nil || !plain(item, "!!int") {
			return nil, d.wrongType(item, want)
		}
		list[i] = n
	}
	return list, nil
}

func (d *decoder) class(node *yaml.Node, class *env.Class) error {
	names := make([]string, len(errorClasses))
	for i, c := range errorClasses {
		names[i] = className(c)
		if node.Kind == yaml.ScalarNode && node.Value == names[i] {
			*class = c
			return nil
		}
	}
	return d.wrongType(node, "one of "+oneOf(names))
}

// span reads "100ms" or "100ms..2s".
func (d *decoder) span(node *yaml.Node, delay *Latency) error {
	low, high, ranged := strings.Cut(node.Value, "..")
	if !ranged {
		high = low
	}
	var err1, err2 error
	delay.Min, err1 = time.ParseDuration(low)
	delay.Max, err2 = time.ParseDuration(high)
	if node.Kind != yaml.ScalarNode || err1 != nil || err2 != nil {
		return d.wrongType(node, "a duration such as 250ms or 10ms..2s")
	}
	if delay.Min <= 0 || delay.Max <= 0 {
		return d.refuse(node.Line, "delay %q is not above 0s, allowed: above 0s to %s, or a rising MIN..MAX", node.Value, MaxDelay)
	}
	return nil
}

// Marshal writes c as YAML that Parse reads back as the same Config.
func (c Config) Marshal() []byte {
	var b []byte
	if c.Seed != 0 {
		b = fmt.Appendf(b, "%s: %d\n", keySeed, c.Seed)
	}
	if len(c.Rules) == 0 {
		return fmt.Appendf(b, "%s: {}\n", keyOperations)
	}
	b = fmt.Appendf(b, "%s:\n", keyOperations)
	for i := range c.Rules {
		r := &c.Rules[i]
		b = fmt.Appendf(b, "  %s:\n", r.Operation)
		b = r.FailBefore.append(b, keyFailBefore)
		b = r.FailAfter.append(b, keyFailAfter)
		b = r.DelayBefore.append(b, keyDelayBefore)
		b = r.DelayAfter.append(b, keyDelayAfter)
	}
	return b
}

func (f *Failure) append(b []byte, key string) []byte {
	if f == nil {
		return b
	}
	b = f.Trigger.append(fmt.Appendf(b, "    %s: {", key))
	if f.Error != env.ClassNone {
		b = fmt.Appendf(b, ", %s: %s", keyError, className(f.Error))
	}
	return append(b, "}\n"...)
}

func (d *Latency) append(b []byte, key string) []byte {
	if d == nil {
		return b
	}
	b = d.Trigger.append(fmt.Appendf(b, "    %s: {", key))
	return fmt.Appendf(b, ", %s: %s}\n", keyFor, formatDelay(d.Min, d.Max))
}

func (t *Trigger) append(b []byte) []byte {
	parts := make([]string, 0, 3)
	if t.Rate != 0 || len(t.Nth) == 0 && !t.Once {
		parts = append(parts, keyRate+": "+formatRate(t.Rate))
	}
	if len(t.Nth) > 0 {
		list := make([]string, len(t.Nth))
		for i, n := range t.Nth {
			list[i] = strconv.Itoa(n)
		}
		parts = append(parts, keyNth+": ["+oneOf(list)+"]")
	}
	if t.Once {
		parts = append(parts, keyOnce+": true")
	}
	return append(b, strings.Join(parts, ", ")...)
}
