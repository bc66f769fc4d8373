package mutants

import (
	"os"
	"slices"
	"strings"
)

// Sample is the word for the bugs that SampleFile lists: what is measured in every way,
// since all bugs in all ways take days.
const (
	Sample     = "sample"
	SampleFile = "testdata/mutants/sample" // from the module's root
)

// Listed puts the names that the file lists in the place of the word that stands for
// them.
func Listed(names []string) ([]string, error) {
	i := slices.Index(names, Sample)
	if i < 0 {
		return names, nil
	}
	text, err := os.ReadFile(SampleFile)
	return slices.Replace(names, i, i+1, strings.Fields(string(text))...), err
}
