package house

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/packages"
)

const module = "github.com/gauntlet-dst/gauntlet/"

// ruled are the rooms under the bans: everything in them is deterministic.
var ruled = []string{"core", "fakes/tikv", "fakes/objstore", "sim", "properties"}

// exempt lists, by file, what a ruled room may use after all, and why.
var exempt = map[string][]string{
	// The one place that suspends actors: it kills them from a throw-away
	// goroutine, and keeps their panics.
	"sim/coroutine.go": {"go", "channel", "recover"},
	// Contexts must offer Done, and the cause of their end, to the standard library.
	"sim/context.go": {"channel", "select", "time.Date", "context.Background", "context.WithCancelCause"},
	// Universes run in parallel; each stays on one goroutine.
	"sim/sweep/sweep.go": {"map range"},
}

// bannedCalls maps functions to what to use instead.
var bannedCalls = map[string]string{
	"time.Now": "env.Clock.Now or Monotonic", "time.Since": "env.Clock.Monotonic", "time.Until": "env.Clock.Monotonic",
	"time.Sleep": "env.Clock.Sleep", "time.After": "env.Clock.Sleep", "time.AfterFunc": "env.Group.Spawn",
	"time.Tick": "env.Clock.Sleep", "time.NewTimer": "env.Clock.WithTimeout", "time.NewTicker": "env.Clock.Sleep",
	"context.WithTimeout": "env.Clock.WithTimeout", "context.WithDeadline": "env.Clock.WithTimeout",
	"context.WithTimeoutCause": "env.Clock.WithTimeout", "context.WithDeadlineCause": "env.Clock.WithTimeout",
	"context.WithCancel": "env.Clock.WithCancel", "context.WithCancelCause": "env.Clock.WithCancel",
	"context.Background": "the context that the caller was given", "context.TODO": "the context that the caller was given",
	"os.Getenv": "a configuration field", "os.LookupEnv": "a configuration field", "os.Environ": "a configuration field",
	"runtime.NumGoroutine": "nothing: it differs from run to run", "runtime.ReadMemStats": "nothing: it differs from run to run",
	"log/slog.Info": "env.Log", "log/slog.Warn": "env.Log", "log/slog.Error": "env.Log", "log/slog.Debug": "env.Log",
	"log/slog.Default": "env.Log", "log/slog.New": "env.Log",
}

// bannedImports maps packages to what to use instead.
var bannedImports = map[string]string{
	"math/rand": "env.Rand", "math/rand/v2": "env.Rand", "crypto/rand": "env.Rand", "hash/maphash": "a keyed hash",
	"log": "env.Log", "unsafe": "nothing", "reflect": "plain code", "os": "env.TempDir", "net": "env.Objects or env.KV",
	"net/http": "env.Objects", "os/exec": "nothing", "unique": "nothing", "weak": "nothing",
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
	"sim/keyed":               {},
	"sim/ops":                 {"fakes/tikv", "fakes/objstore"},
	"sim/fault":               {"core/env", "fakes/tikv", "fakes/objstore", "sim/keyed", "sim/ops"},
	"sim/plan":                {"sim/fault"},
	"sim/search":              {"sim/fault", "sim/keyed", "sim/ops"},
	"sim/inject":              {"core/env", "chaos", "sim/fault", "sim/keyed", "sim/ops"},
	"sim":                     {"core/env", "fakes/tikv", "fakes/objstore", "sim/fault", "sim/inject", "sim/keyed", "sim/ops", "sim/plan", "sim/search"},
	"sim/explain":             {"sim", "sim/fault", "sim/ops", "sim/plan"},
	"sim/script":              {"core/env", "sim", "sim/explain", "sim/fault", "sim/inject", "sim/ops"},
	"sim/sweep":               {"sim"},
	"sim/conversion/workload": {"sim/conversion/workload"},
	"sim/conversion":          {"core", "core/env", "core/dataset", "fakes/tikv", "fakes/objstore", "properties/schema", "sim", "sim/keyed", "sim/plan", "sim/script", "sim/conversion/workload", "chaos"},
	"properties":              {"core/env", "fakes/tikv", "fakes/objstore", "properties/schema", "sim", "sim/fault", "sim/ops", "sim/conversion/workload"},
	"properties/schema":       {},
	"properties/suite":        {"core", "core/env", "properties", "properties/schema", "sim", "sim/fault", "sim/inject", "sim/ops", "sim/conversion", "sim/conversion/workload", "chaos", "harness", "sim/sweep"},
	"harness":                 {"sim", "sim/explain", "sim/fault", "sim/inject", "sim/plan", "sim/sweep", "chaos"},
	"simtest":                 {"sim", "sim/plan", "chaos", "harness"},
	"command":                 {"sim", "sim/explain", "sim/fault", "sim/plan", "sim/sweep", "chaos", "harness"},
	"cmd/gauntlet":            {"command", "properties/suite"},
	"chaos":                   {"core/env", "chaos"},
	"backend/process":         {"core/env", "fakes/tikv", "fakes/objstore", "backend/process"},
	"backend/tikv":            {"core/env"},
}

