package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/gauntlet-dst/gauntlet/sim/fault"
)

// The tables stand between these lines of the page.
const (
	tablesBegin = "<!-- tables -->\n"
	tablesEnd   = "<!-- end of tables -->\n"
)

// write puts the tables into the page.
func (s *sums) write(page string) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, begins := bytes.Cut(text, []byte(tablesBegin))
	_, after, ends := bytes.Cut(rest, []byte(tablesEnd))
	if !begins || !ends {
		return errors.New(page + " has no place for the tables")
	}
	return os.WriteFile(page, []byte(string(before)+tablesBegin+s.tables()+tablesEnd+string(after)), 0o644)
}

func (s *sums) tables() string {
	var b strings.Builder
	fmt.Fprintf(&b, "From seed %d, %d universes; in %.1f %% of them no fault fired.\n\n", s.base, s.universes, 100*float64(s.silent)/float64(s.universes))
	b.WriteString("## Faults at operations\n\nHow often each kind fired at each operation, and in brackets how often it was drawn there.\n\n| fault | at |\n|---|---|\n")
	for _, k := range fault.Kinds() {
		var cells []string
		for _, p := range pairs() {
			if p.kind == k.Name {
				cells = append(cells, fmt.Sprintf("%s %d (%d)", p.op, s.pairs[p].fired, s.pairs[p].drawn))
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", k.Name, strings.Join(cells, ", "))
	}
	for _, group := range []struct{ prefix, title, about string }{
		{"edge/", "Edges", "A state machine's edge is named by its ends and the step that takes it."},
		{"step/", "Steps", "How often a process entered it."},
		{"timer/", "Timers", "How often one let a task begin its next round."},
		{"limit/", "Limits", "How often one was reached."},
		{"case/", "Cases", "What was asked for beside these."},
		{"setting/", "Settings", "In how many universes a setting that has a zero value had another."},
	} {
		s.table(&b, group.prefix, group.title, group.about)
	}
	return b.String()
}

func (s *sums) table(b *strings.Builder, prefix, title, about string) {
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n", title, about)
	if prefix == "setting/" {
		b.WriteString("| | universes |\n|---|---|\n")
	} else {
		b.WriteString("| | times | right after a fault | universes |\n|---|---|---|---|\n")
	}
	for _, item := range expected() {
		name, ok := strings.CutPrefix(item.name, prefix)
		if !ok {
			continue
		}
		t := s.items[item.name]
		if prefix == "setting/" {
			fmt.Fprintf(b, "| `%s` | %d |\n", name, t.universes)
			continue
		}
		fmt.Fprintf(b, "| %s | %d | %d | %d |\n", name, t.n, t.after, t.universes)
	}
}
