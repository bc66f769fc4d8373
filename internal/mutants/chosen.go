package mutants

import (
	"fmt"
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

// Chosen are those of all that a flag names, with commas between, in its order: all if
// it names none. The word that stands for the sample stands for each name of its file.
func Chosen(all []Mutant, flag, list string) ([]Mutant, error) {
	names := slices.DeleteFunc(strings.Split(list, ","), func(name string) bool { return name == "" })
	if i := slices.Index(names, Sample); i >= 0 {
		text, err := os.ReadFile(SampleFile)
		if err != nil {
			return nil, err
		}
		names = slices.Replace(names, i, i+1, strings.Fields(string(text))...)
	}
	if len(names) == 0 {
		return all, nil
	}
	var chosen []Mutant
	for _, name := range names {
		i := slices.IndexFunc(all, func(m Mutant) bool { return m.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("%s: nothing in testdata is called %q", flag, name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}
