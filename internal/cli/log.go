package cli

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/store"
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
			return with(std, g, func(s *session) error { return s.runLog(cmd.Context(), filter, follow, format) })
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
	must(log.RegisterFlagCompletionFunc("type", g.completeType))
	log.AddCommand(newLogShow(std, g), newLogAnnotate(std, g), newLogPrune(std, g), newLogDeliver(std, g), newLogStatus(std, g), newLogDrop(std, g))
	return log
}

func (s *session) runLog(ctx context.Context, filter logFilter, follow bool, format string) error {
	notes := map[string][]sal.Note{} // read when the options have turned out to be right
	query, err := filter.query(time.Now(), notes)
	if err != nil {
		return err
	}
	now, err := s.store.Read(ctx)
	if err != nil {
		return err
	}
	if filter.grep != "" {
		found, err := s.journal().Notes(ctx)
		if _, err = s.brokenRecords(err); err != nil {
			return err
		}
		maps.Copy(notes, found)
	}
	search := query
	if !filter.isSet() {
		search.Match = nil // which reads no more than is shown
	}
	records, err := s.journal().Search(ctx, search)
	broken, err := s.brokenRecords(err)
	if err != nil {
		return err
	}
	if len(records) == 0 && filter.isSet() {
		if err := s.knownType(ctx, filter.typ); err != nil {
			return err
		}
		if !follow {
			s.Say("no record matches")
		}
	}
	p := logPrinter{session: s, json: format == "json"}
	if err := p.all(ctx, records); err != nil {
		return err
	}
	if follow {
		return p.follow(ctx, query, records, now.Revision)
	}
	return broken
}

// knownType is the error for a type that neither the schema has nor any record:
// one that the schema has no more is still in the journal.
func (s *session) knownType(ctx context.Context, name string) error {
	_, unknown := s.schema.Type(name)
	if name == "" || !errors.As(unknown, new(*schema.UnknownTypeError)) {
		return nil
	}
	found, err := s.journal().Search(ctx, sal.Query{Most: 1, Match: func(r sal.Stored) bool {
		return slices.ContainsFunc(r.Change.Objects, func(o sal.Object) bool { return o.Type == name })
	}})
	if err != nil && !errors.As(err, new(*sal.BrokenError)) { // those are named already
		return err
	}
	if len(found) == 0 {
		return unknown
	}
	return nil
}

// brokenRecords names records that cannot be read, and returns how to end in
// spite of the others. Any other error is returned as it is.
func (s *session) brokenRecords(err error) (ending, other error) {
	var broken *sal.BrokenError
	if !errors.As(err, &broken) {
		return nil, err
	}
	for _, e := range broken.Errs {
		s.Say("%v", e)
	}
	return &partlyError{exitInvalid}, nil
}

// logPrinter prints records.
type logPrinter struct {
	*session
	json bool
}

// all prints records in columns, or as JSON with what was said and done about
// them since.
func (p logPrinter) all(ctx context.Context, records []sal.Stored) error {
	undone := sal.Undone(records)
	if p.json {
		notes, err := p.journal().Notes(ctx)
		if _, err = p.brokenRecords(err); err != nil {
			return err
		}
		return p.Write(func(w *bufio.Writer) {
			for _, r := range records {
				w.WriteString(recordJSON(r, notes[r.Event.ID], undone[runOf(r)])) //nolint:errcheck // Flush reports it
			}
		})
	}
	return p.Write(func(w *bufio.Writer) {
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, r := range records {
			fmt.Fprintln(table, strings.Join(logColumns(r, undone[runOf(r)]), "\t"))
		}
		table.Flush() //nolint:errcheck // the flush of w reports it
	})
}

// follow prints records as they are committed, those after a revision and
// after the ones that are printed already. It outlasts a store that is out of
// reach: nothing is missed then.
func (p logPrinter) follow(ctx context.Context, query sal.Query, printed []sal.Stored, after store.Revision) error {
	if len(printed) > 0 {
		after = max(after, printed[0].Revision)
	}
	for {
		err := p.followOn(ctx, query, &after)
		if !errors.As(err, new(*store.UnavailableError)) {
			return err
		}
		p.Warn(err.Error() + "; trying again until it answers")
		if err := p.untilBack(ctx); err != nil {
			return err
		}
		p.Say("the store is back")
	}
}

