package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const standin = "github.com/gauntlet-dst/gauntlet/conformance/clientgo/standin"

// replaced are the imports that become package standin, with the names by which the
// suite calls them.
var replaced = map[string]string{
	"github.com/tikv/client-go/v2/testutils":               "testutils",
	"github.com/pingcap/tidb/pkg/store/mockstore/unistore": "unistore",
	"github.com/pingcap/tidb/pkg/kv":                       "kv",
	"github.com/pingcap/tidb/pkg/store/driver/txn":         "txndriver",
	"github.com/pingcap/tidb/pkg/keyspace":                 "keyspace",
}

// needed are the modules that the suite has and this one does not.
var needed = []string{
	"github.com/google/uuid v1.6.1-0.20241114170450-2d3c2a9cc518",
	"github.com/ninedraft/israce v0.0.3",
	"github.com/tidwall/gjson v1.14.4",
	"go.uber.org/goleak v1.3.0",
}

// built is the suite as one test binary.
type built struct {
	dir, binary string
	tests       []string
}

// build compiles the suite in a temporary module.
func build(from string) (*built, error) {
	files, err := filepath.Glob(filepath.Join(from, "*.go"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("%s: no Go files; want a checkout of github.com/tikv/client-go", from)
	}
	root, err := output("", "go", "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "clientgo")
	if err != nil {
		return nil, err
	}
	s := &built{dir: dir, binary: filepath.Join(dir, "suite.test")}
	if err := s.lay(files, root); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

func (s *built) lay(files []string, root string) error {
	suite := newSuite()
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if text, err = suite.add(file, text); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(s.dir, filepath.Base(file)), text, 0o600); err != nil {
			return err
		}
	}
	s.tests = suite.tests()
	mod := "module integration_tests\n\ngo 1.26\n\nrequire github.com/gauntlet-dst/gauntlet v0.0.0\n\nreplace github.com/gauntlet-dst/gauntlet => " + root + "\n"
	for _, module := range needed {
		mod += "\nrequire " + module + "\n"
	}
	if err := os.WriteFile(filepath.Join(s.dir, "go.mod"), []byte(mod), 0o600); err != nil {
		return err
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.dir, "go.sum"), sums, 0o600); err != nil {
		return err
	}
	_, err = output(s.dir, "go", "test", "-mod=mod", "-vet=off", "-c", "-o", s.binary, ".")
	return err
}

// output runs a command and returns what it printed, without the last newline.
func output(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, exit.Stderr)
		}
		return "", err
	}
	return strings.TrimSpace(string(out)), nil
}

// suite is what is learned from the files about their tests.
type suite struct {
	functions []string
	runs      map[string]string   // the type of the suite that a function runs
	methods   map[string][]string // tests of a type
}

func newSuite() *suite {
	return &suite{runs: map[string]string{}, methods: map[string][]string{}}
}

// add returns a file with its imports replaced, and notes its tests.
func (s *suite) add(name string, text []byte) ([]byte, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, text, 0)
	if err != nil {
		return nil, err
	}
	for _, spec := range slices.Backward(file.Imports) {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		called, ok := replaced[path]
		if !ok {
			continue
		}
		if spec.Name != nil {
			called = spec.Name.Name
		}
		from, to := files.Position(spec.Pos()).Offset, files.Position(spec.End()).Offset
		text = slices.Concat(text[:from], []byte(called+" "+strconv.Quote(standin)), text[to:])
	}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || !strings.HasPrefix(f.Name.Name, "Test") || f.Name.Name == "TestMain" {
			continue
		}
		if f.Recv == nil {
			s.functions = append(s.functions, f.Name.Name)
			s.runs[f.Name.Name] = suiteOf(f)
			continue
		}
		if star, ok := f.Recv.List[0].Type.(*ast.StarExpr); ok {
			of := star.X.(*ast.Ident).Name
			s.methods[of] = append(s.methods[of], f.Name.Name)
		}
	}
	return text, nil
}

// suiteOf returns the type that a function passes to suite.Run, or "".
func suiteOf(f *ast.FuncDecl) (of string) {
	ast.Inspect(f.Body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if run, ok := call.Fun.(*ast.SelectorExpr); !ok || run.Sel.Name != "Run" || len(call.Args) != 2 {
			return true
		}
		switch arg := call.Args[1].(type) {
		case *ast.CallExpr: // new(T)
			if id, ok := arg.Args[0].(*ast.Ident); ok {
				of = id.Name
			}
		case *ast.UnaryExpr: // &T{}
			if lit, ok := arg.X.(*ast.CompositeLit); ok {
				of = lit.Type.(*ast.Ident).Name
			}
		}
		return true
	})
	return of
}

// tests lists every test: a suite's by its methods.
func (s *suite) tests() (names []string) {
	for _, function := range s.functions {
		methods := s.methods[s.runs[function]]
		if len(methods) == 0 {
			names = append(names, function)
		}
		for _, method := range methods {
			names = append(names, function+"/"+method)
		}
	}
	slices.Sort(names)
	return names
}
