package cli

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/schema"
)

func newLog(std term.Streams, g *globals) *cobra.Command {
	var filter logFilter
	var follow bool
	log := &cobra.Command{
		Use:   "log",
		Short: "Show who changed what, newest first",
		Long: `Show who changed what, when, from where, with which command and why, newest
first. The record of a change is part of the same commit. Changes that safety
rules refused are listed too, and marked, as are overrides.

  -o table   one line a change; the default
  -o json    one JSON object a line, with the values before and after`,
		Annotations: using("output", exitCodes(exitDone, exitFailed, exitUsage, exitUnavailable, exitInvalid)),
		Example: `  confctl log -n 5
  confctl log --user alice --since 2h
  confctl log --object 'web1001.*' --since 2026-01-31
  confctl log -f`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flag("object-type").Changed {
				return &usageError{"--object-type does not choose among changes", "use " + commandLine(append([]string{"confctl", "log"}, option("--type", g.objectType)...))}
			}
			format, err := g.ownFormat("log", "table", "json")
			if err != nil {
				return err
			}
			return with(std, g, func(a *app.App) error { return runLog(cmd.Context(), std, a, filter, follow, format) })
		},
	}
	f := log.Flags()
	f.IntVarP(&filter.most, "number", "n", 20, "show at most `N` changes; 0 for all")
	f.StringVar(&filter.user, "user", "", "only changes by `USER`")
	f.StringVar(&filter.typ, "type", "", "only changes of objects of `TYPE`")
	f.StringVar(&filter.object, "object", "", "only changes of objects whose name, first label of the name, or tags and name match `REGEX`")
	f.StringVar(&filter.since, "since", "", "only changes since `TIME`: a duration such as 10m, 2h or 3d, or a date or time")
	f.StringVar(&filter.till, "until", "", "only changes before `TIME`")
	f.StringVar(&filter.grep, "grep", "", "only changes with a match of `REGEX` in action, selector, command, reason, task or notes")
	f.BoolVar(&filter.refused, "refused", false, "only what safety rules refused or held back")
	f.BoolVarP(&follow, "follow", "f", false, "print new changes as they are made")
	must(log.RegisterFlagCompletionFunc("type", completer{g}.completeType))
	log.AddCommand(newLogShow(std, g), newLogAnnotate(std, g), newLogPrune(std, g), newLogDeliver(std, g), newLogStatus(std, g), newLogDrop(std, g))
	return log
}

func runLog(ctx context.Context, std term.Streams, a *app.App, filter logFilter, follow bool, format string) error {
	notes := map[string][]sal.Note{} // filled below, after the options are checked
	query, err := filter.query(time.Now(), notes)
	if err != nil {
		return err
	}
	now, err := a.Store.Read(ctx)
	if err != nil {
		return err
	}
	if filter.grep != "" {
		found, err := a.Journal().Notes(ctx)
		if _, err = brokenRecords(std, err); err != nil {
			return err
		}
		maps.Copy(notes, found)
	}
	search := query
	if !filter.isSet() {
		search.Match = nil // without a match function, the search reads only the records shown
	}
	p := logPrinter{Streams: std, App: a, json: format == "json"}
	last, broken, err := p.all(ctx, search)
	if err != nil {
		return err
	}
	if last == 0 && filter.isSet() {
		if err := knownType(ctx, a, filter.typ); err != nil {
			return err
		}
		if !follow {
			std.Say("no record matches")
		}
	}
	if follow {
		return p.follow(ctx, query, max(now.Revision, last))
	}
	return broken
}

// knownType returns an error if name is a type that is neither in the schema nor
// in any record. The journal may have types that are no longer in the schema.
func knownType(ctx context.Context, a *app.App, name string) error {
	_, unknown := a.Schema.Type(name)
	if name == "" || !errors.As(unknown, new(*schema.UnknownTypeError)) {
		return nil
	}
	found, err := a.Journal().Search(ctx, sal.Query{Most: 1, Match: func(r sal.Stored) bool {
		return slices.ContainsFunc(r.Change.Objects, func(o sal.Object) bool { return o.Type == name })
	}})
	if err != nil && !sal.Incomplete(err) { // unreadable records have been reported already
		return err
	}
	if len(found) == 0 {
		return unknown
	}
	return nil
}
