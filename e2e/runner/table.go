package runner

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Print writes what runs came to: a block for each, and the line that counts them.
// It reports whether everything held.
func Print(out io.Writer, results []Result) bool {
	ran, held := 0, true
	var skipped []string
	for i := range results {
		r := &results[i]
		if r.Skipped != "" {
			skipped = append(skipped, r.Scenario+": "+r.Skipped)
			continue
		}
		ran++
		held = held && r.OK()
		r.print(out)
	}
	fmt.Fprintf(out, "e2e: ran=%d skipped=%d\n", ran, len(skipped))
	for _, text := range skipped {
		fmt.Fprintf(out, "e2e: skipped %s\n", text)
	}
	return held && ran > 0
}

// Print writes a result.
func (r *Result) print(out io.Writer) {
	end := "as without faults: published once, the same bytes, nothing left behind"
	switch {
	case r.Err != nil:
		end = "WRONG: " + r.Err.Error()
	case len(r.Missed) > 0:
		end += "; INCONCLUSIVE: not reached"
	}
	fmt.Fprintf(out, "%-18s %5.1f s\n", r.Scenario, r.Took.Seconds())
	lines := func(title string, list []string) {
		for _, text := range list {
			fmt.Fprintf(out, "  %-10s %s\n", title, text)
			title = ""
		}
	}
	lines("injected", r.Injected)
	lines("missed", r.Missed)
	lines("cannot", r.Cannot)
	if len(r.Seen) > 0 {
		lines("observed", []string{strings.Join(r.Seen, ", ")})
	}
	if len(r.Counted) > 0 {
		lines("counted", []string{strings.Join(r.Counted, ", ")})
	}
	lines("end state", []string{end})
	if r.Dir != "" {
		lines("kept", []string{r.Dir})
	}
}

// Row is one line of a table that compares runs.
func (r *Result) Row() string {
	state := "ok"
	if !r.OK() {
		state = "FAIL"
	}
	return fmt.Sprintf("%s, %d faults, %v", state, len(r.Injected), r.Took.Round(time.Second))
}
