package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/store"
)

// recently is for how long a change may be undone as "last", and for how long
// the safety rules only warn about undoing it: whoever undoes what was done a
// moment ago is mending something.
const recently = time.Hour

func newUndo(std term.Streams, g *globals) *cobra.Command {
	var since string
	var mine bool
	cmd := &cobra.Command{
		Use:   "undo ID | last | --since TIME --mine",
		Short: "Undo a change",
		Long: `Undo a change: restore the previous values of exactly the fields that it
changed, delete what it created, create what it deleted. If these fields have
been changed since, nothing is written, and both changes are shown.

  undo ID                  undo the change with this id; confctl log shows ids
  undo last                undo your newest change that is not undone, if it is
                           less than an hour old. If the last change that you
                           tried was refused, nothing is undone
  undo --since 10m --mine  undo all your changes of the last ten minutes in one
                           commit, such as those of a loop over many hosts

The changes to undo are shown first; on a terminal they must be confirmed.

A journal record is used only as far as the store confirms it: the last change
of each object must be the one in the record, or a later one in the journal.
Otherwise nothing is written, and the differences are shown.

Safety rules do not refuse to undo what was done within the last hour; they
warn. An undo is a change like any other, and can be undone.`,
		Annotations: changeCodes(exitDone, exitFailed, exitUsage, exitRefused, exitNoMatch, exitConflict, exitUnavailable, exitInvalid, exitDeclined, exitUnknown),
		Example: `  confctl undo last
  confctl undo 20260102T030405.678900Z-0a1b2c3d
  confctl undo --since 10m --mine`,
		Args:              arguments(0, 1),
		ValidArgsFunction: completer{g}.completeUndo,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flag("object-type").Changed {
				return &usageError{"undo takes back whole changes, and cannot be limited by --object-type", ""}
			}
			if err := g.noFormat("undo"); err != nil {
				return err
			}
			wanted, err := undoOf(args, since, mine)
			if err != nil {
				return err
			}
			g.undoes = true
			return with(std, g, func(a *app.App) error { return newUndoer(std, g, a).run(cmd.Context(), wanted) })
		},
	}
	cmd.Flags().StringVar(&since, "since", "", "undo all your changes since `TIME`: a duration such as 10m or 1h, or a time; needs --mine")
	cmd.Flags().BoolVar(&mine, "mine", false, "only your own changes; needs --since")
	return cmd
}

// undoing is which changes are to be taken back.
type undoing struct {
	id    string    // of one change; empty for this person's
	since time.Time // this person's from then on; zero for the last one
	text  string    // for the announcement
}

func undoOf(args []string, since string, mine bool) (undoing, error) {
	hint := "confctl undo ID, confctl undo last, or confctl undo --since 10m --mine"
	switch {
	case len(args) > 0 && args[0] == "":
		return undoing{}, &usageError{"the id is empty", hint}
	case len(args) == 0 && since == "" && !mine:
		return undoing{}, &usageError{"undo what?", hint}
	case len(args) > 0 && (since != "" || mine):
		return undoing{}, &usageError{fmt.Sprintf("undo takes %q or --since with --mine, not both", args[0]), hint}
	case since != "" && !mine:
		return undoing{}, &usageError{"--since undoes only your own changes: say so with --mine", "those of others one by one, by their ids: see " + commandLine(append([]string{"confctl", "log"}, option("--since", since)...))}
	case since == "" && mine:
		return undoing{}, &usageError{"--mine needs --since", hint}
	case since != "":
		from, err := moment("--since", since, time.Now())
		return undoing{since: from, text: fmt.Sprintf("undo --since %s --mine", since)}, err
	case args[0] == "last":
		return undoing{}, nil
	}
	return undoing{id: args[0]}, checkID(args[0], "see confctl log")
}

// undoer takes changes back.
type undoer struct {
	term.Streams
	*app.App
	opts    *globals
	changes *changer
}

func newUndoer(std term.Streams, g *globals, a *app.App) *undoer {
	return &undoer{Streams: std, App: a, opts: g, changes: newChanger(std, g, a)}
}

