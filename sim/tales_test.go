package sim_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// tales are the comments of this package's tests, by their names: a script's report
// says what the script tells.
var tales = sync.OnceValue(func() map[string]string {
	told := map[string]string{}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		panic(err) // a bad pattern
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			continue // it was edited since it was built
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(f.Name.Name, "Test") {
				told[f.Name.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
			}
		}
	}
	return told
})

// TestTales: what a script tells is its comment, in one line.
func TestTales(t *testing.T) {
	require.Equal(t, "TestTales: what a script tells is its comment, in one line.", tales()["TestTales"])
}
