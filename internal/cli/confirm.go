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

// confirm asks before more than one object is changed.
func (s *session) confirm(p change.Proposal) func(context.Context) error {
	if !s.asks(p.Plan.Matched) {
		return nil
	}
	return func(ctx context.Context) error {
		return s.confirmSelection(ctx, p.Plan.Matched, func() { s.preview(ctx, p) })
	}
}

// asks reports whether there is a question to ask about what was chosen.
func (s *session) asks(objects []object.Object) bool {
	return !s.yes && len(objects) > 1 && (!s.oneHost || !haveOneName(objects))
}

// confirmSelection shows what was chosen, has the rest shown, and asks whether
// to go on.
func (s *session) confirmSelection(ctx context.Context, chosen []object.Object, show func()) error {
	err := s.Asking(func(w io.Writer) error {
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
	return s.confirmContinue(ctx)
}

// confirmContinue asks whether to go on with what was shown.
func (s *session) confirmContinue(ctx context.Context) error {
	answer, err := s.question(ctx, "Ok to continue? [y/N]\n")
	if err != nil {
		return err
	}
	if strings.EqualFold(strings.TrimSpace(answer), "y") {
		return nil
	}
	s.warnStrayAnswer(answer)
	return s.abort("")
}

// warnStrayAnswer says what was read as an answer and is none, where nobody typed it:
// in a loop over the lines of a file, a question takes the next of these.
func (s *session) warnStrayAnswer(answer string) {
	if word := strings.ToLower(strings.TrimSpace(answer)); s.Interactive() || slices.Contains([]string{"", "y", "n", "no"}, word) {
		return
	}
	s.Warn(fmt.Sprintf("the answer was read from standard input, which is not a terminal, and is neither y nor n: %q", text.Cut(answer, render.MaxWidth)))
	s.Say("if that is the input of a loop, the loop has lost this line: --yes answers the question, and </dev/null leaves the input alone")
}

func haveOneName(objects []object.Object) bool {
	for _, o := range objects[1:] {
		if o.Name != objects[0].Name {
			return false
		}
	}
	return true
}

// sentence is what an operator types who means most of a pool.
const sentence = "Yes, I am sure of what I am doing."

// confirmMost asks for the sentence. Without a terminal there is nobody to mean
// it.
func (s *session) confirmMost(ctx context.Context, what string, show func()) error {
	if !s.Interactive() {
		return &usageError{what + " is only possible from a terminal", "--yes does not answer this; choose the objects with confctl select, or name them one by one"}
	}
	show()
	answer, err := s.question(ctx, "You are operating on more than half of the objects, this is potentially VERY DANGEROUS: do you want to continue?\n"+
		"If so, please type: '"+sentence+"'\n")
	if err != nil {
		return err
	}
	if strings.TrimSpace(answer) != sentence {
		return s.abort("")
	}
	return nil
}

// question asks a question and returns the answer. No answer declines.
func (s *session) question(ctx context.Context, question string) (string, error) {
	answer, err := s.Question(ctx, question)
	if errors.Is(err, io.EOF) {
		return "", s.abort("no answer on standard input; --yes answers with yes")
	}
	return answer, err
}

// abort says that nothing is done.
func (s *session) abort(reason string) error {
	if err := s.Ask("Aborting\n"); err != nil {
		return err
	}
	return &declinedError{reason}
}
