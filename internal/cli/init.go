package cli

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/account"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
)

//go:embed templates
var templates embed.FS

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
	must(cmd.RegisterFlagCompletionFunc("driver", cobra.FixedCompletions([]string{"local", "etcd"}, noFile)))
	must(cmd.MarkFlagDirname("dir"))
	return cmd
}

func runInit(std term.Streams, driver, dir string) error {
	if driver != "local" && driver != "etcd" {
		return &usageError{fmt.Sprintf("init: no driver %q", driver), "--driver local keeps everything in one file on this machine, --driver etcd in an etcd cluster"}
	}
	standard, err := configDir()
	if err != nil {
		return err
	}
	if dir == "" {
		dir = standard
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	files := map[string]string{"config.yaml": "config-" + driver + ".yaml", "confctl.yaml": "confctl.yaml", "schema.yaml": "schema.yaml"}
	if driver == "etcd" {
		files["etcdrc"] = "etcdrc"
	}
	if err := writeTemplates(dir, files); err != nil {
		return err
	}
	command := []string{"confctl"}
	if dir != standard {
		command = append(command, "--config", filepath.Join(dir, "config.yaml"))
	}
	next := func(words ...string) string { return commandLine(append(slices.Clone(command), words...)) }
	if err := std.Print("wrote %s in %s\n\nNext: %s\n      %s\n      %s\n",
		strings.Join(sortedKeys(files), ", "), text.Line(dir), next("types"), next("sync", "--directory", "DIR-WITH-YOUR-OBJECTS"), next("select", "name=.*", "get")); err != nil || driver != "etcd" {
		return err
	}
	return std.Print("\netcdrc may hold a password: you alone can read it. A systemd unit of another user, such as\n"+
		"that of confctl serve, gets it by LoadCredential=etcdrc:%s\n", text.Line(filepath.Join(dir, "etcdrc")))
}

// configDir returns where the configuration is looked for without --config.
func configDir() (string, error) {
	if os.Getuid() == 0 {
		return filepath.Dir(systemConfig), nil
	}
	own := account.Self().ConfigDir()
	if own == "" {
		return "", &usageError{"no place for the configuration: neither XDG_CONFIG_HOME nor HOME is set, and the passwd file has no home either", "name one with --dir"}
	}
	return filepath.Join(own, "conftool"), nil
}

// writeTemplates writes all files, or none if one is there already.
func writeTemplates(dir string, files map[string]string) error {
	for _, name := range sortedKeys(files) {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return &usageError{filepath.Join(dir, name) + " is there already, nothing was written", "name another directory with --dir"}
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // others may read the configuration
		return fmt.Errorf("making %s: %w", dir, cause(err))
	}
	for _, name := range sortedKeys(files) {
		text, err := templates.ReadFile("templates/" + files[name])
		if err != nil {
			return err
		}
		if err := writeNew(filepath.Join(dir, name), fill(string(text), dir)); err != nil {
			return err
		}
	}
	return nil
}

func sortedKeys(m map[string]string) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// fill puts the paths into a template.
func fill(text, dir string) string {
	return strings.NewReplacer(
		"@STATE@", quoteYAML(filepath.Join(dir, "state.db")),
		"etcdrc:@ETCDRC@", "etcdrc:"+filepath.Join(dir, "etcdrc"),
		"@ETCDRC@", quoteYAML(filepath.Join(dir, "etcdrc")),
	).Replace(text)
}

func quoteYAML(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// writeNew writes a file that must not exist yet. An etcdrc may get a password.
func writeNew(path, text string) error {
	mode := fs.FileMode(0o644)
	if filepath.Base(path) == "etcdrc" {
		mode = 0o600
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, cause(err))
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, cause(err))
	}
	return nil
}
