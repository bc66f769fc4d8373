package house

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/packages"
)

var rewrite = flag.Bool("rewrite", false, "draw the picture in docs/ARCHITECTURE.md anew")

const architecture = "../../docs/ARCHITECTURE.md"

// floors are the groups of the picture, from the top; a room belongs to the
// first whose names its own begins with.
var floors = []struct {
	title string
	rooms []string
}{
	{"front doors", []string{"cmd/gauntlet", "command", "simtest", "harness"}},
	{"what must hold", []string{"properties"}},
	{"systems under test", []string{"sim/conversion", "sim/counter", "examples"}},
	{"simulator", []string{"sim"}},
	{"chaos", []string{"chaos"}},
	{"conformance", []string{"conformance"}},
	{"real world", []string{"backend"}},
	{"production", []string{"core"}},
	{"honest stores", []string{"fakes"}},
}

// TestPicture: the picture in docs/ARCHITECTURE.md shows every package and who
// imports whom. An arrow is left out where a longer way says the same.
func TestPicture(t *testing.T) {
	text, err := os.ReadFile(architecture)
	require.NoError(t, err)
	block := regexp.MustCompile("(?s)```mermaid\n.*?```")
	require.Len(t, block.FindAll(text, -1), 1)
	drawn := block.ReplaceAllLiteral(text, []byte("```mermaid\n"+picture(reduced(imported(t)))+"```"))
	if *rewrite {
		require.NoError(t, os.WriteFile(architecture, drawn, 0o644))
		return
	}
	require.True(t, bytes.Equal(drawn, text), "the picture is another than the house: go test ./internal/house -run TestPicture -rewrite")
}

// imported returns for each package of the module those that it imports.
func imported(t *testing.T) map[string][]string {
	loaded, err := packages.Load(&packages.Config{Dir: "../..", Mode: packages.NeedName | packages.NeedImports}, "./...")
	require.NoError(t, err)
	graph := map[string][]string{}
	for _, p := range loaded {
		room := strings.TrimPrefix(p.PkgPath, module)
		if strings.HasPrefix(room, "internal/") {
			continue // tests of the house itself
		}
		graph[room] = nil
		for path := range p.Imports {
			if other, ours := strings.CutPrefix(path, module); ours {
				graph[room] = append(graph[room], other)
			}
		}
		slices.Sort(graph[room])
	}
	require.Greater(t, len(graph), 25)
	return graph
}

// reduced leaves out the arrows that follow from others.
func reduced(graph map[string][]string) map[string][]string {
	var reach func(from, skipped string, seen map[string]bool)
	reach = func(from, skipped string, seen map[string]bool) {
		for _, to := range graph[from] {
			if to != skipped && !seen[to] {
				seen[to] = true
				reach(to, "", seen)
			}
		}
	}
	out := map[string][]string{}
	for from, all := range graph {
		out[from] = nil
		for _, to := range all {
			seen := map[string]bool{}
			if reach(from, to, seen); !seen[to] {
				out[from] = append(out[from], to)
			}
		}
	}
	return out
}

func picture(graph map[string][]string) string {
	var b strings.Builder
	b.WriteString("flowchart TD\n")
	rooms := slices.Sorted(maps.Keys(graph))
	left := slices.Clone(rooms)
	for i, f := range floors {
		fmt.Fprintf(&b, "  subgraph f%d[\"%s\"]\n", i, f.title)
		left = slices.DeleteFunc(left, func(room string) bool {
			in := slices.ContainsFunc(f.rooms, func(name string) bool {
				return room == name || strings.HasPrefix(room, name+"/") || strings.HasPrefix(room, name+"-")
			})
			if in {
				fmt.Fprintf(&b, "    %s[\"%s\"]\n", id(room), room)
			}
			return in
		})
		b.WriteString("  end\n")
	}
	for _, room := range left {
		fmt.Fprintf(&b, "  %s[\"%s\"]\n", id(room), room)
	}
	for _, from := range rooms {
		for _, to := range graph[from] {
			fmt.Fprintf(&b, "  %s --> %s\n", id(from), id(to))
		}
	}
	return b.String()
}

// id is a room's name as Mermaid takes it.
func id(room string) string { return strings.NewReplacer("/", "_", "-", "_").Replace(room) }

// TestTheWayIsTrue: every function that docs/ARCHITECTURE.md names stands in the
// file that it names.
func TestTheWayIsTrue(t *testing.T) {
	text, err := os.ReadFile(architecture)
	require.NoError(t, err)
	places := regexp.MustCompile("`([a-z_/]+\\.go)` `([A-Za-z.]+)`").FindAllStringSubmatch(string(text), -1)
	require.Greater(t, len(places), 20)
	declared := map[string]map[string]bool{}
	for _, place := range places {
		file, name := place[1], place[2]
		if declared[file] == nil {
			declared[file] = functions(t, filepath.Join("../..", file))
		}
		require.True(t, declared[file][name], "%s has no %s", file, name)
	}
}

// functions are the names of what a file declares: "All", "txn.Commit".
func functions(t *testing.T, name string) map[string]bool {
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	require.NoError(t, err)
	found := map[string]bool{}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		name := f.Name.Name
		if f.Recv != nil {
			receiver := f.Recv.List[0].Type
			if star, ok := receiver.(*ast.StarExpr); ok {
				receiver = star.X
			}
			if of, ok := receiver.(*ast.Ident); ok {
				name = of.Name + "." + name
			}
		}
		found[name] = true
	}
	return found
}

// TestLinks: what the documents link to is there, the headings included.
func TestLinks(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*/*.md", "core/*.md"} {
		more, err := filepath.Glob(filepath.Join("../..", pattern))
		require.NoError(t, err)
		pages = append(pages, more...)
	}
	links, parts := 0, 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, link := range regexp.MustCompile(`\]\(([^)#:]*)(#[^)]+)?\)`).FindAllStringSubmatch(string(text), -1) {
			links++
			file := page
			if link[1] != "" {
				file = filepath.Join(filepath.Dir(page), link[1])
			}
			linked, err := os.Stat(file)
			require.NoError(t, err, "%s links to %s", page, link[1])
			if link[2] != "" && !linked.IsDir() {
				parts++
				require.Contains(t, headings(t, file), link[2], "%s links to %s%s", page, link[1], link[2])
			}
		}
	}
	require.Greater(t, links, 20)
	require.Positive(t, parts)
}

// headings are the links to a page's headings: "## What is drawn, and how" is
// "#what-is-drawn-and-how".
func headings(t *testing.T, page string) []string {
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	var all []string
	for _, title := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(string(text), -1) {
		kept := regexp.MustCompile(`[^\pL\pN _-]`).ReplaceAllString(strings.ToLower(title[1]), "")
		all = append(all, "#"+strings.ReplaceAll(kept, " ", "-"))
	}
	return all
}

// TestPagesOfComments: the documents that programs name are there.
func TestPagesOfComments(t *testing.T) {
	named := 0
	err := filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() == "node_modules" {
			return cmp.Or(err, filepath.SkipDir)
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, page := range regexp.MustCompile(`\bdocs/[A-Za-z0-9-]+\.(md|svg)\b`).FindAllString(string(text), -1) {
			named++
			require.FileExists(t, filepath.Join("../..", page), path)
		}
		return err
	})
	require.NoError(t, err)
	require.Greater(t, named, 20)
}
