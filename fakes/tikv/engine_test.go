package tikv_test

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// TestEngine replays the transcripts under testdata. A timestamp is written as
// a plain number, or as 100ms+2 when it has a physical part.
func TestEngine(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		engine := tikv.New(tikv.Options{RecordReads: true, CheckSafePoint: true})
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var out strings.Builder
			runCommand(t, engine, d, &out)
			return out.String()
		})
	})
}

func runCommand(t *testing.T, e *tikv.Engine, d *datadriven.TestData, out *strings.Builder) {
	switch d.Cmd {
	case "locks":
		for _, l := range e.Locks() {
			printLock(out, l)
		}
	case "state":
		ts := uint64(math.MaxUint64)
		if d.HasArg("at") {
			ts = tsArg(t, d, "at")
		}
		for key, value := range e.SnapshotAt(ts) {
			fmt.Fprintf(out, "%s=%s\n", key, value)
		}
	case "low-water":
		if low := e.LowWater(); low == math.MaxUint64 {
			out.WriteString("no limit\n")
		} else {
			out.WriteString(formatTS(low) + "\n")
		}
	case "max-ts":
		out.WriteString(formatTS(e.MaxTS()) + "\n")
	case "sync-max-ts":
		e.SyncMaxTS()
	case "safe-point":
		e.SetSafePoint(tsArg(t, d, "ts"))
	case "collect-locks":
		fmt.Fprintf(out, "%d\n", e.CollectLocks(tsArg(t, d, "before")))
	case "jump":
		e.Oracle().JumpAhead(time.Duration(number(t, d.CmdArgs[0].Key)) * time.Millisecond)
	case "stall":
		e.Oracle().Stall(d.CmdArgs[0].Key == "on")
	case "ledger":
		printLedger(out, e.Ledger())
	default:
		if regionCommand(t, e, d, out) {
			return
		}
		req := request(t, d)
		var resp tikv.Response
		e.Handle(&req, &resp)
		printResponse(out, &req, &resp)
	}
}

// kinds are the commands that are requests.
var kinds = map[string]tikv.Kind{
	"tso": tikv.KindTSO, "get": tikv.KindGet, "batch-get": tikv.KindBatchGet, "scan": tikv.KindScan, "scan-lock": tikv.KindScanLock,
	"prewrite": tikv.KindPrewrite, "commit": tikv.KindCommit, "rollback": tikv.KindRollback, "cleanup": tikv.KindCleanup,
	"check-txn": tikv.KindCheckTxn, "check-secondary-locks": tikv.KindCheckSecondaryLocks, "resolve": tikv.KindResolve,
	"heart-beat": tikv.KindTxnHeartBeat, "pessimistic-lock": tikv.KindPessimisticLock,
	"pessimistic-rollback": tikv.KindPessimisticRollback, "delete-range": tikv.KindDeleteRange, "get-safe-point": tikv.KindSafePoint,
	"flush": tikv.KindFlush, "buffer-batch-get": tikv.KindBufferBatchGet,
}

// flags are the arguments without a value.
var flags = map[string]func(*tikv.Request){
	"rollback-if-missing":   func(r *tikv.Request) { r.RollbackIfMissing = true },
	"force-sync":            func(r *tikv.Request) { r.ForceSyncCommit = true },
	"resolving-pessimistic": func(r *tikv.Request) { r.ResolvingPessimisticLock = true },
	"verify-primary":        func(r *tikv.Request) { r.VerifyPrimary = true },
	"async":                 func(r *tikv.Request) { r.UseAsyncCommit = true },
	"one-pc":                func(r *tikv.Request) { r.TryOnePC = true },
	"rc":                    func(r *tikv.Request) { r.IsolationRC = true },
	"key-only":              func(r *tikv.Request) { r.KeyOnly = true },
	"reverse":               func(r *tikv.Request) { r.Reverse = true },
	"values":                func(r *tikv.Request) { r.ReturnValues = true },
	"existence":             func(r *tikv.Request) { r.CheckExistence = true },
	"only-if-exists":        func(r *tikv.Request) { r.LockOnlyIfExists = true },
	"with-conflict":         func(r *tikv.Request) { r.AllowLockWithConflict = true },
	"assert-fast":           func(r *tikv.Request) { r.AssertionLevel = tikv.AssertionFast },
	"assert-strict":         func(r *tikv.Request) { r.AssertionLevel = tikv.AssertionStrict },
	"return-commit-ts":      func(r *tikv.Request) { r.ReturnCommitTS = true },
	"caller-max":            func(r *tikv.Request) { r.CallerTS = math.MaxUint64 },
	"start-max":             func(r *tikv.Request) { r.StartTS = math.MaxUint64 },
}

