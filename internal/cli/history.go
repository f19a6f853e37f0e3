package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/sal"
)

// history prints what was changed of some objects, also of those that are gone
// by now: a line for each field, the newest first.
func (s *session) history(ctx context.Context, q catalog.Query) error {
	records, err := s.journal().Search(ctx, sal.Query{Match: func(r sal.Stored) bool {
		return !r.Refused() && slices.ContainsFunc(r.Change.Objects, func(o sal.Object) bool { return chooses(q, o) })
	}})
	broken, err := s.brokenRecords(err)
	if err != nil {
		return err
	}
	var lines []string
	for _, r := range records {
		for _, o := range r.Change.Objects {
			if chooses(q, o) {
				lines = append(lines, render.History(r, o)...)
			}
		}
	}
	if err := s.Lines(lines...); err != nil {
		return err
	}
	return broken
}

// chooses reports whether a query chooses an object of the journal.
func chooses(q catalog.Query, o sal.Object) bool {
	parts := strings.Split(o.Path, "/")
	last := len(parts) - 1
	return o.Type == q.Type.Name && last == len(q.Type.Tags) && q.Selector.Match(parts[:last], parts[last])
}
