// Package core is the coordination protocol of a distributed converter that
// turns robot recordings into datasets: discovery, claims, leases, checkpoints,
// reaping, merge claims and publication. It is production code: ordinary
// blocking Go over the seams of package env, and nothing else.
//
// # Words
//
// A batch is one dataset to build; a source file is a unit and becomes an
// episode. A unit is executed in attempts, each with a fencing epoch; finished
// units are staged; when all are complete one merge publishes the dataset. The
// rules that carry the protocol are numbered R1 to R20 in RULES.md and cited
// where they are at work.
//
// # What is stored
//
// Every row is one line of text: a version word and space-separated name=value
// fields in a fixed order, values quoted as Go strings when they hold a space,
// a quote, '=', a control character or a byte outside ASCII, empty text fields
// left out. Numbers are decimal and always written. Keys are text; the parts of a key are separated by '/', and names
// and namespaces cannot contain one. <gen> is the submission's number for that
// name, 8 digits with leading zeros, starting at 1 and never reset (R2); <bid>
// stands for <ns>/<name>/<gen>. <uid> is 16 hex digits, a stable hash of <bid>
// and the source's full URL.
//
//	batch/<ns>/<name>            the newest submission of a name; never deleted
//	    b1 gen= phase= output= sources= max_attempts= backoff_limit= parallelism=
//	       priority= ttl= chunk= units= merge_gen= manifest= manifest_etag= error=
//	       submitter= submitted_ms= finished_ms=
//	    phase: pending discovering running merging complete failed cancelled expired
//	    sources: one a line, the URL, then, if there is a filter, a tab and the
//	    filter; ttl: milliseconds; units: how many, known once discovery has
//	    ended; merge_gen, manifest (object key) and manifest_etag: set by the
//	    flip, never before; submitter: the submission's idempotency key,
//	    <process>/<incarnation>/<n>; *_ms: wall clock, for people
//	active/<ns>/<name>           a1 gen=: present while the batch is not terminal
//	discovery/<bid>/<source>     d1 after= done= found= error=: progress of one
//	    source (4 digits); done is 0 or 1; after: the last key listed
//	unit/<bid>/<uid>             u1 state= epoch= attempts= releases= retries= source= url= size=
//	       etag= worker= incarnation= staged= staged_size= staged_etag= digest=
//	       frames= task= stats= error=
//	    state: pending processing complete failed dead cancelled
//	    epoch: raised by every claim, never reset; attempts: raised by every
//	    claim, lowered by a graceful release, which raises releases; retries: by
//	    an operator, each grants max_attempts more; staged, staged_size and
//	    staged_etag are cleared once the batch has ended, before the object is
//	    collected (R7)
//	queue/<priority>/<bid>/<uid> q1 epoch=: present exactly while the unit is
//	    pending; <priority> is 999 minus the batch's priority, 3 digits
//	lease/<worker>/<incarnation>/<bid>/<uid>   l1 epoch= beat= ttl_ms=: present
//	    exactly while the unit is processing under that owner and epoch
//	checkpoint/<bid>/<uid>       c1 epoch= seq= offset= frames= key= upload= parts=
//	       digest= state= : parts is number:etag:size,...; digest is that of the
//	       parts' bytes (dataset.Digest); state is the codec's, opaque; key
//	       carries the epoch that opened the upload
//	merge/<bid>                  m1 gen= state= worker= incarnation= beat= units= digest=
//	    state: claimed published; digest identifies the input snapshot; worker
//	    and incarnation are empty once the owner has let go
//	leader/scanner               s1 epoch= worker= incarnation= beat=
//	    worker and incarnation are empty once the leader has let go
//	status/<ns>/<name>           t1 gen= phase= pending= processing= complete= failed=
//	       dead= cancelled= error=: derived by the controller, for people
//	output/<output>              o1 name=: the <ns>/<name> that owns the prefix
//	sweep/<bid>                  w1 state= output= priority= merge_gen= chunk= age_ms= ttl_ms=:
//	       present from a batch's end until nothing of it is left to collect.
//	       state: settle (units may still be queued or leased) collect (no row
//	       points to a staged object); merge_gen: the published one, or 0;
//	       chunk: the datasets' episodes in each chunk;
//	       age_ms: for how long janitors have watched it
//
// Objects, under the output prefix of the batch:
//
//	<output>/staging/<gen>/<uid>/e<epoch>/episode     one attempt's output
//	<output>/g<gen>-<merge_gen>/...                    one merge's dataset
//	<output>/g<gen>-<merge_gen>/manifest.json          names every object of it
//
// and under Config.Store.Probe, <probe>/listing/<n>, which stay, and an upload to
// <probe>/uploads/<worker>/probe for as long as a process asks what the store has.
//
// <epoch>, <gen> and <merge_gen> in object keys have 8 digits. The dataset that
// a batch published is the one that its row's manifest field points to.
//
// # Who conflicts with whom
//
// The batch row is the guard of everything that starts or ends work: claim,
// complete, merge claim, flip and unit creation read it and lock it, cancel
// writes it (R3, R16). The unit row is the guard of an attempt: checkpoint,
// complete, fail, release and reap read it and lock or write it (R1). The lease
// row is the guard of heartbeats: whatever ends an attempt deletes it in the
// same transaction, so the two conflict (R9), and heartbeats conflict with
// nothing else. The leader row is locked by every write of a scanner (R20).
package core