// mutations are the arguments that lock a key: put=KEY:VALUE. A key may be followed
// by marks: "!" the key exists, "?" it does not, "+" the transaction holds its
// pessimistic lock, "=" it is checked as if the transaction were optimistic.
var mutations = map[string]tikv.Op{
	"put": tikv.OpPut, "del": tikv.OpDelete, "lock": tikv.OpLock, "insert": tikv.OpInsert,
	"check-not-exists": tikv.OpCheckNotExists, "key": tikv.OpPessimisticLock,
}

func mutation(op tikv.Op, text string) tikv.Mutation {
	key, value, _ := strings.Cut(text, ":")
	m := tikv.Mutation{Op: op}
	if value != "" {
		m.Value = []byte(value)
	}
	for {
		switch last := key[len(key)-1]; last {
		case '!':
			m.Assertion = tikv.AssertExist
		case '?':
			m.Assertion = tikv.AssertNotExist
		case '+':
			m.Pessimistic = tikv.DoPessimisticCheck
		case '=':
			m.Pessimistic = tikv.DoConstraintCheck
		default:
			m.Key = key
			return m
		}
		key = key[:len(key)-1]
	}
}

func request(t *testing.T, d *datadriven.TestData) tikv.Request {
	kind, ok := kinds[d.Cmd]
	require.True(t, ok, "unknown command %s", d.Cmd)
	req := tikv.Request{Kind: kind}
	for _, arg := range d.CmdArgs {
		if set := flags[arg.Key]; set != nil {
			set(&req)
			continue
		}
		val := ""
		if len(arg.Vals) > 0 {
			val = arg.Vals[0]
		}
		if op := mutations[arg.Key]; op != 0 && (op != tikv.OpPessimisticLock || kind == tikv.KindPessimisticLock) {
			req.Mutations = append(req.Mutations, mutation(op, val))
			continue
		}
		if !setText(&req, arg.Key, val, arg.Vals) && !setTS(t, &req, arg.Key, val, arg.Vals) && !setNumber(t, &req, arg.Key, val) {
			t.Fatalf("%s: unknown argument %s", d.Pos, arg.Key)
		}
	}
	if (kind == tikv.KindPrewrite || kind == tikv.KindFlush) && !d.HasArg("min") { // as the client does
		req.MinCommitTS = req.StartTS + 1
	}
	return req
}

func setText(req *tikv.Request, name, val string, vals []string) bool {
	switch name {
	case "primary":
		req.Primary = val
	case "from", "key":
		req.Key = val
	case "to":
		req.EndKey = val
	case "keys":
		req.Keys = vals
	case "secondaries":
		req.Secondaries = vals
	default:
		return false
	}
	return true
}

func setTS(t *testing.T, req *tikv.Request, name, val string, vals []string) bool {
	one := map[string]*uint64{
		"start": &req.StartTS, "commit": &req.CommitTS, "min": &req.MinCommitTS, "max": &req.MaxCommitTS,
		"now": &req.CurrentTS, "caller": &req.CallerTS, "for-update": &req.ForUpdateTS,
	}
	if to := one[name]; to != nil {
		*to = parseTS(t, val)
		return true
	}
	many := map[string]*[]uint64{"resolved": &req.Resolved, "committed": &req.Committed, "expected": &req.ExpectedForUpdateTS}
	to := many[name]
	for _, v := range vals {
		if to != nil {
			*to = append(*to, parseTS(t, v))
		}
	}
	return to != nil
}

