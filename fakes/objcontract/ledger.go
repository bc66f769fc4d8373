package objcontract

import (
	_ "embed"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

// The ledger: what each behaviour looks like at the fake, which is S3 by its
// documentation unless options say otherwise, and where real servers differ. Both
// files are held against what is seen: answers and deviations that are no longer
// true fail a test, and so do new ones.
var (
	//go:embed testdata/answers
	answersText string
	//go:embed testdata/ledger
	ledgerText string
)

// Answer is how the fake shows a behaviour.
type Answer struct{ Behaviour, Answer string }

// Deviation is one behaviour that one server shows otherwise than the fake.
type Deviation struct {
	Server, Behaviour, Answer string
	// Errs is what the fake alone would do wrong: Hides, Alarms or Words.
	Errs string
	// Traits are those with which the fake shows the behaviour as the server does;
	// empty if there is no option for it, and then Why says why not.
	Traits []string
	Why    string
}

// The directions in which a difference errs.
const (
	// Hides: the fake does more than the server, so that a bug may hide.
	Hides = "hides"
	// Alarms: the fake does less than the server, so that an alarm may be false.
	Alarms = "alarms"
	// Words: both refuse, in different words of the same class, or the caller
	// made no sense.
	Words = "words"
)

// Ledger returns the ledger. Its errors name the line.
func Ledger() (answers []Answer, deviations []Deviation, err error) {
	known := map[string]bool{}
	for i, row := range rows(answersText) {
		if len(row) != 2 || known[row[0]] {
			return nil, nil, fmt.Errorf("answers, row %d: want BEHAVIOUR | ANSWER, each behaviour once, is %q", i+1, row)
		}
		known[row[0]] = true
		answers = append(answers, Answer{row[0], row[1]})
	}
	for i, row := range rows(ledgerText) {
		if len(row) != 6 || !known[row[1]] || row[3] != Hides && row[3] != Alarms && row[3] != Words || (row[4] == "-") == (row[5] == "-") {
			return nil, nil, fmt.Errorf("ledger, row %d: want SERVER | BEHAVIOUR | ANSWER | hides, alarms or words | traits or - | why no trait, or -, is %q", i+1, row)
		}
		d := Deviation{Server: row[0], Behaviour: row[1], Answer: row[2], Errs: row[3]}
		if row[4] == "-" {
			d.Why = row[5]
		} else {
			d.Traits = strings.Fields(row[4])
		}
		deviations = append(deviations, d)
	}
	return answers, deviations, nil
}

// rows are a file's rows, comments and empty lines left out.
func rows(text string) (all [][]string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		row := strings.Split(line, " | ")
		for i := range row {
			row[i] = strings.TrimSpace(row[i])
		}
		all = append(all, row)
	}
	return all
}

// Observe shows every behaviour of a server, in order.
func Observe(server Server) (seen []Answer) {
	for i, w := range behaviours {
		seen = append(seen, Answer{w.name, w.observe(server, fmt.Sprintf("behaviour/%d/", i))})
	}
	return seen
}

// Compare holds a server against the ledger: its rows are right, and there is no
// other difference. It prints a line of what it compared.
func Compare(t *testing.T, name string, server Server) {
	answers, deviations, err := Ledger()
	require.NoError(t, err)
	rows := map[string]Deviation{}
	for _, d := range deviations {
		if d.Server == name {
			rows[d.Behaviour] = d
		}
	}
	deviating, shown := len(rows), 0
	for _, d := range rows {
		if len(d.Traits) > 0 {
			shown++
		}
	}
	seen := Observe(server)
	require.Len(t, seen, len(answers), "the answers are of other behaviours: go test ./fakes/objstore -run TestAnswers -rewrite")
	for i, is := range seen {
		t.Run(is.Behaviour, func(t *testing.T) {
			d, differs := rows[is.Behaviour]
			switch {
			case differs:
				require.Equal(t, d.Answer, is.Answer, "the ledger says that %s deviates otherwise", name)
				require.NotEqual(t, answers[i].Answer, is.Answer, "the ledger says that %s deviates, and it does not", name)
			default:
				require.Equal(t, answers[i].Answer, is.Answer, "a deviation that the ledger lacks: %s | %s | %s", name, is.Behaviour, is.Answer)
			}
		})
		delete(rows, is.Behaviour)
	}
	require.Empty(t, rows, "behaviours that there are not")
	fmt.Printf("ledger: %s behaviours=%d equal=%d deviating=%d shown_by_options=%d\n", name, len(seen), len(seen)-deviating, deviating, shown)
}

var _ Server = (*objstore.Store)(nil)