func TestHouse(t *testing.T) {
	found, files := inspect(t, "", "./core/...", "./fakes/...", "./sim/...", "./properties/...", "./chaos/...", "./backend/process/...", "./harness/...", "./simtest/...", "./command/...", "./cmd/...")
	require.Greater(t, files, 60, "the house test saw too few files to mean anything")
	require.Empty(t, found, "\n%s", strings.Join(found, "\n"))
}

// TestLeaksAreFound: the house test finds each of the leaks that a system under
// test could have.
func TestLeaksAreFound(t *testing.T) {
	found, _ := inspect(t, "core", "./internal/house/testdata/leaky")
	all := strings.Join(found, "\n")
	for _, leak := range []string{
		"import of math/rand", "import of os", "package variable cache", "a call with a context while a mutex is held",
		"recover", "map range", "channel", ": go;", "select", "time.After", "context.WithTimeout", "time.Now", "os.Getenv",
	} {
		require.Contains(t, all, leak)
	}
}

// inspect checks the packages and returns every breach with its place. If room
// is given, the packages are taken for that room's.
func inspect(t *testing.T, room string, patterns ...string) (found []string, files int) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	loaded, err := packages.Load(&packages.Config{
		Dir: root, Mode: packages.NeedName | packages.NeedFiles | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedImports | packages.NeedExportFile,
	}, patterns...)
	require.NoError(t, err)
	for _, p := range loaded {
		require.Empty(t, p.Errors, p.PkgPath)
		c := checker{pkg: p, root: root, room: strings.TrimPrefix(p.PkgPath, module)}
		if room != "" {
			c.room = room
		}
		for _, file := range p.Syntax {
			files++
			c.file(file)
		}
		found = append(found, c.found...)
	}
	slices.Sort(found)
	return found, files
}

type checker struct {
	pkg   *packages.Package
	root  string
	room  string
	name  string // of the file, from the root
	found []string
}

