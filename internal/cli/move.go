package cli

import (
	"cmp"
	"slices"

	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/value"
)

// maxMoves is the largest number of commands that move a service to be shown.
const maxMoves = 3

// moves returns labels and command lines that move a service from one member to
// another in one change, for refused groups in which neither side can change first.
// The commands use import, which changes both sides in one commit. If there are more
// than maxMoves, or none for such groups, it returns one general command.
func (h *hints) moves(refused []safety.Finding, changes []object.Change) [][2]string {
	var lines [][2]string
	types := map[string]bool{}
	for _, f := range refused {
		if f.Capacity == nil || !f.Capacity.Fixed {
			continue
		}
		types[f.Type] = true
		for _, move := range movesOf(f, changes) {
			lines = append(lines, [2]string{"move " + render.Subject(f) + " in one change:", h.importLine(move)})
		}
	}
	if len(lines) > 0 && len(lines) <= maxMoves || len(types) == 0 {
		return lines
	}
	var names []string
	for name := range types {
		names = append(names, name)
	}
	slices.Sort(names)
	return [][2]string{{"move each in one change:", h.command("import", "FILE") + ", with both sides in the form of " + h.command(append([]string{"export", "--format", "jsonl"}, operands(names...)...)...)}}
}

// movesOf returns the ways to compensate for the changes that a finding refuses.
// Each is a list of objects for import, with the new values of both sides.
func movesOf(f safety.Finding, changes []object.Change) [][]value.Value {
	var mine []value.Value
	var leaving []string
	for _, c := range changes {
		o := c.Object()
		if slices.Contains(f.Changes, o.Key()) {
			mine = append(mine, importObject(*o, newValues(c)))
		}
		if c.Before != nil && (c.After == nil || !safety.Serves(*c.After)) {
			leaving = append(leaving, o.Key())
		}
	}
	others, need, serve := f.Capacity.Out, f.Capacity.Floor-f.Capacity.After, true
	if f.Rule == safety.MaxPooled {
		others, need, serve = f.Capacity.Serving, f.Capacity.Excess(), false
	}
	var able []value.Value
	for _, o := range others {
		fields := pooledAs(o, serve)
		if !slices.Contains(leaving, o.Key()) && safety.Serves(o.WithFields(fields)) == serve {
			able = append(able, importObject(o, []value.Field{{Name: "pooled", Value: o.WithFields(fields).Get("pooled")}}))
		}
	}
	switch {
	case need == len(able):
		return [][]value.Value{append(mine, able...)}
	case need == 1:
		var all [][]value.Value
		for _, other := range able {
			all = append(all, append(slices.Clone(mine), other))
		}
		return all
	}
	return nil
}

// newValues returns the values that a change gives to fields. For a deletion, which
// import does not make, it returns the value of pooled with which the object does
// not serve.
func newValues(c object.Change) []value.Field {
	if c.After == nil {
		return []value.Field{{Name: "pooled", Value: c.Before.WithFields(pooledAs(*c.Before, false)).Get("pooled")}}
	}
	var fields []value.Field
	for _, f := range c.Fields() {
		if !f.After.IsAbsent() {
			fields = append(fields, value.Field{Name: f.Name, Value: f.After})
		}
	}
	return fields
}

// pooledAs returns the fields of an object with pooled set to the boolean serve, or
// to yes or no if the type does not take a boolean.
func pooledAs(o object.Object, serve bool) []value.Field {
	to := value.OfBool(serve)
	if f, ok := o.Type.Field("pooled"); ok && f.Check(to) != nil {
		to = value.OfString(map[bool]string{true: "yes", false: "no"}[serve])
	}
	fields := slices.Clone(o.Fields)
	if i := value.Index(fields, "pooled"); i >= 0 {
		fields[i].Value = to
	}
	return fields
}

// importObject returns an object with the given fields in the JSON form that import
// reads.
func importObject(o object.Object, fields []value.Field) value.Value {
	tags := make([]value.Field, len(o.Tags))
	for i, tag := range o.Type.Tags {
		tags[i] = value.Field{Name: tag, Value: value.OfString(o.Tags[i])}
	}
	return value.OfMap(
		value.Field{Name: "type", Value: value.OfString(o.Type.Name)},
		value.Field{Name: "tags", Value: value.OfMap(tags...)},
		value.Field{Name: "name", Value: value.OfString(o.Name)},
		value.Field{Name: "values", Value: value.OfMap(fields...)},
	)
}

// importLine returns the command line that imports objects from standard input.
func (h *hints) importLine(objects []value.Value) string {
	line := `printf '%s\n'`
	for _, o := range objects {
		line += " " + quote(o.Text())
	}
	words := []string{"--yes", "import", "-"}
	words = append(words, option("--reason", cmp.Or(h.terms.Reason, fillIn))...)
	if h.terms.Task != "" {
		words = append(words, option("--task", h.terms.Task)...)
	}
	return line + " | " + h.command(words...)
}