// untilBack waits until the store answers.
func (s *session) untilBack(ctx context.Context) error {
	for {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
		if _, err := s.store.Read(ctx); !errors.As(err, new(*store.UnavailableError)) {
			return err
		}
	}
}

// followOn prints records until something ends that. After is moved on with
// what was seen.
func (p logPrinter) followOn(ctx context.Context, query sal.Query, after *store.Revision) error {
	for r, err := range p.journal().Watch(ctx, *after) {
		if _, err = p.brokenRecords(err); err != nil {
			return err
		}
		if r.Event.ID == "" {
			continue // it could not be read
		}
		*after = r.Revision // a smaller one, if the store was put back to an earlier state
		if !query.Match(r) {
			continue
		}
		line := strings.Join(logColumns(r, ""), "  ") + "\n"
		if p.json {
			line = recordJSON(r, nil, "")
		}
		if err := p.Print("%s", line); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func runOf(r sal.Stored) string { return cmp.Or(r.Change.Run, r.Event.ID) }

// recordJSON is a record as a line of JSON, with what may not be shown escaped.
func recordJSON(r sal.Stored, notes []sal.Note, undone string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	must(e.Encode(struct {
		sal.Record
		Revision store.Revision `json:"revision"`
		Notes    []sal.Note     `json:"notes,omitempty"`
		UndoneBy string         `json:"undone_by,omitempty"`
	}{r.Record, r.Revision, notes, undone})) // it was read as JSON
	return text.JSON(b.String())
}

// logColumns are a record's cells in a list. The id is the last.
func logColumns(r sal.Stored, undone string) []string {
	return []string{
		r.Time.Local().Format(time.RFC3339), short(r.User.Name + "@" + r.Host.Name), short(r.Event.Action), selectorText(r),
		outcomeText(r.Record, undone), whyCell(r.Record), plain(r.Event.ID),
	}
}

// outcomeText says how much was changed, what became of it, and how it went
// past the rules.
func outcomeText(r sal.Record, undone string) string {
	if r.Refused() {
		return "refused by " + refusedBy(r)
	}
	parts := []string{objects(len(r.Change.Objects))}
	if r.Change.Gone {
		parts = append(parts, "gone")
	}
	if r.Change.Emergency {
		parts = append(parts, "emergency")
	}
	if len(r.Change.Overrides) > 0 {
		parts = append(parts, "overrode "+strings.Join(r.Change.Overrides, " and "))
	}
	if r.Change.Held > 0 {
		parts = append(parts, fmt.Sprintf("%d held back", r.Change.Held))
	}
	if undone != "" {
		parts = append(parts, "undone")
	}
	return plain(strings.Join(parts, ", "))
}

// whyCell is the reason of a change and its task in the width of a cell: it is
// the reason that is cut.
func whyCell(r sal.Record) string {
	all := whyText(r)
	if utf8.RuneCountInString(all) <= widest || r.Change.Task == "" || r.Event.Reason == "" {
		return short(all)
	}
	task := " (" + text.Cut(plain(r.Change.Task), widest/2) + ")"
	return text.Cut(plain(r.Event.Reason), widest-utf8.RuneCountInString(task)) + task
}

// refusedBy names the rules that refused a change. Records of earlier versions
// have no levels, and of a refusal only what refused it.
func refusedBy(r sal.Record) string {
	var names []string
	for _, f := range r.Change.Findings {
		if (f.Level == "" || f.Level == "refused") && !slices.Contains(names, f.Rule) {
			names = append(names, f.Rule)
		}
	}
	return plain(strings.Join(names, ", "))
}

func selectorText(r sal.Stored) string {
	if r.Change.Selector == "" {
		return "-"
	}
	return short(r.Change.Selector)
}

// widest is how many characters a cell of a list has at most: one long text
// would push away what is beside it in all lines.
const widest = 80

// short is a text as a cell of a list, cut if it is long.
func short(s string) string { return text.Cut(plain(s), widest) }

func objects(n int) string { return text.Count(n, "object") }
