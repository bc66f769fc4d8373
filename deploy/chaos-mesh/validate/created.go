package validate

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	chaos "github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// creation is an object that Chaos Mesh will create because of another one.
type creation struct {
	at     string // where it stands in the other one: "spec.workflow"
	object map[string]any
}

// created returns what Chaos Mesh will create because of an object, as its
// controllers build it, and the fields without which it cannot.
func created(object map[string]any) (list []creation, missing []error) {
	b := builder{parent: object}
	spec, _ := object["spec"].(map[string]any)
	switch text(object, "kind") {
	case chaos.KindSchedule:
		b.scheduled(field.NewPath("spec"), spec)
	case chaos.KindWorkflow:
		templates, _ := spec["templates"].([]any)
		for i, template := range templates {
			if template, ok := template.(map[string]any); ok {
				b.node(field.NewPath("spec", "templates").Index(i), template, templates)
			}
		}
	}
	return b.list, b.missing
}

// builder collects what an object creates.
type builder struct {
	parent  map[string]any
	list    []creation
	missing []error
}

// scheduled adds what a schedule's specification creates.
func (b *builder) scheduled(at *field.Path, spec map[string]any) {
	kind := text(spec, "type")
	if kind == string(chaos.ScheduleTypeWorkflow) {
		b.add(at.Child("workflow"), kind, "type", spec["workflow"])
	} else if key, ok := bodyKeys[kind]; ok {
		b.add(at.Child(key), kind, "type", spec[key])
	}
}

// node adds what a workflow's template creates when its turn has come.
func (b *builder) node(at *field.Path, template map[string]any, all []any) {
	if deadline, ok := template["deadline"].(string); ok {
		if _, err := time.ParseDuration(deadline); err != nil {
			b.missing = append(b.missing, field.Invalid(at.Child("deadline"), deadline, "no duration: the node is never made"))
		}
	}
	kind := text(template, "templateType")
	switch key, isChaos := bodyKeys[kind]; {
	case isChaos:
		b.add(at.Child(key), kind, "templateType", template[key])
	case kind == string(chaos.TypeStatusCheck):
		b.add(at.Child("statusCheck"), kind, "templateType", template["statusCheck"])
	case kind == string(chaos.TypeSchedule):
		schedule, _ := template["schedule"].(map[string]any)
		for key := range schedule {
			if lost[key] {
				b.missing = append(b.missing, field.Invalid(at.Child("schedule", key), "", "Chaos Mesh drops it from a workflow's schedule"))
			}
		}
		b.add(at.Child("schedule"), kind, "templateType", template["schedule"])
	case kind == string(chaos.TypeTask):
		b.task(at, template, all)
	}
}

// lost are the bodies that the workflow's controller does not copy into the
// schedule that it creates (conversionSchedule in the pinned version).
var lost = map[string]bool{"azureChaos": true, "blockChaos": true}

// task checks that a task has a container to run, and that its branches lead
// somewhere.
func (b *builder) task(at *field.Path, template map[string]any, all []any) {
	task, _ := template["task"].(map[string]any)
	if _, ok := task["container"].(map[string]any); !ok {
		b.missing = append(b.missing, field.Required(at.Child("task", "container"), "templateType is Task"))
	}
	branches, _ := template["conditionalBranches"].([]any)
	for i, branch := range branches {
		branch, _ := branch.(map[string]any)
		target, known := text(branch, "target"), false
		for _, other := range all {
			other, _ := other.(map[string]any)
			known = known || other != nil && text(other, "name") == target
		}
		if !known {
			b.missing = append(b.missing, field.Invalid(at.Child("conditionalBranches").Index(i).Child("target"), target, "no template has this name"))
		}
	}
}

// add adds an object of a kind with the given specification, or tells that it
// is missing although typeKey asks for it.
func (b *builder) add(at *field.Path, kind, typeKey string, spec any) {
	if spec == nil {
		b.missing = append(b.missing, field.Required(at, fmt.Sprintf("%s is %s", typeKey, kind)))
		return
	}
	name := text(b.parent, "metadata", "name")
	if name == "" {
		name = generated(text(b.parent, "metadata", "generateName"))
	}
	label := chaos.LabelManagedBy // of what a schedule creates
	if text(b.parent, "kind") == chaos.KindWorkflow {
		label = chaos.LabelWorkflow
	}
	metadata := map[string]any{
		"generateName": name + "-",
		"labels":       map[string]any{label: name}, // at most 63 bytes: longer names are refused here
	}
	if namespace := text(b.parent, "metadata", "namespace"); namespace != "" {
		metadata["namespace"] = namespace
	}
	b.list = append(b.list, creation{at.String(), map[string]any{
		"apiVersion": chaos.SchemeGroupVersion.String(), "kind": kind, "metadata": metadata, "spec": spec,
	}})
}

// bodyKeys are the keys under which schedules and workflows hold the
// specification of a chaos, by kind: "podChaos" for PodChaos.
var bodyKeys = func() map[string]string {
	keys := make(map[string]string)
	for f := range reflect.TypeFor[chaos.EmbedChaos]().Fields() {
		keys[f.Name], _, _ = strings.Cut(f.Tag.Get("json"), ",")
	}
	return keys
}()
