package house

import (
	"fmt"
	"go/ast"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/packages"

	"github.com/gauntlet-dst/gauntlet/sim/lint"
)

const module = "github.com/gauntlet-dst/gauntlet/"

// ruled are the rooms under the bans: everything in them is deterministic.
var ruled = []string{"core", "fakes/tikv", "fakes/objstore", "sim", "properties", "examples"}

// exempt lists, by file, what a ruled room may use after all, and why.
var exempt = map[string][]string{
	// The one place that suspends actors: it kills them from a throw-away
	// goroutine, and keeps their panics.
	"sim/coroutine.go": {"go", "channel", "recover"},
	"sim/run.go":       {"recover"},
	// Contexts must offer Done, and the cause of their end, to the standard library.
	"sim/context.go": {"channel", "select", "time.Date", "(context.Context).Done", "context.Background", "context.WithCancelCause"},
	// Universes run in parallel; each stays on one goroutine.
	"sim/sweep/sweep.go": {"map range"},
}

// mayImport lists for each room which other rooms it may import. The longest
// matching room counts.
var mayImport = map[string][]string{
	"core/env":                {},
	"core/dataset":            {"core/env", "core/dataset"},
	"core":                    {"core/env", "core/dataset"},
	"fakes/tikv":              {"core/env"},
	"fakes/objstore":          {"core/env"},
	"fakes/kvcontract":        {"core/env"},
	"fakes/objcontract":       {"core/env", "fakes/objstore"},
	"sim/keyed":               {},
	"sim/ops":                 {"fakes/tikv", "fakes/objstore"},
	"sim/fault":               {"core/env", "fakes/tikv", "fakes/objstore", "sim/keyed", "sim/ops"},
	"sim/plan":                {"sim/fault"},
	"sim/search":              {"sim/fault", "sim/keyed", "sim/ops", "sim/plan"},
	"sim/inject":              {"core/env", "chaos", "sim/fault", "sim/keyed", "sim/ops"},
	"sim":                     {"core/env", "fakes/tikv", "fakes/objstore", "sim/fault", "sim/inject", "sim/keyed", "sim/ops", "sim/plan", "sim/search"},
	"sim/shrink":              {"sim", "sim/fault", "sim/keyed", "sim/ops", "sim/plan"},
	"sim/explain":             {"sim", "sim/fault", "sim/ops", "sim/plan", "sim/shrink"},
	"sim/relocate":            {"sim", "sim/fault", "sim/plan"},
	"sim/script":              {"core/env", "sim", "sim/explain", "sim/fault", "sim/inject", "sim/ops", "sim/shrink"},
	"sim/counter":             {"core/env", "fakes/objstore", "sim", "sim/keyed", "sim/plan"},
	"sim/lint":                {},
	"sim/timeline":            {"sim", "sim/ops"},
	"sim/page":                {"sim", "sim/fault", "sim/ops", "sim/sweep", "sim/timeline"},
	"sim/risk":                {},
	"sim/leaserace":           {"sim", "sim/fault", "sim/keyed", "sim/ops", "sim/plan"},
	"sim/sweep":               {"sim", "sim/leaserace", "sim/risk"},
	"sim/systematic":          {"sim", "sim/fault", "sim/keyed", "sim/ops", "sim/plan", "sim/sweep"},
	"sim/conversion/workload": {"sim/conversion/workload"},
	"sim/conversion":          {"core", "core/env", "core/dataset", "fakes/tikv", "fakes/objstore", "sim/conversion/schema", "sim", "sim/keyed", "sim/ops", "sim/plan", "sim/script", "sim/conversion/workload", "chaos"},
	"properties/model":        {"sim/conversion/schema"},
	"properties":              {"properties/model", "core/env", "fakes/tikv", "fakes/objstore", "sim/conversion/schema", "sim", "sim/fault", "sim/ops", "sim/conversion/workload"},
	"sim/conversion/schema":   {},
	"properties/suite":        {"core", "core/env", "properties", "sim/conversion/schema", "sim", "sim/fault", "sim/inject", "sim/ops", "sim/conversion", "sim/conversion/workload", "chaos", "harness", "sim/sweep"},
	"harness":                 {"sim", "sim/explain", "sim/fault", "sim/inject", "sim/leaserace", "sim/plan", "sim/relocate", "sim/sweep", "sim/systematic", "chaos"},
	"simtest":                 {"sim", "sim/plan", "chaos", "harness"},
	"command":                 {"sim", "sim/explain", "sim/fault", "sim/page", "sim/plan", "sim/risk", "sim/sweep", "sim/systematic", "sim/timeline", "chaos", "harness"},
	"cmd/gauntlet":            {"command", "properties/suite"},
	"cmd/gauntlet-lint":       {"sim/lint"},
	"chaos":                   {"core/env", "chaos"},
	"backend/process":         {"core/env", "fakes/tikv", "fakes/objstore", "backend/process"},
	"backend/tikv":            {"core/env"},
	"conformance/wire":        {"fakes/tikv"},
	"conformance/rpc":         {"core/env", "fakes/tikv", "backend/process", "conformance/wire"},
	"conformance/executor":    {"core/env", "fakes/tikv", "fakes/objstore", "backend/process", "backend/tikv", "conformance/rpc", "sim", "sim/fault", "sim/keyed", "sim/ops", "sim/plan", "properties/suite"},
	"conformance":             {"core/env", "fakes/tikv", "fakes/kvcontract", "fakes/objcontract", "backend/process", "backend/tikv", "conformance"},

	"examples/published":               {"core/env"},
	"examples/published/publishedsim":  {"examples/published", "fakes/objstore", "harness", "sim", "sim/keyed", "sim/plan", "sim/sweep"},
	"examples/published/cmd/published": {"command", "examples/published/publishedsim"},
}

