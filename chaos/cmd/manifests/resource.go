package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/chaos"
)

// resource is one Chaos Mesh resource without its metadata.
type resource struct {
	kind     string
	name     string
	spec     object        // without a duration
	duration time.Duration // 0 for what happens at one instant
	every    time.Duration // above 0: repeated by a schedule
}

// resources returns what stands for a fault in a cluster, and a remark if it
// is not the fault itself. No resource means that there is none.
func (v *values) resources(in chaos.Injection) (list []resource, remark string) {
	info, _ := chaos.FaultInfoOf(in.Fault)
	remark = info.Means
	switch in.Fault {
	case chaos.Crash, chaos.Terminate:
		list = []resource{v.podChaos(in)}
	case chaos.OOM:
		list = []resource{v.stress(in, field{"memory", object{
			{"workers", 1}, {"size", v.Converter.Memory}, {"oomScoreAdj", -1000}, // so that the worker dies, not the stressor
		}})}
	case chaos.Slow:
		// factor-1 busy competitors for each core leave the worker 1/factor.
		workers := int((in.Factor - 1) * float64(v.Converter.CPUs))
		list = []resource{v.stress(in, field{"cpu", object{{"workers", workers}, {"load", 100}}})}
	case chaos.Pause:
		list = []resource{v.network(in, "partition", chaos.DirectionBoth, v.TiKV)}
	case chaos.Partition:
		for _, service := range v.services(in.Service) {
			list = append(list, v.network(in, "partition", in.Direction, service))
		}
	case chaos.LoseRequest:
		list = []resource{v.network(in, "loss", chaos.DirectionRequest, v.servers(in),
			field{"loss", object{{"loss", strconv.Itoa(v.Loss)}}})}
	case chaos.Delay, chaos.DelayReply:
		direction := chaos.DirectionRequest
		if in.Fault == chaos.DelayReply {
			direction = chaos.DirectionReply
		}
		latency := min(in.Span(chaos.StaleAfter), v.MaxDelay)
		in.For, in.Leases = v.Duration, 0 // how long, not how late
		list = []resource{v.network(in, "delay", direction, v.servers(in), field{"delay", object{{"latency", latency}}})}
	case chaos.Refuse, chaos.LoseReply, chaos.Truncate:
		list = v.http(in)
	case chaos.Skew:
		list = []resource{v.timeChaos(in)}
	case chaos.DiskFull:
		list = []resource{v.ioChaos(in)}
	}
	return list, remark
}

// mode selects as many of the pods as an injection hits processes.
func mode(count int) object {
	switch {
	case count == chaos.All:
		return object{{"mode", "all"}}
	case count > 1:
		return object{{"mode", "fixed"}, {"value", strconv.Itoa(count)}}
	}
	return object{{"mode", "one"}}
}

func (p pods) selector() field {
	return field{"selector", object{{"namespaces", []string{p.Namespace}}, {"labelSelectors", p.Labels}}}
}

// target is the selection of a fault's victims, with their container for the
// kinds of resources that need it.
func (v *values) target(in chaos.Injection, container bool) object {
	target := append(mode(in.Count), v.Converter.selector())
	if container {
		target = append(target, field{"containerNames", []string{v.Converter.Container}})
	}
	return target
}

func (v *values) lasting(in chaos.Injection) time.Duration {
	if span := in.Span(chaos.StaleAfter); span > 0 {
		return span
	}
	return v.Duration
}

func name(in chaos.Injection) string { return strings.ReplaceAll(string(in.Fault), "_", "-") }

func (v *values) podChaos(in chaos.Injection) resource {
	r := resource{kind: "PodChaos", name: name(in)}
	container := false
	switch {
	case in.Fault == chaos.Terminate:
		grace := int((in.Grace + time.Second - 1) / time.Second)
		r.spec = object{{"action", "pod-kill"}, {"gracePeriod", grace}}
	case in.Restart == 0:
		r.spec, r.duration = object{{"action", "pod-failure"}}, v.Duration
	case in.KeepTemp:
		r.spec, container = object{{"action", "container-kill"}}, true
	default:
		r.spec = object{{"action", "pod-kill"}, {"gracePeriod", 0}}
	}
	if in.Count == chaos.All && in.Every > 0 {
		in.Count = 1                     // one pod at a time,
		r.every = max(in.Every, v.Burst) // again and again
	}
	r.spec = append(r.spec, v.target(in, container)...)
	return r
}

func (v *values) stress(in chaos.Injection, stressor field) resource {
	spec := append(object{{"stressors", object{stressor}}}, v.target(in, true)...)
	return resource{kind: "StressChaos", name: name(in), spec: spec, duration: v.lasting(in)}
}

