package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
)

// chosen describes the objects that an action changes, and what else is read to
// decide about the change.
type chosen struct {
	catalog.Query
	text string          // the selector as the operator typed it
	hint string          // for the error that nothing matched
	read []catalog.Query // what to read; nil for the Query alone
	// check, if set, checks the plan too; an error stops the change.
	check func(object.Snapshot, object.Plan) error
}

// run makes a change to the chosen objects.
func (c *changer) run(ctx context.Context, what chosen, act action, ask asker) error {
	in := change.Intent{Read: what.read, Action: act.text, Selector: what.text, Deletes: act.verb == "delete"}
	if in.Read == nil {
		in.Read = []catalog.Query{what.Query}
	}
	if act.verb == "edit" {
		return editObjects(ctx, c, what, in)
	}
	in.Plan = func(on object.Snapshot) (object.Plan, error) {
		objects, left := c.readable(on.Select(what.Type, what.Selector))
		if err := c.changeable(what, objects); err != nil && len(left) == 0 {
			return object.Plan{}, err
		}
		made, err := act.plan(objects)
		if err == nil && len(made.Changes) == 0 && len(left) > 0 {
			return object.Plan{}, &object.InvalidError{Reason: "nothing changed: " + strings.Join(left, "\n")}
		}
		made.Warnings = append(made.Warnings, left...)
		if err == nil {
			err = refuseAmbiguous(c.Streams, made.Ambiguities, act)
		}
		if err == nil && what.check != nil {
			err = what.check(on, made)
		}
		return made, err
	}
	return c.apply(ctx, in, ask, c.display.printChanged)
}

// readable returns the objects that can be read, and one line about each of the
// others. It separates them only with --gone or --emergency and without --repair:
// one object that cannot be read must not keep the others of a host that is down.
// Otherwise it returns all objects.
func (c *changer) readable(objects []object.Object) (readable []object.Object, left []string) {
	if !c.opts.terms.Gone && !c.opts.terms.Emergency || c.opts.repair {
		return objects, nil
	}
	for _, o := range objects {
		if o.Malformed == nil {
			readable = append(readable, o)
		} else {
			left = append(left, fmt.Sprintf("%s is left as it is: what is stored cannot be read; --repair changes it", o))
		}
	}
	return readable, left
}

// changeable returns an error if the chosen objects cannot be changed: a
// *noMatchError if there are none, or an *object.InvalidError if a stored value
// cannot be read and --repair is not given.
func (c *changer) changeable(what chosen, objects []object.Object) error {
	if len(objects) == 0 {
		return &noMatchError{fmt.Sprintf("nothing matched %s of type %s, nothing changed", what.text, what.Type.Name), what.hint}
	}
	for _, o := range objects {
		if o.Malformed != nil && !c.opts.repair {
			return &object.InvalidError{
				Object: o.String(),
				Reason: fmt.Sprintf("what is stored cannot be read: %v", o.Malformed),
				Hint:   "--repair changes it all the same, a set or edit starting from the defaults; what is stored now stays in the journal",
			}
		}
	}
	return nil
}

// plan returns the plan of an action on objects.
func (act action) plan(objects []object.Object) (object.Plan, error) {
	if act.verb == "delete" {
		return object.Delete(objects), nil
	}
	return object.Set(objects, act.assignments)
}

// printChanged prints one line for each field that changed, and for each object that
// was created or deleted.
func (d *display) printChanged(done change.Done) { printDone(d.Streams, render.Done(done.Objects)...) }

// printDone prints lines about a change that was made. The lines must be clean. It
// only warns if they cannot be written, because the change is already made.
func printDone(std term.Streams, lines ...string) {
	err := std.Lines(lines...)
	if err != nil {
		std.Warn(err.Error())
	}
}
