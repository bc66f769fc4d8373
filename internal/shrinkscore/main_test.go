package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/internal/mutants"
)

// TestFewBugs shrinks the failures of a few bugs, one of each kind: a zombie, an
// answer of TiKV that is lost, and one of the object store. `make shrink` does all of them.
func TestFewBugs(t *testing.T) {
	t.Chdir("../..")
	var scores []*Score
	for _, name := range []string{"merge-flip-unfenced", "submit-twice", "upload-unknown-is-success"} {
		found, err := bugs(name)
		require.NoError(t, err)
		require.Len(t, found, 1)
		s, err := score(found[0])
		require.NoError(t, err)
		fmt.Println("shrink: " + s.line())
		require.True(t, s.Minimal, name)
		require.True(t, s.Default, name)
		require.LessOrEqual(t, s.ratio(), 1.5, name)
		scores = append(scores, s)
	}
	fmt.Println("shrink: " + summary(scores))
}

// Scores that a file keeps are not measured anew, and a file that is none is refused.
func TestKeptScores(t *testing.T) {
	file := t.TempDir() + "/scores"
	want := &Score{Name: "a", Seed: 7, Minimal: true, CPU: 1.5}
	require.NoError(t, mutants.Append(file, want))
	kept, err := read(file)
	require.NoError(t, err)
	require.Equal(t, want, kept["a"])
	require.NoError(t, os.WriteFile(file, []byte("banana\n"), 0o600))
	_, err = read(file)
	require.ErrorContains(t, err, file)
	kept, err = read("")
	require.NoError(t, err)
	require.Empty(t, kept)
}
