package readers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/theory/jsonpath"
	"github.com/theory/jsonpath/spec"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/value"
)

// The bounds of what is found in a rendered file.
const (
	maxEntries = 50_000
	maxDepth   = 64 // of JSON
)

// Which objects a rendered file lists.
const (
	listsAll    = "all"
	listsPooled = "pooled" // those that are pooled
	listsActive = "active" // those that are not inactive
)

// rendered says how objects are found in a file that was rendered from them: by a
// pattern, or by a JSON path to each and others to its parts.
type rendered struct {
	pattern *regexp.Regexp
	groups  []string // what each group of the pattern captures; the first one is the whole match

	each, name *jsonpath.Path // no name: the key in its map
	parts      map[string]*jsonpath.Path

	words map[string]map[string][]string // by field, what a word in the file means
	lists string
}

// nameGroup is the part of an entry that is the object's name. Other parts are
// called as a tag or field.
const nameGroup = "name"

// captures returns the parts of an entry that are found.
func (r rendered) captures() []string {
	if r.pattern != nil {
		return r.groups[1:]
	}
	return append(slices.Sorted(maps.Keys(r.parts)), nameGroup)
}

// entry is what a file says of one object: the parts by their names. A part is a
// string where it was text.
type entry map[string]any

func (e entry) has(part string) bool {
	_, has := e[part]
	return has
}

// parseRendered finds the entries in a file, by their keys.
func (r Reader) parseRendered(text []byte) (map[string]entry, error) {
	find := r.rendered.matches
	if r.rendered.each != nil {
		find = r.rendered.selected
	}
	all, err := find(text)
	if err != nil {
		return nil, err
	}
	if len(all) > maxEntries {
		return nil, fmt.Errorf("more than %d objects are in it", maxEntries)
	}
	found := make(map[string]entry, len(all))
	for _, e := range all {
		name, isText := e[nameGroup].(string)
		if !isText || name == "" {
			return nil, errors.New("an object in it has no name, or one that is no text")
		}
		tags := make([]string, len(r.Type.Tags))
		for i, tag := range r.Type.Tags {
			tags[i], _ = e[tag].(string)
		}
		key := r.key(tags, name)
		if other, twice := found[key]; twice && !reflect.DeepEqual(other, e) {
			return nil, fmt.Errorf("%s is in it twice, with different values", strconv.Quote(printable(key)))
		}
		found[key] = e
	}
	return found, nil
}

// matches finds entries by the pattern.
func (r rendered) matches(text []byte) ([]entry, error) {
	var all []entry
	for _, m := range r.pattern.FindAllSubmatch(text, maxEntries+1) {
		e := entry{}
		for i, group := range r.groups {
			if i > 0 && m[i] != nil {
				e[group] = string(m[i])
			}
		}
		all = append(all, e)
	}
	return all, nil
}

// selected finds entries by the JSON paths.
func (r rendered) selected(text []byte) ([]entry, error) {
	if err := shallow(text); err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var whole any
	if err := decoder.Decode(&whole); err != nil {
		return nil, errors.New("it is no JSON")
	}
	var all []entry
	for _, at := range r.each.SelectLocated(whole) {
		e := entry{}
		if r.name != nil {
			e[nameGroup], _ = first(r.name, at.Node)
		} else if n := len(at.Path); n > 0 {
			if name, isKey := at.Path[n-1].(spec.Name); isKey {
				e[nameGroup] = string(name)
			}
		}
		for part, path := range r.parts {
			if v, found := first(path, at.Node); found {
				e[part] = v
			}
		}
		all = append(all, e)
	}
	return all, nil
}

// first is what a path selects in an entry, if that is anything.
func first(path *jsonpath.Path, in any) (part any, found bool) {
	for _, node := range path.Select(in) {
		return node, true
	}
	return nil, false
}

// shallow refuses JSON that is nested too deeply to be searched, or more than one
// value.
func shallow(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	depth, values := 0, 0
	for {
		token, err := decoder.Token()
		switch {
		case errors.Is(err, io.EOF) && values == 1:
			return nil
		case err != nil:
			return errors.New("it is no JSON")
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			values++
		}
		if depth > maxDepth {
			return fmt.Errorf("its JSON is nested more than %d deep", maxDepth)
		}
	}
}

