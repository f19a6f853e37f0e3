package dump

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Write writes all objects of some types with all of their fields, in the order of
// the schema's types and then in key order. The output depends only on the types,
// objects and header, not on the order of the objects.
//
// Objects that are malformed, or whose name is not UTF-8, cannot be written: leave
// them out, as Unwritable reports, and count them in the header. If objects has one
// of them, or one of another type, nothing is written.
func Write(w io.Writer, f Format, types []*schema.Type, objects []object.Object, h Header) error {
	for _, o := range objects {
		reason := Unwritable(o)
		if !slices.Contains(types, o.Type) {
			reason = "it is of another type"
		}
		if reason != "" {
			return fmt.Errorf("%s %q cannot be written: %s", o.Type.Name, o.Path(), reason)
		}
	}
	groups := byType(types, objects)
	var text []byte
	var err error
	switch f {
	case JSONLines:
		text = jsonLines(groups, len(objects), h)
	case YAML:
		text, err = yamlText(groups, len(objects), h)
	default:
		err = fmt.Errorf("no format %q; known: %s", f, strings.Join(Formats(), ", "))
	}
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// group is the objects of one type, in key order. It may be empty.
type group struct {
	typ     *schema.Type
	objects []object.Object
}

// byType returns a group for each type, in the order of the schema: a built-in type,
// which has no position in a file, comes first.
func byType(types []*schema.Type, objects []object.Object) []group {
	types = slices.Clone(types)
	objectsOf := map[*schema.Type][]object.Object{}
	for _, o := range objects {
		objectsOf[o.Type] = append(objectsOf[o.Type], o)
	}
	slices.SortFunc(types, func(a, b *schema.Type) int {
		switch {
		case a.Pos.Line != b.Pos.Line:
			return a.Pos.Line - b.Pos.Line
		case a.Pos.Column != b.Pos.Column:
			return a.Pos.Column - b.Pos.Column
		}
		return strings.Compare(a.Name, b.Name)
	})
	types = slices.Compact(types)
	groups := make([]group, len(types))
	for i, t := range types {
		groups[i] = group{t, objectsOf[t]}
		sortByPath(objectsOf[t], func(o object.Object) object.Object { return o })
	}
	return groups
}

// jsonLines returns a header, and then a line for each object.
func jsonLines(groups []group, count int, h Header) []byte {
	names := make([]value.Value, len(groups))
	for i, g := range groups {
		names[i] = value.OfString(g.typ.Name)
	}
	fields := []value.Field{
		{Name: headerKey, Value: value.OfInt(version)},
		{Name: typesKey, Value: value.OfList(names...)},
		{Name: objectsKey, Value: value.OfInt(int64(count))},
	}
	if h.LeftOut > 0 {
		fields = append(fields, value.Field{Name: leftOutKey, Value: value.OfInt(int64(h.LeftOut))})
	}
	body := jsonBody(groups)
	fields = append(fields, value.Field{Name: revisionKey, Value: value.OfInt(int64(h.Revision))}, value.Field{Name: sumKey, Value: value.OfString(sum(body))})
	b := value.AppendMap(nil, fields)
	b = append(b, '\n')
	return append(b, body...)
}

func jsonBody(groups []group) []byte {
	var b []byte
	for _, g := range groups {
		for _, o := range g.objects {
			b = append(b, `{"type": `...)
			b = value.AppendString(b, o.Type.Name)
			b = append(b, `, "tags": `...)
			b = value.AppendMap(b, tagFields(o))
			b = append(b, `, "name": `...)
			b = value.AppendString(b, o.Name)
			b = append(b, `, "values": `...)
			b = value.AppendMap(b, o.Fields)
			b = append(b, "}\n"...)
		}
	}
	return b
}

func tagFields(o object.Object) []value.Field {
	fields := make([]value.Field, len(o.Tags))
	for i, tag := range o.Type.Tags {
		fields[i] = value.Field{Name: tag, Value: value.OfString(o.Tags[i])}
	}
	return fields
}

// yamlText returns a map of types to objects by path, and of these to fields. Each
// field is on its own line, so that a line in a diff has the name of its object not
// far above it.
func yamlText(groups []group, count int, h Header) ([]byte, error) {
	var names []string
	var types []value.Field
	for _, g := range groups {
		names = append(names, inFlow(g.typ.Name))
		fields := make([]value.Field, len(g.objects))
		for j, o := range g.objects {
			fields[j] = value.Field{Name: o.Path(), Value: value.OfMap(o.Fields...)}
		}
		if len(fields) > 0 {
			types = append(types, value.Field{Name: g.typ.Name, Value: value.OfMap(fields...)})
		}
	}
	lost := ""
	if h.LeftOut > 0 {
		lost = fmt.Sprintf(", %s: %d", leftOutKey, h.LeftOut)
	}
	body, err := yamldoc.Encode(yamldoc.OfValue(value.OfMap(value.Field{Name: objectsKey, Value: value.OfMap(types...)})))
	body = append(body, theEnd+"\n"...)
	var b bytes.Buffer
	for line := range strings.Lines(h.Comment) {
		fmt.Fprintf(&b, "# %s\n", strings.TrimSuffix(line, "\n"))
	}
	fmt.Fprintf(&b, "%s: {%s: %d, %s: [%s], %s: %d%s, %s: %d, %s: %q}\n", headerKey, versionKey, version,
		typesKey, strings.Join(names, ", "), objectsKey, count, lost, revisionKey, h.Revision, sumKey, sum(body))
	b.Write(body)
	return b.Bytes(), err
}

// inFlow returns a string for use within brackets, quoted if YAML might read it as
// anything else.
func inFlow(text string) string {
	plain := func(r rune) bool { return r == '_' || r == '-' || unicode.IsLetter(r) || unicode.IsDigit(r) }
	if unicode.IsLetter([]rune(text)[0]) && strings.TrimFunc(text, plain) == "" {
		return text
	}
	return string(value.AppendString(nil, text))
}

// theEnd is the YAML marker for the end of a document.
const theEnd = "..."
