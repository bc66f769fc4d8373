package page_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/counter"
	"github.com/gauntlet-dst/gauntlet/sim/page"
	"github.com/gauntlet-dst/gauntlet/sim/sweep"
)

const evil = `</script><img src=x onerror="alert(1)"><!-- & "quoted"`

// TestTimeline: the page is whole, its policy names its own script and style and
// nothing else, and what names hold never becomes markup.
func TestTimeline(t *testing.T) {
	target := counter.Target(true)
	draft, err := sim.Draft(target, 1)
	require.NoError(t, err)
	r, err := sim.ReplayRecorded(target, draft)
	require.NoError(t, err)
	r.Violation = &sim.Violation{Invariant: evil, Text: evil, Subject: evil}
	r.History.Requests[0].Keys = []string{evil}
	r.History.Changes[0].Key, r.History.Changes[0].After = evil, evil
	r.History.Threads[0].Task = evil
	var text bytes.Buffer
	require.NoError(t, page.Timeline{Run: r, Report: evil, Passing: r, How: evil}.Write(&text))
	harmless(t, text.String(), "timeline")

	var data struct {
		Report string
		Runs   []struct {
			Words    []string
			Requests map[string][]int64
		}
	}
	require.NoError(t, json.Unmarshal([]byte(between(t, text.String(), `id="data">`, `</script>`)), &data))
	require.Equal(t, evil, data.Report)
	require.Len(t, data.Runs, 2)
	require.Contains(t, data.Runs[0].Words, evil)
	for name, column := range data.Runs[0].Requests {
		require.Len(t, column, len(r.History.Requests), name)
	}
}

func TestSweep(t *testing.T) {
	totals, err := sweep.Run(counter.Target(true), sweep.Options{Base: 1, Count: 1200, CollectStates: true}, func(*sim.Result) bool { return true })
	require.NoError(t, err)
	last := sweep.Point{}
	for _, p := range totals.Curve {
		require.Greater(t, p.Seeds, last.Seeds)
		require.GreaterOrEqual(t, p.Marks, last.Marks)
		last = p
	}
	require.Equal(t, 1200, last.Seeds, "the curve ends before the sweep")
	require.Less(t, len(totals.Curve), 513)
	require.Greater(t, len(totals.Curve), 200)
	for name, fired := range totals.Fired {
		require.GreaterOrEqual(t, totals.Drawn[name], fired, name)
	}
	var text bytes.Buffer
	s := page.Sweep{Line: evil, Totals: totals, Marks: []string{evil}, Failures: []page.Failure{{Invariant: evil, Shape: evil, Text: evil, Count: 3, Seeds: []uint64{7}, Report: evil}}}
	require.NoError(t, s.Write(&text))
	harmless(t, text.String(), "sweep")
	require.Contains(t, text.String(), `"seeds":["0x0000000000000007"]`)
}

// harmless checks that a page holds no markup but its own.
func harmless(t *testing.T, text, name string) {
	require.True(t, strings.HasPrefix(text, page.Begin(name)))
	require.Equal(t, 2, strings.Count(strings.ToLower(text), "</script"), "a script ends where it should not")
	require.NotContains(t, text, "<img")
	require.NotContains(t, text, "<!--"+` & "quoted"`)
	policy := regexp.MustCompile(`Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(text)[1]
	require.Contains(t, policy, "default-src 'none'")
	for _, part := range []string{between(t, text, "<style>", "</style>"), text[strings.LastIndex(text, "<script>")+len("<script>") : strings.LastIndex(text, "</script>")]} {
		sum := sha256.Sum256([]byte(part))
		require.Contains(t, policy, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
	require.NotRegexp(t, `(?i)(src|href)="?https?:`, text)
}

func between(t *testing.T, text, from, to string) string {
	_, text, ok := strings.Cut(text, from)
	require.True(t, ok, from)
	text, _, ok = strings.Cut(text, to)
	require.True(t, ok, to)
	return text
}
