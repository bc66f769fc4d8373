package firstlook

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core/dataset/plain"
)

// TestRun plays a first look in virtual time: a worker is killed, another goes
// on, and the dataset is that of an undisturbed run.
func TestRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "look")
	var out strings.Builder
	synctest.Test(t, func(t *testing.T) {
		look := Look{Codec: plain.Codec{}, Recordings: Recordings(true), Out: &out, Dir: dir, Pace: 3 * time.Millisecond, Workers: 3}
		require.NoError(t, look.Run(t.Context()))
	})
	for _, line := range []string{
		"client  submits lab/kitchen", "is killed in the middle of take-0", "has run out, and queues it again",
		"goes on behind frame ", "has claimed the merge", "publishes the dataset", "The kill cost ", "converted twice.", "has published the same bytes.",
	} {
		require.Contains(t, out.String(), line)
	}
	files := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files++
			name, _ := filepath.Rel(dir, path)
			require.Contains(t, out.String(), filepath.ToSlash(name))
		}
		return err
	}))
	require.Equal(t, 6+5, files, "episodes and meta files")
}

// TestRunDestroysNothing: a directory that holds something is refused before
// anything runs.
func TestRunDestroysNothing(t *testing.T) {
	dir := t.TempDir()
	kept := filepath.Join(dir, "kept")
	require.NoError(t, os.WriteFile(kept, []byte("mine"), 0o600))
	var out strings.Builder
	look := Look{Codec: plain.Codec{}, Recordings: Recordings(true), Out: &out, Dir: dir, Workers: 1}
	require.ErrorContains(t, look.Run(t.Context()), "is not empty, allowed: an empty directory")
	require.Empty(t, out.String())
	text, err := os.ReadFile(kept)
	require.NoError(t, err)
	require.Equal(t, "mine", string(text))
}