// inFile compares what a rendered file lists.
func (j judgement) inFile() comparison {
	c := comparison{}
	known := map[string]object.Object{}
	expected := 0
	for _, o := range j.objects(j.state.Snapshot) {
		key := j.key(o.Tags, o.Name)
		if _, twice := known[key]; twice {
			return comparison{problem: fmt.Sprintf("several of %s are called %s: say which with only, or capture their tags, too", j.selection(), printable(key))}
		}
		known[key] = o
		if o.Malformed != nil {
			continue
		}
		v := value.OfMap(o.Fields...)
		if j.rendered.listed(v) {
			expected++
		}
		c.wrong = append(c.wrong, j.entry(key, v, o.Revision)...)
	}
	for _, key := range slices.Sorted(maps.Keys(j.entries)) {
		if _, stored := known[key]; !stored {
			c.wrong = append(c.wrong, j.entry(key, value.Value{}, 0)...)
		}
	}
	if len(j.entries) == 0 && expected > 0 {
		c.problem = "nothing in it matches " + j.rendered.String()
	}
	c.fine = counted(len(j.entries), "object is", "objects are") + " as in the store"
	c.shows = func(key, field string) bool {
		e, listed := j.entries[key] // what is rightly not listed has no fields there
		return !listed || e.has(field) || field == pooledField && j.rendered.lists != listsAll
	}
	c.note = j.without()
	return c
}

// without is a note on fields that are not compared, since not all that is listed
// has them.
func (j judgement) without() string {
	var missing []string
	for _, part := range j.rendered.captures() {
		lacks := func(key string) bool { return !j.entries[key].has(part) }
		if slices.ContainsFunc(slices.Collect(maps.Keys(j.entries)), lacks) {
			missing = append(missing, part)
		}
	}
	if len(missing) == 0 {
		return ""
	}
	return fmt.Sprintf("%s: of some objects it does not say %s, which is not compared", j.Name(), strings.Join(missing, ", "))
}

// String is what the entries are found with.
func (r rendered) String() string {
	if r.pattern != nil {
		return printable(strings.TrimPrefix(r.pattern.String(), "(?m)"))
	}
	return printable(r.each.String())
}

// listed reports whether a stored object should be in the file.
func (r rendered) listed(v value.Value) bool {
	text, _ := fieldOf(v, pooledField).Str()
	switch {
	case v.IsAbsent():
		return false
	case r.lists == listsPooled:
		return isPooled(v)
	case r.lists == listsActive:
		return text != "inactive"
	}
	return true
}

// entry compares one object of a file.
func (j judgement) entry(key string, stored value.Value, rev store.Revision) []mismatch {
	e, listed := j.entries[key]
	fields := slices.DeleteFunc(slices.Clone(j.Type.Fields), func(f schema.Field) bool { return !e.has(f.Name) })
	differs := func(v value.Value) bool {
		return j.rendered.listed(v) != listed ||
			listed && slices.ContainsFunc(fields, func(f schema.Field) bool { return !j.rendered.same(f, e[f.Name], v) })
	}
	if !differs(stored) {
		return nil
	}
	what := printable(key) + " is not listed"
	switch {
	case listed && stored.IsAbsent():
		what = printable(key) + " is listed, and not in the store"
	case listed && !j.rendered.listed(stored):
		what = printable(key) + " is listed, and is not " + j.rendered.lists
	case listed:
		for _, f := range slices.Backward(fields) {
			if !j.rendered.same(f, e[f.Name], stored) {
				what = fmt.Sprintf("%s has %s %s, not %s", printable(key), f.Name, shown(e[f.Name]), printable(storedField(f, stored).Text()))
			}
		}
	}
	return []mismatch{{key, what, rev, differs}}
}

// same reports whether a part of an entry is what the field of a stored object is
// rendered as. Text means what it would on a command line.
func (r rendered) same(f schema.Field, part any, v value.Value) bool {
	stored := storedField(f, v)
	text, isText := part.(string)
	if !isText {
		return reflect.DeepEqual(stored.Decode(), part)
	}
	if plain, ok := stored.Str(); ok && plain == text && r.words[f.Name][text] == nil {
		return true
	}
	words, translated := r.words[f.Name][text]
	if !translated {
		words = []string{text}
	}
	return slices.ContainsFunc(words, func(word string) bool {
		means, err := f.Parse(word)
		return err == nil && slices.Contains(means, stored)
	})
}

// storedField is a field of a stored object, or its default.
func storedField(f schema.Field, v value.Value) value.Value {
	if stored := fieldOf(v, f.Name); !stored.IsAbsent() {
		return stored
	}
	return f.Default
}

// shown is a part of an entry in a message.
func shown(part any) string {
	text, err := json.Marshal(part)
	if err != nil {
		return "something else"
	}
	return printable(string(text))
}
