// Package page writes pages of HTML, each a file of its own that needs no other
// and no network: the timeline of a recorded run, and what a sweep found. The
// scripts are made of web/ (see web/README.md) and are checked in under assets/;
// docs/TIMELINE.md describes how to read a timeline.
package page

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/timeline"
)

//go:embed assets
var assets embed.FS

// Timeline is a run to show.
type Timeline struct {
	// Run is a recorded run.
	Run *sim.Result
	// Report is the text of its failure's report, or of its story.
	Report string
	// Story are events of the run that belong into its story, beside those that this
	// package finds.
	Story []uint64
	// Chances say how likely the failure is from some events of the run on.
	Chances []Chance
	// Passing is a recorded run that is near to it and passes, nil for none, and How
	// says what is different: "without the pause of w2".
	Passing *sim.Result
	How     string
}

// Chance is how many of the futures fail that were drawn anew after an event.
type Chance struct {
	Event        uint64
	At           time.Duration
	Fails, Tried int
}

// Write writes the page. The error is the writer's.
func (t Timeline) Write(w io.Writer) error {
	doc := document{Report: t.Report}
	if t.Passing == nil {
		doc.Runs = []*runData{encode(t.Run, "this run", []int{}, t.Story)}
	} else {
		d := timeline.Diverge(t.Run, t.Passing)
		doc.First = d.First
		doc.Runs = []*runData{encode(t.Run, "this run", d.OnlyA, t.Story), encode(t.Passing, t.How, d.OnlyB, nil)}
	}
	for _, c := range t.Chances {
		doc.Runs[0].Chances = append(doc.Runs[0].Chances, [4]int64{int64(c.Event), int64(c.At), int64(c.Fails), int64(c.Tried)})
	}
	title := t.Run.Line()
	if v := t.Run.Violation; v != nil {
		title = v.Error()
	}
	return write(w, "timeline", title, doc)
}

// write writes a page: its style, its data and its script. Data never becomes
// markup: JSON is written without angle brackets, and the page's policy lets it
// run no script but its own and load nothing.
func write(w io.Writer, name, title string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	style, script := asset("page.css"), asset(name+".js")
	_, err = fmt.Fprintf(w, `%s
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; base-uri 'none'; form-action 'none'; style-src '%s'; script-src '%s'">
<title>%s</title>
<style>%s</style>
</head>
<body>
<noscript>This page needs JavaScript. It loads nothing and sends nothing.</noscript>
<script type="application/json" id="data">%s</script>
<script>%s</script>
</body>
</html>
`, Begin(name), hash(style), hash(script), html.EscapeString(title), style, text, script)
	return err
}

// Begin is how every page of that name begins: by it a later run knows a file as
// one that it may write over.
func Begin(name string) string { return "<!doctype html>\n<!-- gauntlet: " + name + " -->" }

// asset is a file that is part of the program.
func asset(name string) string {
	text, err := assets.ReadFile("assets/" + name)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// hash names a style or a script for the page's policy.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
