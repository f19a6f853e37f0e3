package dump

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/conftool/confctl/internal/nearest"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// The keys of an object's line. The revision that get -o json also writes is
// ignored.
const (
	typeKey     = "type"
	tagsKey     = "tags"
	nameKey     = "name"
	valuesKey   = "values"
	revisionKey = "revision"
)

// readLines reads one object per line.
func (r *reader) readLines(text []byte) {
	text = withoutMark(text)
	first := true
	for n := 1; len(text) > 0; n++ {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		text = rest
		content := bytes.Trim(line, " \t\r")
		if len(content) == 0 {
			continue
		}
		l := jsonLine{r.file, n, bytes.Index(line, content), content}
		r.readLine(l, first)
		first = false
	}
}

func (r *reader) readLine(l jsonLine, first bool) {
	v, err := l.parse()
	if err != nil {
		r.count++
		r.fault(err, l.start())
		return
	}
	fields := v.Fields()
	if headed := value.Get(fields, headerKey); !headed.IsAbsent() {
		r.jsonHeader(l, fields, first)
		return
	}
	r.count++
	r.jsonObject(l, fields)
}

func (r *reader) jsonHeader(l jsonLine, fields []value.Field, first bool) {
	if !first {
		r.unsure = true
		r.faultf(l.start(), "a header here: these are several files in one; import them one by one, or take all headers out")
		return
	}
	for _, f := range fields {
		if known := []string{headerKey, typesKey, objectsKey, leftOutKey, revisionKey, sumKey}; !slices.Contains(known, f.Name) {
			r.unknownKey(l.place(f.Name), f.Name, known...)
		}
	}
	if types := value.Get(fields, typesKey); !types.IsAbsent() {
		r.jsonCovered(l, types)
	}
	r.setHeader(l.start(), value.Get(fields, headerKey), func(key string) value.Value { return value.Get(fields, key) })
}

// jsonCovered reads the names of the covered types.
func (r *reader) jsonCovered(l jsonLine, types value.Value) {
	r.listed = true
	place := func() yamldoc.Pos { return l.place(typesKey) }
	if types.Kind() != value.List {
		r.faultf(place(), "%s must be a list, not %s", typesKey, types.Kind())
		return
	}
	for _, e := range types.Elements() {
		name, ok := e.Str()
		if !ok {
			r.faultf(place(), "%s has the names of types, not %s", typesKey, e.Text())
			continue
		}
		r.cover(name, place)
	}
}

func (r *reader) jsonObject(l jsonLine, fields []value.Field) {
	known := []string{typeKey, tagsKey, nameKey, valuesKey}
	right := true
	for _, f := range fields {
		if !slices.Contains(known, f.Name) && f.Name != revisionKey {
			r.unknownKey(l.place(f.Name), f.Name, known...)
			right = false
		}
	}
	typeName, typed := r.text(l, fields, typeKey)
	name, named := r.text(l, fields, nameKey)
	if !typed {
		return
	}
	t := r.typeOf(typeName, func() yamldoc.Pos { return l.place(typeKey) })
	if t == nil {
		return
	}
	tags, tagged := r.tags(l, t, value.Get(fields, tagsKey))
	values := value.Get(fields, valuesKey)
	if values.Kind() != value.Map {
		r.faultf(l.place(valuesKey), "%s must be a map, not %s; without values it would be {}", valuesKey, values.Kind())
		return
	}
	if !right || !named || !tagged {
		return
	}
	item := Item{Pos: l.start(), places: func(field string) yamldoc.Pos { return l.place(valuesKey, field) }}
	given := values.Fields()
	for _, f := range given {
		item.Given = append(item.Given, f.Name)
	}
	r.add(t, tags, name, item, given)
}

// text returns the required string value of a key.
func (r *reader) text(l jsonLine, fields []value.Field, key string) (string, bool) {
	v := value.Get(fields, key)
	s, ok := v.Str()
	if !ok {
		r.faultf(l.place(key), "%s must be text, not %s", key, v.Kind())
	}
	return s, ok
}

