package settings

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// All lists every setting, with the defaults as values.
func All() []Setting {
	s := Default()
	s.Name = "(host name)"
	return Table(&s)
}

// File writes all settings as a file that Load reads.
func File(s *Settings) string {
	var b strings.Builder
	group := ""
	for _, one := range Table(s) {
		if one.Group != group {
			group = one.Group
			fmt.Fprintf(&b, "\n# %s\n", group)
		}
		fmt.Fprintf(&b, "%s: %s\n", one.Name, quoted(one.Value))
	}
	return strings.TrimPrefix(b.String(), "\n")
}

// quoted is a value as YAML: texts are quoted, since they may look like
// something else.
func quoted(v Value) string {
	switch v.(type) {
	case word, addresses:
		return strconv.Quote(v.String())
	}
	return v.String()
}

// rules says where values come from, for help and documentation.
const rules = `A setting has one name. As --NAME it is a flag, in capitals, with underscores and
behind GAUNTLET_, an environment variable, and as it is a key of the YAML file that
--config or GAUNTLET_CONFIG names: --stale-after 90s, GAUNTLET_STALE_AFTER=90s,
"stale-after: 90s". A flag wins over the environment, the environment over the file.
What is unknown, out of range or given twice is refused.

Credentials are no settings. The object store's come from the usual chain of its SDK
(AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, shared files, the pod's role), TiKV's
from the files of tikv-cert and tikv-key. GAUNTLET_CHAOS_TOKEN, which a request to
chaos-listen must show, is read from the environment only.
`

// Help is the table for a terminal.
func Help() string {
	var b strings.Builder
	b.WriteString(rules)
	group := ""
	for _, one := range All() {
		if one.Group != group {
			group = one.Group
			fmt.Fprintf(&b, "\n%s\n", group)
		}
		value := one.Value.String()
		if value == "" {
			value = "-"
		}
		fmt.Fprintf(&b, "  %-20s %-12s %s\n", one.Name, value, one.Meaning)
		fmt.Fprintf(&b, "  %-33s %s: %s\n", "", one.Value.Type(), one.Value.Allowed())
	}
	return b.String()
}

// Markdown is docs/SETTINGS.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString("<!-- Generated from cmd/worker/settings by `go test ./settings -rewrite`; do not edit. -->\n# The worker's settings\n\n" + rules)
	group := ""
	for _, one := range All() {
		if one.Group != group {
			group = one.Group
			fmt.Fprintf(&b, "\n## %s\n\n| setting | variable | kind | default | allowed | what it is |\n|---|---|---|---|---|---|\n", group)
		}
		value := one.Value.String()
		if value == "" {
			value = "none"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s | %s |\n", one.Name, one.Variable(), one.Value.Type(), value, one.Value.Allowed(), sentence(one.Meaning))
	}
	return b.String()
}

func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return strings.ToUpper(string(first)) + text[size:]
}
