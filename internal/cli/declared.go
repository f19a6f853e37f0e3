package cli

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/nearest"
	"github.com/conftool/confctl/internal/seed"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// declared is what files declare to exist: sync applies it, drift compares it with
// the store, and lint --against previews it.
type declared struct {
	seed.Data
	unruled []*schema.Type // types whose safety rules have mistakes: none of their objects is removed
	faults  []string       // errors in the schema and in the rules
	left    []string       // what is not done because of the errors, one line each
	ignored limited        // notes about what is not read
}

// addDirectory adds the option that names the data directory to a command.
func addDirectory(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "directory", "", "`DIR` with the files (default data_directory of confctl.yaml)")
	must(cmd.MarkFlagDirname("directory"))
}

// allTypes returns an error if --object-type is given to a command that works on all
// types.
func allTypes(cmd *cobra.Command) error {
	if cmd.Flag("object-type").Changed {
		return &usageError{cmd.Name() + " is for all types, and cannot be limited by --object-type", ""}
	}
	return nil
}

// readDeclared reads the files in dir, or in the configured data directory if dir is
// empty.
func readDeclared(std term.Streams, g *globals, a *app.App, dir string) (declared, error) {
	if dir == "" {
		dir = a.Settings.DataDirectory
	}
	if dir == "" {
		return declared{}, &usageError{"which directory?", "say --directory DIR, or data_directory in confctl.yaml"}
	}
	data, err := seed.Read(dir, a.Schema.InDependencyOrder())
	if err != nil {
		return declared{}, &usageError{err.Error(), ""}
	}
	d, err := checkDeclared(g, a, data)
	if err != nil {
		return declared{}, err
	}
	d.ignored.warn(std)
	return d, nil
}

// dependencyLoop returns the error of types that depend on each other, or nil if
// there are no such types. Their objects cannot be created in any order, so nothing
// is synced, as in the Python tool.
func dependencyLoop(s *schema.Schema) *yamldoc.Error {
	for _, p := range s.Problems() {
		if p.Err.Rule == schema.RuleLoop {
			return p.Err
		}
	}
	return nil
}

// checkDeclared returns the data together with the reasons why types, or some of
// their changes, cannot be synced or compared.
func checkDeclared(g *globals, a *app.App, data seed.Data) (declared, error) {
	unclaimed, err := seed.Unclaimed(data.Dir, a.Schema.Names())
	if err != nil {
		return declared{}, &usageError{err.Error(), ""}
	}
	d := declared{Data: data}
	for _, e := range unclaimed {
		d.unclaimed(e)
	}
	for _, p := range a.Schema.Problems() {
		d.faults = append(d.faults, p.Err.Error())
		if line := fmt.Sprintf("type %s is left as it is: mend the schema first", p.Type); !slices.Contains(d.left, line) {
			d.left = append(d.left, line)
		}
	}
	for _, t := range d.Types {
		for _, n := range t.Notes {
			if n.Rule == seed.RuleIgnored {
				d.ignored.add("%v", n)
			}
		}
		if err := checkRules(g, a, t.Type); err != nil {
			d.unruled = append(d.unruled, t.Type)
			d.faults = append(d.faults, text.Lines(message(err))...)
			d.left = append(d.left, fmt.Sprintf("type %s: nothing is removed: mend its safety rules first", t.Type.Name))
		}
	}
	return d, nil
}

// unclaimed records a file or directory in the data directory that belongs to no
// type. It is ignored, because it may serve another purpose. But a directory whose
// name resembles that of a type most likely belongs to the type, and may declare
// objects that other files do not. It counts as a gap in the type's files.
func (d *declared) unclaimed(e *yamldoc.Error) {
	var names []string
	for _, t := range d.Types {
		names = append(names, t.Type.Name)
	}
	near, ok := nearest.Typo(filepath.Base(e.Pos.File), names)
	if !ok || e.Rule != seed.RuleDirectory {
		d.ignored.add("%v", e)
		return
	}
	i := slices.Index(names, near)
	d.Types = slices.Clone(d.Types)
	d.Types[i].Gaps = append(slices.Clone(d.Types[i].Gaps), e)
}

// plan returns the plan of a comparison, without the deletions that cannot be
// checked because the safety rules of their types have mistakes.
func (d declared) plan(c seed.Comparison) object.Plan {
	plan := c.Plan()
	plan.Changes = slices.DeleteFunc(plan.Changes, func(c object.Change) bool {
		return c.After == nil && slices.Contains(d.unruled, c.Before.Type)
	})
	return plan
}

// leftUndone returns the errors that prevent some changes, and one line for each
// type or object that cannot be synced completely.
func leftUndone(g *globals, d declared, c seed.Comparison) (faults, left []string) {
	faults = slices.Clone(d.faults)
	for _, f := range c.Faults() {
		faults = append(faults, f.Error())
	}
	left = slices.Clone(d.left)
	for _, l := range c.LeftUndone() {
		line := l.Msg
		switch {
		case l.Object != nil:
			line += "; to delete it: " + g.command(deletion(l)...)
		case l.Type != nil:
			line += "; to delete them: " + g.command(deletion(l)...)
		}
		left = append(left, line)
	}
	return faults, left
}

// deletion returns the words of the command that deletes objects that only a person
// can decide to delete.
func deletion(l seed.Left) []string {
	words := option("--object-type", l.Type.Name)
	if l.Object == nil {
		return append(words, "select", selector.Name+"=.*", "delete")
	}
	return append(words, "--repair", "select", selector.One(l.Type.Tags, l.Object.Tags, l.Object.Name), "delete")
}

// sayLeftUndone prints the errors and what is left out because of them. It reports
// whether it printed anything.
func sayLeftUndone(std term.Streams, faults, left []string) bool {
	var some limited
	for _, f := range faults {
		some.add("%s", f)
	}
	some.say(std)
	if some.more > 0 {
		std.Say("confctl lint says all of it")
	}
	for _, line := range left {
		std.Say("%s", line)
	}
	return len(faults)+len(left) > 0
}
