package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/editor"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// edit lets a person change objects in an editor: a buffer each, and one
// commit at the end. What was typed is kept until it is stored.
type edit struct {
	*session
	ctx    context.Context   //nolint:containedctx // the plan of one run of one command
	typed  []*editor.Buffer  // with what a person typed and the editor took
	plans  map[string]edited // by key, once they are edited
	stored bool
}

// edited is an object as it was shown, and what was made of it.
type edited struct {
	object object.Object
	plan   object.Plan
}

// plan opens an editor for each object. Planned once more, since somebody else
// changed something near, it keeps what was typed, as long as the objects are
// still those that were shown.
func (e *edit) plan(snapshot object.Snapshot) (object.Plan, error) {
	if e.plans == nil {
		if err := e.confirmSelection(e.ctx, snapshot.Objects); err != nil {
			return object.Plan{}, err
		}
		e.plans = map[string]edited{}
	}
	whole := object.Plan{Matched: snapshot.Objects}
	for i := range snapshot.Objects {
		o := &snapshot.Objects[i]
		done, seen := e.plans[o.Key()]
		switch {
		case !seen:
			plan, err := e.one(o)
			if err != nil {
				return object.Plan{}, err
			}
			done = edited{*o, plan}
			e.plans[o.Key()] = done
		case done.object.Revision != o.Revision && len(done.plan.Changes) > 0:
			mine := change.Conflict{Mine: done.plan.Changes[0], Theirs: o}
			return object.Plan{}, &change.ConflictError{Objects: []change.Conflict{mine}, Err: &store.ConflictError{}}
		}
		whole.Changes = append(whole.Changes, done.plan.Changes...)
		whole.Warnings = append(whole.Warnings, done.plan.Warnings...)
	}
	return whole, nil
}

// one opens an editor for an object, again and again until what comes back is
// valid or the person has had enough.
func (e *edit) one(o *object.Object) (object.Plan, error) {
	text, err := buffer(*o)
	if err != nil {
		return object.Plan{}, err
	}
	b, err := editor.New(e.editorCommand(), e.in, e.out, e.err).Open(strings.ReplaceAll(o.Path(), "/", "-"), text)
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
	e.editing.Store(true)
	edited, err := b.Edit(e.ctx, check, e.again)
	e.editing.Store(false)
	switch {
	case errors.As(err, new(*editor.KeptError)):
		return object.Plan{}, err
	case err != nil || bytes.Equal(edited, text):
		return object.Plan{}, errors.Join(err, b.Discard())
	}
	e.typed = append(e.typed, b)
	return plan, nil
}

// again says why a text is not valid and asks whether to go on.
func (e *edit) again(reason error) (bool, error) {
	e.editing.Store(false) // an interrupt at the question is for this program
	defer e.editing.Store(true)
	if err := e.print("The modified object is not valid, please check it!\nReported reason: %s\nContinue editing? [y/n] ", reason); err != nil {
		return false, err
	}
	answer, err := e.readLine(e.ctx)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(answer)), "y"), err
}

// answer tells what was done, and that the buffers are not needed any more.
func (e *edit) answer(done change.Done) {
	e.stored = true
	for _, o := range done.Objects {
		e.tell("Entity " + o.Path + " successfully updated")
	}
}

// end removes what was typed once it is stored, or else says where it is.
func (e *edit) end() {
	for _, b := range e.typed {
		if !e.stored {
			e.say("your text is kept in %s", b.Path())
		} else if err := b.Discard(); err != nil {
			e.warn(err.Error())
		}
	}
}

// editorCommand returns the person's editor, or else the site's.
func (e *edit) editorCommand() string {
	for _, command := range []string{os.Getenv("CONFCTL_EDITOR"), os.Getenv("VISUAL"), os.Getenv("EDITOR"), e.settings.editor} {
		if strings.TrimSpace(command) != "" {
			return command
		}
	}
	return "vi"
}

// buffer is an object as a person edits it.
func buffer(o object.Object) ([]byte, error) {
	var text bytes.Buffer
	fmt.Fprintf(&text, "# Editing object %s\n", o.Path())
	if o.Malformed != nil {
		fmt.Fprintf(&text, "# What is stored cannot be read (%v):\n# %q\n# These are the defaults.\n", o.Malformed, o.Raw)
	}
	n := &yaml.Node{Kind: yaml.MappingNode}
	if len(o.Fields) > 0 {
		n = yamldoc.OfValue(value.OfMap(o.Fields...))
	}
	fields, err := yamldoc.Encode(n)
	if err != nil {
		return nil, err
	}
	text.Write(fields)
	return text.Bytes(), nil
}
