package chaos_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// The catalogue has the protocol's steps and every call of the seams, each
// once, each with places where failures stand and errors that may stand there.
func TestCatalogue(t *testing.T) {
	var steps, calls []string
	for _, op := range chaos.Operations() {
		found, ok := chaos.LookupOperation(op.Name)
		require.True(t, ok, op.Name)
		require.Equal(t, op, found)
		require.NotEmpty(t, op.About)
		if op.Step != "" {
			steps = append(steps, op.Name)
			require.Empty(t, op.FailBefore.Calls, "a step fails at its entry")
		} else {
			calls = append(calls, op.Name)
			require.Equal(t, op.Name, op.Call)
		}
		require.Equal(t, chaos.Before, op.FailBefore.Phase)
		require.NotEmpty(t, op.FailAfter.Calls)
		for _, point := range []chaos.Point{op.FailBefore, op.FailAfter} {
			require.NotEmpty(t, point.Errors)
			for _, class := range point.Errors {
				applied := point.Phase == chaos.Applied && class != env.ClassUndetermined
				require.False(t, applied && class != env.ClassUnavailable, "%s: an effect that happened must not be denied", op.Name)
			}
		}
	}
	require.Equal(t, strings.Fields(`submit status list cancel retry lead discover control claim_unit resume convert
		heartbeat checkpoint stage complete_unit fail_unit release_unit reap try_claim_merge renew_merge merge flip
		collect`), steps)
	require.Equal(t, strings.Fields(`kv.begin kv.get kv.scan kv.prewrite kv.commit objects.put objects.get
		objects.head objects.list objects.delete objects.create_upload objects.upload_part objects.complete_upload
		objects.abort_upload objects.list_uploads`), calls)

	for _, step := range steps {
		for _, call := range calls {
			op, ok := chaos.LookupOperation(step + "/" + call)
			require.True(t, ok)
			require.Equal(t, []string{step, call, step + "/" + call}, []string{op.Step, op.Call, op.Name})
		}
	}
	for _, name := range []string{"", "/", "flip/", "/kv.commit", "kv.commit/flip", "flip/flip", "flip/kv.commit/x", "Flip"} {
		_, ok := chaos.LookupOperation(name)
		require.False(t, ok, name)
	}
}

// What Operations and Faults return belongs to the caller.
func TestCataloguesAreCopies(t *testing.T) {
	chaos.Operations()[0].Name = "changed"
	require.Equal(t, "submit", chaos.Operations()[0].Name)
	chaos.Faults()[0].Fault = "changed"
	require.Equal(t, chaos.Crash, chaos.Faults()[0].Fault)
	require.Equal(t, len(chaos.Faults()), 18)
}

// The vocabulary knows who can produce a fault, and why Kubernetes cannot.
func TestFaults(t *testing.T) {
	seen := map[chaos.Fault]bool{}
	for _, info := range chaos.Faults() {
		require.False(t, seen[info.Fault])
		seen[info.Fault] = true
		found, ok := chaos.FaultInfoOf(info.Fault)
		require.True(t, ok)
		require.Equal(t, info, found)
		require.NotEmpty(t, info.About)
		require.NotEmpty(t, info.Means)
		require.Equal(t, info.Kubernetes == chaos.ReachNo, info.Resource == "", info.Fault)
	}
	_, ok := chaos.FaultInfoOf("fire")
	require.False(t, ok)
}

// The steps are those that core enters: the constants of type env.Step in its
// source.
func TestStepsAreCores(t *testing.T) {
	files, err := filepath.Glob("../core/*.go")
	require.NoError(t, err)
	var entered []string
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if typ, ok := spec.Type.(*ast.SelectorExpr); !ok || typ.Sel.Name != "Step" {
				return true
			}
			for _, value := range spec.Values {
				name, err := strconv.Unquote(value.(*ast.BasicLit).Value)
				require.NoError(t, err)
				entered = append(entered, name)
			}
			return true
		})
	}
	var steps []string
	for _, op := range chaos.Operations() {
		if op.Step != "" {
			steps = append(steps, op.Name)
		}
	}
	require.ElementsMatch(t, entered, steps)
}
