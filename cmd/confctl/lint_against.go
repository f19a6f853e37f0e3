package main

import (
	"context"
	"fmt"

	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/dump"
	"github.com/conftool/confctl/pkg/lint"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/value"
)

// merge is what a sync would do with the data that was checked.
type merge struct {
	changes []object.Change
	held    []object.Change // what rules would hold back
	refused []safety.Finding
	notes   []string // what else keeps it from being done in whole
}

// merge plans and judges as sync does, and goes no further.
func (l *linter) merge(ctx context.Context, r lint.Result) (*merge, error) {
	rules, unruled := safety.Load(r.Schema, safetyFile(l.settings))
	s := &session{streams: l.streams, globals: l.globals, settings: l.settings, schema: r.Schema, rules: rules, unruled: unruled}
	on, err := s.against(ctx, l.against)
	if err != nil {
		return nil, err
	}
	d, err := s.declared(r.Data.Dir)
	if err != nil {
		return nil, err
	}
	compared := d.Compare(on)
	m := &merge{notes: append(d.wrong, compared.Problems()...)}
	terms := safety.Terms{Mode: l.settings.safetyMode, Seeds: true}
	plan := d.plan(compared)
	m.refused = rules.Review(plan, on, terms).Refusals()
	plan, m.held, _ = rules.Permit(plan, on, terms)
	m.changes = plan.Changes
	return m, nil
}

// against reads what the data is compared with: the store, or an export.
func (s *session) against(ctx context.Context, what string) (object.Snapshot, error) {
	if what != "store" {
		d, err := dump.Read(what, s.schema)
		return d.Snapshot(), err
	}
	if s.settings.file == "" {
		_, err := findConfig("")
		return object.Snapshot{}, err
	}
	st, err := openStore(s.streams, s.globals, s.settings)
	if err != nil {
		return object.Snapshot{}, err
	}
	snapshot, err := catalog.New(st, s.settings.namespace, s.settings.apiVersion).Read(ctx, queries(s.schema.InDependencyOrder())...)
	if closed := st.Close(); err == nil && closed != nil {
		err = fmt.Errorf("closing the store: %w", closed)
	}
	return snapshot, err
}

// tellMerge says what would keep a sync from being done in whole.
func (l *linter) tellMerge(m *merge) {
	for _, note := range m.notes {
		l.say("%s", note)
	}
	if len(m.refused) > 0 {
		l.say("a sync would be refused by %s, and would hold back %s", ruleNames(m.refused), objects(len(m.held)))
	}
	for i, f := range widestFirst(m.refused) {
		if i == fewLines {
			l.say("  and %d more like these", len(m.refused)-fewLines)
			break
		}
		fmt.Fprintln(l.err, "  "+visible(subject(f)+"    "+f.Msg))
	}
	created, removed := m.counts()
	l.say("a sync would create %s and remove %d", objects(created), removed)
}

func (m *merge) counts() (created, removed int) {
	for _, c := range m.changes {
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
	for _, c := range m.changes {
		if c.Before == nil {
			created = append(created, value.OfMap(identity(*c.After)...))
		} else {
			removed = append(removed, value.OfMap(identity(*c.Before)...))
		}
	}
	for _, c := range m.held {
		held = append(held, value.OfMap(identity(*c.Object())...))
	}
	for _, f := range m.refused {
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
		value.Field{Name: "notes", Value: texts(m.notes)},
	)
}

// lines is what a sync would do, a line each.
func (m *merge) lines() []string {
	var all []string
	for _, g := range changesByGroup(m.changes) {
		all = append(all, g.String())
	}
	return append(all, m.notes...)
}
