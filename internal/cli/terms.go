package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/change"
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

func (g *globals) addTerms(f *pflag.FlagSet) {
	t := &g.terms
	f.BoolVar(&t.dryRun, "dry-run", false, "show what would change and what the safety rules say, and write nothing")
	f.StringVar(&t.expect, "expect", "", "refuse unless exactly `N` objects match")
	f.StringVarP(&t.reason, "reason", "m", "", "why, in `TEXT` for the journal and the announcement")
	f.StringVar(&t.task, "task", "", "the `TASK` this is done for, such as T123")
	f.StringArrayVar(&t.allow, "allow", nil, "override the safety rule `RULE`,..., or for one pool RULE@POOL, with --reason")
	f.BoolVar(&t.partial, "except-refused", false, "do what the safety rules allow, and leave the rest")
	f.BoolVar(&t.emergency, "emergency", false, "override all safety rules; always announced")
}

// changing annotates the commands that make changes, which take these options.
const changing = "changes objects"

// checkTerms refuses options that do not go together, or not with the command.
func (g *globals) checkTerms(std term.Streams, cmd *cobra.Command) error {
	t := &g.terms
	for _, name := range []string{"dry-run", "expect", "reason", "task", "allow", "except-refused", "emergency"} {
		if f := cmd.Flag(name); f.Changed && cmd.Annotations[changing] == "" {
			return &usageError{fmt.Sprintf("--%s is for changes of objects, which %s makes none of", name, cmd.Name()), "see " + cmd.CommandPath() + " --help"}
		}
	}
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
func (s *session) changeTerms() change.Terms {
	t := s.terms
	terms := change.Terms{
		Mode:      s.settings.safetyMode,
		Allow:     t.allow,
		Gone:      t.gone,
		Emergency: t.emergency,
		Partial:   t.partial,
		DryRun:    t.dryRun,
		Reason:    t.reason,
		Task:      t.task,
		Quiet:     s.quiet && !t.emergency,
	}
	if n, err := strconv.Atoi(t.expect); err == nil { // checkTerms has looked at it
		terms.Expect = &n
	}
	return terms
}
