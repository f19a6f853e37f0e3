package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
)

// getObjects reads objects and shows those that can be read. It names the others,
// and returns a *partlyError if there are any.
func getObjects(ctx context.Context, std term.Streams, a *app.App, q catalog.Query, show func(*schema.Type, []object.Object) error) error {
	snapshot, err := a.Catalog.Read(ctx, q)
	if err != nil {
		return err
	}
	var notes limited
	for _, o := range snapshot.Objects {
		if o.Malformed != nil {
			std.Say("%s cannot be read: %v (at %s)", o, o.Malformed, a.Catalog.Key(o))
			continue
		}
		for _, v := range o.Violations {
			notes.add("%s: %s; shown as it is stored", o, v)
		}
	}
	for _, key := range snapshot.Strays {
		notes.add("key %s is no object of type %s, whose keys end in %s; ignored", key, q.Type.Name, keyForm(q.Type))
	}
	notes.warn(std)
	all := len(snapshot.Objects)
	readable := slices.DeleteFunc(snapshot.Objects, func(o object.Object) bool { return o.Malformed != nil })
	if err := show(q.Type, readable); err != nil {
		return err
	}
	if len(readable) < all {
		return &partlyError{exitInvalid}
	}
	return nil
}

// keyForm returns the form of the keys of a type, such as
// pools/<dc>/<cluster>/<name>.
func keyForm(t *schema.Type) string {
	form := t.Path
	for _, tag := range append(append([]string{}, t.Tags...), selector.Name) {
		form += "/<" + tag + ">"
	}
	return form
}

// limited collects warnings of one kind: it keeps the first 10 and counts the rest.
type limited struct {
	first []string
	more  int
}

func (l *limited) add(format string, args ...any) {
	if len(l.first) == 10 {
		l.more++
		return
	}
	l.first = append(l.first, fmt.Sprintf(format, args...))
}

func (l *limited) count() int { return len(l.first) + l.more }

func (l *limited) warn(std term.Streams) { l.each(std.Warn) }

func (l *limited) say(std term.Streams) { l.each(func(line string) { std.Say("%s", line) }) }

func (l *limited) each(report func(string)) {
	for _, line := range l.first {
		report(line)
	}
	if l.more > 0 {
		report(fmt.Sprintf("and %d more like these", l.more))
	}
}
