package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
)

// completing is the maximum time that a completion takes, including reading files
// and the store.
const completing = 2 * time.Second

const (
	noFile  = cobra.ShellCompDirectiveNoFileComp
	noSpace = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
)

// A completer completes words of the command line.
type completer struct{ *globals }

// complete opens the store and returns the words that f returns. It returns nil if
// an error occurs or the time is over.
func (g completer) complete(f func(context.Context, *app.App, *schema.Type) []string) []string {
	ctx, cancel := context.WithTimeout(context.Background(), completing)
	defer cancel()
	quiet := term.Discard()
	found := make(chan []string, 1)
	go func() { // reading a file may block
		var words []string
		_ = with(quiet, g.globals, func(a *app.App) error {
			t, err := a.Schema.Type(g.objectType)
			if err == nil {
				words = f(ctx, a, t)
			}
			return err
		})
		found <- words
	}()
	select {
	case words := <-found:
		return words
	case <-ctx.Done():
		return nil
	}
}

func (g completer) completeType(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return g.complete(func(_ context.Context, a *app.App, _ *schema.Type) []string { return a.Schema.Names() }), noFile
}

// completeSelect completes the selector, then the action and its assignments.
func (g completer) completeSelect(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	switch {
	case len(args) == 0:
		return g.completeTerms(typed)
	case len(args) == 1:
		return g.completeAction(cmd, args, typed)
	case args[1] == "set":
		return g.completeAssignment("", typed)
	}
	return nil, noFile
}

func (g completer) completeTags(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return g.completeTerms(typed)
	}
	names := g.complete(func(ctx context.Context, a *app.App, t *schema.Type) []string {
		tags, err := exactTags(t, args[0])
		if err != nil {
			return nil
		}
		return tagValues(ctx, a, catalog.Query{Type: t, Selector: selector.Exactly(t.Tags, tags)}, selector.Name)
	})
	names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, "re:") }) // the program would take it for a pattern
	return append(names, "all"), noFile
}

// completeTerms completes the last term of a selector: the name of a tag, or a value
// that it has among the objects that match the preceding terms.
func (g completer) completeTerms(typed string) ([]string, cobra.ShellCompDirective) {
	before, last := typed[:strings.LastIndexByte(typed, ',')+1], typed[strings.LastIndexByte(typed, ',')+1:]
	words := g.complete(func(ctx context.Context, a *app.App, t *schema.Type) (words []string) {
		tag, _, hasValue := strings.Cut(last, "=")
		if !hasValue {
			for _, known := range append(slices.Clone(t.Tags), selector.Name) {
				if !strings.Contains(","+before, ","+known+"=") {
					words = append(words, before+known+"=")
				}
			}
			return words
		}
		q := catalog.Query{Type: t}
		if before != "" {
			chosen, err := t.Selector(strings.TrimSuffix(before, ","))
			if err != nil {
				return nil
			}
			q.Selector = chosen
		}
		for _, v := range tagValues(ctx, a, q, tag) {
			if !strings.ContainsAny(v, "+,") { // these have a meaning in a selector
				words = append(words, before+tag+"="+v)
			}
		}
		return words
	})
	return words, noSpace
}

// tagValues returns the values that a tag, or the name, has among the objects of a
// query, sorted and without those that mayOffer excludes.
func tagValues(ctx context.Context, a *app.App, q catalog.Query, tag string) []string {
	snapshot, err := a.Catalog.Read(ctx, q)
	if err != nil {
		return nil
	}
	at := slices.Index(q.Type.Tags, tag)
	var values []string
	for _, o := range snapshot.Objects {
		switch {
		case at >= 0:
			values = append(values, o.Tags[at])
		case tag == selector.Name:
			values = append(values, o.Name)
		}
	}
	values = slices.DeleteFunc(values, func(v string) bool { return !mayOffer(v, false) })
	slices.Sort(values)
	return slices.Compact(values)
}

func (g completer) completeAction(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	if fields, isSet := strings.CutPrefix(typed, "set/"); isSet {
		return g.completeAssignment("set/", fields)
	}
	return append(verbs(), "set/"), noSpace
}

// completeAssignment completes the last FIELD=VALUE: the name of the field, or its
// value if the field is an enumeration or a boolean.
func (g completer) completeAssignment(before, typed string) ([]string, cobra.ShellCompDirective) {
	if before != "" {
		colon := strings.LastIndexByte(typed, ':') + 1
		before, typed = before+typed[:colon], typed[colon:]
	}
	words := g.complete(func(_ context.Context, _ *app.App, t *schema.Type) (words []string) {
		name, _, hasValue := strings.Cut(typed, "=")
		for _, f := range t.Fields {
			if !hasValue {
				words = append(words, before+f.Name+"=")
				continue
			}
			if f.Name != name {
				continue
			}
			for _, v := range choices(f) {
				words = append(words, before+f.Name+"="+v)
			}
		}
		return words
	})
	return words, noSpace
}

func choices(f schema.Field) []string {
	switch f.Kind {
	case schema.Enum:
		return f.Words
	case schema.Bool:
		return []string{"true", "false"}
	case schema.Text, schema.Int, schema.List, schema.Dict, schema.CIDRs, schema.Any:
	}
	return nil
}

func (g completer) completePools(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFile
	}
	return g.completeTerms(typed)
}

// completeChange completes the id of a change, the newest first.
func (g completer) completeChange(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFile
	}
	return g.changes(func(sal.Stored, bool) bool { return true }), noFile | cobra.ShellCompDirectiveKeepOrder
}

// completeUndo completes the id of a change that can be undone.
func (g completer) completeUndo(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFile
	}
	words := g.changes(func(r sal.Stored, undone bool) bool { return !r.Refused() && !undone })
	return append([]string{"last\tyour newest change"}, words...), noFile | cobra.ShellCompDirectiveKeepOrder
}

// changes returns the ids of the latest changes for which wanted returns true, with
// their descriptions.
func (g completer) changes(wanted func(r sal.Stored, undone bool) bool) []string {
	return g.complete(func(ctx context.Context, a *app.App, _ *schema.Type) (words []string) {
		records, err := a.Journal().Newest(ctx, latest)
		if err != nil && !sal.Incomplete(err) {
			return nil
		}
		undone := sal.Undone(records)
		for _, r := range records {
			if mayOffer(r.Run(), false) && wanted(r, undone[r.Run()] != "") && len(words) < render.MaxLines {
				words = append(words, cobra.CompletionWithDesc(r.Run(), r.User.Name+": "+render.Short(r.Event.Action)+" "+render.Selector(r)))
			}
		}
		return words
	})
}

func (g completer) completeHost(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return g.completeNode(cmd, "service", selector.Name)
}

func (g completer) completeService(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return g.completeNode(cmd, "hostname", "service")
}

// completeNode completes the name or the service of a node, among the nodes that
// match the other option.
func (g completer) completeNode(cmd *cobra.Command, other, want string) ([]string, cobra.ShellCompDirective) {
	exact := map[string]string{}
	if given := cmd.Flag(other).Value.String(); given != "" {
		exact[map[string]string{"hostname": selector.Name, "service": "service"}[other]] = given
	}
	return g.complete(func(ctx context.Context, a *app.App, t *schema.Type) []string {
		return tagValues(ctx, a, catalog.Query{Type: t, Selector: selector.Exactly(t.Tags, exact)}, want)
	}), noFile
}