func (u *undoer) run(ctx context.Context, wanted undoing) error {
	if u.opts.terms.Partial {
		return &usageError{"--except-refused is not for undo, which takes changes back whole", "to override the rules: --allow RULE[@POOL] --reason TEXT"}
	}
	u.changes.hints.undoing = true
	records, err := u.toUndo(ctx, wanted)
	if err != nil {
		return err
	}
	later, err := u.laterThan(ctx, records)
	if err != nil {
		return err
	}
	clock := sal.NewClock(app.Hostname(), time.Now(), later)
	if records, err = u.inTime(wanted, records, clock); err != nil {
		return err
	}
	past, err := u.past(records)
	if err != nil {
		return err
	}
	if err := u.overtaken(records, later); err != nil {
		return err
	}
	sayUndoing(u.Streams, records)
	lately := time.Now().Add(-recently)
	in := change.Intent{
		Read:    queriesOf(past),
		Action:  wanted.text,
		Summary: summary,
		Stop:    true,
		Split:   len(records) > len(runsOf(records)), // as the changes were
		Deletes: slices.ContainsFunc(past, func(p object.Past) bool { return p.Before == nil }),
		Lenient: !slices.ContainsFunc(records, func(r sal.Stored) bool { return !clock.Since(r, lately) }),
		Undoes:  runsOf(records),
		Plan: func(on object.Snapshot) (object.Plan, error) {
			plan, err := undo(past, on)
			if err == nil {
				err = u.unconfirmed(plan, on, records, later)
			}
			return plan, err
		},
	}
	if in.Action == "" {
		in.Action = "undo " + in.Undoes[0]
	}
	return u.changes.apply(ctx, in, u.confirmUndo, u.changes.display.printChanged)
}

// confirmUndo asks on a terminal before anything is undone: what is shown comes
// from a record, and not from the words of the command.
func (u *undoer) confirmUndo(p change.Proposal) func(context.Context) error {
	if u.opts.yes || !u.Interactive() {
		return u.changes.confirm(p)
	}
	return func(ctx context.Context) error {
		return u.changes.ask.confirmSelection(ctx, p.Plan.Matched, func() { u.changes.display.preview(ctx, p) })
	}
}

// sayUndoing says which changes are to be taken back.
func sayUndoing(std term.Streams, records []sal.Stored) {
	var notes limited
	for _, r := range records {
		notes.add("undoing %s", render.Change(r, time.Now()))
	}
	notes.say(std)
}

// undo plans to take changes back. If somebody has changed the same since, it
// is a conflict.
func undo(past []object.Past, on object.Snapshot) (object.Plan, error) {
	plan, clashes, err := object.Undo(past, on)
	if err != nil || len(clashes) == 0 {
		byKey := func(a, b object.Object) int { return strings.Compare(a.Key(), b.Key()) }
		slices.SortFunc(plan.Matched, byKey)
		slices.SortFunc(plan.Changes, func(a, b object.Change) int { return byKey(*a.Object(), *b.Object()) })
		return plan, err
	}
	conflicts := make([]change.Conflict, len(clashes))
	for i, c := range clashes {
		conflicts[i] = change.Conflict{Mine: c.Mine, Theirs: c.Theirs}
	}
	return object.Plan{}, &change.ConflictError{Objects: conflicts}
}

// overtakenError reports that changes cannot be taken back, because others have
// changed the same since.
type overtakenError struct {
	lines []string // what, by whom, when
	last  string   // id of the latest of these
	where []string // options that name the configuration
}

func (e *overtakenError) Error() string {
	return "the same was changed again since, nothing was written"
}

// hint says what was changed since, and what to do about it.
func (e *overtakenError) hint() string {
	return strings.Join(append(slices.Clone(e.lines), "undo that first: "+commandFor(e.where, "undo", e.last), "or give the fields the values that they should have"), "\n")
}

