package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"
)

// errNoProgram says how to get the program that `gauntlet e2e` calls.
var errNoProgram = errors.New("the program gauntlet-e2e is neither beside this one nor on PATH; " +
	"in a clone of the project: cd e2e && go install ./cmd/gauntlet-e2e")

// e2eCommand runs gauntlet-e2e with the same arguments, and ends with its exit
// code. It is a program of its own because it links the clients of real stores.
func e2eCommand(exit func(int)) *cobra.Command {
	return &cobra.Command{
		Use: "e2e [SCENARIO...]", Short: "Run scenarios on real processes of this machine",
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := findE2E()
			if err != nil {
				return err
			}
			program := exec.CommandContext(cmd.Context(), path, args...)
			program.Stdin, program.Stdout, program.Stderr = os.Stdin, cmd.OutOrStdout(), cmd.ErrOrStderr()
			err = program.Run()
			var ended *exec.ExitError
			if errors.As(err, &ended) {
				exit(ended.ExitCode())
				return nil
			}
			return err
		},
	}
}

// findE2E looks beside this program first.
func findE2E() (string, error) {
	const name = "gauntlet-e2e"
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), name)
		if info, err := os.Stat(beside); err == nil && !info.IsDir() {
			return beside, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", errNoProgram
	}
	return path, nil
}
