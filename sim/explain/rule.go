package explain

import (
	"fmt"
	"strings"
)

// Rule is one rule of the protocol: its sentence, and the functions in which it is
// at work.
type Rule struct {
	Name, Sentence, Where string
}

// line is the rule in a report.
func (r *Rule) line() string {
	return fmt.Sprintf("  rule %s: %s At work in %s", r.Name, r.Sentence, r.where())
}

// where are the functions as a report names them.
func (r *Rule) where() string { return strings.ReplaceAll(r.Where, "`", "") }
