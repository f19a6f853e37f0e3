package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/value"
)

// refusalNotServing returns the error for a refusal of objects that are pooled already but
// do not serve.
func (d *display) refusalNotServing(ctx context.Context, e *change.RefusedError) error {
	msg := fmt.Sprintf("refused by %s, nothing changed", render.RuleNames(e.Refused))
	if d.opts.terms.DryRun {
		msg = "would be refused by " + render.RuleNames(e.Refused)
	}
	return &refusalError{msg, strings.Join(d.notServingLines(ctx, e.Idle), "\n")}
}

// sayNotServing prints the objects that the command should pool, and that are pooled
// already but do not serve.
func (d *display) sayNotServing(ctx context.Context, idle []safety.Idle) {
	if len(idle) == 0 {
		return
	}
	verb := "do"
	if len(idle) == 1 {
		verb = "does"
	}
	line := fmt.Sprintf("refused by %s: %s %s not serve", safety.PoolNeedsWeight, text.Count(len(idle), "object"), verb)
	d.Say("%s", line)
	d.SayOnOutput(line)
	d.Detail(d.notServingLines(ctx, idle)...)
}

// notServingLines returns lines that explain why each object does not serve, with the
// change that caused it if the journal has it, and then the commands that help.
func (d *display) notServingLines(ctx context.Context, idle []safety.Idle) []string {
	chosen := make([]object.Object, len(idle))
	for i := range idle {
		chosen[i] = idle[i].Object
	}
	found, err := d.Journal().LastChanges(ctx, chosen, func(o sal.Object) bool {
		before, after := weightServes(d.Schema, o)
		return before != after
	})
	if err != nil {
		d.Warn("who took their weights may not be known: " + err.Error())
	}
	causes := map[sal.ObjectID]sal.Stored{}
	var ways []string
	for _, o := range chosen {
		way := d.hints.weightLine(o)
		if r, ok := tookWeight(d.Schema, found, o); ok {
			causes[render.ObjectID(o)] = r
			way = d.hints.undoLine(r)
		}
		if !slices.Contains(ways, way) && len(ways) < render.MaxLines {
			ways = append(ways, way)
		}
	}
	return append(render.NotServing(idle, causes, time.Now()), ways...)
}

// weightServes reports whether an object's weight allows it to serve before and after a
// change.
func weightServes(s *schema.Schema, o sal.Object) (before, after bool) {
	t, err := s.Type(o.Type)
	if err != nil {
		return false, false
	}
	weighs := func(v value.Value) bool {
		return !v.IsAbsent() && safety.Weighs(object.Object{Type: t, Fields: object.Order(t, v.Fields())})
	}
	return weighs(o.Before), weighs(o.After)
}

// tookWeight returns the record of an object in found, and reports whether its change
// took the weight with which the object could serve. Found has the last change of
// each object's weight in the journal: if that did not take it, the weight was lost
// in some other way.
func tookWeight(s *schema.Schema, found map[sal.ObjectID]sal.Stored, o object.Object) (sal.Stored, bool) {
	id := render.ObjectID(o)
	r, ok := found[id]
	took := ok && slices.ContainsFunc(r.Change.Objects, func(changed sal.Object) bool {
		before, after := weightServes(s, changed)
		return changed.ID() == id && before && !after
	})
	return r, took
}

// undoLine returns the command that undoes the change that took a weight, with the
// number of objects in its record, since the change may concern others, too.
func (h *hints) undoLine(r sal.Stored) string {
	return fmt.Sprintf("take that change of %s back:  %s", text.Count(len(r.Change.Objects), "object"), h.command("undo", r.Run()))
}

// weightLine returns the command that gives an object a weight.
func (h *hints) weightLine(o object.Object) string {
	words := []string{"select", selector.One(o.Type.Tags, o.Tags, o.Name), "set/weight=N"}
	if h.objectType != schema.Node {
		words = append(option("--object-type", h.objectType), words...)
	}
	return "give it a weight:  " + h.command(words...)
}
