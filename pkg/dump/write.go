package dump

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Write writes objects with all fields they have, in the order of the schema's
// types and then in key order. The same objects in whatever order, of
// whatever revision, are the same text.
//
// Objects that are malformed, or that have a name that is not UTF-8, cannot be
// written: leave them out, as Of does. If there is one, nothing is written.
func Write(w io.Writer, f Format, objects []object.Object) error {
	for _, o := range objects {
		if reason := unwritable(o); reason != "" {
			return fmt.Errorf("%s %q cannot be written: %s", o.Type.Name, o.Path(), reason)
		}
	}
	groups := byType(objects)
	var text []byte
	var err error
	switch f {
	case JSONLines:
		text = jsonLines(groups, len(objects))
	case YAML:
		text, err = yamlText(groups, len(objects))
	default:
		err = fmt.Errorf("no format %q; known: %s", f, strings.Join(Formats(), ", "))
	}
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// byType returns the objects of each type, in key order. Types are as the
// schema has them: a built-in one, which has no place in its file, first.
func byType(objects []object.Object) [][]object.Object {
	var types []*schema.Type
	of := map[*schema.Type][]object.Object{}
	for _, o := range objects {
		if of[o.Type] == nil {
			types = append(types, o.Type)
		}
		of[o.Type] = append(of[o.Type], o)
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
	groups := make([][]object.Object, len(types))
	for i, t := range types {
		groups[i] = of[t]
		sortByPath(groups[i], func(o object.Object) object.Object { return o })
	}
	return groups
}

// jsonLines is a header, and then a line for each object.
func jsonLines(groups [][]object.Object, count int) []byte {
	b := fmt.Appendf(nil, "{%q: %d, %q: %d}\n", headerKey, version, objectsKey, count)
	for _, group := range groups {
		for _, o := range group {
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

const about = `# Objects as they were when confctl export wrote this file. To make them so again:
#   confctl import FILE
`

// yamlText is a map of types, of objects in them by their path, and of fields
// in these: a line for each field, so that a difference between two files is a line
// with the object's name not far above it.
func yamlText(groups [][]object.Object, count int) ([]byte, error) {
	types := make([]value.Field, len(groups))
	for i, group := range groups {
		fields := make([]value.Field, len(group))
		for j, o := range group {
			fields[j] = value.Field{Name: o.Path(), Value: value.OfMap(o.Fields...)}
		}
		types[i] = value.Field{Name: group[0].Type.Name, Value: value.OfMap(fields...)}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s%s: {%s: %d, %s: %d}\n", about, headerKey, versionKey, version, objectsKey, count)
	text, err := yamldoc.Encode(yamldoc.OfValue(value.OfMap(value.Field{Name: objectsKey, Value: value.OfMap(types...)})))
	b.Write(text)
	b.WriteString(theEnd + "\n")
	return b.Bytes(), err
}

// theEnd is how YAML says that a document is whole.
const theEnd = "..."
