// Package validate judges Chaos Mesh manifests the way a cluster does that has
// Chaos Mesh installed, without a cluster: the schemas of the resource
// definitions, then a strict decoding, then Chaos Mesh's own admission
// (defaulting and validation). It takes all of them: Chaos Mesh's admission
// alone accepts an action that does not exist, the schemas alone accept a
// duration that cannot be parsed.
//
// It is a module of its own, because Chaos Mesh brings hundreds of packages.
package validate

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	chaos "github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	strictjson "sigs.k8s.io/json"
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
	fail := func(layer string, err error) {
		if err != nil {
			r.Problems = append(r.Problems, fmt.Errorf("%s: %w", layer, err))
		}
	}
	raw, err := strictyaml.YAMLToJSONStrict(document)
	if err != nil {
		fail("yaml", err)
		return r
	}
	var head struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct {
			Name string `json:"name"`
		} `json:"metadata"`
	}
	if err := strictyaml.Unmarshal(raw, &head); err != nil {
		fail("yaml", err)
		return r
	}
	r.Kind, r.Name = head.Kind, head.Metadata.Name
	kind, known := chaos.AllKindsIncludeScheduleAndWorkflow()[head.Kind]
	if !known || head.APIVersion != chaos.SchemeGroupVersion.String() {
		fail("kind", fmt.Errorf("%s %s is no resource of Chaos Mesh", head.APIVersion, head.Kind))
		return r
	}
	if r.Name == "" {
		fail("metadata", errors.New("no name"))
	}
	for _, err := range s.check(head.Kind, raw) {
		fail("schema", err)
	}
	object := kind.SpawnObject()
	unknown, err := strictjson.UnmarshalStrict(raw, object)
	fail("decode", err)
	for _, err := range unknown {
		fail("decode", err)
	}
	if err != nil {
		return r
	}
	fail("admission", admit(object))
	return r
}

// admit does what Chaos Mesh's webhooks do when an object is created.
func admit(object runtime.Object) error {
	ctx := context.Background()
	if defaulter, ok := any(object).(webhook.CustomDefaulter); ok {
		if err := defaulter.Default(ctx, object); err != nil {
			return err
		}
	}
	validator, ok := any(object).(webhook.CustomValidator)
	if !ok {
		return fmt.Errorf("%T has no validation", object)
	}
	_, err := validator.ValidateCreate(ctx, object)
	return err
}
