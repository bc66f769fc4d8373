package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/command"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
)

// run runs the command and returns its exit code, the program's if that was
// called, and what it wrote.
func run(args ...string) (code int, out, errors string) {
	var stdout, stderr bytes.Buffer
	program := 0
	code = command.Run(suite.Conversion(), "gauntlet", args, &stdout, &stderr, e2eCommand(func(c int) { program = c }))
	if program != 0 {
		code = program
	}
	return code, stdout.String(), stderr.String()
}

// TestE2E: the command passes its arguments on, and ends as the program does.
func TestE2E(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	code, _, errors := run("e2e")
	require.Equal(t, 2, code)
	require.Equal(t, "gauntlet: "+errNoProgram.Error()+"\n", errors)

	program := "#!/bin/sh\necho \"$@\"\nexit 7\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "gauntlet-e2e"), []byte(program), 0o755))
	code, out, _ := run("e2e", "--quick", "worker-crash", "--help")
	require.Equal(t, 7, code)
	require.Equal(t, "--quick worker-crash --help\n", out)
}
