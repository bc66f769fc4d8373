// Made by `go test ./internal/kinds -rewrite` from the table of package sim/fault;
// do not edit.

package chaos

// The kinds of faults that the simulator produces. Which fields of an [Injection]
// count for each is said here; all others must be zero.
const (
	// Crash: a process ends at once, between any two calls or in one. Counts: Restart, KeepTemp.
	Crash Fault = "crash"
	// Terminate: a process is asked to stop, and killed after a grace period. Counts: Grace.
	Terminate Fault = "terminate"
	// Pause: a process freezes, perhaps for longer than its lease, then goes on. Counts: For, Leases.
	Pause Fault = "pause"
	// Slow: a process computes slowly. Counts: Factor, For, Leases.
	Slow Fault = "slow"
	// Partition: a process and a service do not hear each other. Counts: Service, Direction, For, Leases.
	Partition Fault = "partition"
	// Refuse: a request is answered with "unavailable". Counts: For, Leases.
	Refuse Fault = "refuse"
	// LoseRequest: a request is lost, and no answer comes. Counts: For, Leases.
	LoseRequest Fault = "lose-request"
	// LoseReply: a request is applied, and its reply is lost. Counts: For, Leases.
	LoseReply Fault = "lose-reply"
	// Delay: a request executes late, perhaps after its caller gave up. Counts: For, Leases.
	Delay Fault = "delay"
	// DelayReply: a request is applied at once and answered late. Counts: For, Leases.
	DelayReply Fault = "delay-reply"
	// Truncate: the end of a body that is read is missing. Counts: For, Leases.
	Truncate Fault = "truncate"
	// ExpireUpload: an open multipart upload is dropped by its bucket's lifecycle. Counts: For, Leases.
	ExpireUpload Fault = "expire-upload"
	// Skew: a process's wall clock steps. Counts: Offset.
	Skew Fault = "skew"
	// Drift: a process's monotonic clock runs fast or slow. Counts: PPM.
	Drift Fault = "drift"
	// Conflict: a conditional write loses against another writer. Counts: For, Leases.
	Conflict Fault = "conflict"
	// RegionError: TiKV answers with an error of the key's region. Counts: For, Leases.
	RegionError Fault = "region-error"
	// ErrorBody: the completion of an upload is answered with 200 and an error inside. Counts: For, Leases.
	ErrorBody Fault = "error-body"
	// Outage: a service refuses everybody's requests. Counts: Service, For, Leases.
	Outage Fault = "outage"
	// DuplicateRequest: a request is delivered twice. Counts: For, Leases.
	DuplicateRequest Fault = "duplicate-request"
)

// kinds are the simulator's kinds, in the order of its table.
var kinds = [...]struct {
	fault         Fault
	about, effect string
}{
	{Crash, "a process ends at once, between any two calls or in one", "maybe"},
	{Terminate, "a process is asked to stop, and killed after a grace period", "-"},
	{Pause, "a process freezes, perhaps for longer than its lease, then goes on", "maybe"},
	{Slow, "a process computes slowly", "-"},
	{Partition, "a process and a service do not hear each other", "maybe"},
	{Refuse, "a request is answered with \"unavailable\"", "no"},
	{LoseRequest, "a request is lost, and no answer comes", "no"},
	{LoseReply, "a request is applied, and its reply is lost", "yes"},
	{Delay, "a request executes late, perhaps after its caller gave up", "maybe"},
	{DelayReply, "a request is applied at once and answered late", "yes"},
	{Truncate, "the end of a body that is read is missing", "-"},
	{ExpireUpload, "an open multipart upload is dropped by its bucket's lifecycle", "no"},
	{Skew, "a process's wall clock steps", "-"},
	{Drift, "a process's monotonic clock runs fast or slow", "-"},
	{Conflict, "a conditional write loses against another writer", "no"},
	{RegionError, "TiKV answers with an error of the key's region", "no"},
	{ErrorBody, "the completion of an upload is answered with 200 and an error inside", "no"},
	{Outage, "a service refuses everybody's requests", "no"},
	{DuplicateRequest, "a request is delivered twice", "yes, perhaps twice"},
}
