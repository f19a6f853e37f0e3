package cli

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
)

// A poolVerb is a command that sets a field on the services of one host.
type poolVerb struct {
	set   string // the assignment, as FIELD=VALUE
	short string
}

// poolVerbs returns the pool verbs by name.
func poolVerbs() map[string]poolVerb {
	return map[string]poolVerb{
		"pool":         {"pooled=yes", "Pool the services of a host"},
		"depool":       {"pooled=no", "Depool the services of a host"},
		"drain":        {"weight=0", "Drain the services of a host: set the weight to 0"},
		"decommission": {"pooled=inactive", "Decommission the services of a host"},
	}
}

func newPoolVerb(std term.Streams, g *globals, name string) *cobra.Command {
	verb := poolVerbs()[name]
	var host, service string
	var announce bool
	canBeGone := name == "depool"
	cmd := &cobra.Command{
		Use:         name,
		Short:       verb.short,
		Long:        fmt.Sprintf("%s, all of them or one.\nThe change is set/%s. It never asks for confirmation; the safety\nrules apply.\n\nWhen the program is called by the name %s, it takes the service as an\nargument, and does not announce the change unless --announce is given.", verb.short, verb.set, name),
		Annotations: changeCodes(exitDone, exitFailed, exitUsage, exitRefused, exitNoMatch, exitConflict, exitUnavailable, exitInvalid, exitUnknown),
		Example: fmt.Sprintf(`  confctl %[1]s
  confctl %[1]s --hostname web1001.example.net --service https`, name),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 && g.wrapper {
				return &usageError{fmt.Sprintf("%s: unexpected %q", name, args[0]), fmt.Sprintf("one service at a time: %s SERVICE; of another host: %s --hostname HOST SERVICE", name, name)}
			}
			if len(args) > 0 && args[0] == "" {
				return &usageError{fmt.Sprintf("%s: unexpected \"\"", name), "for all services, leave it out"}
			}
			if len(args) > 0 {
				return &usageError{fmt.Sprintf("%s: unexpected %q", name, args[0]), "write " + commandLine(append([]string{"confctl", name}, option("--hostname", args[0])...))}
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if g.objectType != schema.Node {
				return &usageError{
					fmt.Sprintf("%s is for hosts, not for objects of type %s", name, g.objectType),
					"use " + commandLine(slices.Concat([]string{"confctl"}, option("--object-type", g.objectType), []string{"select", "SELECTOR", "set/..."})),
				}
			}
			if announce && g.quiet {
				return &usageError{"--announce and --quiet contradict each other", ""}
			}
			g.quiet = g.quiet || g.wrapper && !announce
			a, err := loadApp(std, g)
			if err != nil {
				return err
			}
			if host == "" { // before the store is opened, which has the rest of the time
				host = thisHost(cmd.Context(), std, g, a.Settings)
			}
			return withStore(std, g, a, func(a *app.App) error {
				c := newChanger(std, g, a)
				c.hints.mayBeGone, c.neverAsks = canBeGone, true
				return runPoolVerb(cmd.Context(), c, verb, host, service)
			})
		},
	}
	cmd.Flags().StringVar(&host, "hostname", "", "`HOST` (default this host)")
	cmd.Flags().StringVar(&service, "service", "", "only this `SERVICE`")
	cmd.Flags().BoolVar(&announce, "announce", false, "announce the change, even if the program is called as "+name)
	if canBeGone {
		cmd.Flags().BoolVar(&g.terms.Gone, "gone", false, "the host is down or going down: safety rules warn and do not refuse")
	}
	must(cmd.RegisterFlagCompletionFunc("hostname", completer{g}.completeHost))
	must(cmd.RegisterFlagCompletionFunc("service", completer{g}.completeService))
	return cmd
}

func runPoolVerb(ctx context.Context, c *changer, verb poolVerb, host, service string) error {
	t, err := c.Schema.Type(c.opts.objectType)
	if err != nil {
		return err
	}
	assignments, err := object.ParseAssignments(t, verb.set)
	if err != nil {
		return err
	}
	exact, text := map[string]string{selector.Name: host}, selector.Name+"="+host
	if service != "" {
		exact["service"], text = service, text+",service="+service
	}
	what := chosen{
		Query: catalog.Query{Type: t, Selector: selector.Exactly(t.Tags, exact)},
		text:  text,
		hint:  "a host is named in full, and literally",
	}
	if service != "" {
		what.hint = "what the host has: " + c.opts.command("select", selector.Name+"="+selector.Literal(host), "get")
	}
	if service == "" && regexp.QuoteMeta(host) == strings.ReplaceAll(host, ".", `\.`) {
		what.hint += "; to look for it: " + c.opts.command("select", selector.Name+"=(?i)"+selector.Literal(strings.TrimSuffix(host, "."))+".*", "get")
	}
	overridden := c.opts.terms.Emergency || slices.Contains(c.opts.terms.Allow, safety.PoolNeedsWeight)
	if c.opts.wrapper && verb.set == "pooled=yes" && !overridden {
		what.check = func(on object.Snapshot, plan object.Plan) error { return refuseWeightless(c.opts, c.App, on, plan) }
	}
	return c.run(ctx, what, action{verb: "set", text: "set/" + verb.set, assignments: assignments}, nil)
}

// refuseWeightless returns an error if a matched object has weight 0, as the wrapper
// scripts do. It returns nil if the rule pool-needs-weight refuses the plan itself.
func refuseWeightless(g *globals, a *app.App, on object.Snapshot, plan object.Plan) error {
	verdict := a.Rules.Review(plan, on, safety.Terms{Mode: a.Settings.SafetyMode})
	if slices.ContainsFunc(verdict.Refusals(), func(f safety.Finding) bool { return f.Rule == safety.PoolNeedsWeight }) {
		return nil // the rule refuses a change
	}
	if idle := a.Rules.Idle(plan, safety.Terms{Mode: a.Settings.SafetyMode}); slices.ContainsFunc(idle, func(i safety.Idle) bool { return i.Finding.Level == safety.Refused }) {
		return nil // the rule refuses an object that is pooled already
	}
	for _, o := range plan.Matched {
		if n, ok := o.Get("weight").Int(); ok && n == 0 {
			return &refusalError{fmt.Sprintf("refused: %s has weight 0, nothing changed", o), "give it a weight first: " + g.command("select", selector.Name+"="+selector.Literal(o.Name), "set/weight=N")}
		}
	}
	return nil
}