func (c *checker) breach(pos token.Pos, what, instead string) {
	if slices.Contains(exempt[c.name], what) {
		return
	}
	at := c.pkg.Fset.Position(pos)
	c.found = append(c.found, fmt.Sprintf("%s:%d: %s; use %s", c.name, at.Line, what, instead))
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

func (c *checker) file(file *ast.File) {
	path := c.pkg.Fset.Position(file.Pos()).Filename
	name, err := filepath.Rel(c.root, path)
	if err != nil {
		name = path
	}
	c.name = filepath.ToSlash(name)
	if strings.HasSuffix(c.name, "_test.go") {
		return
	}
	c.imports(file)
	if !c.underBans() {
		return
	}
	for _, decl := range file.Decls {
		c.packageVariables(decl)
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Body != nil {
			c.mutexAcrossEnv(fn)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		c.node(n)
		return true
	})
}

func (c *checker) underBans() bool {
	return slices.ContainsFunc(ruled, func(room string) bool { return c.room == room || strings.HasPrefix(c.room, room+"/") }) &&
		c.room != "sim/sweep"
}

func (c *checker) imports(file *ast.File) {
	room := longest(mayImport, c.room)
	for _, spec := range file.Imports {
		path := strings.Trim(spec.Path.Value, `"`)
		if other, ours := strings.CutPrefix(path, module); ours {
			if room != "" && !slices.ContainsFunc(mayImport[room], func(ok string) bool {
				return other == ok || ok != "core" && ok != "sim" && strings.HasPrefix(other, ok+"/")
			}) {
				c.breach(spec.Pos(), "import of "+other, "one of "+strings.Join(mayImport[room], ", "))
			}
			continue
		}
		if instead, banned := bannedImports[path]; banned && c.underBans() {
			c.breach(spec.Pos(), "import of "+path, instead)
		}
		if c.underBans() && strings.Contains(strings.SplitN(path, "/", 2)[0], ".") {
			c.breach(spec.Pos(), "import of "+path, "the standard library")
		}
	}
}

func (c *checker) node(n ast.Node) {
	switch n := n.(type) {
	case *ast.GoStmt:
		c.breach(n.Pos(), "go", "env.Group.Spawn")
	case *ast.SelectStmt:
		c.breach(n.Pos(), "select", "blocking calls with a context")
	case *ast.ChanType, *ast.SendStmt:
		c.breach(n.Pos(), "channel", "env.Group and a mutex")
	case *ast.RangeStmt:
		if _, isMap := c.pkg.TypesInfo.TypeOf(n.X).Underlying().(*types.Map); isMap {
			c.breach(n.Pos(), "map range", "slices.Sorted(maps.Keys(m))")
		}
	case *ast.SelectorExpr, *ast.Ident:
		c.use(n.(ast.Expr))
	}
}

// use checks a mention of a function.
func (c *checker) use(e ast.Expr) {
	id, ok := e.(*ast.Ident)
	if !ok {
		return
	}
	switch obj := c.pkg.TypesInfo.Uses[id].(type) {
	case *types.Builtin:
		if obj.Name() == "recover" {
			c.breach(e.Pos(), "recover", "an error")
		}
	case *types.Func:
		if obj.Pkg() == nil || obj.Signature().Recv() != nil {
			return
		}
		name := obj.Pkg().Path() + "." + obj.Name()
		if instead, banned := bannedCalls[name]; banned {
			c.breach(e.Pos(), name, instead)
		}
	}
}

// packageVariables allows sentinel errors, tables that nothing changes, and
// assertions that a type implements an interface.
func (c *checker) packageVariables(decl ast.Decl) {
	gen, ok := decl.(*ast.GenDecl)
	if !ok || gen.Tok != token.VAR {
		return
	}
	for _, spec := range gen.Specs {
		for _, name := range spec.(*ast.ValueSpec).Names {
			obj := c.pkg.TypesInfo.Defs[name]
			if name.Name == "_" || obj == nil || isError(obj.Type()) || c.isTable(obj) {
				continue
			}
			c.breach(name.Pos(), "package variable "+name.Name, "a field")
		}
	}
}

func isError(t types.Type) bool {
	errorType := types.Universe.Lookup("error").Type().Underlying().(*types.Interface)
	return types.Implements(t, errorType)
}

// isTable reports whether nothing in the package assigns to the variable or
// takes its address.
func (c *checker) isTable(obj types.Object) bool {
	constant := true
	for _, file := range c.pkg.Syntax {
		ast.Inspect(file, func(n ast.Node) bool {
			var targets []ast.Expr
			switch n := n.(type) {
			case *ast.AssignStmt:
				targets = n.Lhs
			case *ast.IncDecStmt:
				targets = []ast.Expr{n.X}
			}
			for _, target := range targets {
				if root := rootIdent(target); root != nil && c.pkg.TypesInfo.Uses[root] == obj {
					constant = false
				}
			}
			return constant
		})
	}
	return constant
}

func rootIdent(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// mutexAcrossEnv finds functions that lock a mutex and, before unlocking it,
// call something that takes a context: under the simulator that would stop the
// universe, in production the process.
func (c *checker) mutexAcrossEnv(fn *ast.FuncDecl) {
	held, deferred := 0, false
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		if d, ok := n.(*ast.DeferStmt); ok && c.mutexCall(d.Call) == "Unlock" {
			deferred = true
			return false
		}
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		switch c.mutexCall(call) {
		case "Lock", "RLock":
			held++
		case "Unlock", "RUnlock":
			held--
		default:
			if held > 0 && (deferred || held > 0) && c.takesContext(call) {
				c.breach(call.Pos(), "a call with a context while a mutex is held", "the mutex around the fields only")
			}
		}
		return true
	})
}

func (c *checker) mutexCall(call *ast.CallExpr) string {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	obj, ok := c.pkg.TypesInfo.Uses[sel.Sel].(*types.Func)
	if !ok || obj.Pkg() == nil || obj.Pkg().Path() != "sync" {
		return ""
	}
	return obj.Name()
}

func (c *checker) takesContext(call *ast.CallExpr) bool {
	for _, arg := range call.Args {
		if named, ok := c.pkg.TypesInfo.TypeOf(arg).(*types.Named); ok && named.String() == "context.Context" {
			return true
		}
	}
	return false
}
