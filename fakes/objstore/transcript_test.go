package objstore_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

// TestTranscripts runs the files in testdata/transcripts, which document the store's
// semantics by example. Each command is one request (or an inspection), and
// the effects that it left are printed after its response.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata/transcripts", func(t *testing.T, path string) {
		store := objstore.New(objstore.Options{})
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "new":
				var opts objstore.Options
				if d.HasArg("min-part") {
					opts.MinPart = int64(intArg(t, d, "min-part", 0))
				}
				opts.WeakConditional = d.HasArg("weak-conditional")
				opts.NoConditional = d.HasArg("no-conditional")
				opts.OpaqueETags = d.HasArg("opaque-etags")
				opts.UploadsByKey = d.HasArg("uploads-by-key")
				opts.ExistsCode409 = d.HasArg("exists-409")
				opts.Unordered = d.HasArg("unordered")
				opts.MaxKey = intArg(t, d, "max-key", 0)
				opts.MaxSegment = intArg(t, d, "max-segment", 0)
				switch stringArg(t, d, "completions") {
				case "once":
					opts.Completions = objstore.CompletionsOnce
				case "blind":
					opts.Completions = objstore.CompletionsBlind
				}
				store = objstore.New(opts)
				return ""
			case "expire":
				if !store.ExpireUpload(stringArg(t, d, "key"), stringArg(t, d, "upload")) {
					return "no such upload\n"
				}
				return effects(store)
			case "dump":
				return dump(store)
			}
			var resp objstore.Response
			req := parseRequest(t, d)
			store.Handle(&req, &resp)
			return render(&req, &resp) + effects(store)
		})
	})
}

func parseRequest(t *testing.T, d *datadriven.TestData) objstore.Request {
	req := objstore.Request{
		Key:      stringArg(t, d, "key"),
		UploadID: stringArg(t, d, "upload"),
		Body:     []byte(stringArg(t, d, "body")),
		Number:   intArg(t, d, "number", 1),
		Offset:   int64(intArg(t, d, "offset", 0)),
		Length:   int64(intArg(t, d, "length", -1)),
		After:    stringArg(t, d, "after"),
		AfterID:  stringArg(t, d, "after-id"),
		Limit:    intArg(t, d, "limit", 1000),
	}
	if d.HasArg("if-absent") {
		req.Cond = env.IfAbsent
	}
	for kind := objstore.KindPut; kind <= objstore.KindListUploads; kind++ {
		if kind.String() == d.Cmd {
			req.Kind = kind
		}
	}
	if req.Kind == 0 {
		d.Fatalf(t, "unknown command %s", d.Cmd)
	}
	if req.Kind == objstore.KindList || req.Kind == objstore.KindListUploads {
		req.Key = stringArg(t, d, "prefix")
	}
	for _, arg := range d.CmdArgs {
		if arg.Key != "part" {
			continue
		}
		for _, val := range arg.Vals {
			number, etag, _ := strings.Cut(val, ":")
			n, err := strconv.Atoi(number)
			if err != nil {
				d.Fatalf(t, "part %s: %v", val, err)
			}
			req.Parts = append(req.Parts, env.Part{Number: n, ETag: etag})
		}
	}
	return req
}

func stringArg(t *testing.T, d *datadriven.TestData, name string) string {
	value := ""
	if d.HasArg(name) {
		d.ScanArgs(t, name, &value)
	}
	return value
}

func intArg(t *testing.T, d *datadriven.TestData, name string, otherwise int) int {
	if d.HasArg(name) {
		d.ScanArgs(t, name, &otherwise)
	}
	return otherwise
}

func render(req *objstore.Request, resp *objstore.Response) string {
	if resp.Err != env.ClassNone {
		return fmt.Sprintf("%s (%s)\n", resp.Err, resp.Code)
	}
	var b strings.Builder
	switch req.Kind {
	case objstore.KindPut, objstore.KindHead, objstore.KindCompleteUpload:
		fmt.Fprintf(&b, "%s size=%d etag=%s\n", resp.Object.Key, resp.Object.Size, resp.Object.ETag)
	case objstore.KindGet:
		fmt.Fprintf(&b, "%q of %s size=%d\n", resp.Body, resp.Object.Key, resp.Object.Size)
	case objstore.KindCreateUpload:
		fmt.Fprintf(&b, "upload %s\n", resp.UploadID)
	case objstore.KindUploadPart:
		fmt.Fprintf(&b, "part %d size=%d etag=%s\n", resp.Part.Number, resp.Part.Size, resp.Part.ETag)
	case objstore.KindList:
		for _, obj := range resp.Listing.Objects {
			fmt.Fprintf(&b, "%s size=%d\n", obj.Key, obj.Size)
		}
		fmt.Fprintf(&b, "more=%t\n", resp.Listing.More)
	case objstore.KindListUploads:
		for _, up := range resp.Uploads.Uploads {
			fmt.Fprintf(&b, "%s %s\n", up.Key, up.ID)
		}
		fmt.Fprintf(&b, "more=%t\n", resp.Uploads.More)
	default:
		b.WriteString("ok\n")
	}
	return b.String()
}

// effects prints the ledger and truncates it, as a consumer does.
func effects(store *objstore.Store) string {
	var b strings.Builder
	for _, e := range store.Effects {
		fmt.Fprintf(&b, "effect: %s %s", e.Kind, e.Key)
		if e.UploadID != "" {
			fmt.Fprintf(&b, " upload=%s", e.UploadID)
		}
		if e.Number != 0 {
			fmt.Fprintf(&b, " number=%d", e.Number)
		}
		if e.ETag != "" {
			fmt.Fprintf(&b, " size=%d digest=%016x", e.Size, e.Digest)
		}
		if e.Existed {
			fmt.Fprintf(&b, " existed old=%016x", e.OldDigest)
		}
		b.WriteString("\n")
	}
	store.Effects = store.Effects[:0]
	return b.String()
}

func dump(store *objstore.Store) string {
	var b strings.Builder
	for obj, body := range store.Objects() {
		fmt.Fprintf(&b, "%s %q etag=%s\n", obj.Key, body, obj.ETag)
	}
	for up, parts := range store.Uploads() {
		fmt.Fprintf(&b, "upload %s %s", up.Key, up.ID)
		for _, p := range parts {
			fmt.Fprintf(&b, " %d:%d", p.Number, p.Size)
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "digest %016x\n", store.Digest())
	return b.String()
}
