package readers

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/theory/jsonpath"

	"github.com/conftool/confctl/pkg/nearest"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// renderedKeys is what a reader of kind Rendered can be given.
func renderedKeys() []string {
	return []string{"path", "url", "pattern", "json", "name", "field", "fields", "values", "lists", "headers", "ca", "hosts"}
}

// rendered reads how objects are found in a rendered file.
func (l *loader) rendered(r *Reader, d declaration) {
	if r.Kind != Rendered {
		return
	}
	_, path := d.parts["path"]
	if _, url := d.parts["url"]; path == url {
		l.failAt(d.Node, "a reader of kind %s needs path, of a file here, or url", r.Kind)
	}
	_, pattern := d.parts["pattern"]
	if _, json := d.parts["json"]; pattern == json {
		l.failAt(d.Node, "a reader of kind %s needs pattern, which finds the objects in text, or json, which does so in JSON", r.Kind)
	}
	if path {
		for _, key := range []string{"headers", "ca", "hosts"} {
			if n, given := d.parts[key]; given {
				l.failAt(n, "%s is for what is asked by its url, and not for a file here", key)
			}
		}
	}
	l.renderedPattern(r, d)
	l.renderedJSON(r, d)
	l.renderedWords(r, d)
	r.rendered.lists = listsAll
	if n, text, given := l.part(d, "lists"); given {
		all := []string{listsAll, listsPooled, listsActive}
		if r.rendered.lists = text; !slices.Contains(all, text) {
			l.failAt(n, "lists cannot be %s: which objects are in it is expected: %s", n.Describe(), strings.Join(all, ", "))
		}
	}
}

// renderedPattern reads a pattern, whose groups are called as what they capture.
// Without names they are the name and the field.
func (l *loader) renderedPattern(r *Reader, d declaration) {
	n, text, given := l.part(d, "pattern")
	if !given {
		return
	}
	for _, key := range []string{"name", "fields"} {
		if n, given := d.parts[key]; given {
			l.failAt(n, "%s is for json; a pattern has groups: (?P<name>[^ ]+) (?P<FIELD>[0-9]+)", key)
		}
	}
	pattern, err := regexp.Compile("(?m)" + text)
	if err != nil {
		l.failAt(n, "pattern cannot be %s, which is no regular expression (RE2)", n.Describe())
		return
	}
	groups := pattern.SubexpNames()
	field, hasField := d.parts["field"]
	switch named := strings.Join(groups, ""); {
	case named != "" && hasField:
		l.failAt(field, "field is for a pattern whose groups have no names")
	case named == "" && hasField && len(groups) == 3:
		groups = []string{"", nameGroup, field.Text()}
	case named == "" && !hasField && len(groups) == 2:
		groups = []string{"", nameGroup}
	case named == "":
		l.failAt(n, "pattern cannot be %s: groups (?P<name>...) and (?P<FIELD>...) are expected, or one for the name and, with field, one for its value", n.Describe())
		return
	}
	r.rendered.pattern, r.rendered.groups = pattern, groups
	if !slices.Contains(groups, nameGroup) {
		l.failAt(n, "pattern has no group for the name of an object: (?P<name>[^ ]+), for one")
	}
	for _, g := range groups[1:] {
		l.captured(n, "pattern", g)
	}
}

// captured finds what is no part of an object that could be compared.
func (l *loader) captured(n yamldoc.Node, key, part string) {
	known := slices.Concat([]string{nameGroup}, l.typ.FieldNames(), l.typ.Tags)
	if part == "" {
		l.failAt(n, "%s: give each group a name, or write (?:...) where nothing is captured", key)
	} else if !slices.Contains(known, part) {
		l.failAt(n, "%s: type %s has no field or tag %q%s", key, l.typ.Name, part, nearest.Suggest(part, known))
	}
}

// renderedJSON reads the path to each object, and the paths to its parts.
func (l *loader) renderedJSON(r *Reader, d declaration) {
	n, text, given := l.part(d, "json")
	if !given {
		return
	}
	r.rendered.each = l.jsonPath(n, "json", text)
	if n, text, given := l.part(d, "name"); given {
		r.rendered.name = l.jsonPath(n, "name", text)
	}
	r.rendered.parts = map[string]*jsonpath.Path{}
	if n, text, given := l.part(d, "field"); given {
		l.captured(n, "field", text)
		r.rendered.parts[text] = jsonpath.MustParse("$")
	}
	fields, given := d.parts["fields"]
	if !given {
		return
	}
	pairs, err := fields.Pairs("fields")
	if err != nil {
		l.fail(err)
		return
	}
	for _, p := range pairs {
		l.captured(p.Key, "fields", p.Name)
		r.rendered.parts[p.Name] = l.jsonPath(p.Value, "fields", p.Value.Text())
	}
}

// jsonPath reads a path of RFC 9535. With several .. in it a hostile file could
// take very long.
func (l *loader) jsonPath(n yamldoc.Node, key, text string) *jsonpath.Path {
	path, err := jsonpath.Parse(text)
	if err != nil || strings.Count(text, "..") > 1 {
		l.failAt(n, "%s cannot be %s: a JSON path is expected, such as $.hosts[*], with at most one ..", key, n.Describe())
		return jsonpath.MustParse("$")
	}
	return path
}

// renderedWords reads what words in a file mean: {FIELD: {WORD: VALUE}}, where
// several values are a list.
func (l *loader) renderedWords(r *Reader, d declaration) {
	n, given := d.parts["values"]
	if !given {
		return
	}
	fields, err := n.Pairs("values")
	if err != nil {
		l.fail(err)
		return
	}
	r.rendered.words = map[string]map[string][]string{}
	for _, f := range fields {
		declared, has := l.typ.Field(f.Name)
		if !has {
			l.failAt(f.Key, "values: type %s has no field %q%s", l.typ.Name, f.Name, nearest.Suggest(f.Name, l.typ.FieldNames()))
			continue
		}
		words, err := f.Value.Pairs(fmt.Sprintf("the values of %s", f.Name))
		if err != nil {
			l.fail(err)
			continue
		}
		r.rendered.words[f.Name] = map[string][]string{}
		for _, w := range words {
			means := []yamldoc.Node{w.Value}
			if w.Value.IsList() {
				means, _ = w.Value.Items("values")
			}
			for _, v := range means {
				if _, err := declared.Parse(v.Text()); err != nil {
					l.failAt(v, "values: %v", err)
				}
				r.rendered.words[f.Name][w.Name] = append(r.rendered.words[f.Name][w.Name], v.Text())
			}
		}
	}
}
