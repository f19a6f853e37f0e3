package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/account"
	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/config"
	"github.com/conftool/confctl/internal/dump"
	"github.com/conftool/confctl/internal/lint"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/seed"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/files"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/schema"
)

// merge plans a sync of the data on the store or the export of --against, applies
// the safety rules, and returns the result. It writes nothing.
func (l *linter) merge(ctx context.Context, r lint.Result, scope lintScope) (*render.Merge, error) {
	a := &app.App{Settings: l.settings, Schema: r.Schema, Rules: r.Rules, Unruled: r.Unruled}
	on, covered, lost, err := readAgainst(ctx, l.Streams, l.globals, a, l.against)
	if err != nil {
		return nil, err
	}
	m := &render.Merge{}
	if lost > 0 {
		m.Left = []string{fmt.Sprintf("%s leaves out %s that could not be read: what a sync would do with these cannot be told", l.against, text.Count(lost, "object"))}
	}
	if loop := dependencyLoop(r.Schema); loop != nil {
		m.Left = []string{loop.Error() + ": nothing would be done"}
		return m, nil
	}
	data := seed.Data{Dir: r.Data.Dir}
	for _, t := range r.Schema.InDependencyOrder() {
		i := slices.IndexFunc(r.Data.Types, func(d seed.Type) bool { return d.Type == t })
		switch {
		case i < 0:
		case !slices.Contains(covered, t):
			m.Unknown = append(m.Unknown, t.Name)
		default:
			data.Types = append(data.Types, r.Data.Types[i])
		}
	}
	d, err := checkDeclared(l.globals, a, data)
	if err != nil {
		return nil, err
	}
	compared := d.Compare(on)
	faults, left := leftUndone(l.globals, d, compared)
	if scope.only == nil { // all faults are findings already; with a limit some may not be
		faults = nil
	}
	m.Left = slices.Concat(m.Left, faults, left)
	m.Proposal, _ = change.Judge(r.Rules, d.plan(compared), on, safety.Terms{Mode: l.settings.SafetyMode, Seeds: true})
	if len(m.Refused) > 0 {
		m.Again = l.command(slices.Concat([]string{"sync"}, option("--directory", r.Data.Dir), allowOptions(nil, m.Refused), option("--reason", fillIn))...)
	}
	return m, nil
}

// readAgainst reads the store, if what is "store", or the export in the file what.
// It returns the objects, the types that it covers, and the number of objects that
// the export leaves out because they could not be read.
func readAgainst(ctx context.Context, std term.Streams, g *globals, a *app.App, what string) (_ object.Snapshot, of []*schema.Type, leftOut int, err error) {
	if what != "store" {
		if _, err := os.Stat(what); err != nil {
			return object.Snapshot{}, nil, 0, &usageError{"--against " + what + ": " + files.Cause(err).Error(), "it takes the word store, or the file of an export"}
		}
		if err := staysIn(what, what, "--against FILE"); err != nil {
			return object.Snapshot{}, nil, 0, err
		}
		d, err := dump.Read(what, a.Schema)
		return d.Snapshot(), d.Types, d.LeftOut, err
	}
	types := a.Schema.InDependencyOrder()
	if a.Settings.File == "" {
		_, err := config.FindFile(account.Self(), "")
		return object.Snapshot{}, nil, 0, err
	}
	if err := a.Open(messages(std, g)); err != nil {
		return object.Snapshot{}, nil, 0, err
	}
	snapshot, err := a.Catalog.Read(ctx, queries(types)...)
	if closed := a.Close(); err == nil {
		err = closed
	}
	return snapshot, types, 0, err
}

// sayMerge prints the result that a sync would have.
func (l *linter) sayMerge(m *render.Merge) {
	if len(m.Unknown) > 0 {
		l.Say("not compared, since the export does not have them: %s", strings.Join(m.Unknown, ", "))
	}
	for _, line := range m.Left {
		l.Say("%s", line)
	}
	if len(m.Refused) > 0 {
		l.Say("a sync would be refused by %s, and would hold back %s", render.RuleNames(m.Refused), text.Count(len(m.Held), "object"))
	}
	var refused []string
	for _, f := range render.WidestFirst(m.Refused) {
		refused = append(refused, render.Subject(f)+"    "+f.Msg)
	}
	l.Detail(render.Limit(refused)...)
	if m.Again != "" {
		l.Detail(overrideLabel(m.Held) + "  " + m.Again)
	}
	created, removed := createdAndRemoved(m.Plan.Changes)
	l.Say("a sync would create %s and remove %d", text.Count(created, "object"), removed)
}

// createdAndRemoved counts the objects that a sync would create and remove.
func createdAndRemoved(changes []object.Change) (created, removed int) {
	for _, c := range changes {
		if c.Before == nil {
			created++
		} else {
			removed++
		}
	}
	return created, removed
}
