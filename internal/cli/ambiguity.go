package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/object"
)

// refuseAmbiguous returns an *object.InvalidError for the first unquoted value that
// may be meant as something other than text, unless the operator can be asked. A
// quoted value is text.
func refuseAmbiguous(std term.Streams, unclear []object.Ambiguity, act action) error {
	if std.Interactive() {
		return nil // see confirmWords
	}
	for _, a := range unclear {
		if !a.Quoted {
			return &object.InvalidError{Object: a.Object.String(), Reason: strings.TrimPrefix(a.String(), a.Object.String()+": "), Hint: spelledOut(a, act)}
		}
	}
	return nil
}

// spelledOut returns a hint that shows how to write each reading of a value.
func spelledOut(a object.Ambiguity, act action) string {
	if strings.HasPrefix(act.text, "set/@") {
		return fmt.Sprintf("write one of these into the file: %s: %s, %s: %s", a.Field, a.Others[0].Text(), a.Field, a.Text.Text())
	}
	var lines []string
	for _, other := range a.Others {
		lines = append(lines, fmt.Sprintf("for %s:  set %s", other.Text(), quote(a.Field+"="+other.Text())))
	}
	return strings.Join(append(lines, fmt.Sprintf("for the text %s:  set %s", a.Text.Text(), quote(a.Field+"="+a.Text.Text()))), "\n")
}

// confirmWords asks whether ambiguous values are meant as text. It asks once for
// each value, not once for each object. Neither --yes nor piped input answers these
// questions.
func (c confirmer) confirmWords(ctx context.Context, unclear []object.Ambiguity) error {
	if !c.Interactive() {
		return nil // refuseAmbiguous refused them, or they were quoted
	}
	asked := map[string]bool{}
	for _, a := range unclear {
		text := fmt.Sprintf("%s becomes the text %s, and not %s. Is that meant? [y/N]\n", a.Field, a.Text.Text(), a.Other())
		if asked[text] {
			continue
		}
		asked[text] = true
		answer, err := c.question(ctx, text)
		if err != nil {
			return err
		}
		if !strings.EqualFold(strings.TrimSpace(answer), "y") {
			return c.abort(fmt.Sprintf("for %s: set %s", a.Other(), quote(a.Field+"="+a.Others[0].Text())))
		}
	}
	return nil
}
