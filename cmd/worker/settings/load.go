package settings

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v4"
)

// maxFileBytes bounds a configuration file.
const maxFileBytes = 1 << 20

// Sources are where values come from, the weakest first. None of them is
// changed.
type Sources struct {
	// File is a YAML file, "" for none.
	File string
	// Environment are lines NAME=value; those that do not begin with Prefix are
	// somebody else's.
	Environment []string
	// Flags are those that AddFlags added; only what was given counts.
	Flags *pflag.FlagSet
}

// Load returns the settings in effect. An error is one line that names the
// file and line, the variable or the flag, and what is allowed.
func Load(from Sources) (Settings, error) {
	base := Default()
	s, err := load(base, from)
	if err != nil || s.S3.Kind == base.S3.Kind {
		return s, err
	}
	base.Core.Store = s.S3.Kind.Traits() // what is not set is as usual for the kind
	return load(base, from)
}

// load returns s, changed by what was set.
func load(s Settings, from Sources) (Settings, error) {
	table := Table(&s)
	byName := map[string]Value{}
	byVariable := map[string]Value{}
	for i := range table {
		byName[table[i].Name] = table[i].Value
		byVariable[table[i].Variable()] = table[i].Value
	}
	if from.File != "" {
		data, err := readFile(from.File)
		if err == nil {
			err = apply(from.File, data, byName)
		}
		if err != nil {
			return Settings{}, err
		}
	}
	if err := fromEnvironment(from.Environment, byVariable); err != nil {
		return Settings{}, err
	}
	var err error
	from.Flags.Visit(func(f *pflag.Flag) {
		if v := byName[f.Name]; v != nil && err == nil {
			err = v.Set(f.Value.String())
		}
	})
	return s, err
}

// AddFlags adds a flag for each setting. They check what they are given and
// keep it for Load.
func AddFlags(flags *pflag.FlagSet) {
	given := Default()
	for _, one := range Table(&given) {
		f := flags.VarPF(one.Value, one.Name, "", one.Meaning+" ("+one.Value.Allowed()+")")
		if _, ok := one.Value.(yesNo); ok {
			f.NoOptDefVal = "true"
		}
	}
}

func fromEnvironment(environment []string, byVariable map[string]Value) error {
	for _, line := range environment {
		name, text, _ := strings.Cut(line, "=")
		v := byVariable[name]
		switch {
		case v != nil:
			if err := v.Set(text); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		case strings.HasPrefix(name, Prefix) && !slices.Contains(Others, name) && !serviceLink.MatchString(name):
			return fmt.Errorf("%s: no such setting, allowed: the variables of `worker config --help`", name)
		}
	}
	return nil
}

// Others are the variables that are no settings: the file, and what must not
// stand where others can read it.
var Others = []string{ConfigVariable, TokenVariable}

const (
	ConfigVariable = Prefix + "CONFIG"
	TokenVariable  = Prefix + "CHAOS_TOKEN"
)

// serviceLink matches what Kubernetes sets in every pod beside a service whose
// name begins with "gauntlet".
var serviceLink = regexp.MustCompile(`^GAUNTLET_(.*_)?(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT|PORT_\d+_(TCP|UDP|SCTP)(_.*)?)$`)

func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() || info.Size() > maxFileBytes {
		return nil, fmt.Errorf("%s: not a configuration, allowed: a YAML file of at most %s", name, formatSize(maxFileBytes))
	}
	return os.ReadFile(name)
}

// apply sets what a file says.
func apply(name string, data []byte, byName map[string]Value) error {
	refuse := func(line int, format string, args ...any) error {
		return fmt.Errorf("%s:%d: %s", name, max(line, 1), fmt.Sprintf(format, args...))
	}
	root, line, err := parse(data)
	if err != nil {
		return refuse(line, "%s", err)
	}
	if root == nil {
		return nil // nothing but comments
	}
	if root.Kind != yaml.MappingNode {
		return refuse(root.Line, "not a list of settings, allowed: lines NAME: VALUE")
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, node := root.Content[i], root.Content[i+1]
		v := byName[key.Value]
		if v == nil {
			return refuse(key.Line, "%q is no setting%s", key.Value, nearest(key.Value, byName))
		}
		if first := seen[key.Value]; first > 0 {
			return refuse(key.Line, "%s: given twice, first in line %d, allowed: once", key.Value, first)
		}
		seen[key.Value] = key.Line
		text, ok := textOf(node, v)
		if !ok {
			return refuse(node.Line, "%s: not a %s, allowed: %s", key.Value, v.Type(), v.Allowed())
		}
		if err := v.Set(text); err != nil {
			return refuse(node.Line, "%s: %s", key.Value, err)
		}
	}
	return nil
}

// parse returns the file's one document, nil if it is empty, or what is wrong
// in which line.
func parse(data []byte) (root *yaml.Node, line int, err error) {
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, 1, err
	}
	var document, second yaml.Node
	if err := loader.Load(&document); err != nil || len(document.Content) == 0 {
		return nil, lineOf(err), syntax(err)
	}
	err = loader.Load(&second)
	if err == nil {
		return nil, second.Line, errors.New("a second document, allowed: one")
	}
	if lineOf(err) > 0 {
		return nil, lineOf(err), syntax(err)
	}
	return document.Content[0], 0, nil
}

func lineOf(err error) int {
	var load *yaml.LoadError
	if errors.As(err, &load) {
		return load.Mark.Line
	}
	return 0
}

// syntax is what the YAML reader found; that there is nothing more to read is
// no mistake.
func syntax(err error) error {
	var load *yaml.LoadError
	if !errors.As(err, &load) || load.Mark.Line == 0 {
		return nil
	}
	return errors.New(strings.TrimSpace(load.Message+" "+load.ContextMsg) + ", allowed: YAML")
}

// textOf is a node as Set takes it. Only lists may be lists.
func textOf(node *yaml.Node, v Value) (string, bool) {
	switch {
	case node.Kind == yaml.ScalarNode && node.Tag != "!!null":
		return node.Value, true
	case node.Kind != yaml.SequenceNode || v.Type() != "list":
		return "", false
	}
	items := make([]string, len(node.Content))
	for i, item := range node.Content {
		if item.Kind != yaml.ScalarNode || strings.Contains(item.Value, ",") {
			return "", false
		}
		items[i] = item.Value
	}
	return strings.Join(items, ","), true
}

// nearest names the setting that was probably meant.
func nearest(name string, byName map[string]Value) string {
	best, least := "", len(name)/2+1
	names := make([]string, 0, len(byName))
	for one := range byName {
		names = append(names, one)
	}
	slices.Sort(names)
	for _, one := range names {
		if d := distance(name, one); d < least {
			best, least = one, d
		}
	}
	if best == "" {
		return ", allowed: the names of `worker config --help`"
	}
	return ", perhaps " + strconv.Quote(best) + "?"
}

// distance counts the letters to change, add or take away.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = min(diagonal, row[j], row[j+1]) + 1
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
