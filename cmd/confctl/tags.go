package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/value"
)

func newTags(std streams, g *globals) *cobra.Command {
	var actions []string
	cmd := &cobra.Command{
		Use:   "tags TAG=VALUE,... --action ACTION NAME | all | re:REGEX",
		Short: "Show or change objects by their exact tags and their name",
		Long: `Show or change objects by their exact tags and their name.

All tags of the type are given, by their exact values. --action can be there
several times, each with what it is for: each is a change of its own, in order,
and the first that fails ends the command. To change all objects, or half of
them or more by a regular expression, takes a terminal and a sentence.

` + exitHelp(exitDone, exitFailed, exitUsage, exitNoMatch, exitConflict, exitUnavailable, exitInvalid, exitDeclined, exitUnknown),
		Example: `  confctl tags dc=north,cluster=web,service=https --action get all
  confctl tags dc=north,cluster=web,service=https --action set/pooled=no web1001.example.net`,
		Args:              arguments(2, -1),
		ValidArgsFunction: g.completeTags,
		RunE: func(cmd *cobra.Command, args []string) error {
			return with(std, g, func(s *session) error { return s.runTags(cmd.Context(), args[0], actions, args[1:]) })
		},
	}
	// An action may hold a comma, so this is no list.
	cmd.Flags().StringArrayVar(&actions, "action", nil, "`ACTION`: get, set/FIELD=VALUE, set/@FILE, edit or delete")
	must(cmd.RegisterFlagCompletionFunc("action", g.completeAction))
	return cmd
}

// tagsStep is one action and what it is for.
type tagsStep struct {
	action action
	name   string // as it was given
	query  catalog.Query
	most   bool // it may mean most of the objects
}

func (s *session) runTags(ctx context.Context, list string, actions, names []string) error {
	t, err := s.typ()
	if err != nil {
		return err
	}
	tags, err := exactTags(t, list)
	if err != nil {
		return err
	}
	if len(actions) != len(names) {
		return &usageError{fmt.Sprintf("%d --action for %d names", len(actions), len(names)), "each has the form --action ACTION NAME"}
	}
	steps := make([]tagsStep, len(actions))
	for i, name := range names {
		if steps[i], err = tagsStepOf(t, tags, actions[i], name); err != nil {
			return err
		}
	}
	for _, step := range steps {
		if err := s.tagsStep(ctx, list, step); err != nil {
			return err
		}
	}
	return nil
}

// exactTags reads TAG=VALUE,... which has to have all tags of the type.
func exactTags(t *schema.Type, list string) (map[string]string, error) {
	tags := map[string]string{}
	if _, err := t.Selector(list); len(t.Tags) > 0 && err != nil {
		return nil, err // unknown, repeated, without =: a selector's words for it
	}
	for _, pair := range strings.Split(list, ",") {
		tag, val, _ := strings.Cut(pair, "=")
		tag, val = strings.TrimSpace(tag), strings.TrimSpace(val)
		if tag == "" {
			continue // the empty list of a type without tags
		}
		if err := object.CheckName(tag, val); err != nil {
			return nil, &usageError{err.Error(), ""}
		}
		tags[tag] = val
	}
	for _, tag := range t.Tags {
		if tags[tag] == "" {
			return nil, &usageError{
				fmt.Sprintf("tag %s of type %s is missing in %q", tag, t.Name, list),
				"all of them are needed: " + strings.Join(t.Tags, "=...,") + "=...; with some of them: confctl select",
			}
		}
	}
	return tags, nil
}

func tagsStepOf(t *schema.Type, tags map[string]string, words, name string) (tagsStep, error) {
	act, err := parseAction(t, []string{words})
	if err != nil {
		return tagsStep{}, err
	}
	step := tagsStep{action: act, name: name, query: catalog.Query{Type: t}}
	pattern, isRegex := strings.CutPrefix(name, "re:")
	switch {
	case name == "all":
		step.most = true
		step.query.Selector = selector.Exactly(t.Tags, tags)
		return step, nil
	case isRegex:
		step.most = true
		step.query.Selector, err = selector.Exactly(t.Tags, tags).WithName(pattern)
		return step, err
	}
	if err := object.CheckName(selector.Name, name); err != nil {
		return tagsStep{}, &usageError{err.Error(), "give a name, all, or re:REGEX"}
	}
	exact := map[string]string{selector.Name: name}
	for tag, val := range tags {
		exact[tag] = val
	}
	step.query.Selector = selector.Exactly(t.Tags, exact)
	return step, nil
}

func (s *session) tagsStep(ctx context.Context, list string, step tagsStep) error {
	if step.action.verb == "get" {
		return s.get(ctx, step.query, s.showTags(step.name == "all"))
	}
	in := change.Intent{
		Queries:  []catalog.Query{step.query},
		Action:   step.action.text,
		Selector: fmt.Sprintf("%s (tags: %s)", step.name, pythonList(list)),
	}
	asked := false
	return s.changeAs(ctx, in, step.action, func(chosen object.Snapshot) error {
		if !step.most || asked {
			return nil
		}
		asked = true
		return s.askForMost(ctx, step, chosen)
	})
}

// askForMost asks for the sentence if half of the objects or more are meant.
func (s *session) askForMost(ctx context.Context, step tagsStep, chosen object.Snapshot) error {
	if step.name != "all" {
		everything, err := step.query.Selector.WithName(".*")
		if err != nil {
			return err
		}
		all, err := s.catalog.Read(ctx, catalog.Query{Type: step.query.Type, Selector: everything})
		if err != nil {
			return err
		}
		if 2*len(chosen.Objects) < len(all.Objects) {
			return nil
		}
	}
	return s.confirmMost(ctx, fmt.Sprintf("%s on %d objects", step.action.text, len(chosen.Objects)))
}

// showTags prints as get does, but all objects of a directory as one map.
func (s *session) showTags(all bool) func(*schema.Type, []object.Object) error {
	return func(t *schema.Type, objects []object.Object) error {
		switch {
		case all && s.output == "yaml":
			return s.printYAML(byName(objects))
		case all && s.output == "":
			return s.print("%s\n", byName(objects).Text())
		case s.output == "yaml" && len(objects) == 1:
			return s.printYAML(byName(objects))
		}
		return s.printObjects(t, objects)
	}
}

// pythonList returns the words of a list as Python prints them.
func pythonList(list string) string {
	var words []value.Value
	for _, w := range strings.Split(list, ",") {
		words = append(words, value.OfString(w))
	}
	return value.OfList(words...).Python()
}
