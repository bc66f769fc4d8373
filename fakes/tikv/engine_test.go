package tikv_test

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// TestEngine replays the transcripts under testdata. A timestamp is written as
// a plain number, or as 100ms+2 when it has a physical part.
func TestEngine(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		engine := tikv.New(tikv.Options{RecordReads: true})
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
	case "safe-point":
		e.SetSafePoint(tsArg(t, d, "ts"))
	case "ledger":
		printLedger(out, e.Ledger())
	default:
		req := request(t, d)
		var resp tikv.Response
		e.Handle(&req, &resp)
		printResponse(out, &req, &resp)
	}
}

func request(t *testing.T, d *datadriven.TestData) tikv.Request {
	kinds := map[string]tikv.Kind{
		"tso": tikv.KindTSO, "get": tikv.KindGet, "scan": tikv.KindScan, "prewrite": tikv.KindPrewrite,
		"commit": tikv.KindCommit, "rollback": tikv.KindRollback, "check-txn": tikv.KindCheckTxn, "resolve": tikv.KindResolve,
	}
	kind, ok := kinds[d.Cmd]
	require.True(t, ok, "unknown command %s", d.Cmd)
	req := tikv.Request{Kind: kind}
	for _, arg := range d.CmdArgs {
		val := ""
		if len(arg.Vals) > 0 {
			val = arg.Vals[0]
		}
		switch arg.Key {
		case "ms":
			req.PhysicalMS = int64(number(t, val))
		case "start":
			req.StartTS = parseTS(t, val)
		case "commit":
			req.CommitTS = parseTS(t, val)
		case "now":
			req.CurrentTS = parseTS(t, val)
		case "caller":
			req.CallerTS = parseTS(t, val)
		case "primary":
			req.Primary = val
		case "ttl":
			req.TTLMS = number(t, val)
		case "from", "key":
			req.Key = val
		case "to":
			req.EndKey = val
		case "limit":
			req.Limit = int(number(t, val))
		case "keys":
			req.Keys = arg.Vals
		case "resolved":
			for _, v := range arg.Vals {
				req.Resolved = append(req.Resolved, parseTS(t, v))
			}
		case "rollback-if-missing":
			req.RollbackIfMissing = true
		case "put":
			key, value, _ := strings.Cut(val, ":")
			req.Mutations = append(req.Mutations, tikv.Mutation{Op: tikv.OpPut, Key: key, Value: []byte(value)})
		case "del":
			req.Mutations = append(req.Mutations, tikv.Mutation{Op: tikv.OpDelete, Key: val})
		case "lock":
			req.Mutations = append(req.Mutations, tikv.Mutation{Op: tikv.OpLock, Key: val})
		default:
			t.Fatalf("%s: unknown argument %s", d.Pos, arg.Key)
		}
	}
	return req
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

var opNames = map[tikv.Op]string{tikv.OpPut: "put", tikv.OpDelete: "del", tikv.OpLock: "lock"}

func printLock(out *strings.Builder, l tikv.Lock) {
	fmt.Fprintf(out, "lock %s: %s by %s, primary %s, ttl %d ms, min commit %s\n",
		l.Key, opNames[l.Op], formatTS(l.StartTS), l.Primary, l.TTLMS, formatTS(l.MinCommitTS))
}

func printResponse(out *strings.Builder, req *tikv.Request, resp *tikv.Response) {
	if req.Kind == tikv.KindTSO {
		out.WriteString(formatTS(resp.TS) + "\n")
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
	case req.Kind == tikv.KindCheckTxn && resp.Status == tikv.StatusOK:
		printFate(out, resp)
	case req.Kind == tikv.KindGet && resp.NotFound:
		out.WriteString(", nothing")
	case req.Kind == tikv.KindGet && resp.Status == tikv.StatusOK:
		out.WriteString(", " + string(resp.Value))
	}
	out.WriteString("\n")
	for _, p := range resp.Pairs {
		fmt.Fprintf(out, "%s=%s\n", p.Key, p.Value)
	}
	for _, l := range resp.Locks {
		printLock(out, l)
	}
}

func printFate(out *strings.Builder, resp *tikv.Response) {
	switch {
	case resp.LockTTLMS > 0:
		fmt.Fprintf(out, ", alive, ttl %d ms, min commit %s", resp.LockTTLMS, formatTS(resp.MinCommitTS))
	case resp.CommitTS > 0:
		out.WriteString(", committed at " + formatTS(resp.CommitTS))
	default:
		out.WriteString(", rolled back")
	}
	actions := map[tikv.Action]string{
		tikv.ActionMinCommitTSPush: "min commit pushed", tikv.ActionExpiredRollback: "expired", tikv.ActionMissingRollback: "missing",
	}
	if text, ok := actions[resp.Action]; ok {
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
	for _, r := range l.Reads {
		fmt.Fprintf(out, "read at %s: %s version %s\n", formatTS(r.StartTS), r.Key, formatTS(r.Version))
	}
	for _, s := range l.Scans {
		fmt.Fprintf(out, "scan at %s: [%s, %s) partial=%v:", formatTS(s.StartTS), s.From, s.To, s.Partial)
		for _, r := range s.Seen {
			fmt.Fprintf(out, " %s version %s", r.Key, formatTS(r.Version))
		}
		out.WriteString("\n")
	}
	l.ForgetDecisions()
	l.Reads, l.Scans = nil, nil
}
