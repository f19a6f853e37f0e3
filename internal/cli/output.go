package cli

import (
	"bufio"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

func formats() []string { return []string{"json", "yaml", "table", "name"} }

func checkFormat(format string) error {
	if format == "" || slices.Contains(formats(), format) {
		return nil
	}
	return &usageError{fmt.Sprintf("no output format %q", format), "known: " + strings.Join(formats(), ", ")}
}

// noFormat refuses an output format for a command that has but one.
func (g *globals) noFormat(command string) error {
	if g.output == "" && !g.yaml {
		return nil
	}
	return &usageError{command + " has no output formats", "-o is for a get"}
}

// ownFormat returns the output format of a command that has some of its own,
// the first being the standard.
func (g *globals) ownFormat(command string, known ...string) (string, error) {
	format := g.output
	switch {
	case g.yaml:
		format = "yaml"
	case format == "":
		return known[0], nil
	}
	if !slices.Contains(known, format) {
		return "", &usageError{fmt.Sprintf("%s has no output format %q", command, format), "known: " + strings.Join(known, ", ")}
	}
	g.output = "" // what follows is for a get
	return format, nil
}

// printObjects writes objects in a format: without one, as the contract has
// it, a line of JSON each.
func (s *session) printObjects(t *schema.Type, objects []object.Object) error {
	switch s.output {
	case "json":
		return s.Write(func(w *bufio.Writer) { writeJSON(w, objects) })
	case "yaml":
		return s.printYAML(documents(objects))
	case "table":
		return s.Write(func(w *bufio.Writer) { writeTable(w, t, objects, term.Colored(s.Out)) })
	case "name":
		return s.Write(func(w *bufio.Writer) {
			for _, o := range objects {
				w.WriteString(plain(o.Path())) //nolint:errcheck // Flush reports it
				w.WriteByte('\n')              //nolint:errcheck // Flush reports it
			}
		})
	}
	return s.Write(func(w *bufio.Writer) { writeLines(w, objects) })
}

// writeLines writes {"<name>": {fields}, "tags": "k=v,k=v"} for each object.
// Those next to each other mostly have the same tags.
func writeLines(w *bufio.Writer, objects []object.Object) {
	var line, end []byte
	for i, o := range objects {
		if i == 0 || !slices.Equal(o.Tags, objects[i-1].Tags) {
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

// documents returns objects as the formats json and yaml show them.
func documents(objects []object.Object) value.Value {
	all := make([]value.Value, len(objects))
	for i, o := range objects {
		all[i] = document(o)
	}
	return value.OfList(all...)
}

func document(o object.Object) value.Value {
	return value.OfMap(append(identity(o),
		value.Field{Name: "values", Value: value.OfMap(o.Shown()...)},
		value.Field{Name: "revision", Value: value.OfInt(int64(o.Revision))},
	)...)
}

// identity is what tells one object from all others, for a document.
func identity(o object.Object) []value.Field {
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

// writeJSON writes one JSON list, an object a line.
func writeJSON(w *bufio.Writer, objects []object.Object) {
	w.WriteByte('[') //nolint:errcheck // Flush reports it
	for i, o := range objects {
		if i > 0 {
			w.WriteByte(',') //nolint:errcheck // Flush reports it
		}
		w.WriteString("\n  " + document(o).Text()) //nolint:errcheck // Flush reports it
	}
	w.WriteString("\n]\n") //nolint:errcheck // Flush reports it
}

func (s *session) printYAML(v value.Value) error {
	text, err := yamldoc.Encode(yamldoc.OfValue(v))
	if err != nil {
		return err
	}
	return s.Print("%s", text)
}

// byName returns objects as one map from their names to their fields.
func byName(objects []object.Object) value.Value {
	fields := make([]value.Field, len(objects))
	for i, o := range objects {
		fields[i] = value.Field{Name: o.Name, Value: value.OfMap(o.Shown()...)}
	}
	return value.OfMap(fields...)
}

// writeTable writes aligned columns: the tags, the name, the fields.
func writeTable(w *bufio.Writer, t *schema.Type, objects []object.Object, color bool) {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	rows := [][]string{columns(t)}
	colors := []string{bold}
	for _, o := range objects {
		var row []string
		for _, word := range append(slices.Clone(o.Tags), o.Name) {
			row = append(row, plain(word))
		}
		for _, f := range o.Fields[:len(t.Fields)] {
			row = append(row, cell(f.Value))
		}
		rows, colors = append(rows, row), append(colors, rowColor(o))
	}
	for _, row := range rows {
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	table.Flush() //nolint:errcheck // it writes to memory
	writePainted(w, text.String(), colors, color)
}

// columns are the heads of a table.
func columns(t *schema.Type) []string {
	heads := append(append(slices.Clone(t.Tags), "name"), t.FieldNames()...)
	for i, head := range heads {
		heads[i] = plain(head)
	}
	return heads
}

// writePainted writes lines, each in its colour if there are to be any. They
// are aligned already: that would count the escapes.
func writePainted(w *bufio.Writer, table string, colors []string, color bool) {
	for i, line := range text.Lines(table) {
		line = strings.TrimRight(line, " ")
		if color && colors[i] != "" {
			line = "\x1b[" + colors[i] + "m" + line + "\x1b[0m"
		}
		w.WriteString(line + "\n") //nolint:errcheck // Flush reports it
	}
}

const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
	dim    = "2"
)

// rowColor tells at a glance what serves (green), what is depooled (yellow) and
// what is out for good (dim).
func rowColor(o object.Object) string {
	word, _ := o.Get("pooled").Str()
	switch {
	case safety.Serves(o):
		return green
	case word == "inactive":
		return dim
	case safety.HasCapacity(o.Type):
		return yellow
	}
	return ""
}

// cell is a value in a table: text bare, everything else as JSON, and nothing
// that would break the line.
func cell(v value.Value) string {
	s, isText := v.Str()
	if !isText {
		return v.Text()
	}
	return plain(s)
}

// plain is a text on one line: as it is, or if something in it may not be shown, in
// quotes.
func plain(s string) string {
	switch {
	case text.IsLine(s):
		return s
	case !utf8.ValidString(s): // for which there is no JSON
		return text.Line(strconv.Quote(s))
	}
	return value.OfString(s).Text()
}

// changedLine tells of one field, in the words of the contract.
func changedLine(path string, f object.FieldChange) string {
	shown := func(v value.Value) string {
		if s, isText := v.Str(); isText {
			return plain(s)
		}
		return text.Line(v.Python())
	}
	before, after := shown(f.Before), shown(f.After)
	if before == after && !f.Before.IsAbsent() { // "300" => 300
		before, after = f.Before.Text(), f.After.Text()
	}
	return fmt.Sprintf("%s: %s changed %s => %s", plain(path), plain(f.Name), before, after)
}

// namesByDir returns the names of objects by their tag values, and these in the
// order they come.
func namesByDir(objects []object.Object) (dirs []string, names map[string][]string) {
	names = map[string][]string{}
	for _, o := range objects {
		dir := "/" + o.Dir()
		if names[dir] == nil {
			dirs = append(dirs, dir)
		}
		names[dir] = append(names[dir], o.Name)
	}
	return dirs, names
}

// listingByGroup is a line for each group of objects, with how many there are
// and the first of them.
func listingByGroup(objects []object.Object) string {
	const few = 8
	var b strings.Builder
	dirs, names := namesByDir(objects)
	for _, dir := range dirs {
		all := names[dir]
		line := fmt.Sprintf("  %s: %d: %s", dir, len(all), strings.Join(all[:min(len(all), few)], " "))
		if len(all) > few {
			line += fmt.Sprintf(" and %d more", len(all)-few)
		}
		b.WriteString(text.OneLine(line) + "\n")
	}
	return b.String()
}

// listing is the contract's summary of what was chosen: names by tag values.
func listing(objects []object.Object) string {
	dirs, names := namesByDir(objects)
	fields := make([]value.Field, len(dirs))
	for i, dir := range dirs {
		elements := make([]value.Value, len(names[dir]))
		for j, n := range names[dir] {
			elements[j] = value.OfString(n)
		}
		fields[i] = value.Field{Name: dir, Value: value.OfList(elements...)}
	}
	return value.OfMap(fields...).Text()
}
