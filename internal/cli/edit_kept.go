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

// unstoredError is an edit that was not stored, with the lines that make what was
// edited, and nothing else, of what is there now. The text that is kept has all
// fields as they were: to store that would take back what others have changed.
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

// withHints adds to an error how to store what was edited all the same.
func (e *editing) withHints(err error) error {
	if err == nil || e.stored || isRefusal(err) || errors.As(err, new(*store.UnknownError)) {
		return err // a refusal has its own lines
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

// contested reports whether somebody else has changed a field that a change is
// about too, or deleted the object.
func contested(conflict *change.ConflictError, c object.Change) bool {
	return conflict != nil && slices.ContainsFunc(conflict.Objects, func(other change.Conflict) bool {
		same := other.Mine.Object().Key() == c.Object().Key()
		return same && (other.Theirs == nil || overlap(c.Fields(), other.Other().Fields()))
	})
}

// maxHint is how many bytes a command line may have that is printed to be
// pasted.
const maxHint = 1000

// assigning returns the words that set the fields that a change is about, and no
// other; nil if no words do, or very long ones.
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

// assignment returns the word FIELD=VALUE that changes a field of an object in
// just this way; empty if none does.
func assignment(o object.Object, f object.FieldChange) string {
	texts := []string{f.After.Text()} // JSON is the one reading of what could have two
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
