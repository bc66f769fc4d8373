package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gauntlet-dst/gauntlet/cmd/worker/settings"
)

func (w *world) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the settings in effect, as a file; --help lists all of them",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := w.load(cmd)
			if err != nil {
				return err
			}
			fmt.Fprint(w.out, settings.File(&s))
			return nil
		},
	}
	cmd.Long = "Prints the settings in effect, as a file that --config reads.\n\n" + settings.Help()
	return cmd
}
