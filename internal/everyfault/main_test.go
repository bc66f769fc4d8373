package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPageIsKept: a page whose table nothing would stand in stays as it is, and a name
// that no bug has is refused.
func TestPageIsKept(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	page := filepath.Join(t.TempDir(), "page.md")
	const text = "# x\n" + tableBegins + "| a |\n" + tableEnds
	require.NoError(t, os.WriteFile(page, []byte(text), 0o600))
	require.EqualError(t, (&program{only: "flip-without-fence,nosuch", page: page}).all(), `-only: nothing in testdata is called "nosuch"`)
	require.ErrorContains(t, (&program{count: 0, page: page}).all(), "stays as it is")
	is, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Equal(t, text, string(is))
}
