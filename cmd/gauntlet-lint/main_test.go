package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// An outside module runs the linter by its path; go.mod names where it lies.
func TestOutsideModule(t *testing.T) {
	if testing.Short() {
		t.Skip("links a command for another module")
	}
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("go.mod", fmt.Sprintf("module example.org/outside\n\ngo 1.26.0\n\nrequire github.com/gauntlet-dst/gauntlet v0.0.0\n\nreplace github.com/gauntlet-dst/gauntlet => %s\n", root))
	write("go.sum", string(sums))
	write("system.go", "package outside\n\nimport \"time\"\n\nfunc Now() int64 {\n\treturn time.Now().UnixNano()\n}\n")
	lint := func() (string, int) {
		cmd := exec.Command("go", "run", "-mod=mod", "github.com/gauntlet-dst/gauntlet/cmd/gauntlet-lint", "./...")
		cmd.Dir = dir
		out, err := cmd.Output()
		if exit, ok := err.(*exec.ExitError); ok {
			return string(out) + string(exit.Stderr), exit.ExitCode()
		}
		require.NoError(t, err)
		return string(out), 0
	}
	out, code := lint()
	require.Equal(t, "system.go:6: time.Now; use env.Clock.Now or Monotonic\nexit status 1\n", out)
	require.Equal(t, 1, code)

	write("system.go", "package outside\n\nfunc Now() int64 { return \"\" }\n")
	out, code = lint()
	require.Contains(t, out, "system.go:3:27: cannot use \"\"")
	require.NotZero(t, code)

	write("system.go", "package outside\n\nfunc Now() int64 { return 1 }\n")
	out, code = lint()
	require.Empty(t, out)
	require.Zero(t, code)
}