// tags returns the values of a type's tags. A type without tags does not require the
// key.
func (r *reader) tags(l jsonLine, t *schema.Type, v value.Value) (tags []string, ok bool) {
	if v.Kind() != value.Map && (len(t.Tags) > 0 || !v.IsAbsent()) {
		r.faultf(l.place(tagsKey), "%s must be a map, not %s; type %s has %s", tagsKey, v.Kind(), t.Name, listed(t.Tags))
		return nil, false
	}
	fields, ok := v.Fields(), true
	for _, f := range fields {
		if !slices.Contains(t.Tags, f.Name) {
			r.faultf(l.place(tagsKey, f.Name), "type %s has no tag %q%s; its tags are %s", t.Name, f.Name, nearest.Suggest(f.Name, t.Tags), listed(t.Tags))
			ok = false
		}
	}
	tags = make([]string, len(t.Tags))
	for i, tag := range t.Tags {
		v := value.Get(fields, tag)
		text, isText := v.Str()
		switch {
		case v.IsAbsent():
			r.faultf(l.place(tagsKey), "tag %s of type %s is missing", tag, t.Name)
			ok = false
		case !isText:
			r.faultf(l.place(tagsKey, tag), "tag %s must be text, not %s", tag, v.Text())
			ok = false
		}
		tags[i] = text
	}
	return tags, ok
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// jsonLine is a line of JSON and its position.
type jsonLine struct {
	file   string
	number int
	indent int
	text   []byte
}

func (l jsonLine) at(offset int) yamldoc.Pos {
	return yamldoc.Pos{File: l.file, Line: l.number, Column: l.indent + max(offset, 0) + 1}
}

func (l jsonLine) start() yamldoc.Pos { return l.at(0) }

// parse returns the map on the line. Errors are *yamldoc.Error.
func (l jsonLine) parse() (value.Value, error) {
	v, err := value.ParseAround(l.text)
	if err != nil {
		var discard any
		var syntax *json.SyntaxError
		if errors.As(json.Unmarshal(l.text, &discard), &syntax) {
			return v, yamldoc.Errorf(l.at(int(syntax.Offset)-1), "not valid JSON: %v; each line is an object", syntax)
		}
		return v, yamldoc.Errorf(l.start(), "cannot be read: %v", err)
	}
	if v.Kind() != value.Map {
		return v, yamldoc.Errorf(l.start(), "each line must be a map, not %s", v.Kind())
	}
	if v.Text() == string(l.text) { // identical to the output of Write, so no key is repeated
		return v, nil
	}
	return v, l.repeated()
}

// repeated returns an error if a key is repeated in a map.
func (l jsonLine) repeated() error {
	var twice error
	seen := map[string]bool{}
	l.walk(func(path []string, offset int) {
		key := fmt.Sprintf("%q", path)
		if seen[key] && twice == nil {
			twice = yamldoc.Errorf(l.at(offset), "key %q is there already", path[len(path)-1]).Of(yamldoc.RuleDuplicate)
		}
		seen[key] = true
	})
	return twice
}

// place returns the position of the key at the path steps, or of the last step that
// exists.
func (l jsonLine) place(steps ...string) yamldoc.Pos {
	found, depth := 0, 0
	l.walk(func(path []string, offset int) {
		if n := len(path); n > depth && n <= len(steps) && slices.Equal(path, steps[:n]) {
			found, depth = offset, n
		}
	})
	return l.at(found)
}

// walk calls f with the path and the offset of each key of each map, outer keys
// first. The path is valid only during the call. The line must be valid JSON.
func (l jsonLine) walk(f func(path []string, offset int)) {
	d := json.NewDecoder(bytes.NewReader(l.text))
	d.UseNumber()
	l.walkValue(d, nil, f)
}

func (l jsonLine) walkValue(d *json.Decoder, path []string, f func([]string, int)) {
	token, err := d.Token()
	if err != nil { // unreachable: the line is valid JSON
		return
	}
	switch token {
	case json.Delim('{'):
		for d.More() {
			offset := int(d.InputOffset())
			offset += len(l.text[offset:]) - len(bytes.TrimLeft(l.text[offset:], " \t\r\n,"))
			key, err := d.Token()
			name, isText := key.(string)
			if err != nil || !isText { // unreachable: the line is valid JSON
				return
			}
			below := append(path, name) //nolint:gocritic // each call overwrites the previous name
			f(below, offset)
			l.walkValue(d, below, f)
		}
	case json.Delim('['):
		for index := 0; d.More(); index++ {
			l.walkValue(d, append(path, strconv.Itoa(index)), f)
		}
	default:
		return
	}
	d.Token() //nolint:errcheck // the closing bracket
}
