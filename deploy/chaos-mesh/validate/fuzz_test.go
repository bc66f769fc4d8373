package validate

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"
)

// samples are the documents of every manifest that is here, good or bad, as
// plain values.
func samples(t *testing.T) (documents []map[string]any) {
	t.Helper()
	for _, pattern := range []string{"../*.yaml", "testdata/good/*.yaml", "testdata/bad/*.yaml"} {
		for _, path := range glob(t, pattern) {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for document := range strings.SplitSeq(string(content), "\n---\n") {
				var object map[string]any
				if yaml.Unmarshal([]byte(document), &object) == nil && object["kind"] != nil {
					documents = append(documents, object)
				}
			}
		}
	}
	if len(documents) < 40 {
		t.Fatalf("only %d documents", len(documents))
	}
	return documents
}

// values are what a field is replaced with: each type, and what each checks.
var values = []any{
	nil, "", "x", "-1s", "NetworkChaos", "Workflow", "Schedule", "StatusCheck", "Task", "Suspend", "Serial", 0.0, -1.0, 1e300, true, false,
	[]any{}, []any{nil}, []any{"x"}, []any{map[string]any{}}, map[string]any{}, map[string]any{"": nil}, map[string]any{"x": "y"},
}

// mutate changes one place of a value: a field is dropped, or gets a value of
// another type, or one from elsewhere in the same document.
func mutate(t *rapid.T, document map[string]any) {
	parent, elsewhere := any(document), any(document)
	for range rapid.IntRange(0, 8).Draw(t, "depth") {
		if child := drawChild(t, parent); child != nil {
			parent = child
		}
		if child := drawChild(t, elsewhere); child != nil {
			elsewhere = child
		}
	}
	value := clone(rapid.SampledFrom(append(slices.Clone(values), elsewhere)).Draw(t, "value"))
	switch parent := parent.(type) {
	case map[string]any:
		if len(parent) == 0 {
			return
		}
		key := rapid.SampledFrom(sortedKeys(parent)).Draw(t, "key")
		if rapid.Bool().Draw(t, "drop") {
			delete(parent, key)
		} else {
			parent[key] = value
		}
	case []any:
		if len(parent) > 0 {
			parent[rapid.IntRange(0, len(parent)-1).Draw(t, "index")] = value
		}
	}
}

// drawChild descends to a mapping or a list below a value, if there is one.
func drawChild(t *rapid.T, value any) any {
	var children []any
	switch value := value.(type) {
	case map[string]any:
		for _, key := range sortedKeys(value) {
			children = append(children, value[key])
		}
	case []any:
		children = slices.Clone(value)
	}
	children = slices.DeleteFunc(children, func(child any) bool {
		_, isMap := child.(map[string]any)
		_, isList := child.([]any)
		return !isMap && !isList
	})
	if len(children) == 0 {
		return nil
	}
	return rapid.SampledFrom(children).Draw(t, "child")
}

func sortedKeys(m map[string]any) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func clone(value any) (same any) {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	if err := json.Unmarshal(text, &same); err != nil {
		panic(err)
	}
	return same
}

// verdict judges one document.
func (s Schemas) verdict(t *rapid.T, document map[string]any) []error {
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	results, err := s.File(text)
	if err != nil || len(results) != 1 {
		t.Fatalf("%d results, %v:\n%s", len(results), err, text)
	}
	for _, problem := range results[0].Problems {
		if !strings.Contains(problem.Error(), ": ") {
			t.Fatalf("a problem without a layer: %v", problem)
		}
	}
	return results[0].Problems
}

