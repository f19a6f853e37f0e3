package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/safety"
)

// termOptions are the options that say how a change is wanted, and why.
type termOptions struct {
	dryRun    bool
	expect    string // a number; empty for any
	allow     []string
	partial   bool
	gone      bool // of depool alone
	emergency bool
	reason    string
	task      string
}

// addTerms adds the options of a change to a command that makes changes.
func (g *globals) addTerms(cmd *cobra.Command) {
	t, f := &g.terms, cmd.Flags()
	f.BoolVar(&t.dryRun, "dry-run", false, "show the changes and what the safety rules say; write nothing")
	f.StringVar(&t.expect, "expect", "", "refuse unless exactly `N` objects match")
	f.StringVarP(&t.reason, "reason", "m", "", "why: `TEXT` for the journal and the announcement")
	f.StringVar(&t.task, "task", "", "the `TASK` this is for, such as T123")
	f.StringArrayVar(&t.allow, "allow", nil, "override the safety rules `RULE`,..., or one rule for one pool: RULE@POOL; needs --reason")
	f.BoolVar(&t.partial, "except-refused", false, "make the changes that the safety rules allow; leave out the others")
	f.BoolVar(&t.emergency, "emergency", false, "override all safety rules; always announced")
	f.BoolVarP(&g.yes, "yes", "y", false, "answer questions with yes")
	f.BoolVar(&g.repair, "repair", false, "overwrite or delete objects whose stored value cannot be read")
	for _, name := range changeOptions() {
		must(f.SetAnnotation(name, changing, nil))
	}
	must(cmd.RegisterFlagCompletionFunc("allow", cobra.FixedCompletions(safety.Names(), cobra.ShellCompDirectiveNoFileComp)))
}

// changeOptions are the options that only commands that make changes take.
func changeOptions() []string {
	return []string{"dry-run", "expect", "reason", "task", "allow", "except-refused", "emergency", "yes", "repair"}
}

// changing annotates the commands that make changes, and the options that help
// lists with them.
const changing = "changes objects"

// checkTerms refuses options of a change that contradict each other.
func (g *globals) checkTerms(std term.Streams, cmd *cobra.Command) error {
	t := &g.terms
	if err := t.splitAllow(); err != nil {
		return err
	}
	switch n, err := strconv.Atoi(t.expect); {
	case t.expect == "":
	case err != nil || n < 1:
		return &usageError{"--expect cannot be " + strconv.Quote(t.expect) + "; it is a number of objects, from 1", ""}
	}
	says := func(text string) bool { return strings.Trim(text, " .\t\n") != "" }
	switch {
	case cmd.Flag("reason").Changed && !says(t.reason), cmd.Flag("task").Changed && !says(t.task):
		return &usageError{fmt.Sprintf("the reason %q or the task %q says nothing", t.reason, t.task), "others will want to know why, later"}
	case len(t.allow) > 0 && t.reason == "":
		return &usageError{"--allow needs a reason", `add --reason "..."; it stands in the journal and the announcement`}
	case t.partial && (len(t.allow) > 0 || t.emergency || t.gone):
		return &usageError{"--except-refused and options that override rules contradict each other", "the one leaves out what rules refuse, the others do it"}
	case t.emergency && t.expect == "" && !t.dryRun && !std.Interactive():
		return &usageError{"--emergency without a terminal needs --expect N", "N is the number of objects that match: see it with --dry-run"}
	}
	return nil
}

// changeTerms returns how the operator wants a change made.
func changeTerms(g *globals, a *app.App) change.Terms {
	t := g.terms
	terms := change.Terms{
		Mode:      a.Settings.SafetyMode,
		Allow:     t.allow,
		Gone:      t.gone,
		Emergency: t.emergency,
		Partial:   t.partial,
		DryRun:    t.dryRun,
		Reason:    t.reason,
		Task:      t.task,
		Quiet:     g.quiet && !t.emergency,
	}
	if n, err := strconv.Atoi(t.expect); err == nil { // checkTerms has looked at it
		terms.Expect = &n
	}
	return terms
}
