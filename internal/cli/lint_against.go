package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/dump"
	"github.com/conftool/confctl/pkg/lint"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/seed"
	"github.com/conftool/confctl/pkg/value"
)

// merge is what a sync would do with the data that was checked.
type merge struct {
	change.Proposal
	left    []string // what could not be done, a line each
	unknown []string // types that an export says nothing of
	again   string   // the line that would do what is held back
}

// merge plans and judges as sync does, and goes no further.
func (l *linter) merge(ctx context.Context, r lint.Result, scope lintScope) (*merge, error) {
	s := &session{Streams: l.Streams, globals: l.globals, settings: l.settings, schema: r.Schema, rules: r.Rules, unruled: r.Unruled}
	on, covered, lost, err := s.against(ctx, l.against)
	if err != nil {
		return nil, err
	}
	m := &merge{}
	if lost > 0 {
		m.left = []string{fmt.Sprintf("%s leaves out %s that could not be read: what a sync would do with these cannot be told", l.against, objects(lost))}
	}
	if loop := s.dependencyLoop(); loop != nil {
		m.left = []string{loop.Error() + ": nothing would be done"}
		return m, nil
	}
	data := seed.Data{Dir: r.Data.Dir}
	for _, t := range r.Schema.InDependencyOrder() {
		i := slices.IndexFunc(r.Data.Types, func(d seed.Type) bool { return d.Type == t })
		switch {
		case i < 0:
		case !slices.Contains(covered, t):
			m.unknown = append(m.unknown, t.Name)
		default:
			data.Types = append(data.Types, r.Data.Types[i])
		}
	}
	d, err := s.declared(data)
	if err != nil {
		return nil, err
	}
	compared := d.Compare(on)
	faults, left := l.leftUndone(d, compared)
	if scope.only == nil { // else they may not be among the findings
		faults = nil
	}
	m.left = slices.Concat(m.left, faults, left)
	m.Proposal, _ = change.Judge(r.Rules, d.plan(compared), on, safety.Terms{Mode: l.settings.safetyMode, Seeds: true})
	if len(m.Refused) > 0 {
		m.again = l.command(slices.Concat([]string{"sync"}, option("--directory", r.Data.Dir), allowOptions(nil, m.Refused), option("--reason", fillIn))...)
	}
	return m, nil
}

// against reads what the data is compared with, the store or an export, of which
// types that is, and how many of their objects it could not have.
func (s *session) against(ctx context.Context, what string) (_ object.Snapshot, of []*schema.Type, leftOut int, err error) {
	if what != "store" {
		if _, err := os.Stat(what); err != nil {
			return object.Snapshot{}, nil, 0, &usageError{"--against " + what + ": " + cause(err).Error(), "it takes the word store, or the file of an export"}
		}
		if err := staysIn(what, what, "--against FILE"); err != nil {
			return object.Snapshot{}, nil, 0, err
		}
		d, err := dump.Read(what, s.schema)
		return d.Snapshot(), d.Types, d.LeftOut, err
	}
	types := s.schema.InDependencyOrder()
	if s.settings.file == "" {
		_, err := findConfig("")
		return object.Snapshot{}, nil, 0, err
	}
	st, err := openStore(s.Streams, s.globals, s.settings)
	if err != nil {
		return object.Snapshot{}, nil, 0, err
	}
	snapshot, err := catalog.New(st, s.settings.namespace, s.settings.apiVersion).Read(ctx, queries(types)...)
	if closed := st.Close(); err == nil && closed != nil {
		err = fmt.Errorf("closing the store: %w", closed)
	}
	return snapshot, types, 0, err
}

// tellMerge says what a sync would come to.
func (l *linter) tellMerge(m *merge) {
	if len(m.unknown) > 0 {
		l.Say("not compared, since the export does not have them: %s", strings.Join(m.unknown, ", "))
	}
	for _, line := range m.left {
		l.Say("%s", line)
	}
	if len(m.Refused) > 0 {
		l.Say("a sync would be refused by %s, and would hold back %s", ruleNames(m.Refused), objects(len(m.Held)))
	}
	for i, f := range widestFirst(m.Refused) {
		if i == fewLines {
			l.Detail(fmt.Sprintf("and %d more like these", len(m.Refused)-fewLines))
			break
		}
		l.Detail(subject(f) + "    " + f.Msg)
	}
	if m.again != "" {
		l.Detail(really(m.Held) + "  " + m.again)
	}
	created, removed := m.counts()
	l.Say("a sync would create %s and remove %d", objects(created), removed)
}

func (m *merge) counts() (created, removed int) {
	for _, c := range m.Plan.Changes {
		if c.Before == nil {
			created++
		} else {
			removed++
		}
	}
	return created, removed
}

// document is what a sync would do, for programs.
func (m *merge) document() value.Value {
	var created, removed, held, refused []value.Value
	for _, c := range m.Plan.Changes {
		if c.Before == nil {
			created = append(created, value.OfMap(identity(*c.After)...))
		} else {
			removed = append(removed, value.OfMap(identity(*c.Before)...))
		}
	}
	for _, c := range m.Held {
		held = append(held, value.OfMap(identity(*c.Object())...))
	}
	for _, f := range m.Refused {
		refused = append(refused, value.OfMap(
			value.Field{Name: "rule", Value: value.OfString(f.Rule)},
			value.Field{Name: "type", Value: value.OfString(f.Type)},
			value.Field{Name: "subject", Value: value.OfString(f.Subject)},
			value.Field{Name: "message", Value: value.OfString(f.Msg)},
		))
	}
	return value.OfMap(
		value.Field{Name: "create", Value: value.OfList(created...)},
		value.Field{Name: "remove", Value: value.OfList(removed...)},
		value.Field{Name: "held_back", Value: value.OfList(held...)},
		value.Field{Name: "refused", Value: value.OfList(refused...)},
		value.Field{Name: "left_undone", Value: texts(m.left)},
		value.Field{Name: "not_compared", Value: texts(m.unknown)},
	)
}