func setNumber(t *testing.T, req *tikv.Request, name, val string) bool {
	switch name {
	case "ms":
		req.PhysicalMS = int64(number(t, val))
	case "ttl":
		req.TTLMS = number(t, val)
	case "limit":
		req.Limit = int(number(t, val))
	case "generation":
		req.Generation = number(t, val)
	case "size":
		req.TxnSize = uint32(number(t, val))
	case "region":
		regionOf(req).ID = number(t, val)
	case "version":
		regionOf(req).Version = number(t, val)
	case "store":
		regionOf(req).PeerStore = number(t, val)
	case "at":
		regionOf(req).AtStore = number(t, val)
	default:
		return false
	}
	return true
}

func regionOf(req *tikv.Request) *tikv.RegionContext {
	if req.Region == nil {
		req.Region = &tikv.RegionContext{PeerStore: 1}
	}
	return req.Region
}

func tsArg(t *testing.T, d *datadriven.TestData, name string) uint64 {
	var text string
	d.ScanArgs(t, name, &text)
	return parseTS(t, text)
}

func number(t *testing.T, text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err)
	return n
}

func parseTS(t *testing.T, text string) uint64 {
	ms, logical, ok := strings.Cut(text, "ms+")
	if !ok {
		return number(t, text)
	}
	return number(t, ms)<<18 + number(t, logical)
}

func formatTS(ts uint64) string {
	if tikv.PhysicalMS(ts) == 0 {
		return strconv.FormatUint(ts, 10)
	}
	return fmt.Sprintf("%dms+%d", tikv.PhysicalMS(ts), ts&(1<<18-1))
}

var opNames = map[tikv.Op]string{
	tikv.OpPut: "put", tikv.OpDelete: "del", tikv.OpLock: "lock", tikv.OpPessimisticLock: "pessimistic lock",
}

func printLock(out *strings.Builder, l tikv.Lock) {
	fmt.Fprintf(out, "lock %s: %s by %s, primary %s, ttl %d ms, min commit %s",
		l.Key, opNames[l.Op], formatTS(l.StartTS), l.Primary, l.TTLMS, formatTS(l.MinCommitTS))
	if l.ForUpdateTS != 0 {
		out.WriteString(", for update " + formatTS(l.ForUpdateTS))
	}
	if l.UseAsyncCommit {
		out.WriteString(", async")
	}
	if l.Secondaries != nil {
		fmt.Fprintf(out, " with %v", l.Secondaries)
	}
	if l.TxnSize != 0 {
		fmt.Fprintf(out, ", of %d", l.TxnSize)
	}
	out.WriteString("\n")
}

func printResponse(out *strings.Builder, req *tikv.Request, resp *tikv.Response) {
	if req.Kind == tikv.KindTSO || req.Kind == tikv.KindSafePoint {
		out.WriteString(formatTS(resp.TS) + "\n")
		return
	}
	if resp.Region != tikv.RegionOK {
		out.WriteString(regionErrors[resp.Region] + "\n")
		printRegions(out, resp.Regions)
		return
	}
	out.WriteString(resp.Status.String())
	if resp.Key != "" {
		out.WriteString(" on " + resp.Key)
	}
	switch {
	case resp.Status == tikv.StatusCommitTSExpired:
		out.WriteString(", min commit " + formatTS(resp.MinCommitTS))
	case resp.Status != tikv.StatusOK && resp.CommitTS != 0:
		out.WriteString(", committed at " + formatTS(resp.CommitTS))
	case resp.Status == tikv.StatusOK:
		printSuccess(out, req, resp)
	}
	out.WriteString("\n")
	for _, p := range resp.Pairs {
		fmt.Fprintf(out, "%s=%s\n", p.Key, p.Value)
	}
	for i, k := range resp.LockedKeys {
		fmt.Fprintf(out, "%s: %q, not found %v", req.Mutations[i].Key, k.Value, k.NotFound)
		if k.ConflictTS != 0 {
			out.WriteString(", in spite of the commit at " + formatTS(k.ConflictTS))
		}
		out.WriteString("\n")
	}
	for _, l := range resp.Locks {
		if req.Kind != tikv.KindCheckTxn || l.UseAsyncCommit || l.ForUpdateTS != 0 || resp.Status != tikv.StatusOK {
			printLock(out, l)
		}
	}
}

