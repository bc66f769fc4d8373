package sim_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/harness"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/counter"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
)

// TestPlanReference: docs/PLAN.md is what the code says of the plan format.
// -rewrite writes it anew.
func TestPlanReference(t *testing.T) {
	page, err := template.ParseFiles("testdata/PLAN.md.tmpl")
	require.NoError(t, err)
	var text bytes.Buffer
	require.NoError(t, page.Execute(&text, map[string]any{
		"Example":    examplePlan(t),
		"Simulator":  simulatorSettings(t),
		"Conversion": describe((&conversion.Config{}).Settings(), nil),
		"Ops":        operations(),
		"Kinds":      faultKinds(),
		"Words":      optionWords(t),
		"Legs":       legs(t),
	}))
	for _, word := range formatWords(t) {
		require.Contains(t, text.String(), "\n| `"+word+"` |")
	}
	holdPage(t, "../docs/PLAN.md", strings.TrimRight(text.String(), "\n")+"\n")
}

// holdPage compares a generated page with the file, or writes it anew.
func holdPage(t *testing.T, file, text string) {
	if flag.Lookup("rewrite").Value.String() == "true" {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	is, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, text, string(is), "%s is not what the code says: go test ./sim -run '^%s$' -rewrite", file, t.Name())
}

// examplePlan is a plan with every word of the format, which the page's reader
// can try.
func examplePlan(t *testing.T) string {
	p, err := sim.Draft(counter.Target(false), 42)
	require.NoError(t, err)
	f, err := fault.Parse("pause at w0/main raise kv.commit counter #2 phase=before for=1m30s clock=stops")
	require.NoError(t, err)
	o, err := fault.ParseOrdering("hold w1/main raise kv.get counter #1 request until after w0/main raise kv.get counter #1 reply")
	require.NoError(t, err)
	p.Why, p.Expect = []string{"A worker freezes with a commit in hand. Its first one arrived late."}, "none"
	p.Faults, p.Orders = []*fault.Fault{f}, []*fault.Ordering{o}
	r, err := sim.Replay(counter.Target(false), p)
	require.NoError(t, err)
	require.Nil(t, r.Violation)
	require.Len(t, r.Fired, 1, "the example's fault strikes nothing")
	require.Len(t, r.Ordered, 1, "the example's ordering holds nothing")
	return p.String()
}

// formatWords are the words that the parser says it knows.
func formatWords(t *testing.T) []string {
	_, err := plan.Parse("p", []byte("gauntlet-plan 1\nbanana\n"))
	require.ErrorContains(t, err, "known: ")
	_, known, _ := strings.Cut(err.Error(), "known: ")
	return strings.Split(known, ", ")
}

type settingRow struct{ Name, Allowed, Absent, About string }

// describe says what is allowed for settings; about says what they are, in
// their order.
func describe(settings []plan.Setting, about []string) []settingRow {
	var rows []settingRow
	for i, s := range settings {
		row := settingRow{Name: s.Name, Absent: "always set", Allowed: allowed(s)}
		if s.Absent != "" {
			row.Absent = "`" + s.Absent + "`"
		}
		if about != nil {
			row.About = about[i]
		}
		rows = append(rows, row)
	}
	return rows
}

func allowed(s plan.Setting) string {
	switch {
	case s.Int != nil, s.Size != nil:
		return fmt.Sprintf("%d to %d", s.Min, s.Max)
	case s.Duration != nil:
		return fmt.Sprintf("%s to %s", time.Duration(s.Min), time.Duration(s.Max))
	case s.Bool != nil:
		return "true, false"
	case s.Seed != nil:
		return "a seed"
	}
	return strings.Join(s.Allowed, ", ")
}

// simulatorSettings describes the simulator's settings by the comments of the
// fields that they set: its own, and those of the modes.
func simulatorSettings(t *testing.T) []settingRow {
	config := &sim.Config{}
	about := map[any]string{}
	for _, part := range []struct {
		file, name string
		fields     reflect.Value
	}{
		{"config.go", "Config", reflect.ValueOf(config).Elem()},
		{"search/mode.go", "Modes", reflect.ValueOf(&config.Modes).Elem()},
	} {
		comments := fieldComments(t, part.file, part.name)
		for i := range part.fields.NumField() {
			name := part.fields.Type().Field(i).Name
			require.NotEmpty(t, comments[name], name)
			if name != "Modes" {
				about[part.fields.Field(i).Addr().Interface()] = comments[name]
			}
		}
	}
	settings := config.Settings()
	require.Len(t, settings, len(about), "a setting for each field")
	var texts []string
	for _, s := range settings {
		text := ""
		for _, field := range []any{s.Int, s.Duration, s.Text, s.Bool} {
			text += about[field]
		}
		require.NotEmpty(t, text, s.Name)
		texts = append(texts, text)
	}
	return describe(settings, texts)
}

// fieldComments returns what the comments of a struct's fields say, without the
// field's name.
func fieldComments(t *testing.T, file, name string) map[string]string {
	comments := map[string]string{}
	ast.Inspect(parse(t, file), func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != name {
			return true
		}
		for _, field := range spec.Type.(*ast.StructType).Fields.List {
			comments[field.Names[0].Name] = strings.TrimPrefix(says(field.Doc, field.Names[0].Name+" "), "is ")
		}
		return false
	})
	return comments
}

func parse(t *testing.T, file string) *ast.File {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	require.NoError(t, err)
	return parsed
}

