package cli

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/conftool/confctl/internal/text"
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
	err = s.Write(func(w *bufio.Writer) {
		for _, r := range records {
			for _, o := range r.Change.Objects {
				if chooses(q, o) {
					writeHistory(w, r, o)
				}
			}
		}
	})
	if err != nil {
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

func writeHistory(w *bufio.Writer, r sal.Stored, o sal.Object) {
	var happened []string
	switch {
	case o.Created():
		happened = []string{plain(o.Path) + ": created " + o.After.Text()}
	case o.Deleted():
		happened = []string{plain(o.Path) + ": deleted " + before(o)}
	default:
		for _, f := range o.Fields() {
			happened = append(happened, changedLine(o.Path, f))
		}
	}
	for _, line := range happened {
		end := ""
		if why := whyText(r.Record); why != "" {
			end = " - " + why
		}
		fmt.Fprintf(w, "%s  %s  %s%s  %s\n", r.Time.Local().Format(time.RFC3339), plain(r.User.Name+"@"+r.Host.Name), text.OneLine(line), end, plain(r.Event.ID))
	}
}
