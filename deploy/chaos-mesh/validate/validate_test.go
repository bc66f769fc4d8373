package validate

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func load(t *testing.T) Schemas {
	t.Helper()
	schemas, err := LoadSchemas()
	if err != nil {
		t.Fatal(err)
	}
	return schemas
}

func judge(t *testing.T, schemas Schemas, path string) []Result {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	results, err := schemas.File(content)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if len(results) == 0 {
		t.Fatalf("%s holds no document", path)
	}
	return results
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files match %s", pattern)
	}
	return files
}

// Every manifest passes every layer.
func TestManifests(t *testing.T) {
	schemas := load(t)
	kinds := map[string]int{}
	names := map[string]string{}
	for _, path := range glob(t, "../*.yaml") {
		if filepath.Base(path) == "values.yaml" {
			continue
		}
		for _, r := range judge(t, schemas, path) {
			kinds[r.Kind]++
			if other, taken := names[r.Kind+" "+r.Name]; taken {
				t.Errorf("%s: %s %s is in %s, too", path, r.Kind, r.Name, other)
			}
			names[r.Kind+" "+r.Name] = path
			for _, problem := range r.Problems {
				t.Errorf("%s: %s %s: %v", path, r.Kind, r.Name, problem)
			}
		}
	}
	t.Logf("judged: %v", kinds)
	for _, kind := range []string{"PodChaos", "NetworkChaos", "StressChaos", "IOChaos", "TimeChaos", "HTTPChaos", "Workflow", "Schedule"} {
		if kinds[kind] == 0 {
			t.Errorf("no %s among the manifests", kind)
		}
	}
}

// What a cluster takes and the product does not use is not refused.
func TestGoodManifests(t *testing.T) {
	schemas := load(t)
	for _, path := range glob(t, "testdata/good/*.yaml") {
		for _, r := range judge(t, schemas, path) {
			for _, problem := range r.Problems {
				t.Errorf("%s: %s %s: %v", path, r.Kind, r.Name, problem)
			}
		}
	}
}

// What was wrong with the product's own schedule and nobody saw: the same bad
// manifest, made of the good one.
func TestScheduleIsJudgedThroughout(t *testing.T) {
	schemas := load(t)
	content, err := os.ReadFile("../schedule.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, want string }{
		{"entry: in-turn", "entry: in-turns", "can not find a template with name in-turns"},
		{"        action: pod-kill\n", "        action: pod-kill\n        duration: 30s\n", "should not define duration in chaos"},
		{"templateType: PodChaos", "templateType: IOChaos", "spec.workflow: spec.templates[1].ioChaos: Required value: templateType is IOChaos"},
		{"        action: pod-kill\n", "        action: pod-kil\n", "Unsupported value: \"pod-kil\""},
	} {
		if !strings.Contains(string(content), c.old) {
			t.Fatalf("schedule.yaml has no %q any more", c.old)
		}
		results, err := schemas.File([]byte(strings.Replace(string(content), c.old, c.new, 1)))
		if err != nil || len(results) != 1 || !strings.Contains(fmt.Sprint(results[0].Problems), c.want) {
			t.Errorf("%q: want %q, got %v %v", c.new, c.want, results, err)
		}
	}
}

// Each bad manifest is refused by exactly the layers that its first line
// names, and for what its second line says: the check itself works, and no
// layer is there for nothing.
func TestBadManifests(t *testing.T) {
	schemas := load(t)
	refusals := map[string]int{}
	files := glob(t, "testdata/bad/*.yaml")
	for _, path := range files {
		want, text := expectation(t, path)
		var layers []string
		var all strings.Builder
		for _, r := range judge(t, schemas, path) {
			for _, problem := range r.Problems {
				layer, _, _ := strings.Cut(problem.Error(), ":")
				layers = append(layers, layer)
				all.WriteString(problem.Error() + "\n")
			}
		}
		slices.Sort(layers)
		layers = slices.Compact(layers)
		if !slices.Equal(layers, want) {
			t.Errorf("%s: refused by %v, want %v:\n%s", path, layers, want, all.String())
		}
		if !strings.Contains(all.String(), text) {
			t.Errorf("%s: want %q in\n%s", path, text, all.String())
		}
		if len(layers) == 1 {
			refusals[layers[0]]++
		}
	}
	if len(files) < 5 {
		t.Errorf("only %d bad manifests", len(files))
	}
	for _, layer := range []string{"schema", "admission"} {
		if refusals[layer] == 0 {
			t.Errorf("no bad manifest that %s alone refuses", layer)
		}
	}
}

// expectation reads the first two lines of a bad manifest.
func expectation(t *testing.T, path string) (layers []string, text string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitN(string(content), "\n", 3)
	first, ok1 := strings.CutPrefix(lines[0], "# refused by: ")
	second, ok2 := strings.CutPrefix(lines[1], "# because: ")
	if !ok1 || !ok2 {
		t.Fatalf("%s: want '# refused by:' and '# because:' in the first two lines", path)
	}
	return strings.Fields(first), second
}
