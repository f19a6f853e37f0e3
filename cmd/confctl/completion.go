package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
)

// completing is how long a person who presses Tab waits for the store at most.
const completing = time.Second

const (
	noFile  = cobra.ShellCompDirectiveNoFileComp
	noSpace = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
)

// complete opens a session for a completion. Whatever is wrong, there is just
// nothing to complete.
func (g *globals) complete(f func(context.Context, *session, *schema.Type)) {
	ctx, cancel := context.WithTimeout(context.Background(), completing)
	defer cancel()
	quiet := streams{in: strings.NewReader(""), out: nowhere{}, err: nowhere{}}
	_ = with(quiet, g, func(s *session) error {
		t, err := s.typ()
		if err == nil {
			f(ctx, s, t)
		}
		return err
	})
}

type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

func (g *globals) completeType(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	g.complete(func(_ context.Context, s *session, _ *schema.Type) { names = s.schema.Names() })
	return names, noFile
}

// completeSelect completes the selector first and then the action.
func (g *globals) completeSelect(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
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

func (g *globals) completeTags(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return g.completeTerms(typed)
	}
	var names []string
	g.complete(func(ctx context.Context, s *session, t *schema.Type) {
		if tags, err := exactTags(t, args[0]); err == nil {
			names = s.values(ctx, catalog.Query{Type: t, Selector: selector.Exactly(t.Tags, tags)}, selector.Name)
		}
	})
	return append(names, "all"), noFile
}

// completeTerms completes the last term of a selector: the tag's name, or its
// value among the objects that the terms before it choose.
func (g *globals) completeTerms(typed string) ([]string, cobra.ShellCompDirective) {
	before, last := typed[:strings.LastIndexByte(typed, ',')+1], typed[strings.LastIndexByte(typed, ',')+1:]
	var words []string
	g.complete(func(ctx context.Context, s *session, t *schema.Type) {
		tag, _, hasValue := strings.Cut(last, "=")
		if !hasValue {
			for _, known := range append(slices.Clone(t.Tags), selector.Name) {
				if !strings.Contains(","+before, ","+known+"=") {
					words = append(words, before+known+"=")
				}
			}
			return
		}
		q := catalog.Query{Type: t}
		if before != "" {
			chosen, err := t.Selector(strings.TrimSuffix(before, ","))
			if err != nil {
				return
			}
			q.Selector = chosen
		}
		for _, v := range s.values(ctx, q, tag) {
			words = append(words, before+tag+"="+v)
		}
	})
	return words, noSpace
}

// values returns the values that a tag, or the name, has among some objects.
func (s *session) values(ctx context.Context, q catalog.Query, tag string) []string {
	snapshot, err := s.catalog.Read(ctx, q)
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
	slices.Sort(values)
	return slices.Compact(values)
}

func (g *globals) completeAction(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	if fields, isSet := strings.CutPrefix(typed, "set/"); isSet {
		return g.completeAssignment("set/", fields)
	}
	return append(verbs(), "set/"), noSpace
}

// completeAssignment completes the last FIELD=VALUE: the field, or the value if
// its type has a few words for it.
func (g *globals) completeAssignment(before, typed string) ([]string, cobra.ShellCompDirective) {
	if before != "" {
		colon := strings.LastIndexByte(typed, ':') + 1
		before, typed = before+typed[:colon], typed[colon:]
	}
	var words []string
	g.complete(func(_ context.Context, _ *session, t *schema.Type) {
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

func (g *globals) completePools(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFile
	}
	return g.completeTerms(typed)
}

// completeChange completes the id of a change: the newest come first.
func (g *globals) completeChange(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFile
	}
	return g.changes(func(sal.Stored, bool) bool { return true }), noFile | cobra.ShellCompDirectiveKeepOrder
}

// completeUndo completes the id of a change that can be undone.
func (g *globals) completeUndo(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFile
	}
	words := g.changes(func(r sal.Stored, undone bool) bool { return !r.Refused() && !undone })
	return append([]string{"last\tyour newest change"}, words...), noFile | cobra.ShellCompDirectiveKeepOrder
}

// changes returns the ids of the latest changes that are wanted, and what they
// were.
func (g *globals) changes(wanted func(r sal.Stored, undone bool) bool) []string {
	var words []string
	g.complete(func(ctx context.Context, s *session, _ *schema.Type) {
		records, err := s.journal().Newest(ctx, latest)
		if err != nil {
			return
		}
		undone := sal.Undone(records)
		for _, r := range records {
			if wanted(r, undone[runOf(r)] != "") && len(words) < fewLines {
				words = append(words, runOf(r)+"\t"+plain(r.User.Name)+": "+short(r.Event.Action)+" "+selectorText(r))
			}
		}
	})
	return words
}

func (g *globals) completeHost(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return g.completeNode(cmd, "service", selector.Name)
}

func (g *globals) completeService(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return g.completeNode(cmd, "hostname", "service")
}

// completeNode completes one part of a node, among those that have what the
// other option says.
func (g *globals) completeNode(cmd *cobra.Command, other, want string) ([]string, cobra.ShellCompDirective) {
	exact := map[string]string{}
	if given := cmd.Flag(other).Value.String(); given != "" {
		exact[map[string]string{"hostname": selector.Name, "service": "service"}[other]] = given
	}
	var words []string
	g.complete(func(ctx context.Context, s *session, t *schema.Type) {
		words = s.values(ctx, catalog.Query{Type: t, Selector: selector.Exactly(t.Tags, exact)}, want)
	})
	return words, noFile
}
