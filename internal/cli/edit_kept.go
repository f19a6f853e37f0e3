package cli

import (
	"errors"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/store"
)

// unstoredError is the error of an edit that was not stored. Its lines are commands
// that make only the edited changes to the current objects. The kept text has all
// fields as they were: storing it would revert what others have changed.
type unstoredError struct {
	err   error
	lines []string
}

func (e *unstoredError) Error() string { return e.err.Error() }
func (e *unstoredError) Unwrap() error { return e.err }

func explainUnstored(e *unstoredError, _ error) (code int, msg, hint string) {
	code, msg, hint = explain(e.err)
	return code, msg, strings.TrimLeft(hint+"\n"+strings.Join(e.lines, "\n"), "\n")
}

// withHints adds the commands that store the edited changes to an error.
func (e *editing) withHints(err error) error {
	if err == nil || e.stored || isRefusal(err) || errors.As(err, new(*store.UnknownError)) {
		return err // the hint of a refusal already has command lines
	}
	var conflict *change.ConflictError
	errors.As(err, &conflict)
	var lines []string
	for _, t := range e.typed {
		if contested(conflict, t.change) {
			continue
		}
		if words := assigning(t.change); words != nil {
			lines = append(lines, "what you changed, and nothing else: "+e.opts.command(words...))
		}
	}
	return &unstoredError{err, lines}
}

// contested reports whether somebody else has changed a field that a change sets, or
// deleted the object.
func contested(conflict *change.ConflictError, c object.Change) bool {
	return conflict != nil && slices.ContainsFunc(conflict.Objects, func(other change.Conflict) bool {
		same := other.Mine.Object().Key() == c.Object().Key()
		return same && (other.Theirs == nil || overlap(c.Fields(), other.Other().Fields()))
	})
}

// maxHint is the maximum length of a suggested command line, in bytes.
const maxHint = 1000

// assigning returns the words that set exactly the fields that a change sets. It
// returns nil if no words do, or if they are longer than maxHint.
func assigning(c object.Change) []string {
	if c.Before == nil || c.After == nil || c.Before.Malformed != nil {
		return nil
	}
	o := c.Before
	var words []string
	if o.Type.Name != schema.Node {
		words = option("--object-type", o.Type.Name)
	}
	words = append(words, "select", selector.One(o.Type.Tags, o.Tags, o.Name), "set")
	for _, f := range c.Fields() {
		word := assignment(*o, f)
		if word == "" {
			return nil
		}
		words = append(words, word)
	}
	if len(strings.Join(words, " ")) > maxHint {
		return nil
	}
	return words
}

// assignment returns the word FIELD=VALUE that makes exactly this change to a field
// of an object, or "" if no word does.
func assignment(o object.Object, f object.FieldChange) string {
	texts := []string{f.After.Text()} // JSON is unambiguous
	if text, isText := f.After.Str(); isText {
		texts = append(texts, text)
	}
	if declared, ok := o.Type.Field(f.Name); ok && declared.Kind != schema.Any {
		slices.Reverse(texts)
	}
	for _, text := range texts {
		word := f.Name + "=" + text
		assignments, err := object.ParseWords(o.Type, []string{word})
		if err != nil || f.After.IsAbsent() || strings.HasPrefix(word, "-") {
			continue
		}
		plan, err := object.Set([]object.Object{o}, assignments)
		if err != nil || len(plan.Changes) != 1 {
			continue
		}
		if got := plan.Changes[0].Fields(); len(got) == 1 && got[0] == f {
			return word
		}
	}
	return ""
}

func overlap(a, b []object.FieldChange) bool {
	return slices.ContainsFunc(a, func(f object.FieldChange) bool {
		return slices.ContainsFunc(b, func(g object.FieldChange) bool { return f.Name == g.Name })
	})
}
