// Package validate judges Chaos Mesh manifests the way a cluster does that has
// Chaos Mesh installed, without a cluster: the schemas of the resource
// definitions, then a strict decoding, then Chaos Mesh's own admission
// (defaulting and validation). It takes all of them: Chaos Mesh's admission
// alone accepts an action that does not exist, the schemas alone accept a
// duration that cannot be parsed. What a resource lets the cluster create later
// (a schedule's workflow, a workflow's chaos) is judged in the same way now: a
// cluster accepts the schedule, and refuses its workflow each night.
//
// It is a module of its own, because Chaos Mesh brings hundreds of packages.
package validate

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	strictyaml "sigs.k8s.io/yaml"
)

// Result is what was found in one document of a file.
type Result struct {
	Kind, Name string
	Problems   []error
}

// File judges every document of a file.
func (s Schemas) File(content []byte) ([]Result, error) {
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	var results []Result
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return results, nil
		}
		if err != nil {
			return results, err
		}
		if !blank(document) {
			results = append(results, s.document(document))
		}
	}
}

// blank tells whether a document holds nothing but comments.
func blank(document []byte) bool {
	for line := range strings.Lines(string(document)) {
		line = strings.TrimSpace(line)
		if line != "" && line != "---" && !strings.HasPrefix(line, "#") {
			return false
		}
	}
	return true
}

func (s Schemas) document(document []byte) (r Result) {
	raw, err := strictyaml.YAMLToJSONStrict(document)
	if err != nil {
		r.fail("yaml", err)
		return r
	}
	var object map[string]any
	if err := json.Unmarshal(raw, &object); err != nil {
		r.fail("yaml", errors.New("the document is no mapping"))
		return r
	}
	r.Kind, r.Name = text(object, "kind"), text(object, "metadata", "name")
	if r.Name == "" {
		r.Name = text(object, "metadata", "generateName")
	}
	s.judge(&r, "", object)
	return r
}

func (r *Result) fail(layer string, err error) {
	if err != nil {
		r.Problems = append(r.Problems, fmt.Errorf("%s: %w", layer, err))
	}
}

// text returns the string at a path of keys, or "".
func text(object map[string]any, path ...string) string {
	value, _, _ := unstructured.NestedString(object, path...)
	return value
}
