package house

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"
)

// TestModuleIsTidy: what go.mod calls direct is what some file imports. It needs
// no network; `make lint` asks go mod tidy itself.
func TestModuleIsTidy(t *testing.T) {
	const root = "../.."
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	file, err := modfile.Parse("go.mod", text, nil)
	require.NoError(t, err)
	var paths, direct []string
	for _, r := range file.Require {
		paths = append(paths, r.Mod.Path)
		if !r.Indirect {
			direct = append(direct, r.Mod.Path)
		}
	}
	imported := map[string]bool{}
	for _, path := range imports(t, root) {
		best := ""
		for _, module := range paths {
			if (path == module || strings.HasPrefix(path, module+"/")) && len(module) > len(best) {
				best = module
			}
		}
		if best != "" {
			imported[best] = true
		}
	}
	slices.Sort(direct)
	require.Equal(t, slices.Sorted(maps.Keys(imported)), direct, "go.mod is not tidy: run go mod tidy")
}

// imports returns every path that a file of this module imports, whatever its
// build constraints. Nested modules are others.
func imports(t *testing.T, root string) (paths []string) {
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			_, err := os.Stat(filepath.Join(path, "go.mod"))
			nested := err == nil && path != root
			if nested || strings.HasPrefix(entry.Name(), ".") && path != root || entry.Name() == "testdata" {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			paths = append(paths, name)
		}
		return nil
	}))
	return paths
}
