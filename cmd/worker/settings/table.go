package settings

import (
	"math"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/backend/s3"
)

// Setting is one line of the table.
type Setting struct {
	Group   string
	Name    string // of the flag and of the file's key
	Meaning string
	Value   Value
	field   string // of core.Config, in whose errors it is renamed
}

// Variable is the setting's name in the environment.
func (s *Setting) Variable() string {
	return Prefix + strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
}

// Prefix begins the names of all environment variables.
const Prefix = "GAUNTLET_"

const (
	tick = time.Millisecond
	day  = 24 * time.Hour
	year = 365 * day
)

// Table lists every setting, with values that are places in s.
func Table(s *Settings) []Setting {
	var t []Setting
	group := ""
	add := func(name, field string, v Value, meaning string) {
		t = append(t, Setting{Group: group, Name: name, Meaning: meaning, Value: v, field: field})
	}
	c := &s.Core

	group = "Process"
	add("name", "", word{&s.Name, "a word of at most 128 bytes without a slash", isName}, "the process; a restart under the same name is a new incarnation of it")
	add("role", "", roles{&s.Roles}, "what the process does")
	add("slots", "Slots", count{&c.Slots, 1, 1000}, "units that a worker converts at once")
	add("codec", "", choice{&s.Codec, []string{CodecLeRobot, CodecPlain}}, "how recordings are read and episodes written: MCAP to LeRobot v2.1, or the simulator's plain format")
	add("codec-config", "", word{&s.CodecConfig, "a YAML file; empty: that of the example recordings", nil}, "which topics become which features, see docs/RECORDINGS.md; the same for all workers")
	add("scratch", "", word{&s.Scratch, "a directory; empty: gauntlet/NAME under the temporary one", nil}, "where parts of recordings are kept, so that a restart need not fetch them again; may be lost")
	add("listen", "", word{&s.Listen, "HOST:PORT; port 0: any that is free, which the log names", isAddress}, "where /healthz, /readyz and /metrics are served; another host than 127.0.0.1 opens them to others")
	add("grace", "", duration{&s.Grace, tick, day}, "how long after SIGTERM the process ends at the latest, drained or not")
	add("log-level", "", choice{&s.LogLevel, []string{"debug", "info", "warn", "error"}}, "the least that is logged, on standard error")
	add("log-format", "", choice{&s.LogFormat, []string{"json", "text"}}, "how it is logged")
	add("chaos-listen", "", word{&s.ChaosListen, "a loopback HOST:PORT; empty: nowhere", isAddressOrEmpty}, "where the injector is set, in binaries built with -tags chaos_testing; needs GAUNTLET_CHAOS_TOKEN")

	group = "Stores"
	add("store", "", choice{&s.Store, []string{StoreTiKV, StoreMemory}}, "tikv, with an object store beside it; memory: a first look in one process")
	add("pd", "", addresses{&s.TiKV.PD}, "TiKV's placement drivers")
	add("pd-timeout", "", duration{&s.TiKV.PDTimeout, tick, 10 * time.Minute}, "bounds one call to them")
	add("tikv-ca", "", word{&s.TiKV.CAPath, "a PEM file; empty: no TLS", nil}, "who signs TiKV's certificates")
	add("tikv-cert", "", word{&s.TiKV.CertPath, "a PEM file", nil}, "the certificate shown to TiKV")
	add("tikv-key", "", word{&s.TiKV.KeyPath, "a PEM file", nil}, "its key")
	add("tikv-router-client", "", yesNo{&s.TiKV.RouterClient}, "route by PD's QueryRegion stream, which PD has only after 8.5.6; calls to an older one hang for a minute")
	add("s3-endpoint", "", word{&s.S3.Endpoint, "http://HOST:PORT or https://HOST:PORT; empty: AWS_ENDPOINT_URL_S3, else Amazon's", nil}, "the object store")
	add("s3-bucket", "", word{&s.S3.Bucket, "a bucket", nil}, "holds recordings, staging and datasets")
	add("s3-region", "", word{&s.S3.Region, "a region; empty: AWS_REGION", nil}, "of the bucket")
	add("s3-kind", "", choice{(*string)(&s.S3.Kind), []string{string(s3.KindS3), string(s3.KindMinIO), string(s3.KindPosix), string(s3.KindOSS)}}, "the family of the store, which decides the defaults of min-part, max-key, max-segment and uploads-by-prefix; posix: a gateway that keeps objects in files")
	add("s3-path-style", "", yesNo{&s.S3.PathStyle}, "address the bucket in the path rather than in the host name, as most servers but AWS want")
	add("s3-ca", "", word{&s.S3.CAPath, "a PEM file; empty: the system's", nil}, "who signs the object store's certificate")

	add("s3-cert", "", word{&s.S3.CertPath, "a PEM file", nil}, "the certificate shown to the object store")
	add("s3-key", "", word{&s.S3.KeyPath, "a PEM file", nil}, "its key")

	group = "Leases"
	add("heartbeat", "Heartbeat", duration{&c.Heartbeat, tick, day}, "how often an owner renews a unit's lease, and a merger its claim")
	add("stale-after", "StaleAfter", duration{&c.StaleAfter, tick, day}, "how long others must see no beat before they take a unit or a merge away")
	add("fence-margin", "FenceMargin", duration{&c.FenceMargin, tick, day}, "how much earlier an owner stops by itself")
	add("scanner-lease", "ScannerLease", duration{&c.ScannerLease, tick, day}, "stale-after for the scanner's leadership, renewed at a third of it")

	group = "Rounds"
	add("worker-poll", "WorkerPoll", duration{&c.WorkerPoll, tick, day}, "a worker's pause between two looks at an empty queue")
	add("reap-every", "ReapEvery", duration{&c.ReapEvery, tick, day}, "the reaper's round")
	add("control-every", "ControlEvery", duration{&c.ControlEvery, tick, day}, "the controller's round")
	add("scan-every", "ScanEvery", duration{&c.ScanEvery, tick, day}, "the scanner's round")
	add("merge-poll", "MergePoll", duration{&c.MergePoll, tick, day}, "the merger's round")
	add("janitor-every", "JanitorEvery", duration{&c.JanitorEvery, tick, day}, "the janitor's round")

	group = "Attempts"
	add("max-attempts", "MaxAttempts", count{&c.MaxAttempts, 1, 1000}, "attempts of each unit, for submissions that name none")
	add("backoff-limit", "BackoffLimit", count{&c.BackoffLimit, 1, math.MaxInt32}, "failed attempts of a whole batch that have not recovered, for submissions that name none")
	add("episodes-per-chunk", "EpisodesPerChunk", count{&c.EpisodesPerChunk, 1, math.MaxInt32}, "episodes in each chunk of a dataset, for submissions that name none")
	add("unit-backoff", "UnitBackoff", duration{&c.UnitBackoff, tick, day}, "the pause before a unit's second attempt; doubles with each")
	add("unit-backoff-max", "UnitBackoffMax", duration{&c.UnitBackoffMax, tick, day}, "its limit")
	add("unit-timeout", "UnitTimeout", duration{&c.UnitTimeout, tick, 30 * day}, "stops an attempt that takes longer")
	add("checkpoint-frames", "CheckpointFrames", count{&c.CheckpointFrames, 1, math.MaxInt32}, "a checkpoint is due after so many frames, with the next part")
	add("checkpoint-every", "CheckpointEvery", duration{&c.CheckpointEvery, tick, day}, "or after this time")

	group = "Objects"
	add("read-chunk", "ReadChunk", size[int64]{&c.ReadChunk, 1, 1 << 30}, "read of a recording at once")
	add("part-size", "PartSize", size[int64]{&c.PartSize, 1, 5 << 30}, "of multipart uploads")
	add("multipart-above", "MultipartAbove", size[int64]{&c.MultipartAbove, 1, 5 << 30}, "outputs above this are uploaded in parts")
	add("parts-in-flight", "PartsInFlight", count{&c.PartsInFlight, 1, 1000}, "parts uploaded at once")
	add("storage-timeout", "StorageTimeout", duration{&c.StorageTimeout, tick, day}, "bounds one call to the object store")
	add("storage-tries", "StorageTries", count{&c.StorageTries, 1, 1000}, "of a call that fails; owners of a lease go on for as long as they hold it")
	add("storage-backoff", "StorageBackoff", duration{&c.StorageBackoff, tick, day}, "the pause before the second try; doubles with each")
	add("storage-backoff-max", "StorageBackoffMax", duration{&c.StorageBackoffMax, tick, day}, "its limit")
	add("min-part", "Store.MinPart", size[int64]{&c.Store.MinPart, 0, 5 << 30}, "the smallest part that the object store takes, but for the last: 5MiB on S3 and MinIO, 100KiB on OSS")
	add("max-key", "Store.MaxKey", count{&c.Store.MaxKey, 128, 1024}, "the longest key of an object, in bytes: 1024, on OSS 1023")
	add("max-segment", "Store.MaxSegment", count{&c.Store.MaxSegment, 0, 1024}, "the longest part of a key between two slashes, in bytes: 255 where objects are files, 0 for no limit")
	add("uploads-by-prefix", "Store.UploadsByPrefix", yesNo{&c.Store.UploadsByPrefix}, "open uploads are listed by any prefix of their keys; MinIO does not")
	add("probe", "Store.Probe", word{&c.Store.Probe, "a prefix of keys without a slash at the end; empty: no probe", nil}, "where a process finds out at its start what the object store has")

	group = "Transactions"
	add("op-timeout", "OpTimeout", duration{&c.OpTimeout, tick, day}, "bounds one try of a transaction")
	add("conflict-tries", "ConflictTries", count{&c.ConflictTries, 1, 1000}, "of a transaction that conflicts or finds TiKV unavailable")
	add("conflict-backoff", "ConflictBackoff", duration{&c.ConflictBackoff, tick, day}, "the pause before the second try; doubles with each")
	add("page", "Page", count{&c.Page, 1, 1000}, "rows or objects read, and about as many units written, at once")
	add("txn-bytes", "TxnBytes", size[int]{&c.TxnBytes, 1, 100 << 20}, "bounds what a transaction that works off a page writes")
	add("shards", "Shards", count{&c.Shards, 1, 1000}, "guard rows of a new batch: about a fifth of the workers is plenty")
	add("max-row-key", "Store.MaxRowKey", count{&c.Store.MaxRowKey, 640, 65535}, "the longest key of a row that TiKV's client takes, in bytes")
	add("max-row", "Store.MaxRow", size[int]{&c.Store.MaxRow, 64 << 10, 1 << 30}, "the largest row that TiKV takes")
	add("max-txn", "Store.MaxTxn", size[int]{&c.Store.MaxTxn, 64 << 10, 10 << 30}, "the largest transaction that it takes")

	group = "Outages and ends"
	add("breaker-failures", "BreakerFailures", count{&c.BreakerFailures, 1, 1000}, "so many failures in a row make a store count as down")
	add("breaker-open", "BreakerOpen", duration{&c.BreakerOpen, tick, day}, "then it is not called for this time")
	add("breaker-successes", "BreakerSuccesses", count{&c.BreakerSuccesses, 1, 1000}, "so many successes in a row make it count as up again")
	add("drain-timeout", "DrainTimeout", duration{&c.DrainTimeout, tick, day}, "bounds the checkpoints and releases after SIGTERM")
	add("max-in-flight", "MaxInFlight", duration{&c.MaxInFlight, tick, day}, "how long a sent request may still execute: nothing is collected sooner")
	add("watch-for", "WatchFor", duration{&c.WatchFor, tick, year}, "for how long a finished batch's prefixes are looked at for late writes")
	add("merge-memory", "MergeMemory", size[int64]{&c.MergeMemory, 1 << 10, 1 << 40}, "bounds the rows of a merge's input")
	return t
}
