package validate

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	_ "github.com/chaos-mesh/chaos-mesh/pkg/version" // keeps the module that holds the definitions in go.mod
	"github.com/go-logr/logr"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"
)

// Schemas are the resource definitions that Chaos Mesh installs, by kind.
type Schemas map[string]*kindSchema

type kindSchema struct {
	structural *schema.Structural
	validator  validation.SchemaValidator
}

// definitions is the module whose files are the resource definitions.
const definitions = "github.com/chaos-mesh/chaos-mesh"

// LoadSchemas reads the resource definitions from the module that go.mod pins,
// downloading it if it is not there yet. It must run inside this module.
func LoadSchemas() (Schemas, error) {
	log.SetLogger(logr.Discard()) // Chaos Mesh's admission logs each object
	out, err := exec.Command("go", "mod", "download", "-json", definitions).Output()
	if err != nil {
		return nil, fmt.Errorf("finding %s: %w", definitions, err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(module.Dir, "config", "crd", "bases", "*.yaml"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no resource definitions in %s", definitions)
	}
	schemas := make(Schemas)
	for _, file := range files {
		if err := schemas.add(file); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(file), err)
		}
	}
	return schemas, nil
}

func (s Schemas) add(file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var external v1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(content, &external); err != nil {
		return err
	}
	for _, version := range external.Spec.Versions {
		if !version.Storage || version.Schema == nil {
			continue
		}
		var props apiextensions.JSONSchemaProps
		if err := v1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(version.Schema.OpenAPIV3Schema, &props, nil); err != nil {
			return err
		}
		structural, err := schema.NewStructural(&props)
		if err != nil {
			return err
		}
		validator, _, err := validation.NewSchemaValidator(&props)
		if err != nil {
			return err
		}
		s[external.Spec.Names.Kind] = &kindSchema{structural, validator}
	}
	return nil
}

// check returns what the definition of a kind has against an object: fields
// that it does not know, and values that it does not allow.
func (s Schemas) check(kind string, raw []byte) (problems []error) {
	definition, ok := s[kind]
	if !ok {
		return []error{fmt.Errorf("no definition of %s", kind)}
	}
	var object map[string]any
	if err := yaml.Unmarshal(raw, &object); err != nil {
		return []error{err}
	}
	unknown := pruning.PruneWithOptions(object, definition.structural, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	for _, path := range unknown {
		problems = append(problems, fmt.Errorf("unknown field %s", path))
	}
	defaulting.Default(object, definition.structural)
	for _, err := range validation.ValidateCustomResource(nil, object, definition.validator) {
		problems = append(problems, err)
	}
	return problems
}