// servers is what the call goes to at which a fault is injected.
func (v *values) servers(in chaos.Injection) pods {
	switch {
	case in.At.Call == chaos.KVBegin:
		return v.PD
	case strings.HasPrefix(in.At.Call, "objects."):
		return v.Objects.pods
	}
	return v.TiKV
}

func (v *values) services(service chaos.Service) []pods {
	switch service {
	case chaos.ServiceKV:
		return []pods{v.TiKV}
	case chaos.ServicePD:
		return []pods{v.PD}
	case chaos.ServiceObjects:
		return []pods{v.Objects.pods}
	}
	return []pods{v.TiKV, v.PD, v.Objects.pods}
}

func (v *values) network(in chaos.Injection, action string, direction chaos.Direction, to pods, more ...field) resource {
	way := map[chaos.Direction]string{chaos.DirectionBoth: "both", chaos.DirectionRequest: "to", chaos.DirectionReply: "from"}[direction]
	spec := append(object{{"action", action}}, more...)
	spec = append(spec, v.target(in, false)...)
	spec = append(spec, field{"direction", way}, field{"target", append(mode(chaos.All), to.selector())})
	duration := v.Burst
	if span := in.Span(chaos.StaleAfter); span > 0 {
		duration = span
	}
	return resource{kind: "NetworkChaos", name: name(in), spec: spec, duration: duration}
}

// route is how S3 spells a call: its method, and whether it is about the
// bucket or about a key in it.
var routes = map[string]struct {
	method string
	key    bool
}{
	chaos.ObjectsPut:            {"PUT", true},
	chaos.ObjectsGet:            {"GET", true},
	chaos.ObjectsHead:           {"HEAD", true},
	chaos.ObjectsDelete:         {"DELETE", true},
	chaos.ObjectsList:           {"GET", false},
	chaos.ObjectsListUploads:    {"GET", false},
	chaos.ObjectsCreateUpload:   {"POST", true},
	chaos.ObjectsUploadPart:     {"PUT", true},
	chaos.ObjectsCompleteUpload: {"POST", true},
	chaos.ObjectsAbortUpload:    {"DELETE", true},
}

// http disturbs one kind of request in front of the object store; there is
// nothing that could do so in front of TiKV.
func (v *values) http(in chaos.Injection) []resource {
	route, ok := routes[in.At.Call]
	if !ok {
		return nil
	}
	path := "/" + v.Objects.Bucket
	if route.key {
		path += "/*"
	}
	side, action := "Request", field{"abort", true}
	switch in.Fault {
	case chaos.LoseReply:
		side = "Response"
	case chaos.Truncate:
		side, action = "Response", field{"replace", object{{"body", "Y3V0IG9mZg=="}}} // "cut off"
	}
	spec := append(mode(chaos.All), v.Objects.selector(),
		field{"target", side}, field{"port", v.Objects.Port}, field{"method", route.method}, field{"path", path}, action)
	duration := v.Burst
	if span := in.Span(chaos.StaleAfter); span > 0 {
		duration = span
	}
	return []resource{{kind: "HTTPChaos", name: name(in), spec: spec, duration: duration}}
}

func (v *values) timeChaos(in chaos.Injection) resource {
	spec := append(object{{"timeOffset", in.Offset}, {"clockIds", []string{"CLOCK_REALTIME"}}}, v.target(in, true)...)
	return resource{kind: "TimeChaos", name: name(in), spec: spec, duration: v.lasting(in)}
}

// noSpace is ENOSPC as Linux numbers it.
const noSpace = 28

func (v *values) ioChaos(in chaos.Injection) resource {
	spec := object{
		{"action", "fault"}, {"errno", noSpace}, {"methods", []string{"write", "create"}},
		{"volumePath", v.Converter.Scratch}, {"path", v.Converter.Scratch + "/**/*"}, {"percent", 100},
	}
	return resource{kind: "IOChaos", name: name(in), spec: append(spec, v.target(in, true)...), duration: v.lasting(in)}
}

// at tells where the simulator injects, for comments.
func at(in chaos.Injection) string {
	text := in.At.Step
	if in.At.Call != "" {
		text = strings.TrimPrefix(text+"/"+in.At.Call, "/")
	}
	if text == "" && in.At.Time > 0 {
		return "after " + in.At.Time.String()
	}
	if text == "" {
		return "from the start"
	}
	phase := in.At.Phase
	if phase == "" {
		phase = chaos.Before
	}
	nth := max(in.At.Nth, 1)
	if in.At.NthTo > nth {
		return fmt.Sprintf("%s, one of calls %d to %d, %s", text, nth, in.At.NthTo, phase)
	}
	return fmt.Sprintf("%s, call %d, %s", text, nth, phase)
}
