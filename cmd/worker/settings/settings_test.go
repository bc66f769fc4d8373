package settings

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/core"
)

// datadriven has the flag -rewrite, which the page takes, too.
const page = "../../../docs/SETTINGS.md"

// TestPage: docs/SETTINGS.md is the table.
func TestPage(t *testing.T) {
	if f := flag.Lookup("rewrite"); f.Value.String() == "true" {
		require.NoError(t, os.WriteFile(page, []byte(Markdown()), 0o644))
	}
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Equal(t, Markdown(), string(text), "go test ./settings -rewrite")
}

// TestTableIsWhole: every field of core.Config is a setting, and the table is
// consistent in itself.
func TestTableIsWhole(t *testing.T) {
	fields, names := map[string]bool{}, map[string]bool{}
	s := Default()
	for _, one := range Table(&s) {
		require.Regexp(t, `^[a-z0-9]+(-[a-z0-9]+)*$`, one.Name)
		require.False(t, names[one.Name], one.Name)
		names[one.Name] = true
		fields[one.field] = true
		require.NotEmpty(t, one.Meaning, one.Name)
		require.NotEmpty(t, one.Value.Allowed(), one.Name)
		require.NoError(t, one.Value.Set(one.Value.String()), "the default of %s is out of range", one.Name)
	}
	all := 0
	eachField(reflect.TypeFor[core.Config](), "", func(name string) {
		all++
		require.True(t, fields[name], "core.Config.%s is no setting", name)
	})
	require.Greater(t, all, 40)
	require.Equal(t, Default(), s)
}

func eachField(typ reflect.Type, prefix string, visit func(name string)) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		if f.Type.Kind() == reflect.Struct {
			eachField(f.Type, f.Name+".", visit)
			continue
		}
		visit(prefix + f.Name)
	}
}

// draw returns a text that the setting takes.
func draw(t *rapid.T, label string, v Value) string {
	switch v := v.(type) {
	case word:
		text := rapid.StringMatching(`[a-z][a-z0-9.:/ #"-]{0,8}`).Draw(t, label)
		if v.check == nil {
			return text
		}
		return rapid.SampledFrom([]string{"127.0.0.1:0", "[::1]:9000"}).Draw(t, label)
	case choice:
		return rapid.SampledFrom(v.of).Draw(t, label)
	case yesNo:
		return rapid.SampledFrom([]string{"true", "false"}).Draw(t, label)
	case addresses:
		return rapid.SampledFrom([]string{"", "a:1", "a:1,b:2", "[::1]:9"}).Draw(t, label)
	case roles:
		return rapid.SampledFrom([]string{"unified", "worker", "scanner,reaper", "janitor, merger"}).Draw(t, label)
	case duration:
		return time.Duration(rapid.Int64Range(int64(v.min), int64(v.max)).Draw(t, label)).String()
	case count:
		return fmt.Sprint(rapid.IntRange(v.min, v.max).Draw(t, label))
	case size[int]:
		return fmt.Sprint(rapid.Int64Range(v.min, v.max).Draw(t, label))
	case size[int64]:
		return fmt.Sprint(rapid.Int64Range(v.min, v.max).Draw(t, label))
	}
	panic(fmt.Sprintf("%T", v))
}

// TestPrecedence: a flag wins over the environment, the environment over the
// file, the file over the default, for each setting by itself; and what File
// prints, Load reads back as the same.
func TestPrecedence(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		want := Default()
		var file strings.Builder
		var environment, args []string
		for _, one := range Table(&want) {
			set := func(from string, add func(text string)) {
				if rapid.Bool().Draw(t, one.Name+" in "+from) {
					text := draw(t, one.Name+" by "+from, one.Value)
					require.NoError(t, one.Value.Set(text), one.Name)
					add(text)
				}
			}
			// The weakest first: each overwrites what the one before it wanted.
			set("file", func(text string) { fmt.Fprintf(&file, "%s: %q\n", one.Name, text) })
			set("environment", func(text string) { environment = append(environment, one.Variable()+"="+text) })
			set("flag", func(text string) { args = append(args, "--"+one.Name+"="+text) })
		}
		name := filepath.Join(dir, "worker.yaml")
		require.NoError(t, os.WriteFile(name, []byte(file.String()), 0o600))
		got, err := Load(Sources{File: name, Environment: append(environment, "PATH=/bin"), Flags: parsed(t, args)})
		require.NoError(t, err)
		withTraits(&want, file.String(), environment, args)
		require.Equal(t, want, got)

		require.NoError(t, os.WriteFile(name, []byte(File(&got)), 0o600))
		again, err := Load(Sources{File: name, Flags: parsed(t, nil)})
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}

// withTraits gives what nobody set the defaults of the store's kind.
func withTraits(s *Settings, file string, environment, args []string) {
	all := file + strings.Join(append(environment, args...), "\n")
	base := Default()
	base.Core.Store = s.S3.Kind.Traits()
	usual := Table(&base)
	for i, one := range Table(s) {
		if !strings.Contains("\n"+all, "\n"+one.Name+":") && !strings.Contains(all, one.Variable()+"=") && !strings.Contains(all, "--"+one.Name+"=") && strings.HasPrefix(one.field, "Store.") {
			one.Value.Set(usual[i].Value.String())
		}
	}
}

func parsed(t require.TestingT, args []string) *pflag.FlagSet {
	flags := pflag.NewFlagSet("worker", pflag.ContinueOnError)
	AddFlags(flags)
	require.NoError(t, flags.Parse(args))
	return flags
}

// TestBadInput is golden: what is refused, with which line.
//
//	file         the input is a file; load it
//	environment  the input are variables
//	flags        the input are arguments
//	run, client  the input is a file; check it for worker run, or for a client
func TestBadInput(t *testing.T) {
	cases := 0
	datadriven.RunTest(t, "testdata/bad_input", func(t *testing.T, d *datadriven.TestData) string {
		cases++
		name := filepath.Join(t.TempDir(), "worker.yaml")
		from := Sources{Flags: pflag.NewFlagSet("worker", pflag.ContinueOnError)}
		AddFlags(from.Flags)
		switch d.Cmd {
		case "environment":
			from.Environment = strings.Split(d.Input, "\n")
		case "flags":
			if err := from.Flags.Parse(strings.Fields(d.Input)); err != nil {
				return err.Error() + "\n"
			}
		default:
			require.NoError(t, os.WriteFile(name, []byte(d.Input+"\n"), 0o600))
			from.File = name
		}
		s, err := Load(from)
		if err == nil && d.Cmd == "run" {
			err = s.CheckRun()
		}
		if err == nil && d.Cmd == "client" {
			err = s.CheckClient()
		}
		if err == nil {
			return "ok\n"
		}
		return strings.ReplaceAll(err.Error(), name, "worker.yaml") + "\n"
	})
	require.Greater(t, cases, 30)
}
