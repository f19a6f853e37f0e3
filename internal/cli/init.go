package cli

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/account"
	"github.com/conftool/confctl/internal/config"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
)

func newInit(std term.Streams) *cobra.Command {
	var driver, dir string
	cmd := &cobra.Command{
		Use:   "init --driver local|etcd [--dir DIR]",
		Short: "Write a configuration and an example schema",
		Long: `Write a commented configuration and an example schema. Existing files are never
overwritten. The default directory is /etc/conftool for root, and conftool in
the user's configuration directory for everybody else.`,
		Annotations: exitCodes(exitDone, exitFailed, exitUsage),
		Example: `  confctl init --driver local
  confctl init --driver etcd --dir /etc/conftool`,
		Args: arguments(0, 0),
		RunE: func(*cobra.Command, []string) error { return runInit(std, driver, dir) },
	}
	cmd.Flags().StringVar(&driver, "driver", "", "`DRIVER`: local or etcd")
	cmd.Flags().StringVar(&dir, "dir", "", "write to `DIR`")
	must(cmd.RegisterFlagCompletionFunc("driver", cobra.FixedCompletions(config.Drivers(), noFile)))
	must(cmd.MarkFlagDirname("dir"))
	return cmd
}

func runInit(std term.Streams, driver, dir string) error {
	if !slices.Contains(config.Drivers(), driver) {
		return &usageError{fmt.Sprintf("init: no driver %q", driver), "--driver local keeps everything in one file on this machine, --driver etcd in an etcd cluster"}
	}
	standard := config.StandardDir(account.Self())
	if dir == "" {
		dir = standard
	}
	if dir == "" {
		return &usageError{"no place for the configuration: neither XDG_CONFIG_HOME nor HOME is set, and the passwd file has no home either", "name one with --dir"}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	names, err := config.Write(dir, driver)
	if err != nil {
		return err
	}
	command := []string{"confctl"}
	if dir != standard {
		command = append(command, "--config", filepath.Join(dir, "config.yaml"))
	}
	next := func(words ...string) string { return commandLine(append(slices.Clone(command), words...)) }
	if err := std.Print("wrote %s in %s\n\nNext: %s\n      %s\n      %s\n",
		strings.Join(names, ", "), text.Line(dir), next("types"), next("sync", "--directory", "DIR-WITH-YOUR-OBJECTS"), next("select", "name=.*", "get")); err != nil || driver != "etcd" {
		return err
	}
	return std.Print("\netcdrc may hold a password: you alone can read it. A systemd unit of another user, such as\n"+
		"that of confctl serve, gets it by LoadCredential=etcdrc:%s\n", text.Line(filepath.Join(dir, "etcdrc")))
}