// laterThan returns the records committed after the oldest of some, the newest
// first.
func (u *undoer) laterThan(ctx context.Context, records []sal.Stored) ([]sal.Stored, error) {
	concerned := byObjectID(records)
	later, err := u.Journal().Search(ctx, sal.Query{After: records[len(records)-1].Revision, Objects: func(o sal.Object) bool {
		return concerned[o.ID()] != nil || o.Deleted() // a deletion is evidence of what it did not delete
	}})
	return later, allRead(u.Streams, u.opts, err)
}

// allRead names records that cannot be read. Not to have looked at all is an error:
// what is not known may speak against an undo.
func allRead(std term.Streams, g *globals, err error) error {
	if !errors.As(err, new(*sal.CutError)) {
		_, err = brokenRecords(std, err)
	}
	if err != nil {
		return &unwrittenError{err, g.where()}
	}
	return nil
}

// overtaken looks in the journal for later changes of the same fields that are
// still in effect: the values alone do not tell, they may have come back.
func (u *undoer) overtaken(records, later []sal.Stored) error {
	mine, undone := runsOf(records), sal.Undone(later)
	of, what := setOf(mine), whatChanged(records)
	for _, id := range mine {
		if by := undone[id]; by != "" {
			return &noMatchError{fmt.Sprintf("%s is undone already, by %s; nothing changed", id, by), "to do it again: " + u.opts.command("undo", by)}
		}
	}
	others := inEffect(slices.DeleteFunc(slices.Clone(later), func(r sal.Stored) bool {
		begun := undoesOnly(r, of) // in parts, and not finished: this goes on from there
		return of[r.Run()] || begun
	}))
	e := &overtakenError{where: u.opts.where()}
	for _, r := range others {
		for _, o := range r.Change.Objects {
			if len(e.lines) < render.MaxLines && what.changedAgain(o, r.Revision) {
				e.lines = append(e.lines, fmt.Sprintf("%s by %s %s, %s", render.Effect(o), render.Plain(r.User.Name), render.Ago(r.Time, time.Now()), render.Plain(r.Run())))
				e.last = cmp.Or(e.last, r.Run())
			}
		}
	}
	if e.lines == nil {
		return nil
	}
	return e
}

// inEffect leaves out, of records with the newest first, those that are undone
// and those that undo what is among them.
func inEffect(records []sal.Stored) []sal.Stored {
	undone, there := sal.Undone(records), setOf(runsOf(records))
	return slices.DeleteFunc(slices.Clone(records), func(r sal.Stored) bool {
		return r.Refused() || undone[r.Run()] != "" || undoesOnly(r, there)
	})
}

// undoesOnly reports whether a record is of an undo, and of none but these
// changes.
func undoesOnly(r sal.Stored, ids map[string]bool) bool {
	return len(r.Change.Undoes) > 0 && !slices.ContainsFunc(r.Change.Undoes, func(id string) bool { return !ids[id] })
}

// changed is which fields some changes were about, by object, and from which
// revision on: that of the first of them.
type changed struct {
	fields   map[sal.ObjectID]map[string]store.Revision
	compared int // how many fields of later changes were looked up: the work that it was
}

func whatChanged(records []sal.Stored) *changed {
	c := &changed{fields: map[sal.ObjectID]map[string]store.Revision{}}
	for _, r := range records {
		for _, o := range r.Change.Objects {
			of := c.fields[o.ID()]
			if of == nil {
				of = map[string]store.Revision{}
				c.fields[o.ID()] = of
			}
			for _, f := range o.Fields() {
				if first, ok := of[f.Name]; !ok || r.Revision < first {
					of[f.Name] = r.Revision
				}
			}
		}
	}
	return c
}

// changedAgain reports whether a change at a revision changed a field of an object
// that was changed before it.
func (c *changed) changedAgain(o sal.Object, at store.Revision) bool {
	of, ok := c.fields[o.ID()]
	if !ok {
		return false
	}
	return slices.ContainsFunc(o.Fields(), func(f object.FieldChange) bool {
		c.compared++
		first, ok := of[f.Name]
		return ok && first < at
	})
}

func overlap(a, b []object.FieldChange) bool {
	return slices.ContainsFunc(a, func(f object.FieldChange) bool {
		return slices.ContainsFunc(b, func(g object.FieldChange) bool { return f.Name == g.Name })
	})
}

