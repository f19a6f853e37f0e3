package readers

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/theory/jsonpath"
	"github.com/theory/jsonpath/spec"

	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
)

// maxEntries limits the number of objects read from a rendered file.
const maxEntries = 50_000

// The objects that a rendered file lists.
const (
	listsAll    = "all"
	listsPooled = "pooled" // pooled objects
	listsActive = "active" // objects that are not inactive
)

// rendered describes how to find objects in a file that was rendered from them: by a
// pattern, or by a JSON path to each object and paths to its parts.
type rendered struct {
	pattern *regexp.Regexp
	groups  []string // what each group of the pattern captures; the first is the whole match

	each, name *jsonpath.Path // if name is nil, the name is the key of the object in its map
	parts      map[string]*jsonpath.Path

	meanings map[string]map[string][]string // by field, the values that a string in the file stands for
	lists    string
}

// nameGroup is the part of an entry that is the name of the object. Other parts are
// named after tags and fields.
const nameGroup = "name"

// captures returns the names of the parts that are captured.
func (r rendered) captures() []string {
	if r.pattern != nil {
		return r.groups[1:]
	}
	return append(slices.Sorted(maps.Keys(r.parts)), nameGroup)
}

// String returns the pattern or path that finds the entries.
func (r rendered) String() string {
	if r.pattern != nil {
		return printable(strings.TrimPrefix(r.pattern.String(), "(?m)"))
	}
	return printable(r.each.String())
}

// entry is the parts of one object in a file, by name. A part that was text is a
// string.
type entry map[string]any

func (e entry) has(part string) bool {
	_, has := e[part]
	return has
}

// parseRendered returns the entries in a file, by key.
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

// matches finds entries with the pattern.
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

// selected finds entries with the JSON paths. The depth of the JSON is limited,
// because the time that a path takes grows with it.
func (r rendered) selected(text []byte) ([]entry, error) {
	whole, err := value.ParseAround(text)
	if err != nil {
		return nil, fmt.Errorf("it cannot be read as JSON: %s", printable(err.Error()))
	}
	var all []entry
	for _, at := range r.each.SelectLocated(whole.Decode()) {
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

// first returns the first part of an entry that a path selects, if any.
func first(path *jsonpath.Path, in any) (part any, found bool) {
	for _, node := range path.Select(in) {
		return node, true
	}
	return nil, false
}

// inFile shows the objects that a rendered file lists.
func (j judgement) inFile() shown {
	s := shown{keys: slices.Collect(maps.Keys(j.entries)), differs: j.entryDiffers, note: j.incomplete()}
	s.current = counted(len(j.entries), "object is", "objects are") + " as in the store"
	s.shows = func(key, field string) bool {
		e, listed := j.entries[key] // an object that is correctly not listed has no fields in the file
		return !listed || e.has(field) || field == pooledField && j.rendered.lists != listsAll
	}
	for _, o := range j.stored {
		if len(j.entries) == 0 && o.Malformed == nil && j.rendered.listed(value.OfMap(o.Fields...)) {
			s.problem = "nothing in it matches " + j.rendered.String()
		}
	}
	return s
}

// incomplete returns a note about the parts that some entries lack.
func (j judgement) incomplete() string {
	missing := slices.DeleteFunc(slices.Clone(j.rendered.captures()), func(part string) bool {
		for _, e := range j.entries {
			if !e.has(part) {
				return false
			}
		}
		return true
	})
	if len(missing) == 0 {
		return ""
	}
	return fmt.Sprintf("%s: of some objects it does not say %s, which is not compared", j.Name(), strings.Join(missing, ", "))
}

// listed reports whether a stored object should be in the file.
func (r rendered) listed(v value.Value) bool {
	switch {
	case v.IsAbsent():
		return false
	case r.lists == listsPooled:
		return isPooled(v)
	case r.lists == listsActive:
		return !isInactive(v)
	}
	return true
}

// entryDiffers describes how an object in the file differs from the stored one.
func (j judgement) entryDiffers(key string, stored value.Value) string {
	e, listed := j.entries[key]
	switch {
	case !listed && j.rendered.listed(stored):
		return printable(key) + " is not listed"
	case !listed:
		return ""
	case stored.IsAbsent():
		return printable(key) + " is listed, and not in the store"
	case !j.rendered.listed(stored):
		return printable(key) + " is listed, and is not " + j.rendered.lists
	}
	for _, f := range j.Type.Fields {
		if want := j.fieldOr(stored, f.Name); e.has(f.Name) && !j.rendered.same(f, e[f.Name], want) {
			return fmt.Sprintf("%s has %s %s, not %s", printable(key), f.Name, inJSON(e[f.Name]), printable(want.Text()))
		}
	}
	return ""
}

// same reports whether a part of an entry stands for the value of a field. Text is
// parsed as on the command line.
func (r rendered) same(f schema.Field, part any, stored value.Value) bool {
	text, isText := part.(string)
	if !isText {
		return reflect.DeepEqual(stored.Decode(), part)
	}
	values, translated := r.meanings[f.Name][text]
	if !translated {
		if plain, ok := stored.Str(); ok && plain == text {
			return true
		}
		values = []string{text}
	}
	return slices.ContainsFunc(values, func(text string) bool {
		means, err := f.Parse(text)
		return err == nil && slices.Contains(means, stored)
	})
}

// inJSON returns a part of an entry for a message.
func inJSON(part any) string {
	text, err := json.Marshal(part)
	if err != nil {
		return "something else"
	}
	return printable(string(text))
}
