package cli

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/sal"
)

// printHistory prints the changes to the objects that a query chooses, including
// deleted objects: one line for each field, the newest first.
func printHistory(ctx context.Context, std term.Streams, a *app.App, q catalog.Query) error {
	of := func(o sal.Object) bool { return chooses(q, o) }
	match := func(r sal.Stored) bool { return !r.Refused() && slices.ContainsFunc(r.Change.Objects, of) }
	var broken, err error
	failed := std.Write(func(w *bufio.Writer) {
		broken, err = eachRecord(ctx, std, a, sal.Query{Match: match, Objects: of}, func(r sal.Stored) error {
			for _, o := range r.Change.Objects {
				for _, line := range render.History(r, o) {
					fmt.Fprintln(w, line)
				}
			}
			return nil
		})
	})
	return cmp.Or(err, failed, broken)
}

// chooses reports whether a query chooses an object of a journal record.
func chooses(q catalog.Query, o sal.Object) bool {
	parts := strings.Split(o.Path, "/")
	last := len(parts) - 1
	return o.Type == q.Type.Name && last == len(q.Type.Tags) && q.Selector.Match(parts[:last], parts[last])
}