// toUndo returns the records of the changes to be taken back, the newest first.
func (u *undoer) toUndo(ctx context.Context, wanted undoing) ([]sal.Stored, error) {
	if wanted.id != "" {
		return u.oneToUndo(ctx, wanted.id)
	}
	if wanted.since.IsZero() {
		return u.lastToUndo(ctx)
	}
	me := u.opts.whoami()
	all, err := u.Journal().Search(ctx, sal.Query{Since: wanted.since, Match: func(r sal.Stored) bool {
		return r.User.Name == me.Name || len(r.Change.Undoes) > 0
	}})
	if err := allRead(u.Streams, u.opts, err); err != nil {
		return nil, err
	}
	undone := sal.Undone(all)
	var mine []sal.Stored
	for _, r := range all {
		if r.User.Name == me.Name && !r.Refused() && len(r.Change.Undoes) == 0 && undone[r.Run()] == "" {
			mine = append(mine, r)
		}
	}
	if len(mine) == 0 {
		return nil, nothingToUndo(me, wanted.since)
	}
	return mine, nil
}

func nothingToUndo(me sal.User, since time.Time) error {
	return &noMatchError{fmt.Sprintf("%s has made no change since %s that could be undone, nothing changed", me.Name, since.Local().Format(time.RFC3339)),
		"an older one, or somebody else's, is undone by its id: see confctl log"}
}

// lastToUndo returns the records of this person's newest change, the newest
// first. If what this person did last was refused, something older is not what is
// meant.
func (u *undoer) lastToUndo(ctx context.Context) ([]sal.Stored, error) {
	me, since := whoami(), time.Now().Add(-recently)
	last, err := u.Journal().LastOf(ctx, me.Name, since)
	if err := allRead(u.Streams, u.opts, err); err != nil {
		return nil, err
	}
	switch {
	case last.Refused != nil:
		hint := "an older one is undone by its id: see confctl log"
		if last.Change != nil {
			hint = undoNewest(u.opts, *last.Change)
		}
		return nil, &noMatchError{"what you did last was refused, so there is nothing of it to undo, nothing changed: " + render.Change(*last.Refused, time.Now()), hint}
	case last.Change == nil:
		return nil, nothingToUndo(me, since)
	}
	u.changes.hints.repeat = named(u.opts.words, "last", last.Change.Run())
	return u.oneToUndo(ctx, last.Change.Run())
}

// undoNewest is how to undo a person's newest change by its id.
func undoNewest(g *globals, r sal.Stored) string {
	return "to undo your newest change, " + render.Change(r, time.Now()) + ": " + g.command("undo", r.Run())
}

// inTime returns those of the records that were committed in the time that was
// asked for, as far as that is known. For undo last it is all or none.
func (u *undoer) inTime(wanted undoing, records []sal.Stored, clock sal.Clock) ([]sal.Stored, error) {
	switch {
	case wanted.id != "":
		return records, nil
	case wanted.since.IsZero():
		return records, u.doneLately(records[0], clock)
	}
	var left limited
	in := slices.DeleteFunc(slices.Clone(records), func(r sal.Stored) bool {
		out := !clock.Since(r, wanted.since)
		if out {
			left.add("left as it is, since its time cannot be right by the changes after it or by this host's clock: %s", render.Change(r, time.Now()))
		}
		return out
	})
	left.say(u.Streams)
	if len(in) == 0 {
		return nil, nothingToUndo(whoami(), wanted.since)
	}
	return in, nil
}

// doneLately reports that a person's newest change is not one of just now.
func (u *undoer) doneLately(r sal.Stored, clock sal.Clock) error {
	since := time.Now().Add(-recently)
	var reason string
	switch {
	case clock.Since(r, since):
		return nil
	case clock.Ahead(r.Time):
		reason = "your newest change is in the future by the clock of its host, so that its age is not known, nothing changed"
	case r.Time.Before(since):
		reason = fmt.Sprintf("your newest change is older than %s by the clock of its host, nothing changed", render.Age(recently))
	default:
		reason = fmt.Sprintf("your newest change is older than %s by the changes made after it, nothing changed", render.Age(recently))
	}
	return &noMatchError{reason, undoNewest(u.opts, r)}
}

