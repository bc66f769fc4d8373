package chaos

// Fault is a kind of fault. The empty string is none.
type Fault string

// The kinds of faults. Which fields of an [Injection] count for each is said
// here; all others must be zero.
const (
	// Crash ends a process at once; the pending call never returns. Counts:
	// Restart, KeepTemp.
	Crash Fault = "crash"
	// OOM is a crash while computing (env.Work), as the kernel's out-of-memory
	// killer does it. Counts: Restart, KeepTemp.
	OOM Fault = "oom"
	// Terminate asks a process to drain (SIGTERM) and crashes it Grace later
	// if it is still there. Counts: Grace, Restart, KeepTemp.
	Terminate Fault = "terminate"
	// Pause freezes a whole process, timers included; its clocks go on.
	// Counts: For, Leases.
	Pause Fault = "pause"
	// Partition cuts a process off from a service: nothing sent arrives, and
	// nobody says so. Counts: Service, Direction, For, Leases.
	Partition Fault = "partition"
	// Slow multiplies the time that a process's work takes. Counts: Factor,
	// For, Leases.
	Slow Fault = "slow"
	// Refuse answers a request with "unavailable": not applied, and the caller
	// knows it. Counts: For, Leases.
	Refuse Fault = "refuse"
	// LoseRequest loses a request: not applied, and no answer comes. Counts:
	// For, Leases.
	LoseRequest Fault = "lose_request"
	// LoseReply loses a reply: applied, and no answer comes. Counts: For,
	// Leases.
	LoseReply Fault = "lose_reply"
	// Delay lets a request execute late, perhaps after its caller gave up or
	// died. Counts: For, Leases (how late).
	Delay Fault = "delay"
	// DelayReply applies a request at once and delivers its answer late.
	// Counts: For, Leases (how late).
	DelayReply Fault = "delay_reply"
	// Conflict is a storm: commits and conditional writes lose against another
	// writer, again and again. Counts: For, Leases.
	Conflict Fault = "conflict"
	// Truncate cuts off the end of a body that is read. Counts: For, Leases.
	Truncate Fault = "truncate"
	// Skew steps a process's wall clock by Offset. Counts: Offset, For,
	// Leases.
	Skew Fault = "skew"
	// Drift lets a process's monotonic clock run fast by PPM parts per million
	// (slow if negative). Counts: PPM, For, Leases.
	Drift Fault = "drift"
	// WeakObjects is an object store that ignores the conditions of writes,
	// for the whole run.
	WeakObjects Fault = "weak_objects"
	// ExpireUpload drops the open multipart upload that a call is about, as a
	// bucket's lifecycle rule does it, before the call is handled.
	ExpireUpload Fault = "expire_upload"
	// DiskFull fails the writes of a process's scratch space. Counts: For,
	// Leases.
	DiskFull Fault = "disk_full"
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

var faults = [...]FaultInfo{
	{Crash, "a process ends at once, between any two calls or in one", "maybe", ReachYes, "", ReachNearly, "PodChaos",
		"`pod-kill` without grace loses the scratch space, `container-kill` keeps it, `pod-failure` keeps the pod down; all fall at an arbitrary instant, never between two chosen requests"},
	{OOM, "the kernel kills a process while it computes", "-", ReachYes, "", ReachNearly, "StressChaos",
		"memory stress in the container's cgroup; the kernel picks the instant"},
	{Terminate, "SIGTERM, then SIGKILL after a grace period", "-", ReachYes, "", ReachNearly, "PodChaos",
		"`pod-kill` with `gracePeriod`, at an arbitrary instant"},
	{Pause, "a process freezes longer than its lease, then goes on", "-", ReachYes, "", ReachNearly, "NetworkChaos",
		"no freeze is offered: it is cut off from TiKV instead. Its clock goes on and tells it that the lease ran out, which a frozen process learns too late"},
	{Partition, "a process and a service do not hear each other", "maybe", ReachYes, "", ReachYes, "NetworkChaos",
		"`partition` towards the service's pods, one way or both"},
	{Slow, "a process computes slowly", "-", ReachYes, "", ReachNearly, "StressChaos",
		"CPU stress in the container's cgroup; the factor depends on the node"},
	{Refuse, "a request is answered with \"unavailable\"", "no", ReachYes, "fail_before", ReachObjects, "HTTPChaos",
		"`abort` of the requests of one method and path; TiKV speaks gRPC, which HTTPChaos does not understand"},
	{LoseRequest, "a request is lost and no answer comes", "no", ReachYes, "fail_before", ReachNearly, "NetworkChaos",
		"`loss` of packets towards the service; TCP sends them again, so requests are mostly late and none is chosen"},
	{LoseReply, "a request is applied and its reply is lost", "yes", ReachYes, "fail_after", ReachObjects, "HTTPChaos",
		"`abort` of the responses of one method and path. Of TiKV, not at all: the reply of a commit cannot be told from any other packet, and lost packets are sent again. The undetermined commit is the reason for the simulator"},
	{Delay, "a request executes late, perhaps after its caller gave up", "maybe", ReachYes, "delay_before", ReachNearly, "NetworkChaos",
		"`delay` towards the service meets every packet of the pod, the heartbeats' too, so it must stay far below the lease"},
	{DelayReply, "a request is applied at once and answered late", "yes", ReachYes, "delay_after", ReachNearly, "NetworkChaos",
		"`delay` on the way back meets every packet of the pod"},
	{Conflict, "conditional writes lose again and again", "no", ReachYes, "fail_before", ReachNo, "",
		"a conflict is the store's verdict on its data; the network cannot make one"},
	{Truncate, "the end of a body that is read is missing", "-", ReachYes, "", ReachObjects, "HTTPChaos",
		"`replace` gives the response another, shorter body; a connection that breaks in mid-body cannot be had"},
	{Skew, "a process's wall clock steps", "-", ReachYes, "", ReachYes, "TimeChaos",
		"`timeOffset` on CLOCK_REALTIME"},
	{Drift, "a process's monotonic clock runs fast or slow", "-", ReachYes, "", ReachNo, "",
		"TimeChaos adds a constant; it has no rate"},
	{WeakObjects, "an object store without conditional writes", "yes", ReachYes, "", ReachNo, "",
		"a property of the store's software; install such a store instead"},
	{ExpireUpload, "an open multipart upload is dropped by its bucket's lifecycle", "no", ReachYes, "fail_before", ReachNo, "",
		"an effect inside the store; the store's own command line can abort the upload by hand"},
	{DiskFull, "writing scratch space fails", "no", ReachNo, "", ReachYes, "IOChaos",
		"`fault` with ENOSPC on the volume's writes; the simulator loses the scratch space as a whole instead"},
}

// Faults returns the vocabulary, one row per kind, in the order of its
// constants. The caller owns the slice.
func Faults() []FaultInfo { return append([]FaultInfo(nil), faults[:]...) }

// FaultInfoOf returns a fault's row; ok is false for a word that is not in the
// vocabulary.
func FaultInfoOf(fault Fault) (info FaultInfo, ok bool) {
	for i := range faults {
		if faults[i].Fault == fault {
			return faults[i], true
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
	DirectionRequest Direction = "request" // requests are lost: nothing is applied
	DirectionReply   Direction = "reply"   // replies are lost: everything is applied
)
