package cli

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/sal"
)

func newLogAnnotate(std term.Streams, g *globals) *cobra.Command {
	return &cobra.Command{
		Use:               "annotate ID TEXT",
		Short:             "Add a note to a change, such as what it caused",
		Annotations:       exitCodes(exitDone, exitFailed, exitUsage, exitNoMatch, exitUnavailable, exitUnknown),
		Example:           `  confctl log annotate 20260102T030405.678900Z-0a1b2c3d 'caused T1234'`,
		Args:              arguments(2, -1),
		ValidArgsFunction: completer{g}.completeChange,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkID(args[0], "see confctl log"); err != nil {
				return err
			}
			text := strings.TrimSpace(strings.Join(args[1:], " "))
			if text == "" {
				return &usageError{"the note is empty", "confctl log annotate ID TEXT"}
			}
			return with(std, g, func(a *app.App) error {
				return a.Journal().Annotate(cmd.Context(), args[0], sal.Note{Time: time.Now().UTC(), User: g.whoami(), Text: text})
			})
		},
	}
}
