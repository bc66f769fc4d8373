package objstore_test

import (
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/fakes/objcontract"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

// shared is a store that several may ask at once.
type shared struct {
	mu    sync.Mutex
	store *objstore.Store
}

func (s *shared) Handle(req *objstore.Request, resp *objstore.Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store.Handle(req, resp)
}

const answersFile = "../objcontract/testdata/answers"

// TestAnswers: the fake answers as the ledger says that it does.
func TestAnswers(t *testing.T) {
	seen := objcontract.Observe(&shared{store: objstore.New(objstore.Options{})})
	if flag.Lookup("rewrite").Value.String() == "true" {
		text := "# BEHAVIOUR | ANSWER of the fake without options, which is S3.\n"
		for _, a := range seen {
			text += fmt.Sprintf("%s | %s\n", a.Behaviour, a.Answer)
		}
		require.NoError(t, os.WriteFile(answersFile, []byte(text), 0o644))
		return
	}
	answers, _, err := objcontract.Ledger()
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(answers), 79)
	require.Equal(t, answers, seen, "go test ./fakes/objstore -run TestAnswers -rewrite")
}

// traitOptions are the options that give the fake one trait of a server.
var traitOptions = map[string]func(o *objstore.Options){
	"no-empty-parts":    func(o *objstore.Options) { o.NoEmptyParts = true },
	"lax-parts":         func(o *objstore.Options) { o.LaxParts = true },
	"max-key":           func(o *objstore.Options) { o.MaxKey = 1100 },
	"max-segment":       func(o *objstore.Options) { o.MaxSegment = 255 },
	"folders":           func(o *objstore.Options) { o.Folders = true },
	"clean-keys":        func(o *objstore.Options) { o.CleanKeys = true },
	"other-etags":       func(o *objstore.Options) { o.OtherETags = true },
	"weak-conditional":  func(o *objstore.Options) { o.WeakConditional = true },
	"condition-first":   func(o *objstore.Options) { o.ConditionFirst = true },
	"ended-completion":  func(o *objstore.Options) { o.Completions = objstore.CompletionsOnce },
	"blind-completion":  func(o *objstore.Options) { o.Completions = objstore.CompletionsBlind },
	"uploads-by-time":   func(o *objstore.Options) { o.UploadsByTime = true },
	"key-markers":       func(o *objstore.Options) { o.KeyMarkers = true },
	"inclusive-markers": func(o *objstore.Options) { o.InclusiveMarkers = true },
}

// TestOptionsAreServers: with all traits that the ledger names of a server, the fake
// is that server: it shows every behaviour as the server does, but for the rows
// that say why no option does.
func TestOptionsAreServers(t *testing.T) {
	answers, deviations, err := objcontract.Ledger()
	require.NoError(t, err)
	options := map[string]objstore.Options{}
	rows := map[[2]string]objcontract.Deviation{}
	for _, d := range deviations {
		opts := options[d.Server]
		for _, trait := range d.Traits {
			require.Contains(t, traitOptions, trait, "%s: %s", d.Server, d.Behaviour)
			traitOptions[trait](&opts)
		}
		options[d.Server] = opts
		rows[[2]string{d.Server, d.Behaviour}] = d
	}
	require.Len(t, rows, len(deviations), "a row stands twice")
	require.GreaterOrEqual(t, len(options), 3)
	for server, opts := range options {
		t.Run(server, func(t *testing.T) {
			shown, without := 0, 0
			for i, is := range objcontract.Observe(&shared{store: objstore.New(opts)}) {
				want := answers[i].Answer
				if d, deviates := rows[[2]string{server, is.Behaviour}]; deviates && len(d.Traits) == 0 {
					without++
					continue
				} else if deviates {
					want = d.Answer
				}
				require.Equal(t, want, is.Answer, "%+v is not %s: %s", opts, server, is.Behaviour)
				shown++
			}
			t.Logf("%d of %d behaviours are those of %s", shown, shown+without, server)
			require.Greater(t, shown, 79)
		})
	}
}
