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
//	    b1 gen= phase= closing= output= sources= max_attempts= backoff_limit=
//	       parallelism= shards= priority= ttl= chunk= units= merge_gen= manifest= manifest_etag= error=
//	       submitter= submitted_ms= finished_ms=
//	    phase: pending discovering running merging complete failed cancelled expired
//	    closing: the phase that the batch is about to take, written when its end
//	    finds the shards too busy to lock: no unit starts or completes any more;
//	    shards: how many there are, 1 to 1000
//	    sources: one a line, the URL, then, if there is a filter, a tab and the
//	    filter; ttl: milliseconds; units: how many, known once discovery has
//	    ended; merge_gen, manifest (object key) and manifest_etag: set by the
//	    flip, never before; submitter: the submission's idempotency key,
//	    <process>/<incarnation>/<n>; *_ms: wall clock, for people
//	active/<ns>/<name>           a1 gen= priority=: present while the batch is not
//	    terminal
//	discovery/<bid>/<source>     d1 after= done= found= error=: progress of one
//	    source (4 digits); done is 0 or 1; after: the last key listed
//	unit/<bid>/<uid>             u1 state= epoch= attempts= releases= retries= shard=
//	       slot= source= url= size= etag= worker= incarnation= staged= staged_size= staged_etag= digest=
//	       frames= task= stats= error=
//	    state: pending processing complete failed dead cancelled
//	    epoch: raised by every claim, never reset; attempts: raised by every
//	    claim, lowered by a graceful release, which raises releases; retries: by
//	    an operator, each grants max_attempts more; shard: of the batch's, an
//	    equal share of all <uid>s, for good; slot: the shard, from 1, whose share
//	    of the parallelism it takes while it is processing, 0 without a limit;
//	    staged, staged_size and
//	    staged_etag are cleared once the batch has ended, before the object is
//	    collected (R7)
//	queue/<priority>/<bid>/<uid> q1 epoch=: present exactly while the unit is
//	    pending; <priority> is 999 minus the batch's priority, 3 digits
//	shard/<bid>/<n>              h1 processing= complete= failed= dead= cancelled=
//	       failures= taken= digest= frames=: what has become of the units of one
//	    shard (4 digits), written with every move of one of them; missing until
//	    the first.
//	    Pending units are those that discovery found and that are nothing else;
//	    failures: failed attempts of units that have not recovered; taken: slots;
//	    digest and frames: of the complete units, in any order
//	failed/<bid>/<uid>           f1 epoch= attempts=: present exactly while the unit
//	    is failed
//	dead/<bid>/<uid>             f1 epoch= attempts=: present exactly while it is dead
//	lease/<worker>/<incarnation>/<bid>/<uid>   l1 epoch= beat= ttl_ms=: present
//	    exactly while the unit is processing under that owner and epoch
//	checkpoint/<bid>/<uid>       c1 epoch= seq= offset= frames= key= upload= parts=
//	       digest= state= : parts is number:etag:size,..., a comma of an
//	    etag written %2C and a percent sign %25; digest is that of the
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
// A unit's shard is the guard of whatever starts or ends work for it: claim,
// completion, failure, release, reap, retry and being queued again write the
// shard with the unit, and read the batch row without locking it. What ends a
// batch writes its row and locks all of its shards, and so does the claim that
// begins its merge (R3, R16): so the one conflicts with the other, and two units
// of different shards with nothing. In a batch that many work on, the end locks
// the shards only after its row has said, as closing=, that no unit starts any
// more. Unit creation and the flip lock or write the batch row, which few others
// write. The unit row is the guard of an attempt: checkpoint, complete, fail,
// release and reap read it and lock or write it (R1). The lease row is the guard
// of heartbeats: whatever ends an attempt deletes it in the same transaction, so
// the two conflict (R9), and heartbeats conflict with nothing else. The leader
// row is locked by every write of a scanner (R20).
//
// # What a unit costs
//
// Nobody reads all units of a living batch, but its merge does, once, in pages. A
// worker enters the queue at a random place; a controller reads the shards and the
// units that have failed. So a unit costs the same in a batch of a thousand and
// of a hundred thousand; `make scale` measures it. Transactions that work off a
// page write at most Config.Page units and about Config.TxnBytes bytes; no other
// writes more rows than there are shards, and a few. A merge holds a record of
// each unit, bounded by Config.MergeMemory.
package core
