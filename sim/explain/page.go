package explain

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxExplanationLines bounds what an explanation prints.
const maxExplanationLines = 60

// The widths of the table's columns.
const (
	timeWidth   = 17
	narrowWidth = 12
	wideWidth   = 44
	storeWidth  = 92
)

// String renders the explanation, at most 60 lines.
func (x *Explanation) String() string {
	lines := x.head()
	lines = append(lines, x.happened()...)
	tail := x.findings()
	room := maxExplanationLines - len(lines) - len(tail)
	lines = append(lines, x.tableLines(room)...)
	lines = append(lines, tail...)
	return strings.Join(lines, "\n")
}

// findings are what was found out by running the plan with something changed.
func (x *Explanation) findings() []string {
	var lines []string
	if text := noReturn(x.Futures); text != "" {
		lines = append(lines, text)
	}
	if x.Edge != nil {
		lines = append(lines, x.Edge.lines()...)
	}
	for i, n := range x.Neighbours {
		if i == 4 && len(x.Neighbours) > 5 {
			lines = append(lines, fmt.Sprintf("  and %d faults more", len(x.Neighbours)-i))
			break
		}
		lines = append(lines, n.lines()...)
	}
	if x.Rule != nil {
		lines = append(lines, x.ruleLines()...)
	}
	lines = append(lines, fmt.Sprintf("  found by %d runs, after %d for the reduction", x.Runs, x.Reduced.Runs))
	return append(lines, x.foot()...)
}

// ruleLines say which rule should have refused what.
func (x *Explanation) ruleLines() []string {
	v := x.Reduced.Result.Violation
	lines := []string{fmt.Sprintf("  rule %s: %s", x.Rule.Name, x.Rule.Sentence)}
	text := "  kept by: " + x.Rule.where()
	if i := slices.IndexFunc(x.Rows, func(r Row) bool { return r.Violation }); i >= 0 {
		text = fmt.Sprintf("  should have refused %s's %s at %s: one of %s", x.Rows[i].Process, x.Rows[i].What, clockText(v.Second.At), x.Rule.where())
	}
	return append(lines, text)
}

// tableLines render the space-time table in so many lines: the latest rows if there
// is no room for all.
func (x *Explanation) tableLines(room int) []string {
	rows, omitted := x.Rows, x.Omitted
	if len(rows) > room-2 {
		cut := len(rows) - max(room-2, 1)
		rows, omitted = rows[cut:], omitted+cut
	}
	if len(rows) == 0 {
		return nil
	}
	columns := slices.DeleteFunc(slices.Clone(x.Columns), func(name string) bool {
		return !slices.ContainsFunc(rows, func(r Row) bool { return r.Process == name })
	})
	offset := offsets(len(columns))
	header := pad("", timeWidth-8) + pad("P(fail)", 8)
	for i, name := range columns {
		header = pad(header, offset[i]) + name
	}
	lines := []string{strings.TrimRight(pad(header, offset[len(columns)])+"store", " ")}
	if omitted > 0 {
		lines = append(lines, fmt.Sprintf("   ... %d events that lead here are left out", omitted))
	}
	for _, row := range rows {
		lines = append(lines, x.rowLine(row, columns, offset))
	}
	return lines
}

// offsets are where n columns begin, and the store's after them: the last of them is
// wider, and where there are few, wider still.
func offsets(n int) []int {
	var offsets []int
	for i := range n {
		offsets = append(offsets, timeWidth+i*narrowWidth)
	}
	return append(offsets, timeWidth+wideWidth+max(n-1, 2)*narrowWidth)
}

func (x *Explanation) rowLine(row Row, columns []string, offset []int) string {
	chance := ""
	if i := slices.IndexFunc(x.Futures, func(f Future) bool { return f.Event == row.Event }); i >= 0 && (row.Store != "" || row.Deviation != "") {
		chance = percent(&x.Futures[i])
	}
	line := fmt.Sprintf("%9s %5s", seconds(row.At), chance)
	column := max(slices.Index(columns, row.Process), 0)
	store := offset[len(columns)]
	room := store - offset[column] - 1
	if row.Store == "" {
		room += storeWidth / 2
	}
	line = pad(line, offset[column]) + cut(row.What, room)
	if row.Store != "" {
		line = pad(line, store) + cut(row.Store, storeWidth)
	}
	if row.Deviation != "" {
		line += "   <- the " + row.Deviation
	}
	if row.Violation {
		line += "   <- violation"
	}
	return line
}

// pad fills a text up with spaces; cut shortens it.
func pad(text string, n int) string {
	return text + strings.Repeat(" ", max(n-utf8.RuneCountInString(text), 0))
}

func cut(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:max(n-3, 0)]) + "..."
}