func TestHouse(t *testing.T) {
	found, files := inspect(t, "./core/...", "./fakes/...", "./sim/...", "./properties/...", "./chaos/...", "./backend/process/...", "./harness/...", "./simtest/...", "./command/...", "./cmd/...", "./conformance/...", "./examples/...")
	require.Greater(t, files, 60, "the house test saw too few files to mean anything")
	require.Empty(t, found, "\n%s", strings.Join(found, "\n"))
}

// inspect checks the packages and returns every breach with its place.
func inspect(t *testing.T, patterns ...string) (found []string, files int) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	loaded, err := packages.Load(&packages.Config{Dir: root, Mode: lint.Mode}, patterns...)
	require.NoError(t, err)
	for _, p := range loaded {
		require.Empty(t, p.Errors, p.PkgPath)
		c := checker{pkg: p, root: root, room: strings.TrimPrefix(p.PkgPath, module)}
		for _, file := range p.Syntax {
			files++
			c.imports(file)
		}
		if c.underBans() {
			for _, b := range lint.Check(p) {
				c.breach(b.File, b.Line, b.What, b.Instead)
			}
		}
		found = append(found, c.found...)
	}
	slices.Sort(found)
	return found, files
}

// checker checks one package for what only this house forbids: who imports whom.
type checker struct {
	pkg   *packages.Package
	root  string
	room  string
	found []string
}

func (c *checker) breach(file string, line int, what, instead string) {
	if name, err := filepath.Rel(c.root, file); err == nil {
		file = filepath.ToSlash(name)
	}
	if !slices.Contains(exempt[file], what) {
		c.found = append(c.found, fmt.Sprintf("%s:%d: %s; use %s", file, line, what, instead))
	}
}

// longest returns the longest of the rooms that contains room, or "".
func longest[V any](rooms map[string]V, room string) string {
	best := ""
	for name := range rooms {
		if (room == name || strings.HasPrefix(room, name+"/")) && len(name) > len(best) {
			best = name
		}
	}
	return best
}

// free are parts of ruled rooms that run outside universes.
var free = []string{"sim/sweep", "sim/lint"}

func (c *checker) underBans() bool {
	return slices.ContainsFunc(ruled, func(room string) bool { return c.room == room || strings.HasPrefix(c.room, room+"/") }) &&
		!slices.Contains(free, c.room)
}

func (c *checker) imports(file *ast.File) {
	room := longest(mayImport, c.room)
	for _, spec := range file.Imports {
		path, at := strings.Trim(spec.Path.Value, `"`), c.pkg.Fset.Position(spec.Pos())
		if other, ours := strings.CutPrefix(path, module); ours {
			if room != "" && !slices.ContainsFunc(mayImport[room], func(ok string) bool {
				return other == ok || ok != "core" && ok != "sim" && strings.HasPrefix(other, ok+"/")
			}) {
				c.breach(at.Filename, at.Line, "import of "+other, "one of "+strings.Join(mayImport[room], ", "))
			}
			continue
		}
		if c.underBans() && strings.Contains(strings.SplitN(path, "/", 2)[0], ".") {
			c.breach(at.Filename, at.Line, "import of "+path, "the standard library")
		}
	}
}