// says is a comment on one line, without what it begins with and without its
// full stop.
func says(comment *ast.CommentGroup, begins string) string {
	text := strings.Join(strings.Fields(comment.Text()), " ")
	return strings.TrimSuffix(strings.TrimPrefix(text, begins), ".")
}

type opRow struct{ Name, Service, Effect string }

func operations() []opRow {
	var rows []opRow
	for _, op := range ops.All() {
		row := opRow{Name: op.String(), Service: "-", Effect: "no"}
		if op.IsRequest() {
			row.Service = op.Service().String()
		}
		if op.HasEffect() {
			row.Effect = "yes"
		}
		rows = append(rows, row)
	}
	return rows
}

type kindPage struct {
	Name, About, Effect, Strikes string
	Steps, Spares                bool
	Options                      []fault.Option
}

func faultKinds() []kindPage {
	var pages []kindPage
	for _, k := range fault.Kinds() {
		pages = append(pages, kindPage{
			Name: k.Name, About: strings.ToUpper(k.About[:1]) + k.About[1:], Effect: k.Effect,
			Strikes: places(k), Steps: k.Steps, Spares: k.SparesClients, Options: k.Options(),
		})
	}
	return pages
}

// places says which operations a kind strikes.
func places(k *fault.Info) string {
	var struck []string
	for _, op := range ops.All() {
		if k.Strikes(op) {
			struck = append(struck, "`"+op.String()+"`")
		}
	}
	for _, set := range []struct {
		name string
		of   func(ops.Op) bool
	}{
		{"every call", func(ops.Op) bool { return true }},
		{"every request", ops.Op.IsRequest},
		{"every request that may change what is stored", ops.Op.HasEffect},
		{"every request to TiKV", func(op ops.Op) bool { return op.IsRequest() && op.Service() == ops.KV }},
	} {
		if !slices.ContainsFunc(ops.All(), func(op ops.Op) bool { return set.of(op) != k.Strikes(op) }) {
			return set.name
		}
	}
	return strings.Join(struck, ", ")
}

type wordList struct {
	Option string
	Words  []settingRow
}

// optionWords describes the words of options by the comments of their constants.
func optionWords(t *testing.T) []wordList {
	var lists []wordList
	for _, l := range []struct{ option, kind, file, prefix string }{
		{"phase", "Phase", "kind.go", ""}, {"direction", "Direction", "partition.go", ""}, {"until", "Until", "pause.go", "Until"},
	} {
		list := wordList{Option: l.option}
		want := "one of "
		for _, word := range constants(t, filepath.Join("fault", l.file), l.kind) {
			word.Name = strings.ToLower(strings.TrimPrefix(word.Name, l.prefix))
			list.Words = append(list.Words, word)
			want += word.Name + ", "
		}
		want = strings.TrimSuffix(want, ", ")
		require.True(t, slices.ContainsFunc(fault.Kinds(), func(k *fault.Info) bool {
			return slices.ContainsFunc(k.Options(), func(o fault.Option) bool { return o.Name == l.option && o.Want == want })
		}), "no option %s=: %s", l.option, want)
		lists = append(lists, list)
	}
	return lists
}

// legs describes the parts of a call's way by the comments of their constants.
func legs(t *testing.T) []settingRow {
	rows := constants(t, filepath.Join("fault", "ordering.go"), "Leg")
	for i := range rows {
		rows[i].Name = strings.ToLower(rows[i].Name)
		require.Equal(t, rows[i].Name, fault.Leg(i).String())
	}
	return rows
}

// constants returns the constants of a type with what their comments say.
func constants(t *testing.T, file, kind string) []settingRow {
	var rows []settingRow
	for _, d := range parse(t, file).Decls {
		group, ok := d.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		first, ok := group.Specs[0].(*ast.ValueSpec).Type.(*ast.Ident)
		if !ok || first.Name != kind {
			continue
		}
		for _, s := range group.Specs {
			name := s.(*ast.ValueSpec).Names[0].Name
			rows = append(rows, settingRow{Name: name, About: says(s.(*ast.ValueSpec).Doc, name+": ")})
		}
	}
	return rows
}

// TestReportLegend: docs/REPORT.md explains every word of a run's line and of a
// sweep's lines, and no others.
func TestReportLegend(t *testing.T) {
	conversion := suite.Conversion()
	var printed strings.Builder
	out, err := conversion.Sweep(conversion.Target, harness.Request{Base: 1, Count: 20}, func(r *sim.Result) {
		printed.WriteString(r.Line() + "\n")
	})
	require.NoError(t, err)
	details := out.Details()
	printed.WriteString(out.Line() + "\n" + details[0] + "\n")
	words := map[string]bool{}
	for _, line := range details[1:] { // their words are kinds of faults, and marks
		words[strings.Fields(line)[1]] = true
	}
	for _, match := range regexp.MustCompile(`(\w+)=`).FindAllStringSubmatch(printed.String(), -1) {
		words[match[1]] = true
	}
	page, err := os.ReadFile("../docs/REPORT.md")
	require.NoError(t, err)
	_, lines, found := strings.Cut(string(page), "\n## A run's line\n")
	require.True(t, found)
	lines, _, found = strings.Cut(lines, "\n## Two runs that differ\n")
	require.True(t, found)
	explained := map[string]bool{}
	for _, match := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllStringSubmatch(lines, -1) {
		explained[match[1]] = true
	}
	require.Equal(t, slices.Sorted(maps.Keys(words)), slices.Sorted(maps.Keys(explained)))
}
