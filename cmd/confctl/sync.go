package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/seed"
)

func newSync(std streams, g *globals) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "sync --directory DIR",
		Short: "Create and remove objects so that the store has those that files declare",
		Long: `Create and remove objects so that the store has those that files declare.

The files of a type are DIR/<type>/*.yaml. For nodes they hold datacenter,
cluster, host and its list of services; for other types the tags, and the list
of names. What is missing is created with the defaults of its type, what is not
declared any more is removed, and the values of what exists stay as they are.

A type with a fault in its files is left as it is, and the others go on. All
there is to do is one commit, if it fits.`,
		Annotations: changeCodes(exitDone, exitFailed, exitUsage, exitRefused, exitConflict, exitUnavailable, exitInvalid, exitUnknown),
		Example:     `  confctl sync --directory conftool-data`,
		Args:        arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flag("object-type").Changed {
				return &usageError{"sync is for all types, and cannot be limited by --object-type", ""}
			}
			if err := g.noFormat("sync"); err != nil {
				return err
			}
			return with(std, g, func(s *session) error { return s.runSync(cmd.Context(), dir) })
		},
	}
	cmd.Flags().StringVar(&dir, "directory", "", "`DIR` with the files (default data_directory of confctl.yaml)")
	must(cmd.MarkFlagDirname("directory"))
	return cmd
}

func (s *session) runSync(ctx context.Context, dir string) error {
	if dir == "" {
		dir = s.settings.dataDirectory
	}
	if dir == "" {
		return &usageError{"which directory?", "confctl sync --directory DIR, or data_directory in confctl.yaml"}
	}
	wrong, err := s.schemaProblems()
	if err != nil {
		return err
	}
	types := s.schema.InDependencyOrder()
	unruled, lines := s.withoutRules(types)
	wrong = append(wrong, lines...)
	data, err := seed.Read(dir, types)
	if err != nil {
		return &usageError{err.Error(), ""}
	}
	var faults []string
	var strays limited
	in := change.Intent{
		Read:    data.Queries(),
		Action:  "sync",
		Summary: summary,
		Split:   true,
		Deletes: true,
		Seeds:   true,
		Partial: true,
		Plan: func(snapshot object.Snapshot) (object.Plan, error) {
			faults, strays = data.Problems(snapshot), limited{}
			for _, key := range snapshot.Strays {
				strays.add("key %s is no object of any type; ignored", key)
			}
			plan := data.Plan(snapshot)
			plan.Changes = slices.DeleteFunc(plan.Changes, func(c object.Change) bool {
				return c.After == nil && slices.Contains(unruled, c.Before.Type)
			})
			return plan, nil
		},
	}
	err = s.apply(ctx, in, nil, s.tellSynced)
	strays.warn(s.streams)
	for _, f := range append(wrong, faults...) {
		s.say("%s", f)
	}
	if err == nil && len(wrong)+len(faults) > 0 {
		return &partlyError{exitInvalid}
	}
	return err
}

// schemaProblems returns what keeps single types from being synced. A loop of
// dependencies keeps all of them from it: there is no order to go by.
func (s *session) schemaProblems() ([]string, error) {
	var lines []string
	for _, p := range s.schema.Problems() {
		if p.Loop {
			return nil, p.Err
		}
		lines = append(lines, p.Err.Error(), fmt.Sprintf("type %s is left as it is: mend the schema first", p.Type))
	}
	return lines, nil
}

// withoutRules returns the types whose safety rules cannot be asked, and lines
// that say so: nothing is removed of them.
func (s *session) withoutRules(types []*schema.Type) (unruled []*schema.Type, lines []string) {
	for _, t := range types {
		if err := s.ruled(t); err != nil {
			unruled = append(unruled, t)
			lines = append(lines, err.Error(), fmt.Sprintf("type %s: nothing is removed: mend its safety rules first", t.Name))
		}
	}
	return unruled, lines
}

// tellSynced says what was created and removed: objects one by one if they are
// few, and by type and tags if they are many.
func (s *session) tellSynced(done change.Done) {
	const few = 50
	for _, word := range []string{"Creating", "Removing"} {
		var chosen []sal.Object
		for _, o := range done.Objects {
			if o.Created() == (word == "Creating") {
				chosen = append(chosen, o)
			}
		}
		if len(chosen) <= few {
			for _, o := range chosen {
				s.say("%s %s %s", word, o.Type, o.Path)
			}
			continue
		}
		for _, group := range groups(chosen) {
			s.say("%s %d %s", word, group.count, group.name)
		}
	}
}

// group is how many objects have the same type and tags.
type group struct {
	name  string
	count int
}

// groups counts objects, in the order they come.
func groups(objects []sal.Object) []group {
	var all []group
	for _, o := range objects {
		name := strings.TrimRight(o.Type+" "+o.Path[:strings.LastIndexByte(o.Path, '/')+1], " /")
		if len(all) == 0 || all[len(all)-1].name != name {
			all = append(all, group{name: name})
		}
		all[len(all)-1].count++
	}
	return all
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
