package cli

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/selector"
)

func newPools(std term.Streams, g *globals) *cobra.Command {
	var violations bool
	cmd := &cobra.Command{
		Use:   "pools [SELECTOR]",
		Short: "Show what is serving in each pool, and its floor",
		Long: `Show how many members of each pool are serving, its floor, how many more may
go, and which members are out: since when, by whom and why, as far as the
newest records of the journal say. Pools below their floor, or above the limit
of max-pooled, come first, then those with the least slack.

Without a selector and without --object-type, the pools of all types with a
field "pooled" are shown. Objects that are still as they were created (inactive
or false, with weight 0) are not members.

  -o table   what fits on a line; the default
  -o wide    every member that is out, and the mode of the rule
  -o json    one list`,
		Annotations: using("object-type output", exitCodes(exitDone, exitFailed, exitUsage, exitRefused, exitNoMatch, exitUnavailable, exitInvalid)),
		Example: `  confctl pools
  confctl pools dc=north,cluster=web
  confctl pools --violations`,
		Args:              arguments(0, 1),
		ValidArgsFunction: completer{g}.completePools,
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := g.ownFormat("pools", "table", "wide", "json")
			if err != nil {
				return err
			}
			everything := len(args) == 0 && !cmd.Flag("object-type").Changed
			return with(std, g, func(a *app.App) error {
				return runPools(cmd.Context(), std, g, a, args, everything, violations, format)
			})
		},
	}
	cmd.Flags().BoolVar(&violations, "violations", false, "only pools below their floor or above max-pooled; exit code 3 if there are any")
	return cmd
}

func runPools(ctx context.Context, std term.Streams, g *globals, a *app.App, args []string, everything, violations bool, format string) error {
	queries, err := poolQueries(std, g, a, args, everything)
	if err != nil {
		return err
	}
	for _, p := range a.Unruled {
		std.Warn(p.Err.Error() + "; the built-in rules are shown for this type")
	}
	wide := make([]catalog.Query, len(queries))
	for i, q := range queries {
		wide[i] = q.Around(a.Rules.Depth(q.Type))
	}
	snapshot, err := a.Catalog.Read(ctx, wide...)
	if err != nil {
		return err
	}
	pools := a.Rules.Capacities(snapshot, choosesAny(queries))
	if len(pools) == 0 && len(args) > 0 {
		return &noMatchError{"no pool matches " + args[0], "see confctl pools"}
	}
	if violations {
		pools = slices.DeleteFunc(pools, func(c safety.Capacity) bool { return !c.Violated() })
	}
	if err := printPools(ctx, std, a, pools, format); err != nil {
		return err
	}
	if violations && len(pools) > 0 {
		return &partlyError{exitRefused}
	}
	return unreadable(std, a, snapshot, queries)
}

// unreadable warns of the objects that cannot be read, which count as out of service,
// and returns an error with exitInvalid if there are any.
func unreadable(std term.Streams, a *app.App, on object.Snapshot, queries []catalog.Query) error {
	var broken limited
	for _, o := range on.Objects {
		if o.Malformed != nil && choosesAny(queries)(o) {
			broken.add("%s cannot be read: %v (at %s)", o, o.Malformed, a.Catalog.Key(o))
		}
	}
	if broken.warn(std); broken.first != nil {
		return &partlyError{exitInvalid}
	}
	return nil
}

// poolQueries returns the queries for the objects that the arguments select or, if
// everything is true, for all types whose objects can serve.
func poolQueries(std term.Streams, g *globals, a *app.App, args []string, everything bool) ([]catalog.Query, error) {
	if everything {
		var all []catalog.Query
		for _, t := range a.Schema.Types() {
			if safety.HasCapacity(t) {
				all = append(all, catalog.Query{Type: t})
			}
		}
		return all, nil
	}
	t, err := a.Schema.Type(g.objectType)
	if err != nil {
		return nil, err
	}
	if !safety.HasCapacity(t) {
		return nil, &usageError{fmt.Sprintf("objects of type %s are not pooled", t.Name), "its fields are " + strings.Join(t.FieldNames(), ", ")}
	}
	var chosen selector.Selector
	if len(args) > 0 {
		if chosen, err = t.Selector(args[0]); err != nil {
			return nil, err
		}
	}
	warnDoubts(std, chosen)
	return []catalog.Query{{Type: t, Selector: chosen}}, nil
}

// choosesAny returns a function that reports whether one of the queries selects an
// object.
func choosesAny(queries []catalog.Query) func(object.Object) bool {
	return func(o object.Object) bool {
		return slices.ContainsFunc(queries, func(q catalog.Query) bool { return q.Type == o.Type && q.Selector.Match(o.Tags, o.Name) })
	}
}

func printPools(ctx context.Context, std term.Streams, a *app.App, pools []safety.Capacity, format string) error {
	var out []object.Object
	for _, c := range pools {
		out = append(out, c.Out...)
	}
	by := removedBy(ctx, std, a, out)
	if format == "json" {
		return std.Write(func(w *bufio.Writer) { render.WritePools(w, pools, by) })
	}
	return std.Lines(render.Pools(pools, by, time.Now(), format == "wide", term.Colored(std.Out))...)
}
