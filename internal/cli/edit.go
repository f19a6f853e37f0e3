package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/editor"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// editObjects lets the operator change objects in an editor, one buffer for each
// object, and commits all changes at the end. It does not write a change that is
// based on a value that somebody else has changed since.
func editObjects(ctx context.Context, c *changer, what chosen, in change.Intent) error {
	if c.opts.terms.Partial {
		return &usageError{"--except-refused is not for edit", "what rules refuse of an edit is kept in its file"}
	}
	if err := c.needMode(); err != nil { // before the operator types anything
		return err
	}
	seen, err := c.Catalog.Read(ctx, what.Query)
	if err != nil {
		return err
	}
	if err := c.changeable(what, seen.Objects); err != nil {
		return err
	}
	if want := c.opts.changeTerms(c.Settings.SafetyMode).Expect; want != nil && *want != len(seen.Objects) {
		return &change.ExpectError{Want: *want, Got: len(seen.Objects)}
	}
	c.display.warnRecent(ctx, seen.Objects)
	if c.ask.asks(seen.Objects) {
		if err := c.ask.confirmSelection(ctx, seen.Objects, func() {}); err != nil {
			return err
		}
	}
	c.hints.editing = true
	e := &editing{Streams: c.Streams, App: c.App, opts: c.opts, changes: c}
	defer e.cleanUp()
	plan, err := e.openAll(ctx, seen.Objects)
	if err != nil {
		return err
	}
	in.Stop = true
	in.Plan = func(object.Snapshot) (object.Plan, error) { return plan, nil }
	return e.withHints(c.apply(ctx, in, nil, e.report))
}

// editing keeps the edited texts until the changes are stored.
type editing struct {
	term.Streams
	*app.App
	opts    *globals
	changes *changer
	typed   []typed
	stored  bool
}

// typed is an edited text and the change that it makes.
type typed struct {
	*editor.Buffer
	change object.Change
}

// openAll opens an editor for each object.
func (e *editing) openAll(ctx context.Context, objects []object.Object) (object.Plan, error) {
	whole := object.Plan{Matched: objects}
	for i := range objects {
		plan, err := e.openOne(ctx, &objects[i])
		if err != nil {
			return object.Plan{}, err
		}
		whole.Changes = append(whole.Changes, plan.Changes...)
		whole.Warnings = append(whole.Warnings, plan.Warnings...)
	}
	return whole, nil
}

// openOne opens an editor for an object until the text is valid or the operator
// gives up. It returns an empty plan if nothing changed.
func (e *editing) openOne(ctx context.Context, o *object.Object) (object.Plan, error) {
	text, err := buffer(*o)
	if err != nil {
		return object.Plan{}, err
	}
	command, err := e.editorCommand()
	if err != nil {
		return object.Plan{}, err
	}
	b, err := editor.New(command, e.In, e.Screen(), term.Bare(e.Err)).Open(strings.ReplaceAll(o.Path(), "/", "-"), text)
	if err != nil {
		return object.Plan{}, err
	}
	var plan object.Plan
	check := func(text []byte) error {
		doc, err := yamldoc.Parse(b.Path(), text)
		if err == nil {
			plan, err = object.Replace(o, doc)
		}
		return err
	}
	e.Interrupts.Pause()
	edited, err := b.Edit(ctx, check, func(reason error) (bool, error) {
		e.Interrupts.Resume()
		defer e.Interrupts.Pause()
		return e.askAgain(ctx, reason)
	})
	e.Interrupts.Resume()
	switch {
	case errors.As(err, new(*editor.KeptError)):
		return object.Plan{}, err
	case err != nil:
		return object.Plan{}, errors.Join(err, b.Discard())
	case bytes.Equal(edited, text):
		return object.Plan{}, b.Discard()
	case len(plan.Changes) == 0:
		return plan, b.Discard()
	}
	e.typed = append(e.typed, typed{b, plan.Changes[0]})
	return plan, nil
}

// askAgain prints why a text is not valid and asks whether to continue editing.
func (e *editing) askAgain(ctx context.Context, reason error) (bool, error) {
	if err := e.Ask(fmt.Sprintf("The modified object is not valid, please check it!\nReported reason: %s\nContinue editing? [y/n] ", reason)); err != nil {
		return false, err
	}
	answer, err := e.ReadLine(ctx)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	word := strings.ToLower(strings.TrimSpace(answer))
	if err == nil && word != "yes" {
		e.changes.ask.warnStrayAnswer(answer)
	}
	return word == "y" || word == "yes" || e.Interactive() && strings.HasPrefix(word, "y"), err
}

// report prints the objects that were changed, and records that the texts are no
// longer needed.
func (e *editing) report(done change.Done) {
	e.stored = true
	for _, o := range done.Objects {
		printDone(e.Streams, text.OneLine("Entity "+o.Path+" successfully updated"))
	}
}

// cleanUp removes the texts if the changes were stored. Otherwise it prints where
// the texts are.
func (e *editing) cleanUp() {
	for _, b := range e.typed {
		if !e.stored {
			e.Say("your text is kept in %s", b.Path())
		} else if err := b.Discard(); err != nil {
			e.Warn(err.Error())
		}
	}
}

// editorCommand returns the first editor that is set, of $CONFCTL_EDITOR, $EDITOR,
// $VISUAL and the site's editor. If none is set, it returns vi at a terminal, and a
// *usageError elsewhere.
func (e *editing) editorCommand() (string, error) {
	for _, command := range []string{os.Getenv("CONFCTL_EDITOR"), os.Getenv("EDITOR"), os.Getenv("VISUAL"), e.Settings.Editor} {
		if strings.TrimSpace(command) != "" {
			return command, nil
		}
	}
	if !e.Interactive() {
		return "", &usageError{"edit needs a terminal, or a program that does without in $EDITOR", ""}
	}
	return "vi", nil
}

// buffer returns the text of an object for an editor.
func buffer(o object.Object) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Editing object %s\n", text.Line(o.Path()))
	if o.Malformed != nil {
		fmt.Fprintf(&b, "# What is stored cannot be read (%s):\n# %s\n# These are the defaults.\n",
			text.Line(o.Malformed.Error()), text.Line(strconv.Quote(string(o.Raw))))
	}
	n := &yaml.Node{Kind: yaml.MappingNode}
	if len(o.Fields) > 0 {
		n = yamldoc.OfValue(value.OfMap(o.Fields...))
	}
	fields, err := yamldoc.Encode(n)
	if err != nil {
		return nil, err
	}
	b.Write(fields)
	return b.Bytes(), nil
}
