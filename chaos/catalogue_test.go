package chaos_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/chaos/protocol"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// The catalogue has the protocol's steps and every call of the seams, each
// once, each with places where failures stand and errors that may stand there.
func TestCatalogue(t *testing.T) {
	var steps, calls []string
	catalogue := protocol.Catalogue()
	require.NoError(t, catalogue.Validate())
	for _, op := range catalogue.Operations() {
		found, ok := catalogue.Lookup(op.Name)
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
	require.Equal(t, strings.Fields(`submit status list cancel retry probe lead discover control claim_unit resume convert
		heartbeat checkpoint stage complete_unit fail_unit release_unit reap try_claim_merge renew_merge merge flip
		collect`), steps)
	require.Equal(t, strings.Fields(`kv.begin kv.get kv.scan kv.prewrite kv.commit objects.put objects.get
		objects.head objects.list objects.delete objects.create_upload objects.upload_part objects.complete_upload
		objects.abort_upload objects.list_uploads`), calls)

	for _, step := range catalogue.Steps {
		for _, call := range calls {
			op, ok := catalogue.Lookup(step.Name + "/" + call)
			require.Equal(t, slices.Contains(step.Makes, call), ok, "%s/%s", step.Name, call)
			if ok {
				require.Equal(t, []string{step.Name, call, step.Name + "/" + call}, []string{op.Step, op.Call, op.Name})
			}
		}
	}
	for _, name := range []string{"", "/", "flip/", "/kv.commit", "kv.commit/flip", "flip/flip", "flip/kv.commit/x", "Flip"} {
		_, ok := catalogue.Lookup(name)
		require.False(t, ok, name)
	}
}

// Another system names its own steps and seams; package env's calls are in
// every catalogue.
func TestCatalogueOfAnotherSystem(t *testing.T) {
	leader := chaos.Catalogue{
		Steps: []chaos.Step{{Name: "elect", About: "a node takes the lead", Effect: []string{chaos.ObjectsPut}, Makes: []string{chaos.ObjectsPut, "mail.send"}}},
		Calls: []chaos.Call{{Name: "mail.send", About: "send a letter",
			Before: []env.Class{env.ClassUnavailable}, After: []env.Class{env.ClassUndetermined}}},
	}
	config, err := chaos.Parse("x", []byte("operations:\n  elect: {fail_after: {once: true}}\n  mail.send: {fail_before: {rate: 0.5}}\n  kv.get: {delay_after: {nth: [1], for: 1s}}\n"), leader)
	require.NoError(t, err)
	require.NoError(t, config.Validate(leader))
	require.ErrorContains(t, config.Validate(protocol.Catalogue()), `operations.elect: unknown operation "elect"`)
	_, err = chaos.Parse("x", []byte("operations:\n  elect/kv.get: {fail_before: {once: true}}\n"), leader)
	require.EqualError(t, err, `x:2: step "elect" never calls kv.get, allowed: objects.put, mail.send`)
	_, err = chaos.Parse("x", []byte("operations:\n  flip: {fail_before: {once: true}}\n"), leader)
	require.ErrorContains(t, err, `x:2: unknown operation "flip", allowed: elect, kv.begin, `)
	require.ErrorContains(t, err, `, mail.send or STEP/CALL of these`)
}

// A catalogue that makes no sense is refused before any configuration is read.
func TestBadCatalogues(t *testing.T) {
	commit, classes := []string{chaos.KVCommit}, []env.Class{env.ClassUnavailable}
	for want, catalogue := range map[string]chaos.Catalogue{
		`name "a/b", allowed: a letter, then letters, digits and _.-`:                            {Steps: []chaos.Step{{Name: "a/b", Effect: commit}}},
		`name "", allowed: a letter, then letters, digits and _.-`:                               {Steps: []chaos.Step{{Effect: commit}}},
		`name "kv.get" given twice, allowed: once`:                                               {Steps: []chaos.Step{{Name: "kv.get", Effect: commit}}},
		`step "a": unknown call "kv.comit"`:                                                      {Steps: []chaos.Step{{Name: "a", Effect: []string{"kv.comit"}}}},
		`step "a" lacks the calls that carry its effect, allowed: at least one`:                  {Steps: []chaos.Step{{Name: "a"}}},
		`step "a" never calls kv.commit, which carries its effect`:                               {Steps: []chaos.Step{{Name: "a", Effect: commit, Makes: []string{chaos.KVGet}}}},
		`step "a": kv.get and kv.commit tell different errors after their effect`:                {Steps: []chaos.Step{{Name: "a", Effect: []string{chaos.KVCommit, chaos.KVGet}}}},
		`call "mail.send" lacks an error before or after its effect, allowed: at least one each`: {Calls: []chaos.Call{{Name: "mail.send", Before: classes}}},
	} {
		_, err := chaos.Parse("x", []byte("operations: {}\n"), catalogue)
		require.EqualError(t, err, "catalogue: "+want)
		require.EqualError(t, chaos.Config{}.Validate(catalogue), "catalogue: "+want)
	}
}

// What Operations and Faults return belongs to the caller.
func TestCataloguesAreCopies(t *testing.T) {
	catalogue := protocol.Catalogue()
	catalogue.Operations()[0].Name = "changed"
	require.Equal(t, "submit", catalogue.Operations()[0].Name)
	chaos.Faults()[0].Fault = "changed"
	require.Equal(t, chaos.Crash, chaos.Faults()[0].Fault)
	require.GreaterOrEqual(t, len(chaos.Faults()), 22)
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
	catalogue := protocol.Catalogue()
	for _, op := range catalogue.Operations() {
		if op.Step != "" {
			steps = append(steps, op.Name)
		}
	}
	require.ElementsMatch(t, entered, steps)
}
