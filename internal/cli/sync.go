package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/seed"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/sal"
)

func newSync(std term.Streams, g *globals) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "sync --directory DIR",
		Short: "Create and remove objects as files declare them",
		Long: `Create and remove objects so that the store has those that files declare.

The files of a type are DIR/<type>/*.yaml. For nodes they hold datacenter,
cluster, host and its list of services; for other types the tags and the list
of names. Missing objects are created with the defaults of their type, objects
that are no longer declared are removed, and existing objects keep their
values.

All changes are one commit if they fit; otherwise they are made in parts, each
in one commit. Missing objects are always created. Removals that a safety rule
refuses are held back, group by group, with exit code 3; if mass-removal
refuses, all removals of the type are. A type with an error in its files is
left alone, the others are synced, and the exit code is 7.

On a terminal it asks for confirmation. --dry-run shows what it would do.`,
		Annotations: changeCodes(exitDone, exitFailed, exitUsage, exitRefused, exitConflict, exitUnavailable, exitInvalid, exitDeclined, exitUnknown),
		Example: `  confctl sync --directory conftool-data
  confctl sync --directory conftool-data --dry-run`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := allTypes(cmd); err != nil {
				return err
			}
			if err := g.noFormat("sync"); err != nil {
				return err
			}
			return with(std, g, func(a *app.App) error { return runSync(cmd.Context(), newChanger(std, g, a), dir) })
		},
	}
	addDirectory(cmd, &dir)
	return cmd
}

func runSync(ctx context.Context, c *changer, dir string) error {
	if loop := dependencyLoop(c.Schema); loop != nil {
		return loop
	}
	d, err := readDeclared(c.Streams, c.opts, c.App, dir)
	if err != nil {
		return err
	}
	var compared seed.Comparison
	var strays limited
	var done change.Done
	in := change.Intent{
		Read:    d.Queries(),
		Action:  "sync",
		Summary: summary,
		Split:   true,
		Deletes: true,
		Seeds:   true,
		Partial: true,
		Plan: func(snapshot object.Snapshot) (object.Plan, error) {
			compared, strays = d.Compare(snapshot), limited{}
			for _, key := range snapshot.Strays {
				strays.add("key %s is no object of any type; ignored", key)
			}
			return d.plan(compared), nil
		},
	}
	err = c.apply(ctx, in, c.confirmSync, func(all change.Done) {
		done = all
		saySynced(c.Streams, done)
	})
	strays.warn(c.Streams)
	faults, left := leftUndone(c.opts, d, compared)
	faulty := sayLeftUndone(c.Streams, faults, left)
	if done.ID != "" {
		c.Say("sync: %s", outcomeOf(done, faulty))
	}
	if faulty && (err == nil || isRefusal(err)) {
		return &faultyError{err}
	}
	return err
}

// outcomeOf returns the result of a sync in one line.
func outcomeOf(done change.Done, faulty bool) string {
	created, removed := 0, 0
	for _, o := range done.Objects {
		if o.Created() {
			created++
		} else {
			removed++
		}
	}
	text := fmt.Sprintf("%d created, %d removed", created, removed)
	if n := len(done.Held); n > 0 {
		text += fmt.Sprintf(", %d held back", n)
	}
	if faulty {
		text += "; not all could be done, see above"
	}
	return text
}

// confirmSync returns a function that asks for confirmation on a terminal, or nil.
// Without a terminal there is no question: the files were reviewed when merged.
func (c *changer) confirmSync(p change.Proposal) func(context.Context) error {
	if c.opts.yes || !c.Interactive() {
		return nil
	}
	return func(ctx context.Context) error {
		c.display.preview(ctx, p)
		return c.ask.confirmContinue(ctx)
	}
}

// saySynced says what was created and removed: objects one by one if they are
// few, and by type and tags if they are many.
func saySynced(std term.Streams, done change.Done) {
	for _, word := range []string{"Creating", "Removing"} {
		var chosen []sal.Object
		for _, o := range done.Objects {
			if o.Created() == (word == "Creating") {
				chosen = append(chosen, o)
			}
		}
		if len(chosen) <= render.MaxObjects {
			for _, o := range chosen {
				std.Say("%s %s %s", word, o.Type, o.Path)
			}
			continue
		}
		for _, g := range render.GroupBy(chosen, func(o sal.Object) string { return o.Type + " " + o.Path[:strings.LastIndexByte(o.Path, '/')+1] }) {
			std.Say("%s %d %s", word, len(g.Items), strings.TrimRight(g.Name, " /"))
		}
	}
}

// summary counts by type: node (3 created, 1 removed), discovery (1 changed).
func summary(objects []sal.Object) string {
	created, changed, removed := map[string]int{}, map[string]int{}, map[string]int{}
	var types []string
	for _, o := range objects {
		if !slices.Contains(types, o.Type) {
			types = append(types, o.Type)
		}
		switch {
		case o.Created():
			created[o.Type]++
		case o.Deleted():
			removed[o.Type]++
		default:
			changed[o.Type]++
		}
	}
	parts := make([]string, len(types))
	for i, t := range types {
		var counts []string
		if n := created[t]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d created", n))
		}
		if n := changed[t]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d changed", n))
		}
		if n := removed[t]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d removed", n))
		}
		parts[i] = fmt.Sprintf("%s (%s)", t, strings.Join(counts, ", "))
	}
	return strings.Join(parts, ", ")
}
