package mutants

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// Mutant is one planted bug, as its patch's first lines describe it.
type Mutant struct {
	Name      string
	Patch     []byte
	Invariant string // the oracle that must find it
	Script    string // the test that must find it instead, if few universes get there
	Package   string // whose test that is: ./sim if nothing is said
	Rule      string // none for a bug of the engine
	What      string
	Size      Size            // none for a bug of the engine that no universe finds
	Shapes    map[string]Size // what failures of other shapes than the least take, where that is known
	Of        []string        // of a pair: the bugs that are planted together
	Why       string          // of an equivalent: why no run may fail; of a bug: why its size is no smaller
}

// Oracle is the invariant that must find the bug, or Any if a test must.
func (m Mutant) Oracle() string { return cmp.Or(m.Invariant, Any) }

// Size is the least that shows a bug, known by reasoning about it: how many
// deviations from a default run of how many processes, clients aside. It counts
// what is left when everything that the failure doesn't need is gone; package
// shrinkscore compares what reduction leaves with it. Where it surprises, the
// patch says why.
type Size struct{ Orderings, Faults, Processes int }

// SizeOf is the least that shows the bug by a failure of a shape: reduction keeps the
// shape of the failure that it was given, and the bug's least may be of another.
func (m Mutant) SizeOf(shape string) Size {
	if s, ok := m.Shapes[shape]; ok {
		return s
	}
	return m.Size
}

// Depth is how many deviations the minimal interleaving has.
func (s Size) Depth() int { return s.Orderings + s.Faults }

// Total is what sizes are compared by.
func (s Size) Total() int { return s.Orderings + s.Faults + s.Processes }

// The folders below testdata/mutants.
const (
	engineFolder     = "engine"     // bugs of the in-memory TiKV, which break no rule of the protocol
	equivalentFolder = "equivalent" // changes that break nothing: no run may fail
	pairsFolder      = "pairs"      // two bugs of core planted together: of: NAME, NAME
)

// InCore reads the bugs of core in dir, testdata/mutants.
func InCore(dir string) ([]Mutant, error) { return readAll(dir, "*.patch") }

// All reads the bugs in dir, testdata/mutants: those of core, pairs of them, and
// those of the engine, which break no rule.
func All(dir string) ([]Mutant, error) {
	return readAll(dir, "*.patch", pairsFolder+"/*.pair", engineFolder+"/*.patch")
}

func readAll(dir string, patterns ...string) (all []Mutant, err error) {
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			m, err := Read(file)
			if err != nil {
				return nil, err
			}
			all = append(all, m)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no bugs: run it from the module's root", dir)
	}
	return all, nil
}

// Read reads a patch or a pair of testdata/mutants or of one of its folders.
func Read(file string) (Mutant, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Mutant{}, err
	}
	m := Mutant{Name: strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)), Patch: text, Package: "./sim"}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "--- ") {
			break
		}
		if err := m.header(strings.TrimSpace(line)); err != nil {
			return m, fmt.Errorf("%s: %w", file, err)
		}
	}
	if err := m.complete(filepath.Base(filepath.Dir(file))); err != nil {
		return m, fmt.Errorf("%s: %w", file, err)
	}
	if len(m.Of) == 0 {
		return m, nil
	}
	m.Patch = nil
	for _, name := range m.Of {
		one, err := Read(filepath.Join(filepath.Dir(file), "..", name+".patch"))
		if err != nil {
			return m, err
		}
		_, diff, _ := bytes.Cut(one.Patch, []byte("\n--- "))
		m.Patch = append(append(m.Patch, "--- "...), diff...)
	}
	return m, nil
}

// header takes one line of a description.
func (m *Mutant) header(line string) error {
	if sized, ok := strings.CutPrefix(line, "size of "); ok {
		return m.sizeOf(sized)
	}
	name, value, ok := strings.Cut(line, ": ")
	switch name {
	case "invariant":
		m.Invariant = value
	case "test":
		m.Script = value
	case "package":
		m.Package = value
	case "rule":
		m.Rule = value
	case "what":
		m.What = value
	case "why":
		m.Why = value
	case "of":
		m.Of = strings.Split(value, ", ")
	case "size":
		return m.Size.read(value)
	default:
		if ok && !strings.Contains(name, " ") {
			return fmt.Errorf("%q: want invariant, test, package, rule, what, why, of, size or size of SHAPE", line)
		}
	}
	return nil
}

// sizeOf takes the size of one shape: SHAPE: orderings=N faults=N processes=N. A shape
// may hold a colon itself.
func (m *Mutant) sizeOf(line string) error {
	at := strings.LastIndex(line, ": ")
	if at < 0 {
		return fmt.Errorf("size of %s: want SHAPE: orderings=N faults=N processes=N", line)
	}
	var s Size
	if err := s.read(line[at+2:]); err != nil {
		return err
	}
	if m.Shapes == nil {
		m.Shapes = map[string]Size{}
	}
	m.Shapes[line[:at]] = s
	return nil
}

func (s *Size) read(text string) error {
	if _, err := fmt.Sscanf(text, "orderings=%d faults=%d processes=%d", &s.Orderings, &s.Faults, &s.Processes); err != nil {
		return fmt.Errorf("size: %q; want orderings=N faults=N processes=N", text)
	}
	return nil
}

// complete refuses a description that lacks what one of its folder must have.
func (m *Mutant) complete(folder string) error {
	switch {
	case m.What == "":
		return errors.New("it doesn't say what it changes: what: TEXT")
	case folder == equivalentFolder:
		if m.Why == "" || m.Invariant+m.Script+m.Rule != "" {
			return errors.New("an equivalent must say why no run may fail (why: TEXT), and names no invariant, no test and no rule")
		}
		return nil
	case (m.Invariant == "") == (m.Script == ""):
		return errors.New("it must name what finds it: either an invariant or a test")
	case (m.Rule == "") != (folder == engineFolder):
		return errors.New("it must name the rule that it breaks, unless it is about the engine")
	case m.Size.Processes == 0 && (folder != engineFolder || m.Invariant != ""):
		return errors.New("it must tell the least that shows it, processes included: size: orderings=N faults=N processes=N")
	case len(m.Shapes) > 0 && m.Why == "":
		return errors.New("it must say why a failure of that shape takes what it does: why: TEXT")
	case (len(m.Of) == 2) != (folder == pairsFolder):
		return errors.New("a pair, and nothing else, names the two bugs that it is of: of: NAME, NAME")
	}
	return nil
}

var patched = regexp.MustCompile(`(?m)^\+\+\+ b/(\S+)`)

// Plant applies the patch to copies in dir, an empty folder, of the files under
// root, and returns the overlay that puts them in the place of the originals.
func (m Mutant) Plant(root, dir string) ([]byte, error) {
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for _, match := range patched.FindAllSubmatch(m.Patch, -1) {
		name := string(match[1])
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return nil, fmt.Errorf("%s is about a file that is gone: %w", m.Name, err)
		}
		copied := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(copied), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(copied, text, 0o644); err != nil {
			return nil, err
		}
		original, err := filepath.Abs(filepath.Join(root, name))
		if err != nil {
			return nil, err
		}
		overlay.Replace[original] = copied
	}
	apply := exec.Command("git", "apply", "-")
	apply.Dir, apply.Stdin = dir, bytes.NewReader(m.Patch)
	apply.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))
	if out, err := apply.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s no longer applies: mend it\n%s", m.Name, out)
	}
	return json.Marshal(overlay)
}
