package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/gauntlet-dst/gauntlet/sim/explain"
)

// rule is a row of the table of rules: "| R1 fence | sentence | where |".
var rule = regexp.MustCompile(`(?m)^\| (\S+)(?: ([^|]*?))? *\| (.*?) *\| (.*?) *\|$`)

// rules reads the protocol's rules from the suite's page, by their names: none if
// it has no such page, or where its module is not at hand.
func (s *Suite) rules() map[string]explain.Rule {
	if s.Rules == "" {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(Root(), s.Rules))
	if err != nil {
		return nil
	}
	rules := map[string]explain.Rule{}
	for _, row := range rule.FindAllSubmatch(text, -1) {
		name := string(row[1])
		rules[name] = explain.Rule{Name: fmt.Sprintf("%s (%s)", name, row[2]), Sentence: string(row[3]), Where: string(row[4])}
	}
	return rules
}
