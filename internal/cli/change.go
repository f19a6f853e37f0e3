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

// chosen is what an action is for, and what is read to do it: more than that,
// if a question depends on more.
type chosen struct {
	catalog.Query
	text string          // in the operator's words
	hint string          // for when there is nothing
	read []catalog.Query // nil for the query itself
	// check, if set, looks at the plan too; an error stops the change.
	check func(object.Snapshot, object.Plan) error
}

// run makes a change to the objects that are chosen.
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

// readable leaves out what cannot be read, where there is no time for that: one
// broken object does not keep the others of a host that is going down. A line
// for each says so.
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

// changeable reports what is in the way of any change to what was chosen: that
// there is nothing, or that what is stored cannot be read.
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

// plan plans an action.
func (act action) plan(objects []object.Object) (object.Plan, error) {
	if act.verb == "delete" {
		return object.Delete(objects), nil
	}
	return object.Set(objects, act.assignments)
}

// printChanged prints a line for each field that changed, and for each object
// that was created or deleted.
func (d *display) printChanged(done change.Done) { printDone(d.Streams, render.Done(done.Objects)...) }

// printDone prints clean lines about what is done already, so that an output that is gone
// changes nothing more than that.
func printDone(std term.Streams, lines ...string) {
	err := std.Lines(lines...)
	if err != nil {
		std.Warn(err.Error())
	}
}
