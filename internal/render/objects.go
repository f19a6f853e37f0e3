package render

import (
	"bufio"
	"slices"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
)

// The functions below write objects instead of returning lines, because there may
// be tens of thousands of objects.

// WriteLines writes {"<name>": {fields}, "tags": "k=v,k=v"} for each object, in
// the format of the Python tool.
func WriteLines(w *bufio.Writer, objects []object.Object) {
	var line, end []byte
	for i, o := range objects {
		if i == 0 || !slices.Equal(o.Tags, objects[i-1].Tags) { // consecutive objects usually have the same tags
			end = append(end[:0], `, "tags": `...)
			end = value.AppendString(end, o.TagText())
			end = append(end, '}', '\n')
		}
		line = append(line[:0], '{')
		line = value.AppendString(line, o.Name)
		line = append(line, ": "...)
		line = value.AppendMap(line, o.Shown())
		line = append(line, end...)
		w.Write(line) //nolint:errcheck // Flush reports it
	}
}

// WriteJSON writes objects as one JSON list with one object on each line.
func WriteJSON(w *bufio.Writer, objects []object.Object) {
	writeList(w, objects, Document)
}

// writeList writes one JSON list with one element on each line.
func writeList[T any](w *bufio.Writer, all []T, document func(T) value.Value) {
	w.WriteByte('[') //nolint:errcheck // Flush reports it
	for i, t := range all {
		if i > 0 {
			w.WriteByte(',') //nolint:errcheck // Flush reports it
		}
		w.WriteString("\n  " + document(t).Text()) //nolint:errcheck // Flush reports it
	}
	w.WriteString("\n]\n") //nolint:errcheck // Flush reports it
}

// WriteNames writes the path of each object.
func WriteNames(w *bufio.Writer, objects []object.Object) {
	for _, o := range objects {
		w.WriteString(Plain(o.Path())) //nolint:errcheck // Flush reports it
		w.WriteByte('\n')              //nolint:errcheck // Flush reports it
	}
}

// Documents returns objects as a value, for the formats json and yaml.
func Documents(objects []object.Object) value.Value {
	all := make([]value.Value, len(objects))
	for i, o := range objects {
		all[i] = Document(o)
	}
	return value.OfList(all...)
}

// Document returns an object with type, tags, name, values and revision.
func Document(o object.Object) value.Value {
	return value.OfMap(append(Identity(o),
		value.Field{Name: "values", Value: value.OfMap(o.Shown()...)},
		value.Field{Name: "revision", Value: value.OfInt(int64(o.Revision))},
	)...)
}

// Identity returns the type, tags and name of an object as fields of a document.
func Identity(o object.Object) []value.Field {
	tags := make([]value.Field, len(o.Tags))
	for i, tag := range o.Type.Tags {
		tags[i] = value.Field{Name: tag, Value: value.OfString(o.Tags[i])}
	}
	return []value.Field{
		{Name: "type", Value: value.OfString(o.Type.Name)},
		{Name: "tags", Value: value.OfMap(tags...)},
		{Name: "name", Value: value.OfString(o.Name)},
	}
}

// ByName returns one map from the names of objects to their fields.
func ByName(objects []object.Object) value.Value {
	fields := make([]value.Field, len(objects))
	for i, o := range objects {
		fields[i] = value.Field{Name: o.Name, Value: value.OfMap(o.Shown()...)}
	}
	return value.OfMap(fields...)
}

// Table returns objects of a type in columns: tags, name and fields.
func Table(t *schema.Type, objects []object.Object, color bool) []string {
	rows, colors := [][]string{heads(t)}, []string{bold}
	for _, o := range objects {
		var row []string
		for _, word := range append(slices.Clone(o.Tags), o.Name) {
			row = append(row, Plain(word))
		}
		for _, f := range o.Fields[:len(t.Fields)] {
			row = append(row, Cell(f.Value))
		}
		rows, colors = append(rows, row), append(colors, rowColor(o))
	}
	return paintEach(Columns(rows), colors, color)
}

func heads(t *schema.Type) []string {
	heads := append(append(slices.Clone(t.Tags), "name"), t.FieldNames()...)
	for i, head := range heads {
		heads[i] = Plain(head)
	}
	return heads
}

// rowColor returns green for an object that serves, yellow for a depooled one,
// and dim for an inactive one.
func rowColor(o object.Object) string {
	pooled, _ := o.Get("pooled").Str()
	switch {
	case safety.Serves(o):
		return green
	case pooled == "inactive":
		return dim
	case safety.HasCapacity(o.Type):
		return yellow
	}
	return ""
}
