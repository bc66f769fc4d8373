package mutants

import (
	"bytes"
	"encoding/json"
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
	Invariant string // the one that must find it
	Script    string // the test that must find it instead, if few universes get there
	Package   string // whose test that is: ./sim if nothing is said
	Rule      string // none for a bug of the engine
	What      string
	Size      Size // of a bug that universes find
}

// Size is the least that shows a bug, known by reasoning about it: how many
// deviations from a default run of how many processes, clients aside. It counts
// what is left when everything that the failure doesn't need is gone; package
// shrinkscore compares what reduction leaves with it.
type Size struct{ Orderings, Faults, Processes int }

// Total is what sizes are compared by.
func (s Size) Total() int { return s.Orderings + s.Faults + s.Processes }

// Read reads a patch of testdata/mutants. Those in its folder engine plant bugs
// into the in-memory TiKV and break no rule of the protocol.
func Read(file string) (Mutant, error) {
	patch, err := os.ReadFile(file)
	if err != nil {
		return Mutant{}, err
	}
	m := Mutant{Name: strings.TrimSuffix(filepath.Base(file), ".patch"), Patch: patch, Package: "./sim"}
	for line := range strings.Lines(string(patch)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
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
		case "size":
			if _, err := fmt.Sscanf(value, "orderings=%d faults=%d processes=%d", &m.Size.Orderings, &m.Size.Faults, &m.Size.Processes); err != nil {
				return m, fmt.Errorf("%s: size: %q; want orderings=N faults=N processes=N", file, value)
			}
		}
		if strings.HasPrefix(line, "--- ") {
			break
		}
	}
	switch {
	case (m.Invariant == "") == (m.Script == ""):
		return m, fmt.Errorf("%s must name an invariant or a test", file)
	case (m.Rule == "") != (filepath.Base(filepath.Dir(file)) == "engine"):
		return m, fmt.Errorf("%s must name a rule, unless it is about the engine", file)
	case (m.Size.Processes > 0) != (m.Invariant != ""):
		return m, fmt.Errorf("%s must tell its size, processes included, if an invariant finds it, and else not", file)
	case m.What == "":
		return m, fmt.Errorf("%s doesn't say what it breaks", file)
	}
	return m, nil
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
