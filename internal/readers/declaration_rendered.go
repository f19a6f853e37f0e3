package readers

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/theory/jsonpath"

	"github.com/conftool/confctl/internal/nearest"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// setRendered sets a key of a rendered file whose value is a string.
func (d *declaration) setRendered(key, text string) (err error) {
	r := &d.r.rendered
	switch key {
	case "lists":
		all := []string{listsAll, listsPooled, listsActive}
		if r.lists = text; !slices.Contains(all, text) {
			return expected("which objects are in it is expected: " + strings.Join(all, ", "))
		}
	case "json":
		r.each, err = parsePath(text)
	case "field":
		if d.has("pattern") {
			return nil // read together with it
		}
		d.setPart(text, jsonpath.MustParse("$"))
		err = d.canCapture(text)
	}
	return err
}

// renderedPattern reads a pattern, whose groups are named after what they capture.
// Unnamed groups capture the name and the field.
func (d *declaration) renderedPattern(text string) error {
	pattern, err := regexp.Compile("(?m)" + text)
	if err != nil {
		return fmt.Errorf("%q is no regular expression (RE2)", printable(text))
	}
	groups, field := pattern.SubexpNames(), d.parts["field"]
	switch named := strings.Join(groups, "") != ""; {
	case named && d.has("field"):
		return errors.New("field is for a pattern whose groups have no names")
	case !named && d.has("field") && len(groups) == 3:
		groups = []string{"", nameGroup, field.Text()}
	case !named && !d.has("field") && len(groups) == 2:
		groups = []string{"", nameGroup}
	case !named:
		return expected("groups (?P<name>...) and (?P<FIELD>...) are expected, or one for the name and, with field, one for its value")
	}
	d.r.rendered.pattern, d.r.rendered.groups = pattern, groups
	if !slices.Contains(groups, nameGroup) {
		return errors.New("it has no group for the name of an object: (?P<name>[^ ]+), for one")
	}
	for _, group := range groups[1:] {
		if err := d.canCapture(group); err != nil {
			return err
		}
	}
	return nil
}

// canCapture returns an error if a part of an entry is not a part of objects of the
// type.
func (d *declaration) canCapture(part string) error {
	known := slices.Concat([]string{nameGroup}, d.typ.FieldNames(), d.typ.Tags)
	switch {
	case part == "":
		return errors.New("give each group a name, or write (?:...) where nothing is captured")
	case !slices.Contains(known, part):
		return fmt.Errorf("type %s has no field or tag %q%s", d.typ.Name, part, nearest.Suggest(part, known))
	}
	return nil
}

// parsePath parses a path of RFC 9535. It allows at most one .., because several
// could take very long on a hostile file.
func parsePath(text string) (*jsonpath.Path, error) {
	path, err := jsonpath.Parse(text)
	if err != nil || strings.Count(text, "..") > 1 {
		return nil, expected("a JSON path is expected, such as $.hosts[*], with at most one ..")
	}
	return path, nil
}

func (d *declaration) setPart(name string, path *jsonpath.Path) {
	if d.r.rendered.parts == nil {
		d.r.rendered.parts = map[string]*jsonpath.Path{}
	}
	d.r.rendered.parts[name] = path
}

// fields reads the paths to the parts of an object.
func (d *declaration) fields(n yamldoc.Node) {
	pairs, err := n.Pairs("fields")
	if err != nil {
		d.fail(err)
	}
	for _, p := range pairs {
		if err := d.canCapture(p.Name); err != nil {
			d.failKey(p.Key, "fields", err)
		}
		path, err := parsePath(p.Value.Text())
		if err != nil {
			d.failKey(p.Value, "fields", err)
		}
		d.setPart(p.Name, path)
	}
}

// values reads the meaning of strings in the file: {FIELD: {STRING: VALUE}}, where
// several values are a list.
func (d *declaration) values(n yamldoc.Node) {
	fields, err := n.Pairs("values")
	if err != nil {
		d.fail(err)
	}
	d.r.rendered.meanings = map[string]map[string][]string{}
	for _, f := range fields {
		declared, has := d.typ.Field(f.Name)
		if !has {
			d.failAt(f.Key, "values: type %s has no field %q%s", d.typ.Name, f.Name, nearest.Suggest(f.Name, d.typ.FieldNames()))
			continue
		}
		pairs, err := f.Value.Pairs("the values of " + f.Name)
		if err != nil {
			d.fail(err)
		}
		d.r.rendered.meanings[f.Name] = map[string][]string{}
		for _, w := range pairs {
			for _, v := range items(w.Value) {
				if _, err := declared.Parse(v.Text()); err != nil {
					d.failKey(v, "values", err)
				}
				d.r.rendered.meanings[f.Name][w.Name] = append(d.r.rendered.meanings[f.Name][w.Name], v.Text())
			}
		}
	}
}
