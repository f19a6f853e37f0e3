package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/seed"
)

// declared is what files say should exist. It is what sync makes true, drift
// reports on, and lint --against looks ahead to.
type declared struct {
	seed.Data
	unruled []*schema.Type // whose safety rules cannot be asked: nothing is removed of them
	wrong   []string       // lines about what keeps types from being taken at their word
}

// addDirectory gives a command the option that names the data directory.
func addDirectory(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "directory", "", "`DIR` with the files (default data_directory of confctl.yaml)")
	must(cmd.MarkFlagDirname("directory"))
}

// allTypes refuses to limit a command to one type.
func (g *globals) allTypes(cmd *cobra.Command) error {
	if cmd.Flag("object-type").Changed {
		return &usageError{cmd.Name() + " is for all types, and cannot be limited by --object-type", ""}
	}
	return nil
}

// declared reads the files of a directory, by default the configured one.
func (s *session) declared(dir string) (declared, error) {
	if dir == "" {
		dir = s.settings.dataDirectory
	}
	if dir == "" {
		return declared{}, &usageError{"which directory?", "say --directory DIR, or data_directory in confctl.yaml"}
	}
	var d declared
	var err error
	if d.wrong, err = s.schemaProblems(); err != nil {
		return declared{}, err
	}
	types := s.schema.InDependencyOrder()
	if d.Data, err = seed.Read(dir, types); err != nil {
		return declared{}, &usageError{err.Error(), ""}
	}
	var lines []string
	d.unruled, lines = s.withoutRules(types)
	d.wrong = append(d.wrong, lines...)
	return d, nil
}

// plan is what a comparison comes to, less what no rule could be asked about.
func (d declared) plan(c seed.Comparison) object.Plan {
	plan := c.Plan()
	plan.Changes = slices.DeleteFunc(plan.Changes, func(c object.Change) bool {
		return c.After == nil && slices.Contains(d.unruled, c.Before.Type)
	})
	return plan
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
