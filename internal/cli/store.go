package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/local"
)

func newStore(std term.Streams, g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:         "store",
		Short:       "Check the integrity of the store",
		Annotations: exitCodes(exitDone, exitFailed, exitUsage),
		Args:        unknownVerb,
		RunE:        func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.AddCommand(newStoreCheck(std, g))
	return cmd
}

func newStoreCheck(std term.Streams, g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Check that everything in the store can be read",
		Long: `Check that everything in the store can be read and is what was written.

The file of the local driver is read completely and compared with its
checksums: every key, every value and the log of changes. With any driver, all
objects are read. Damage is listed, and the exit code is 7. Nothing is written.`,
		Annotations: exitCodes(exitDone, exitFailed, exitUsage, exitUnavailable, exitInvalid),
		Example:     `  confctl store check`,
		Args:        arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := allTypes(cmd); err != nil {
				return err
			}
			if err := g.noFormat("store check"); err != nil {
				return err
			}
			return with(std, g, func(a *app.App) error { return checkStore(cmd.Context(), std, a) })
		},
	}
}

func checkStore(ctx context.Context, std term.Streams, a *app.App) error {
	if file, isFile := a.Store.(*local.Store); isFile {
		if err := checkFile(ctx, std, a, file); err != nil {
			return err
		}
	}
	types := a.Schema.Types()
	snapshot, err := a.Catalog.ReadAll(ctx, types...)
	if err != nil {
		return err
	}
	readable := 0
	err = std.Write(func(w *bufio.Writer) {
		for _, o := range snapshot.Objects {
			if o.Malformed == nil {
				readable++
				continue
			}
			fmt.Fprintln(w, text.OneLine(fmt.Sprintf("%s cannot be read: %v (at %s)", o, o.Malformed, a.Catalog.Key(o))))
		}
		fmt.Fprintf(w, "%s can be read, at revision %d\n", text.Count(readable, "object"), snapshot.Revision)
	})
	if err != nil {
		return err
	}
	for _, p := range a.Schema.Problems() {
		std.Warn(p.Err.Error() + "; its type was not checked")
	}
	if readable < len(snapshot.Objects) {
		std.Say("to write such an object anew: confctl select ... set ... --repair")
		return &partlyError{exitInvalid}
	}
	return nil
}

// checkFile checks the file of the local driver.
func checkFile(ctx context.Context, std term.Streams, a *app.App, file *local.Store) error {
	path, err := a.Settings.LocalPath()
	if err != nil {
		return err
	}
	report, err := file.Check(ctx)
	if err != nil {
		return err
	}
	err = std.Write(func(w *bufio.Writer) {
		for _, p := range report.Problems {
			fmt.Fprintln(w, text.OneLine("damaged: "+p))
		}
		switch {
		case len(report.Problems) > 0:
		case report.Unverified:
			fmt.Fprintf(w, "%s: %s; it has no checksums yet, the next change adds them\n", text.OneLine(path), text.Count(report.Keys, "key"))
		default:
			fmt.Fprintf(w, "%s: %s, all as written\n", text.OneLine(path), text.Count(report.Keys, "key"))
		}
	})
	if err != nil || len(report.Problems) == 0 {
		return err
	}
	std.Say("the file %s is damaged; replace it", path)
	std.Detail(text.Lines(restoreHint(path))...)
	return &partlyError{exitInvalid}
}

// restoreHint explains how to replace a damaged file.
func restoreHint(path string) string {
	return "mv " + quote(path) + " " + quote(path+".damaged") +
		"\nthen put a backup of the file in its place: cp BACKUP " + quote(path) +
		"\nor begin a new one from an export: confctl import EXPORT"
}

// explainUnavailable explains a store that cannot be used. For a damaged file, the
// hint names the command that lists the damage.
func explainUnavailable(e *store.UnavailableError, err error) (code int, msg, hint string) {
	hint = nothingWritten(err)
	if errors.As(err, new(*store.DamagedError)) {
		if hint != "" {
			hint += "\n"
		}
		hint += "confctl store check lists what is damaged, and says what to do"
	}
	return exitUnavailable, unavailableText(e), hint
}
