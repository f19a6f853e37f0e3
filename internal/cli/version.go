package cli

import (
	"cmp"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/term"
)

// version is set by the linker; see the Makefile.
var version string

// programVersion returns the version of the program: the one set by the build or, after
// a go install, the module's.
func programVersion() string {
	var module string
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "(devel)" {
		module = strings.TrimPrefix(info.Main.Version, "v")
	}
	return cmp.Or(version, module, "unreleased")
}

func newVersion(std term.Streams) *cobra.Command {
	return &cobra.Command{
		Use:         "version",
		Short:       "Print the version",
		Annotations: exitCodes(exitDone, exitFailed, exitUsage),
		Args:        arguments(0, 0),
		RunE: func(*cobra.Command, []string) error {
			return std.Print("confctl %s (%s, %s/%s)\n", programVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}
