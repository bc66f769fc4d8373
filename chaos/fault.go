package chaos

import "slices"

// Fault is a kind of fault. The empty string is none.
type Fault string

// Kinds that the simulator produces by others, by the system's configuration, or
// not at all. All others are in kinds.go, which is made from its table.
const (
	// OOM is a crash while computing (env.Work), as the kernel's out-of-memory
	// killer does it. Counts: Restart, KeepTemp.
	OOM Fault = "oom"
	// WeakObjects is an object store that ignores the conditions of writes,
	// for the whole run.
	WeakObjects Fault = "weak-objects"
	// DiskFull fails the writes of a process's scratch space. Counts: For,
	// Leases.
	DiskFull Fault = "disk-full"
)

// Reach tells how well a world can produce a fault.
type Reach string

const (
	// ReachNo: the world cannot produce the fault.
	ReachNo Reach = "no"
	// ReachNearly: something like it, at no exact place; see FaultInfo.Means.
	ReachNearly Reach = "nearly"
	// ReachObjects: like Nearly, and at the object store only.
	ReachObjects Reach = "object store only"
	// ReachYes: the fault itself.
	ReachYes Reach = "yes"
)

// FaultInfo is one row of the vocabulary.
type FaultInfo struct {
	Fault Fault
	// About is the fault in one clause.
	About string
	// Applied tells whether the effect of the call that the fault meets
	// happens: "yes", "no", "maybe", or "-" for a fault of a process.
	Applied string
	// Simulator tells whether the simulator produces it.
	Simulator Reach
	// Injector is the key of Config that produces it at a call, or "".
	Injector string
	// Kubernetes tells whether Chaos Mesh produces it.
	Kubernetes Reach
	// Resource is the kind of Chaos Mesh resource that is used, or "".
	Resource string
	// Means says how Kubernetes produces it, or what stands in the way.
	Means string
}

// elsewhere says of a kind how others than the simulator produce it.
type elsewhere struct {
	fault      Fault
	injector   string // key of Config
	kubernetes Reach
	resource   string
	means      string
}

// elsewheres has a row for every kind that an Injector or Kubernetes produces, or
// of which there is more to say than that neither does. It is no map: a map is
// filled when a program starts, in production, too.
var elsewheres = [...]elsewhere{
	{Crash, "", ReachNearly, "PodChaos",
		"`pod-kill` without grace loses the scratch space, `container-kill` keeps it, `pod-failure` keeps the pod down; all fall at an arbitrary instant, never between two chosen requests"},
	{OOM, "", ReachNearly, "StressChaos",
		"memory stress in the container's cgroup; the kernel picks the instant"},
	{Terminate, "", ReachNearly, "PodChaos",
		"`pod-kill` with `gracePeriod`, at an arbitrary instant"},
	{Pause, "", ReachNearly, "NetworkChaos",
		"no freeze is offered: it is cut off from TiKV instead. Its clock goes on and tells it that the lease ran out, which a frozen process learns too late"},
	{Partition, "", ReachYes, "NetworkChaos",
		"`partition` towards the service's pods, one way or both"},
	{Slow, "", ReachNearly, "StressChaos",
		"CPU stress in the container's cgroup; the factor depends on the node"},
	{Refuse, "fail_before", ReachObjects, "HTTPChaos",
		"`abort` of the requests of one method and path; TiKV speaks gRPC, which HTTPChaos does not understand"},
	{LoseRequest, "fail_before", ReachNearly, "NetworkChaos",
		"`loss` of packets towards the service; TCP sends them again, so requests are mostly late and none is chosen"},
	{LoseReply, "fail_after", ReachObjects, "HTTPChaos",
		"`abort` of the responses of one method and path. Of TiKV, not at all: the reply of a commit cannot be told from any other packet, and lost packets are sent again. The undetermined commit is the reason for the simulator"},
	{Delay, "delay_before", ReachNearly, "NetworkChaos",
		"`delay` towards the service meets every packet of the pod, the heartbeats' too, so it must stay far below the lease"},
	{DelayReply, "delay_after", ReachNearly, "NetworkChaos",
		"`delay` on the way back meets every packet of the pod"},
	{Conflict, "fail_before", ReachNo, "",
		"a conflict is the store's verdict on its data; the network cannot make one"},
	{Truncate, "", ReachObjects, "HTTPChaos",
		"`replace` gives the response another, shorter body; a connection that breaks in mid-body cannot be had"},
	{Skew, "", ReachYes, "TimeChaos",
		"`timeOffset` on CLOCK_REALTIME"},
	{Drift, "", ReachNo, "",
		"TimeChaos adds a constant; it has no rate"},
	{WeakObjects, "", ReachNo, "",
		"a property of the store's software; install such a store instead"},
	{ExpireUpload, "fail_before", ReachNo, "",
		"an effect inside the store; the store's own command line can abort the upload by hand"},
	{DiskFull, "", ReachYes, "IOChaos",
		"`fault` with ENOSPC on the volume's writes; the simulator loses the scratch space as a whole instead"},
}

// extra are the rows of the kinds that are not the simulator's.
var extra = [...]FaultInfo{
	{Fault: OOM, About: "the kernel kills a process while it computes", Applied: "-", Simulator: ReachYes},
	{Fault: WeakObjects, About: "an object store without conditional writes", Applied: "yes", Simulator: ReachYes},
	{Fault: DiskFull, About: "writing scratch space fails", Applied: "no", Simulator: ReachNo},
}

// Faults returns the vocabulary, one row per kind: the simulator's in the order
// of its table, then the others. The caller owns the slice.
func Faults() []FaultInfo {
	all := make([]FaultInfo, 0, len(kinds)+len(extra))
	for _, k := range kinds {
		all = append(all, FaultInfo{Fault: k.fault, About: k.about, Applied: k.effect, Simulator: ReachYes})
	}
	all = append(all, extra[:]...)
	for i := range all {
		f := &all[i]
		e := elsewhere{kubernetes: ReachNo, means: "Chaos Mesh has nothing like it"}
		if at := slices.IndexFunc(elsewheres[:], func(e elsewhere) bool { return e.fault == f.Fault }); at >= 0 {
			e = elsewheres[at]
		}
		f.Injector, f.Kubernetes, f.Resource, f.Means = e.injector, e.kubernetes, e.resource, e.means
	}
	return all
}

// FaultInfoOf returns a fault's row; ok is false for a word that is not in the
// vocabulary.
func FaultInfoOf(fault Fault) (info FaultInfo, ok bool) {
	for _, f := range Faults() {
		if f.Fault == fault {
			return f, true
		}
	}
	return FaultInfo{}, false
}

// Phase is an instant in the life of a call.
type Phase string

const (
	// Before: nothing has been sent; the effect has not happened.
	Before Phase = "before"
	// Applied: the effect has happened; its answer has not been delivered.
	Applied Phase = "applied"
	// After: the answer has been delivered; the caller has not gone on.
	After Phase = "after"
)

// Service is a group of servers that a partition can cut off.
type Service string

const (
	ServiceKV      Service = "kv"      // TiKV's stores
	ServicePD      Service = "pd"      // the placement driver: timestamps
	ServiceObjects Service = "objects" // the object store
	ServiceAll     Service = "all"     // all of them
)

// Direction is the way that a partition cuts off, seen from the process.
type Direction string

const (
	DirectionBoth    Direction = "both"
	DirectionRequest Direction = "requests" // requests are lost: nothing is applied
	DirectionReply   Direction = "replies"  // replies are lost: everything is applied
)
