package cli

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/value"
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
		ValidArgsFunction: g.completePools,
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := g.ownFormat("pools", "table", "wide", "json")
			if err != nil {
				return err
			}
			everything := len(args) == 0 && !cmd.Flag("object-type").Changed
			return with(std, g, func(s *session) error { return s.runPools(cmd.Context(), args, everything, violations, format) })
		},
	}
	cmd.Flags().BoolVar(&violations, "violations", false, "only pools below their floor or above max-pooled; exit code 3 if there are any")
	return cmd
}

func (s *session) runPools(ctx context.Context, args []string, everything, violations bool, format string) error {
	queries, err := s.poolQueries(args, everything)
	if err != nil {
		return err
	}
	for _, p := range s.unruled {
		s.Warn(p.Err.Error() + "; the built-in rules are shown for this type")
	}
	wide := make([]catalog.Query, len(queries))
	for i, q := range queries {
		wide[i] = q.Around(s.rules.Depth(q.Type))
	}
	snapshot, err := s.catalog.Read(ctx, wide...)
	if err != nil {
		return err
	}
	pools := s.rules.Capacities(snapshot, choosesAny(queries))
	if len(pools) == 0 && len(args) > 0 {
		return &noMatchError{"no pool matches " + args[0], "see confctl pools"}
	}
	if violations {
		pools = slices.DeleteFunc(pools, func(c safety.Capacity) bool { return !c.Violated() })
	}
	if err := s.printPools(ctx, pools, format); err != nil {
		return err
	}
	if violations && len(pools) > 0 {
		return &partlyError{exitRefused}
	}
	return s.unreadable(snapshot, queries)
}

// unreadable names the objects that cannot be read, which are taken for out.
func (s *session) unreadable(on object.Snapshot, queries []catalog.Query) error {
	var broken limited
	for _, o := range on.Objects {
		if o.Malformed != nil && choosesAny(queries)(o) {
			broken.add("%s cannot be read: %v (at %s)", o, o.Malformed, s.catalog.Key(o))
		}
	}
	if broken.warn(s.Streams); broken.first != nil {
		return &partlyError{exitInvalid}
	}
	return nil
}

// poolQueries returns what to look at: what is chosen, or all that can serve.
func (s *session) poolQueries(args []string, everything bool) ([]catalog.Query, error) {
	if everything {
		var all []catalog.Query
		for _, t := range s.schema.Types() {
			if safety.HasCapacity(t) {
				all = append(all, catalog.Query{Type: t})
			}
		}
		return all, nil
	}
	t, err := s.typ()
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
	s.warnOf(chosen)
	return []catalog.Query{{Type: t, Selector: chosen}}, nil
}

// choosesAny reports whether one of some queries chooses an object.
func choosesAny(queries []catalog.Query) func(object.Object) bool {
	return func(o object.Object) bool {
		return slices.ContainsFunc(queries, func(q catalog.Query) bool { return q.Type == o.Type && q.Selector.Match(o.Tags, o.Name) })
	}
}

func (s *session) printPools(ctx context.Context, pools []safety.Capacity, format string) error {
	var out []object.Object
	for _, c := range pools {
		out = append(out, c.Out...)
	}
	takers := s.takers(ctx, out)
	if format == "json" {
		return s.Write(func(w *bufio.Writer) { writePoolsJSON(w, pools, takers) })
	}
	return s.Write(func(w *bufio.Writer) { writePools(w, pools, takers, format == "wide", term.Colored(s.Out)) })
}

