package validate

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	chaos "github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	strictjson "sigs.k8s.io/json"
)

// judge adds what is wrong with an object, and with what it makes the cluster
// create. at is where the object stands in its document, "" for the document
// itself.
func (s Schemas) judge(r *Result, at string, object map[string]any) {
	fail := func(layer string, err error) {
		if err != nil && at != "" {
			err = fmt.Errorf("%s: %w", at, err)
		}
		r.fail(layer, err)
	}
	before := len(r.Problems)
	typed, err := s.spawn(text(object, "apiVersion"), text(object, "kind"))
	if err != nil {
		fail("kind", err)
		return
	}
	raw, err := json.Marshal(object)
	if err != nil {
		fail("yaml", err)
		return
	}
	for _, err := range s.check(text(object, "kind"), raw) {
		fail("schema", err)
	}
	unknown, err := strictjson.UnmarshalStrict(raw, typed)
	fail("decode", err)
	for _, err := range unknown {
		fail("decode", err)
	}
	if err != nil {
		return
	}
	for _, err := range checkMetadata(typed) {
		fail("metadata", err)
	}
	creations, missing := created(object)
	for _, err := range missing {
		fail("admission", err)
	}
	if len(missing) == 0 { // Chaos Mesh's own check dies of some of these
		fail("admission", admit(typed))
	}
	if len(r.Problems) > before {
		return // what would be created has the same problems
	}
	for _, c := range creations {
		under := c.at
		if at != "" { // which is the specification of this object
			under = at + strings.TrimPrefix(c.at, "spec")
		}
		s.judge(r, under, c.object)
	}
}

// spawn returns an empty object of a kind, or why there is none.
func (s Schemas) spawn(version, kind string) (runtime.Object, error) {
	known := runtime.NewScheme()
	if err := chaos.AddToScheme(known); err != nil {
		return nil, err
	}
	if version != chaos.SchemeGroupVersion.String() {
		return nil, fmt.Errorf("%s %s is not judged here; %s is", version, kind, chaos.SchemeGroupVersion)
	}
	object, err := known.New(chaos.SchemeGroupVersion.WithKind(kind))
	if _, defined := s[kind]; err != nil && !defined {
		return nil, fmt.Errorf("%s %s is no resource of Chaos Mesh", version, kind)
	} else if err != nil || !defined {
		return nil, fmt.Errorf("%s %s is not judged here, although Chaos Mesh has it", version, kind)
	}
	return object, nil
}

// checkMetadata does what the API server does with the metadata of what is
// created. kubectl supplies a namespace where there is none.
func checkMetadata(object runtime.Object) (problems []error) {
	meta, ok := object.(metav1.Object)
	if !ok {
		return []error{fmt.Errorf("%T has no metadata", object)}
	}
	if meta.GetName() == "" && meta.GetGenerateName() != "" {
		meta.SetName(generated(meta.GetGenerateName()))
	}
	for _, err := range apivalidation.ValidateObjectMetaAccessor(meta, meta.GetNamespace() != "", apivalidation.NameIsDNSSubdomain, field.NewPath("metadata")) {
		problems = append(problems, err)
	}
	return problems
}

// generated is a name as the API server makes it from a generateName: of at
// most 63 bytes, the last five drawn.
func generated(prefix string) string {
	const kept = 58
	return prefix[:min(len(prefix), kept)] + "xxxxx"
}

// admit does what Chaos Mesh's webhooks do when an object is created. Their
// code dies of inputs that nobody has thought of; a cluster answers that with
// an error, too.
func admit(object runtime.Object) (err error) {
	defer func() {
		if died := recover(); died != nil {
			err = fmt.Errorf("Chaos Mesh's own check of the object dies: %v", died)
		}
	}()
	ctx := context.Background()
	if defaulter, ok := object.(webhook.CustomDefaulter); ok {
		if err := defaulter.Default(ctx, object); err != nil {
			return err
		}
	}
	validator, ok := object.(webhook.CustomValidator)
	if !ok {
		return nil // no webhook is asked for such kinds
	}
	_, err = validator.ValidateCreate(ctx, object)
	return err
}