// named returns the words of a command with another one in place of an argument.
func named(words []string, argument, by string) []string {
	words = slices.Clone(words)
	scan := newScanner()
	for i := 1; i < len(words); i++ { // the first is the program
		if kind := scan.next(words[i]); (kind == bareWord || kind == literalWord) && words[i] == argument {
			words[i] = by
		}
	}
	return words
}

// oneToUndo returns the records of one change, the newest first.
func (u *undoer) oneToUndo(ctx context.Context, id string) ([]sal.Stored, error) {
	parts, err := u.Journal().Find(ctx, id)
	if err == nil && len(parts) > 0 && parts[0].Run() != id { // a part is named, the whole is meant
		parts, err = u.Journal().Find(ctx, parts[0].Run())
	}
	switch {
	case err != nil: // also if it is there and cannot be read
		return nil, &unwrittenError{err, u.opts.where()}
	case len(parts) == 0:
		return nil, noRecord(u.opts, u.App, id, ", nothing changed")
	case parts[0].Refused():
		return nil, &noMatchError{fmt.Sprintf("%s was refused: there is nothing to undo", id), "see " + u.opts.command("log", "show", id)}
	}
	slices.Reverse(parts)
	return parts, nil
}

// runsOf returns the ids of changes, each once.
func runsOf(records []sal.Stored) []string {
	var ids []string
	have := map[string]bool{}
	for _, r := range records {
		if id := r.Run(); !have[id] {
			have[id] = true
			ids = append(ids, id)
		}
	}
	return ids
}

func setOf(ids []string) map[string]bool {
	set := make(map[string]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// past returns what happened to each object, the newest first.
func (u *undoer) past(records []sal.Stored) ([]object.Past, error) {
	var past []object.Past
	var left error
	for _, r := range records {
		for _, o := range r.Change.Objects {
			p, err := o.Past(u.Schema)
			switch {
			case err == nil:
				past = append(past, p)
			case u.opts.repair:
				u.Warn("left as it is: " + err.Error())
				left = err
			default:
				return nil, &object.InvalidError{
					Reason: fmt.Sprintf("%v; nothing of %s is undone", err, r.Event.ID),
					Hint:   "--repair leaves that one as it is and takes back the rest; what was changed: " + u.opts.command("log", "show", r.Event.ID),
				}
			}
		}
	}
	if len(past) == 0 && left != nil {
		return nil, &object.InvalidError{Reason: fmt.Sprintf("nothing changed: nothing of %s can be undone", records[0].Event.ID)}
	}
	return past, nil
}

// queriesOf returns what to read for some objects: each by itself if they are
// few, or else all beside them.
func queriesOf(past []object.Past) []catalog.Query {
	const few = 20
	for _, around := range []func(object.Past) catalog.Query{itself, neighbours} {
		if queries := queriesBy(past, around); len(queries) <= few {
			return queries
		}
	}
	return queriesBy(past, func(p object.Past) catalog.Query { return catalog.Query{Type: p.Type} })
}

// queriesBy returns the queries that a function makes of some objects, each once.
func queriesBy(past []object.Past, of func(object.Past) catalog.Query) []catalog.Query {
	var queries []catalog.Query
	seen := map[string]bool{}
	for _, p := range past {
		q := of(p)
		if key := strings.Join(append([]string{q.Type.Name}, q.Selector.Literals()...), "/"); !seen[key] {
			seen[key] = true
			queries = append(queries, q)
		}
	}
	return queries
}

func itself(p object.Past) catalog.Query {
	values := map[string]string{selector.Name: p.Name}
	for i, tag := range p.Type.Tags {
		values[tag] = p.Tags[i]
	}
	return catalog.Query{Type: p.Type, Selector: selector.Exactly(p.Type.Tags, values)}
}

// neighbours is the query for all objects with the same tags.
func neighbours(p object.Past) catalog.Query { return itself(p).Around(len(p.Tags)) }