// Nothing that is dropped, replaced or moved in a manifest makes the validator
// die, or Chaos Mesh's own check within it: a problem is named before.
func TestNothingPanics(t *testing.T) {
	schemas, documents := load(t), samples(t)
	accepted, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		document := clone(rapid.SampledFrom(documents).Draw(t, "document")).(map[string]any)
		for range rapid.IntRange(0, 3).Draw(t, "mutations") {
			mutate(t, document)
		}
		problems := schemas.verdict(t, document)
		if strings.Contains(fmt.Sprint(problems), "own check of the object dies") {
			t.Fatal(problems)
		}
		if len(problems) == 0 {
			accepted++
		} else {
			refused++
		}
	})
	t.Logf("%d accepted, %d refused", accepted, refused)
	if accepted == 0 || refused == 0 {
		t.Error("the mutations show nothing")
	}
}

// A schedule is accepted if and only if the workflow that it will create is.
func TestScheduledWorkflowsAreJudgedAlike(t *testing.T) {
	schemas := load(t)
	workflows := slices.DeleteFunc(samples(t), func(d map[string]any) bool {
		_, ok := d["spec"].(map[string]any)
		return d["kind"] != "Workflow" || !ok
	})
	accepted, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		spec := clone(rapid.SampledFrom(workflows).Draw(t, "workflow")).(map[string]any)["spec"].(map[string]any)
		for range rapid.IntRange(0, 2).Draw(t, "mutations") {
			mutate(t, spec)
		}
		object := func(kind string, spec map[string]any) map[string]any {
			return map[string]any{"apiVersion": "chaos-mesh.org/v1alpha1", "kind": kind,
				"metadata": map[string]any{"name": "x", "namespace": "lab"}, "spec": spec}
		}
		alone := schemas.verdict(t, object("Workflow", spec))
		scheduled := schemas.verdict(t, object("Schedule", map[string]any{"schedule": "@daily", "type": "Workflow", "workflow": spec}))
		if len(alone) == 0 != (len(scheduled) == 0) {
			t.Fatalf("alone: %v\nscheduled: %v", alone, scheduled)
		}
		if len(alone) == 0 {
			accepted++
		} else {
			refused++
		}
	})
	t.Logf("%d accepted, %d refused", accepted, refused)
	if accepted == 0 || refused == 0 {
		t.Error("the mutations show nothing")
	}
}

// Every kind that has a definition is judged, as a resource, on a schedule and
// in a workflow, however little of it is there.
func TestEveryKindWithoutAnything(t *testing.T) {
	schemas := load(t)
	judged := 0
	for kind := range schemas {
		key := strings.ToLower(kind[:1]) + kind[1:]
		if known, ok := bodyKeys[kind]; ok {
			key = known
		}
		for _, body := range []string{"", ", %s: null", ", %s: {}", ", %s: []", ", %s: x", ", %s: {mode: one}", ", %s: {action: delay, mode: one, selector: {}}"} {
			body := strings.ReplaceAll(body, "%s", key)
			for _, document := range []string{
				"kind: " + kind + "\nspec: {x: y" + strings.ReplaceAll(body, key, "spec") + "}",
				"kind: " + kind + "\nspec: {" + strings.TrimPrefix(strings.TrimPrefix(body, ", "+key+": {"), ", "),
				"kind: Schedule\nspec: {schedule: '@daily', type: " + kind + body + "}",
				"kind: Workflow\nspec: {entry: a, templates: [{name: a, templateType: " + kind + body + "}]}",
				"kind: Workflow\nspec: {entry: a, templates: [{name: a, templateType: Schedule, schedule: {schedule: '@daily', type: " + kind + body + "}}]}",
			} {
				results, err := schemas.File([]byte("apiVersion: chaos-mesh.org/v1alpha1\nmetadata: {name: a, namespace: lab}\n" + document))
				if err != nil || len(results) != 1 {
					t.Fatalf("%s:\n%d results, %v", document, len(results), err)
				}
				if text := fmt.Sprint(results[0].Problems); strings.Contains(text, "own check of the object dies") {
					t.Errorf("%s:\n%s", document, text)
				}
				judged++
			}
		}
	}
	if judged < 500 {
		t.Errorf("only %d documents", judged)
	}
}
