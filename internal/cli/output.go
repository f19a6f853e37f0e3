package cli

import (
	"bufio"
	"fmt"
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/object"
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

// noFormat returns an error if an output format is given to a command that has only
// one.
func (g *globals) noFormat(command string) error {
	if g.output == "" && !g.yaml {
		return nil
	}
	return &usageError{command + " has no output formats", "-o is for a get"}
}

// ownFormat returns the output format of a command that has its own formats. The
// first of known is the default.
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
	g.output = "" // loadApp accepts only the formats of get
	return format, nil
}

// A printer prints objects in a format. The empty format is the default: one line
// of JSON for each object.
type printer struct {
	term.Streams
	format string
}

// printObjects prints objects of type t in the format of the printer.
func (p printer) printObjects(t *schema.Type, objects []object.Object) error {
	switch p.format {
	case "json":
		return p.Write(func(w *bufio.Writer) { render.WriteJSON(w, objects) })
	case "yaml":
		return p.printYAML(render.Documents(objects))
	case "table":
		return p.Lines(render.Table(t, objects, term.Colored(p.Out))...)
	case "name":
		return p.Write(func(w *bufio.Writer) { render.WriteNames(w, objects) })
	}
	return p.Write(func(w *bufio.Writer) { render.WriteLines(w, objects) })
}

func (p printer) printYAML(v value.Value) error {
	text, err := yamldoc.Encode(yamldoc.OfValue(v))
	if err != nil {
		return err
	}
	return p.Print("%s", text)
}
