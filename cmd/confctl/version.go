package main

import (
	"runtime"

	"github.com/spf13/cobra"
)

func newVersion(std streams) *cobra.Command {
	return &cobra.Command{
		Use:         "version",
		Short:       "Print the version",
		Annotations: exitCodes(exitDone, exitFailed, exitUsage),
		Args:        arguments(0, 0),
		RunE: func(*cobra.Command, []string) error {
			return std.print("confctl %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}
