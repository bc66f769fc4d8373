package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"
)

// object is a mapping of YAML whose fields keep their order.
type object []field

type field struct {
	key   string
	value any // object, []object, []string, map[string]string, string, int, bool or time.Duration
}

// node turns a value into YAML.
func node(value any) *yaml.Node {
	switch v := value.(type) {
	case object:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, f := range v {
			n.Content = append(n.Content, node(f.key), node(f.value))
		}
		return n
	case []object:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range v {
			n.Content = append(n.Content, node(item))
		}
		return n
	case []string:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range v {
			n.Content = append(n.Content, node(item))
		}
		return n
	case map[string]string:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			n.Content = append(n.Content, node(key), node(v[key]))
		}
		return n
	case string:
		n := &yaml.Node{}
		n.SetString(v)
		return n
	case int:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(v)}
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v)}
	case time.Duration:
		return node(seconds(v))
	}
	panic(fmt.Sprintf("no YAML for %T", value))
}

// seconds writes a duration in the one form that every field of Chaos Mesh
// takes: one number, one unit.
func seconds(d time.Duration) string {
	if d%time.Second != 0 {
		return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
	}
	return strconv.FormatInt(int64(d/time.Second), 10) + "s"
}

func document(o object) ([]byte, error) {
	return yaml.Dump(node(o), yaml.WithIndent(2), yaml.WithLineWidth(-1))
}
