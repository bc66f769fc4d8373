// Package lint finds what must not be in a system that runs under the simulator:
// whatever makes two runs of one seed differ (real time, global randomness, the
// order of maps, the environment), and whatever stops the simulator, which runs
// all tasks of a universe on one goroutine (goroutines, channels, select, a mutex
// that is held over a call of env). Each breach names what to use instead.
//
// From another module:
//
//	go run github.com/gauntlet-dst/gauntlet/cmd/gauntlet-lint ./...
//
// A line may be excepted, with the reason: //gauntlet:allow map range: sums only.
// The comment stands on the line or on the one before it.
package lint

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

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
	"context.AfterFunc": "env.Group.Spawn", "runtime.Gosched": "env.Work",
	"runtime.NumGoroutine": "nothing: it differs from run to run", "runtime.ReadMemStats": "nothing: it differs from run to run",
	"log/slog.Info": "env.Log", "log/slog.Warn": "env.Log", "log/slog.Error": "env.Log", "log/slog.Debug": "env.Log",
	"log/slog.Default": "env.Log", "log/slog.New": "env.Log",
}

// bannedMethods maps methods to what to use instead.
var bannedMethods = map[string]string{
	"(*sync.WaitGroup).Wait": "env.Group.Wait", "(*sync.WaitGroup).Go": "env.Group.Spawn", "(*sync.Cond).Wait": "env.Clock.Sleep",
	"(context.Context).Done": "context.Cause after a call of env",
}

// bannedImports maps packages to what to use instead.
var bannedImports = map[string]string{
	"math/rand": "env.Rand", "math/rand/v2": "env.Rand", "crypto/rand": "env.Rand", "hash/maphash": "a keyed hash",
	"log": "env.Log", "unsafe": "nothing", "reflect": "plain code", "os": "env.TempDir", "net": "env.Objects or env.KV",
	"net/http": "env.Objects", "os/exec": "nothing", "unique": "nothing", "weak": "nothing",
}

// Breach is one thing that must not be there.
type Breach struct {
	File    string // as the compiler names it
	Line    int
	What    string // "map range", "time.Now", "import of os"
	Instead string
}

// String returns the breach as one line.
func (b Breach) String() string {
	return fmt.Sprintf("%s:%d: %s; use %s", b.File, b.Line, b.What, b.Instead)
}

// Mode is what [Check] needs of a package.
const Mode = packages.NeedName | packages.NeedFiles | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo |
	packages.NeedImports | packages.NeedExportFile

// Run checks the packages that patterns name in the module at dir, and returns
// the breaches by file and line, with files relative to dir. The error says
// what cannot be loaded or compiled.
func Run(dir string, patterns ...string) ([]Breach, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	loaded, err := packages.Load(&packages.Config{Dir: dir, Mode: Mode}, patterns...)
	if err != nil {
		return nil, err
	}
	if len(loaded) == 0 {
		return nil, errors.New("no packages match " + strings.Join(patterns, " "))
	}
	var found []Breach
	for _, p := range loaded {
		if len(p.Errors) > 0 {
			return nil, errors.New(strings.TrimPrefix(p.Errors[0].Error(), "-: ")) // "-" is no place
		}
		found = append(found, Check(p)...)
	}
	for i := range found {
		if name, err := filepath.Rel(dir, found[i].File); err == nil && filepath.IsLocal(name) {
			found[i].File = filepath.ToSlash(name)
		}
	}
	slices.SortFunc(found, func(a, b Breach) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.What, b.What))
	})
	return slices.Compact(found), nil
}

// Check returns the breaches of one package, loaded with [Mode], in no
// particular order. Test files are free.
func Check(p *packages.Package) []Breach {
	c := checker{pkg: p}
	for _, file := range p.Syntax {
		if strings.HasSuffix(p.Fset.Position(file.Pos()).Filename, "_test.go") {
			continue
		}
		c.allowed = c.exceptions(file)
		c.file(file)
	}
	return c.found
}

type checker struct {
	pkg     *packages.Package
	allowed map[int]string // by line: what is excepted there
	found   []Breach
}

func (c *checker) breach(pos token.Pos, what, instead string) {
	at := c.pkg.Fset.Position(pos)
	if c.allowed[at.Line] == what || c.allowed[at.Line-1] == what {
		return
	}
	c.found = append(c.found, Breach{File: at.Filename, Line: at.Line, What: what, Instead: instead})
}

const allow = "//gauntlet:allow "

// exceptions reads the comments that except a line. One without a reason counts
// for nothing and is a breach itself.
func (c *checker) exceptions(file *ast.File) map[int]string {
	allowed := map[int]string{}
	for _, group := range file.Comments {
		for _, comment := range group.List {
			text, found := strings.CutPrefix(comment.Text, allow)
			if !found {
				continue
			}
			what, reason, _ := strings.Cut(text, ": ")
			if strings.TrimSpace(reason) == "" {
				c.breach(comment.Pos(), "an exception without a reason", allow+what+": REASON")
				continue
			}
			allowed[c.pkg.Fset.Position(comment.Pos()).Line] = what
		}
	}
	return allowed
}

func (c *checker) file(file *ast.File) {
	for _, spec := range file.Imports {
		path := strings.Trim(spec.Path.Value, `"`)
		if instead, banned := bannedImports[path]; banned {
			c.breach(spec.Pos(), "import of "+path, instead)
		}
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

func (c *checker) node(n ast.Node) {
	switch n := n.(type) {
	case *ast.GoStmt:
		c.breach(n.Pos(), "go", "env.Group.Spawn")
	case *ast.SelectStmt:
		c.breach(n.Pos(), "select", "blocking calls with a context")
	case *ast.ChanType, *ast.SendStmt:
		c.breach(n.Pos(), "channel", "env.Group and a mutex")
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			c.breach(n.Pos(), "channel", "a call of env with a context")
		}
	case *ast.RangeStmt:
		switch c.pkg.TypesInfo.TypeOf(n.X).Underlying().(type) {
		case *types.Map:
			c.breach(n.Pos(), "map range", "slices.Sorted(maps.Keys(m))")
		case *types.Chan:
			c.breach(n.Pos(), "channel", "a call of env with a context")
		}
	case *ast.Ident:
		c.use(n)
	}
}

// use checks a mention of a function.
func (c *checker) use(id *ast.Ident) {
	switch obj := c.pkg.TypesInfo.Uses[id].(type) {
	case *types.Builtin:
		if obj.Name() == "recover" {
			c.breach(id.Pos(), "recover", "an error")
		}
	case *types.Func:
		if obj.Pkg() == nil {
			return
		}
		name, table := obj.Pkg().Path()+"."+obj.Name(), bannedCalls
		if obj.Signature().Recv() != nil {
			name, table = obj.FullName(), bannedMethods
		}
		if instead, banned := table[name]; banned {
			c.breach(id.Pos(), name, instead)
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
