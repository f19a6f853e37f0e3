package dump

import (
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// readYAML reads one document: a header and the objects.
func (r *reader) readYAML(text []byte) {
	r.yaml = true
	start := yamldoc.Pos{File: r.file, Line: 1}
	doc, err := yamldoc.Parse(r.file, text)
	if err != nil {
		r.unsure = true
		r.fault(err, start)
		return
	}
	switch {
	case doc.IsEmpty():
		r.faultf(start, "there is nothing in the file; without objects it would say %s: {}", objectsKey)
		return
	case doc.IsList() && isData(doc):
		r.ruled(start, dataFile, RuleDataFile)
		return
	case doc.IsList():
		r.faultf(doc.Pos(), "a list is no export; a list of objects in JSON can be read with an object a line: jq -c '.[]'")
		return
	}
	pairs, err := doc.Pairs("the file")
	if err != nil {
		r.fault(err, doc.Pos())
		return
	}
	if what, rule := r.mistaken(pairs); what != "" {
		r.ruled(start, what, rule)
		return
	}
	objects := false
	for _, p := range pairs {
		switch p.Name {
		case headerKey:
			r.yamlHeader(p)
		case objectsKey:
			objects = true
			r.yamlTypes(p.Value)
		default:
			r.unknownKey(p.Key.Pos(), p.Name, headerKey, objectsKey)
		}
	}
	if !objects {
		r.unsure = true
		r.faultf(start, "%s is missing; without objects the file would say %s: {}", objectsKey, objectsKey)
	}
}

func (r *reader) yamlHeader(p yamldoc.Pair) {
	fields, err := p.Value.Pairs(headerKey)
	if err != nil {
		r.fault(err, p.Key.Pos())
		return
	}
	values := map[string]value.Value{}
	for _, f := range fields {
		v, err := f.Value.Value()
		switch {
		case f.Name == typesKey:
			r.yamlCovered(f.Value)
		case err != nil:
			r.fault(err, f.Key.Pos())
		case !slices.Contains([]string{versionKey, objectsKey, leftOutKey, revisionKey, sumKey}, f.Name):
			r.unknownKey(f.Key.Pos(), f.Name, versionKey, typesKey, objectsKey, leftOutKey, revisionKey, sumKey)
		default:
			values[f.Name] = v
		}
	}
	r.setHeader(p.Key.Pos(), values[versionKey], func(key string) value.Value { return values[key] })
}

// yamlCovered reads the names of the covered types.
func (r *reader) yamlCovered(n yamldoc.Node) {
	names, err := n.Items(typesKey)
	if err != nil {
		r.fault(err, n.Pos())
	}
	r.listed = true
	for _, name := range names {
		if !name.IsScalar() {
			r.faultf(name.Pos(), "%s has the names of types, not %s", typesKey, name.Describe())
			continue
		}
		r.cover(name.Text(), name.Pos)
	}
}

// dataFile is the message for a file of a data directory.
const dataFile = "this looks like a file of a data directory, and not like an export"

// mistaken recognizes a file that is not an export, and returns what it is and the
// rule of that fault. Both are empty if it is not recognized.
func (r *reader) mistaken(pairs []yamldoc.Pair) (what, rule string) {
	known := r.schema.Names()
	types, data := false, len(pairs) > 0
	for _, p := range pairs {
		if p.Name == headerKey || p.Name == objectsKey {
			return "", ""
		}
		types = types || isType(p.Value)
		data = data && isData(p.Value) && !slices.Contains(known, p.Name)
	}
	switch {
	case types:
		return "this looks like a schema, and not like an export", RuleSchemaFile
	case data:
		return dataFile, RuleDataFile
	}
	return "", ""
}

// isType reports whether a node looks like a type in a schema.
func isType(n yamldoc.Node) bool {
	parts, err := n.Pairs("")
	has := func(name string) bool {
		return slices.ContainsFunc(parts, func(p yamldoc.Pair) bool { return p.Name == name })
	}
	return err == nil && has("path") && has("tags")
}

// isData reports whether a node is lists of strings, possibly inside maps.
func isData(n yamldoc.Node) bool {
	if items, err := n.Items(""); err == nil {
		return len(items) > 0 && !slices.ContainsFunc(items, func(i yamldoc.Node) bool { return !i.IsScalar() })
	}
	pairs, err := n.Pairs("")
	return err == nil && len(pairs) > 0 && !slices.ContainsFunc(pairs, func(p yamldoc.Pair) bool { return !isData(p.Value) })
}

// yamlTypes reads the objects by type.
func (r *reader) yamlTypes(n yamldoc.Node) {
	types, ok := r.pairs(n, objectsKey)
	if !ok {
		return
	}
	for _, p := range types {
		t := r.typeOf(p.Name, p.Key.Pos)
		objects, ok := r.pairs(p.Value, "type "+p.Name)
		if !ok {
			continue
		}
		r.count += len(objects)
		if t == nil {
			continue
		}
		for _, o := range objects {
			r.yamlObject(t, o)
		}
	}
}

// pairs returns the pairs of a map that contains objects. If it cannot be read, the
// number of objects is unknown.
func (r *reader) pairs(n yamldoc.Node, what string) (pairs []yamldoc.Pair, ok bool) {
	if n.IsEmpty() {
		r.unsure = true
		r.faultf(n.Pos(), "%s must be a map, not nothing; without objects it would be {}", what)
		return nil, false
	}
	pairs, err := n.Pairs(what)
	if err != nil {
		r.unsure = true
		r.fault(err, n.Pos())
	}
	return pairs, err == nil
}

func (r *reader) yamlObject(t *schema.Type, p yamldoc.Pair) {
	steps := strings.Split(p.Name, "/")
	if len(steps) != len(t.Tags)+1 {
		r.faultf(p.Key.Pos(), "%q is no object of type %s: one is named %s", p.Name, t.Name,
			strings.Join(append(slices.Clone(t.Tags), "name"), "/"))
		return
	}
	pairs, err := p.Value.Pairs("object " + p.Name)
	if err != nil {
		r.fault(err, p.Key.Pos())
		return
	}
	item := Item{Pos: p.Key.Pos(), Given: make([]string, 0, len(pairs))}
	fields := make([]value.Field, 0, len(pairs))
	for _, f := range pairs {
		v, written, err := fieldValue(t, f)
		if err != nil {
			r.fault(err, f.Value.Pos())
			continue
		}
		if v != written {
			item.written = append(item.written, value.Field{Name: f.Name, Value: written})
		}
		item.Given = append(item.Given, f.Name)
		if r.isBare(f.Value) {
			item.Bare = append(item.Bare, f.Name)
		}
		fields = append(fields, value.Field{Name: f.Name, Value: v})
	}
	item.places = func(field string) yamldoc.Pos {
		i := slices.IndexFunc(pairs, func(f yamldoc.Pair) bool { return f.Name == field })
		return pairs[i].Value.Pos() // called only for fields that are given
	}
	r.add(t, steps[:len(t.Tags)], steps[len(t.Tags)], item, fields)
}

// isBare reports whether a scalar is unquoted and may be meant as something else
// than a string. An export quotes everything that YAML 1.1 does not read as a
// string.
func (r *reader) isBare(n yamldoc.Node) bool {
	return n.IsScalar() && !n.IsQuoted() && (r.header == nil || n.IsUnclear())
}

// fieldValue returns the value of a field and, if the type does not allow that
// value, the value as it would be without the type: a store may have exactly that.
// The error is a *yamldoc.Error.
func fieldValue(t *schema.Type, p yamldoc.Pair) (v, written value.Value, err error) {
	plain, err := p.Value.Value()
	f, declared := t.Field(p.Name)
	if !declared {
		return plain, plain, err
	}
	isValue := err == nil
	allowed := isValue && f.Check(plain) == nil
	if allowed && plain.Text() == p.Value.Text() {
		return plain, plain, nil // the number as JSON has it: -0 is not 0
	}
	typed, refused := f.FromYAML(p.Value)
	switch {
	case refused == nil && isValue && !allowed:
		return typed, plain, nil
	case refused == nil || allowed || !isValue: // 0x10 is a number in YAML, but not in a schema
		return typed, typed, refused
	}
	return plain, plain, nil
}
