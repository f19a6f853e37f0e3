package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/safety"
)

// termOptions are the options for how and why a change is made: those of
// change.Terms, and --expect before it is parsed.
type termOptions struct {
	change.Terms
	expect string // a number; empty for any
}

// addTerms adds the options of a change to a command that makes changes.
func (g *globals) addTerms(cmd *cobra.Command) {
	t, f := &g.terms, cmd.Flags()
	f.BoolVar(&t.DryRun, "dry-run", false, "show the changes and what the safety rules say; write nothing")
	f.StringVar(&t.expect, "expect", "", "refuse unless exactly `N` objects match")
	f.StringVarP(&t.Reason, "reason", "m", "", "why: `TEXT` for the journal and the announcement")
	f.StringVar(&t.Task, "task", "", "the `TASK` this is for, such as T123")
	f.StringArrayVar(&t.Allow, "allow", nil, "override the safety rules `RULE`,..., or one rule for one pool: RULE@POOL; needs --reason")
	f.BoolVar(&t.Partial, "except-refused", false, "make the changes that the safety rules allow; leave out the others")
	f.BoolVar(&t.Emergency, "emergency", false, "override all safety rules; always announced")
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
	if t.expect != "" {
		n, err := strconv.Atoi(t.expect)
		if err != nil || n < 1 {
			return &usageError{"--expect cannot be " + strconv.Quote(t.expect) + "; it is a number of objects, from 1", ""}
		}
		t.Expect = &n
	}
	says := func(text string) bool { return strings.Trim(text, " .\t\n") != "" }
	switch {
	case cmd.Flag("reason").Changed && !says(t.Reason), cmd.Flag("task").Changed && !says(t.Task):
		return &usageError{fmt.Sprintf("the reason %q or the task %q says nothing", t.Reason, t.Task), "others will want to know why, later"}
	case len(t.Allow) > 0 && t.Reason == "":
		return &usageError{"--allow needs a reason", `add --reason "..."; it stands in the journal and the announcement`}
	case t.Partial && (len(t.Allow) > 0 || t.Emergency || t.Gone):
		return &usageError{"--except-refused and options that override rules contradict each other", "the one leaves out what rules refuse, the others do it"}
	case t.Emergency && t.expect == "" && !t.DryRun && !std.Interactive():
		return &usageError{"--emergency without a terminal needs --expect N", "N is the number of objects that match: see it with --dry-run"}
	}
	return nil
}

// changeTerms returns how the operator wants a change made, under the rules of a
// mode.
func (g *globals) changeTerms(mode safety.Mode) change.Terms {
	terms := g.terms.Terms
	terms.Mode = mode
	terms.Quiet = g.quiet && !terms.Emergency
	return terms
}
