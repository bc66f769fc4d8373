package conformance_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	seeds   = flag.Int("seeds", 2, "how often each situation is driven, at different moments")
	rewrite = flag.Bool("rewrite", false, "write testdata/behaviours.txt and docs/FIDELITY.md anew")
)

const behaviours = "testdata/behaviours.txt"

// Verdicts on the in-memory client in one row.
const (
	equal     = "equal"
	stricter  = "stricter"
	weaker    = "weaker"
	unchecked = "unchecked"
)

// row is a line of behaviours.txt: what an application must see in one situation.
type row struct {
	id, situation string
	class, value  string
	least, most   time.Duration
	thin          string // a verdict
	why           string // in which direction a difference errs, and why there is one

	real, fake []seen // what the clients showed
}

// readRows returns the rows, and the comment before them.
func readRows(t *testing.T) (rows []*row, comment string) {
	text, err := os.ReadFile(behaviours)
	require.NoError(t, err)
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			comment += line + "\n"
			continue
		}
		fields := strings.Split(line, "|")
		require.Len(t, fields, 8, "%s:%d: 8 fields, divided by |", behaviours, i+1)
		for j := range fields {
			fields[j] = strings.TrimSpace(fields[j])
		}
		r := &row{id: fields[0], situation: fields[1], class: fields[2], value: fields[3], thin: fields[6], why: fields[7]}
		r.least, err = time.ParseDuration(fields[4])
		require.NoError(t, err, "%s:%d", behaviours, i+1)
		r.most, err = time.ParseDuration(fields[5])
		require.NoError(t, err, "%s:%d", behaviours, i+1)
		require.Contains(t, []string{equal, stricter, weaker, unchecked}, r.thin, "%s:%d", behaviours, i+1)
		rows = append(rows, r)
	}
	return rows, comment
}

func (r *row) line() string {
	fields := []string{r.id, r.situation, r.class, r.value, trimmed(r.least), trimmed(r.most), r.thin, r.why}
	return strings.ReplaceAll(strings.TrimSpace(strings.Join(fields, " | ")), "|  |", "| |") + "\n"
}

// trimmed prints a duration without parts that are 0.
func trimmed(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	return s
}

// shown returns what of got is not as the row says, nil if all is.
func (r *row) otherwise(got []seen) *seen {
	for i, s := range got {
		if s.class != r.class || s.value != r.value || s.took < r.least || s.took > r.most {
			return &got[i]
		}
	}
	return nil
}

func (s *seen) String() string {
	return strings.TrimSpace(fmt.Sprint(s.class, " ", s.value)) + " after " + s.took.Round(time.Microsecond).String()
}

// TestBehaviours drives every situation on both clients. The real one must show
// what the rows say; where the in-memory one does not, its row must say so, and one
// that says so without need is wrong, too. docs/FIDELITY.md is made of what comes
// out.
func TestBehaviours(t *testing.T) {
	quiet(t)
	rows, comment := readRows(t)
	byID := map[string]*row{}
	for _, r := range rows {
		require.NotContains(t, byID, r.id, "a row twice")
		byID[r.id] = r
	}
	whole := true
	for _, client := range []string{"real", "thin"} {
		t.Run(client, func(t *testing.T) {
			for _, s := range scenarios() {
				if s.only != "" && s.only != client {
					continue
				}
				ran := false
				t.Run(s.name, func(t *testing.T) {
					ran = true
					for seed := range *seeds {
						s.drive(t, client == "thin", seed, byID)
					}
				})
				whole = whole && ran
			}
		})
	}
	if !whole || t.Failed() {
		return
	}
	judge(t, rows)
	conclude(t, rows, comment)
}

// drive plays the situation once, in a bubble of virtual time, and adds what it
// shows to its rows.
func (s *scenario) drive(t *testing.T, thin bool, seed int, rows map[string]*row) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, thin, uint64(seed), s.splits...)
		defer w.close()
		// Clients fetch timestamps every 2 s: the situation begins at another moment
		// between two of them each time.
		w.sleep(2*time.Second*time.Duration(seed)/time.Duration(*seeds) + 137*time.Microsecond)
		s.run(w)
		require.NotEmpty(t, w.rows)
		for id, got := range w.rows {
			r := rows[id]
			require.NotNil(t, r, "%s has no row %s", behaviours, id)
			if thin {
				r.fake = append(r.fake, got)
			} else {
				r.real = append(r.real, got)
			}
		}
	})
}

// judge compares what was shown with the rows. With -rewrite it sets the verdicts
// on the in-memory client that follow from it.
func judge(t *testing.T, rows []*row) {
	counts := map[string]int{}
	for _, r := range rows {
		require.NotEmpty(t, r.real, "row %s was not driven", r.id)
		if odd := r.otherwise(r.real); odd != nil {
			t.Errorf("row %s, %s: the real client shows %s", r.id, r.situation, odd)
		}
		odd := r.otherwise(r.fake)
		switch {
		case len(r.fake) == 0:
			require.Equal(t, unchecked, r.thin, "row %s", r.id)
		case odd == nil && r.thin != equal && *rewrite:
			r.thin, r.why = equal, ""
		case odd == nil && r.thin != equal:
			t.Errorf("row %s, %s: the in-memory client is equal now: go test ./conformance -rewrite", r.id, r.situation)
		case odd != nil && r.thin == equal:
			t.Errorf("row %s, %s: the in-memory client shows %s; if that is meant, say stricter or weaker in %s, and why",
				r.id, r.situation, odd, behaviours)
		case odd != nil:
			require.NotEmpty(t, r.why, "row %s does not say in which direction it errs", r.id)
		}
		counts[r.thin]++
	}
	fmt.Printf("conformance: behaviours: rows=%d equal=%d stricter=%d weaker=%d unchecked=%d\n",
		len(rows), counts[equal], counts[stricter], counts[weaker], counts[unchecked])
}

// conclude writes rows and document, or tells that they are not as they should be.
func conclude(t *testing.T, rows []*row, comment string) {
	table := comment
	for _, r := range rows {
		table += r.line()
	}
	for path, want := range map[string]string{behaviours: table, document: fidelity(t, rows)} {
		got, err := os.ReadFile(path)
		switch {
		case *rewrite:
			require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
		case err != nil || !slices.Equal(got, []byte(want)):
			t.Errorf("%s is not what the tests find: go test ./conformance -run TestBehaviours -rewrite", path)
		}
	}
}
