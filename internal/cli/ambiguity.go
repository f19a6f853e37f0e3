package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/object"
)

// refuseAmbiguous refuses words that may be meant otherwise than as text, where nobody can
// be asked. In quotes they are text.
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

// spelledOut says how to write each reading of a word.
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

// confirmWords asks whether words are meant as text, each once for all objects.
// Neither --yes nor a pipe answers that.
func (c confirmer) confirmWords(ctx context.Context, unclear []object.Ambiguity) error {
	if !c.Interactive() {
		return nil // they were refused, or were in quotes
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
