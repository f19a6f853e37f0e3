package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
)

// A confirmer asks the operator for confirmation.
type confirmer struct {
	term.Streams
	yes     bool // answer questions with yes
	oneHost bool // do not ask about objects that all have the same name
}

// confirm returns the function that asks about a proposal, or nil if no question is
// needed.
func (c *changer) confirm(p change.Proposal) func(context.Context) error {
	if !c.ask.asks(p.Plan.Matched) {
		return nil
	}
	return func(ctx context.Context) error {
		return c.ask.confirmSelection(ctx, p.Plan.Matched, func() { c.display.preview(ctx, p) })
	}
}

// asks reports whether the operator must confirm a change to objects: more than one,
// unless an option answers the question.
func (c confirmer) asks(objects []object.Object) bool {
	return !c.yes && len(objects) > 1 && (!c.oneHost || !haveOneName(objects))
}

// confirmSelection prints the chosen objects, calls show, and asks whether to
// continue.
func (c confirmer) confirmSelection(ctx context.Context, chosen []object.Object, show func()) error {
	err := c.Asking(func(w io.Writer) error {
		what := []string{render.Listing(chosen)}
		if term.IsTerminal(w) {
			what = render.ListingForPeople(chosen)
		}
		_, err := fmt.Fprintf(w, "The selector you chose has selected the following objects:\n%s\n", strings.Join(what, "\n"))
		return term.WriteError(err)
	})
	if err != nil {
		return err
	}
	show()
	return c.confirmContinue(ctx)
}

// confirmContinue asks whether to continue. It returns a *declinedError if the
// answer is not yes.
func (c confirmer) confirmContinue(ctx context.Context) error {
	answer, err := c.question(ctx, "Ok to continue? [y/N]\n")
	if err != nil {
		return err
	}
	if strings.EqualFold(strings.TrimSpace(answer), "y") {
		return nil
	}
	c.warnStrayAnswer(answer)
	return c.abort("")
}

// warnStrayAnswer warns about an answer that is neither yes nor no and was not typed
// at a terminal: in a loop over the lines of a file, the question reads the next
// line of the file.
func (c confirmer) warnStrayAnswer(answer string) {
	if word := strings.ToLower(strings.TrimSpace(answer)); c.Interactive() || slices.Contains([]string{"", "y", "n", "no"}, word) {
		return
	}
	c.Warn(fmt.Sprintf("the answer was read from standard input, which is not a terminal, and is neither y nor n: %q", text.Cut(answer, render.MaxWidth)))
	c.Say("if that is the input of a loop, the loop has lost this line: --yes answers the question, and </dev/null leaves the input alone")
}

func haveOneName(objects []object.Object) bool {
	for _, o := range objects[1:] {
		if o.Name != objects[0].Name {
			return false
		}
	}
	return true
}

// sentence is what an operator must type to confirm a change to most of the objects
// of a pool.
const sentence = "Yes, I am sure of what I am doing."

// confirmMost asks the operator to type sentence. It returns a *usageError if there
// is no terminal, because nobody can confirm it then.
func (c confirmer) confirmMost(ctx context.Context, what string, show func()) error {
	if !c.Interactive() {
		return &usageError{what + " is only possible from a terminal", "--yes does not answer this; choose the objects with confctl select, or name them one by one"}
	}
	show()
	answer, err := c.question(ctx, "You are operating on more than half of the objects, this is potentially VERY DANGEROUS: do you want to continue?\n"+
		"If so, please type: '"+sentence+"'\n")
	if err != nil {
		return err
	}
	if strings.TrimSpace(answer) != sentence {
		return c.abort("")
	}
	return nil
}

// question asks a question and returns the answer. The end of input declines.
func (c confirmer) question(ctx context.Context, question string) (string, error) {
	answer, err := c.Question(ctx, question)
	if errors.Is(err, io.EOF) {
		return "", c.abort("no answer on standard input; --yes answers with yes")
	}
	return answer, err
}

// abort prints that the command is aborted, and returns a *declinedError.
func (c confirmer) abort(reason string) error {
	if err := c.Ask("Aborting\n"); err != nil {
		return err
	}
	return &declinedError{reason}
}