func printSuccess(out *strings.Builder, req *tikv.Request, resp *tikv.Response) {
	switch req.Kind {
	case tikv.KindCheckTxn:
		printFate(out, resp)
	case tikv.KindGet:
		if resp.NotFound {
			out.WriteString(", nothing")
		} else {
			out.WriteString(", " + string(resp.Value))
		}
		if resp.CommitTS != 0 {
			out.WriteString(", committed at " + formatTS(resp.CommitTS))
		}
	case tikv.KindTxnHeartBeat:
		fmt.Fprintf(out, ", ttl %d ms", resp.LockTTLMS)
	case tikv.KindPrewrite:
		if req.UseAsyncCommit {
			out.WriteString(", min commit " + formatTS(resp.MinCommitTS))
		}
		if req.TryOnePC {
			out.WriteString(", committed at " + formatTS(resp.CommitTS))
		}
	case tikv.KindCheckSecondaryLocks:
		switch {
		case len(resp.Locks) > 0:
			out.WriteString(", all locked")
		case resp.CommitTS != 0:
			out.WriteString(", committed at " + formatTS(resp.CommitTS))
		default:
			out.WriteString(", rolled back")
		}
	}
}

func printFate(out *strings.Builder, resp *tikv.Response) {
	actions := map[tikv.Action]string{
		tikv.ActionMinCommitTSPush: "min commit pushed", tikv.ActionExpiredRollback: "expired", tikv.ActionMissingRollback: "missing",
		tikv.ActionExpiredPessimisticRollback: "expired, only unlocked", tikv.ActionMissingDoNothing: "missing, nothing done",
	}
	text, acted := actions[resp.Action]
	switch {
	case len(resp.Locks) > 0:
		fmt.Fprintf(out, ", alive, ttl %d ms, min commit %s", resp.LockTTLMS, formatTS(resp.MinCommitTS))
	case resp.CommitTS > 0:
		out.WriteString(", committed at " + formatTS(resp.CommitTS))
	case resp.Action == tikv.ActionExpiredPessimisticRollback || resp.Action == tikv.ActionMissingDoNothing:
		out.WriteString(", undecided")
	default:
		out.WriteString(", rolled back")
	}
	if acted {
		out.WriteString(" (" + text + ")")
	}
}

func printLedger(out *strings.Builder, l *tikv.Ledger) {
	for _, c := range l.Commits {
		fmt.Fprintf(out, "commit %s -> %s, primary %s:", formatTS(c.StartTS), formatTS(c.CommitTS), c.Primary)
		for _, m := range c.Writes {
			out.WriteString(" " + opNames[m.Op] + " " + m.Key)
		}
		out.WriteString("\n")
	}
	for _, ts := range l.Rollbacks {
		fmt.Fprintf(out, "rollback %s\n", formatTS(ts))
	}
	for r := range l.Reads.All() {
		fmt.Fprintf(out, "read at %s: %s version %s\n", formatTS(r.StartTS), r.Key, formatTS(r.Version))
	}
	for s := range l.Scans.All() {
		fmt.Fprintf(out, "scan at %s: [%s, %s) partial=%v:", formatTS(s.StartTS), s.From, s.To, s.Partial)
		for _, r := range s.Seen {
			fmt.Fprintf(out, " %s version %s", r.Key, formatTS(r.Version))
		}
		out.WriteString("\n")
	}
	l.ForgetDecisions()
	l.Reads, l.Scans = tikv.List[tikv.Read]{}, tikv.List[tikv.ScanRead]{}
}