// writePools writes a line a pool.
func writePools(w *bufio.Writer, pools []safety.Capacity, takers takers, wide, color bool) {
	head, most := "POOL\tSERVING\tFLOOR\tMAY GO\tOUT", 3
	if wide {
		head, most = "TYPE\tPOOL\tSERVING\tFLOOR\tAT MOST\tMAY GO\tMODE\tOUT", 1000
	}
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, head)
	colors := []string{bold}
	for _, c := range pools {
		cells := []string{poolName(c), fmt.Sprintf("%d of %d", c.Before, c.Members), fmt.Sprint(c.Floor), mayGo(c), takers.list(c.Out, most)}
		if wide {
			cells = slices.Insert(cells, 4, modeText(c.Mode))
			cells = slices.Insert(cells, 3, ceiling(c))
			cells[0] = plain(c.Type.Name) + "\t" + plain(c.Label)
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
		colors = append(colors, poolColor(c))
	}
	table.Flush() //nolint:errcheck // it writes to memory
	writePainted(w, text.String(), colors, color)
}

// mayGo is how many more may go, or by how many a pool is below its floor or
// above what may serve.
func mayGo(c safety.Capacity) string {
	switch {
	case c.Slack() < 0:
		return fmt.Sprintf("%d below", -c.Slack())
	case c.Excess() > 0:
		return fmt.Sprintf("%d too many", c.Excess())
	}
	return fmt.Sprint(c.Slack())
}

// ceiling is how many may serve, or a dash if that is not limited.
func ceiling(c safety.Capacity) string {
	if c.Ceiling == 0 {
		return "-"
	}
	return fmt.Sprint(c.Ceiling)
}

func poolName(c safety.Capacity) string { return withType(c.Type.Name, c.Label) }

// modeText is a mode as a declared rule has it.
func modeText(m safety.Mode) string { return []string{"none", "warn", "refuse"}[m] }

// poolColor tells at a glance what is below its floor or above what may serve
// (red), and where nothing more may go (yellow).
func poolColor(c safety.Capacity) string {
	switch {
	case c.Violated():
		return red
	case c.Slack() == 0 && c.Floor > 0:
		return yellow
	}
	return ""
}

func writePoolsJSON(w *bufio.Writer, pools []safety.Capacity, takers takers) {
	w.WriteByte('[') //nolint:errcheck // Flush reports it
	for i, c := range pools {
		if i > 0 {
			w.WriteByte(',') //nolint:errcheck // Flush reports it
		}
		w.WriteString("\n  " + poolDocument(c, takers).Text()) //nolint:errcheck // Flush reports it
	}
	w.WriteString("\n]\n") //nolint:errcheck // Flush reports it
}

func poolDocument(c safety.Capacity, takers takers) value.Value {
	out := make([]value.Value, len(c.Out))
	for i, o := range c.Out {
		out[i] = takers.document(o)
	}
	number := func(name string, n int) value.Field { return value.Field{Name: name, Value: value.OfInt(int64(n))} }
	fields := []value.Field{
		{Name: "type", Value: value.OfString(c.Type.Name)},
		{Name: "pool", Value: value.OfString(c.Label)},
		number("serving", c.Before),
		number("members", c.Members),
		number("floor", c.Floor),
		number("slack", c.Slack()),
	}
	if c.Ceiling > 0 {
		fields = append(fields, number("at_most", c.Ceiling), number("excess", c.Excess()))
	}
	fields = append(fields,
		value.Field{Name: "mode", Value: value.OfString(modeText(c.Mode))},
		value.Field{Name: "out", Value: value.OfList(out...)},
	)
	return value.OfMap(fields...)
}

// document is an object that is out, and who took it out, if that is known.
func (t takers) document(o object.Object) value.Value {
	text := func(name, s string) value.Field { return value.Field{Name: name, Value: value.OfString(s)} }
	fields := []value.Field{text("name", o.Name), text("tags", o.TagText()), text("state", outState(o))}
	if r, ok := t.of(o); ok {
		fields = append(fields, text("since", r.Time.UTC().Format(time.RFC3339)), text("user", r.User.Name), text("host", r.Host.Name),
			text("change", r.Change.Run), text("reason", r.Event.Reason), text("task", r.Change.Task))
	}
	return value.OfMap(fields...)
}
