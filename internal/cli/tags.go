package cli

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
)

func newTags(std term.Streams, g *globals) *cobra.Command {
	var actions []string
	cmd := &cobra.Command{
		Use:   "tags TAG=VALUE,... --action ACTION NAME | all | re:REGEX",
		Short: "Show or change objects by exact tags and name",
		Long: `Show or change objects by exact tags and name.

Give all tags of the type, with their exact values. --action can be repeated,
each time followed by what it applies to. Each action is a change of its own;
they are made in order, and the command stops at the first that fails. A change
of all objects, or of half of them or more by a regular expression, needs a
terminal, where a sentence must be typed.`,
		Annotations: using("object-type output yaml", changeCodes(exitDone, exitFailed, exitUsage, exitRefused, exitNoMatch, exitConflict, exitUnavailable, exitInvalid, exitDeclined, exitUnknown)),
		Example: `  confctl tags dc=north,cluster=web,service=https --action get all
  confctl tags dc=north,cluster=web,service=https --action set/pooled=no web1001`,
		Args:              arguments(2, -1),
		ValidArgsFunction: completer{g}.completeTags,
		RunE: func(cmd *cobra.Command, args []string) error {
			return with(std, g, func(a *app.App) error {
				return runTags(cmd.Context(), newChanger(std, g, a), args[0], actions, args[1:])
			})
		},
	}
	// An action may contain a comma, so this is not a comma-separated list.
	cmd.Flags().StringArrayVar(&actions, "action", nil, "`ACTION`: get, set/FIELD=VALUE, set/@FILE, edit or delete")
	must(cmd.RegisterFlagCompletionFunc("action", completer{g}.completeAction))
	return cmd
}

// A tagsStep is one action and the objects that it applies to.
type tagsStep struct {
	action action
	chosen chosen
	all    selector.Selector // of the directory
	whole  bool              // the action applies to all objects of the directory
	most   bool              // the action may apply to half of them or more
}

func runTags(ctx context.Context, c *changer, list string, actions, names []string) error {
	t, err := c.Schema.Type(c.opts.objectType)
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
		if steps[i], err = tagsStepOf(t, tags, actions[i], name, list); err != nil {
			return err
		}
	}
	for i, step := range steps {
		c.hints.repeat = rest(c.opts.words, i)
		if err := runStep(ctx, c, step); err != nil {
			if len(steps) > 1 {
				c.Say("action %d of %d, %s %s: those before it are done, those after it were not tried", i+1, len(steps), actions[i], names[i])
			}
			return err
		}
	}
	return nil
}

func tagsStepOf(t *schema.Type, tags map[string]string, words, name, list string) (tagsStep, error) {
	act, err := parseAction(t, []string{words})
	if err != nil {
		return tagsStep{}, err
	}
	if act.verb == "history" || act.verb == "watch" {
		return tagsStep{}, &usageError{act.verb + " is no action of tags", "use " + commandLine(append([]string{"confctl", "select"}, operands(list, act.verb)...))}
	}
	whole := catalog.Query{Type: t, Selector: selector.Exactly(t.Tags, tags)}
	step := tagsStep{action: act, all: whole.Selector, chosen: chosen{
		Query: whole,
		text:  fmt.Sprintf("%s (tags: %s)", name, pythonList(list)),
		read:  []catalog.Query{whole}, // to know what half of it is
	}}
	pattern, isRegex := strings.CutPrefix(name, "re:")
	switch {
	case name == "all":
		step.whole, step.most = true, true
		return step, nil
	case isRegex:
		step.most = true
		step.chosen.Selector, err = whole.Selector.WithName(pattern)
		return step, err
	}
	if err := object.CheckName(selector.Name, name); err != nil {
		return tagsStep{}, &usageError{err.Error(), "give a name, all, or re:REGEX"}
	}
	exact := maps.Clone(tags)
	exact[selector.Name] = name
	step.chosen.Selector, step.chosen.read = selector.Exactly(t.Tags, exact), nil
	return step, nil
}

func runStep(ctx context.Context, c *changer, step tagsStep) error {
	warnDoubts(c.Streams, step.chosen.Selector)
	switch {
	case step.action.verb == "get":
		return getObjects(ctx, c.Streams, c.App, step.chosen.Query, printer{c.Streams, c.opts.output}.showTags(step.whole))
	case step.most && step.action.verb == "edit":
		return &usageError{"edit takes one name here", "to edit several objects: confctl select"}
	}
	return c.run(ctx, step.chosen, step.action, func(p change.Proposal) func(context.Context) error {
		if !step.most || (!step.whole && 2*len(p.Plan.Matched) < len(p.On.Select(step.chosen.Type, step.all))) {
			return nil
		}
		return func(ctx context.Context) error {
			what := fmt.Sprintf("%s on %d objects", step.action.text, len(p.Plan.Matched))
			return c.ask.confirmMost(ctx, what, func() { c.display.preview(ctx, p) })
		}
	})
}

// showTags returns a function that prints objects as get does, but all objects of a
// directory, in JSON or YAML, and a single object in YAML, as one map by name.
func (p printer) showTags(all bool) func(*schema.Type, []object.Object) error {
	return func(t *schema.Type, objects []object.Object) error {
		switch {
		case all && p.format == "yaml":
			return p.printYAML(render.ByName(objects))
		case all && p.format == "":
			return p.Print("%s\n", render.ByName(objects).Text())
		case p.format == "yaml" && len(objects) == 1:
			return p.printYAML(render.ByName(objects))
		}
		return p.printObjects(t, objects)
	}
}
