// Package object is the objects of a fleet and changes to them, as values:
// nothing here reads or writes anything.
package object

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/value"
)

// Object is one object of a type. It is not modified once made.
type Object struct {
	Type *schema.Type
	Tags []string // one value for each of the type's tags
	Name string
	// Fields are those the type declares, in its order and with their defaults
	// where the store has none, and then whatever else is stored.
	Fields   []value.Field
	Revision store.Revision // of its last change; 0 if it is not stored
	Created  store.Revision // of its creation; the same if nothing has changed it since

	// Violations are the stored values that their declared type refuses.
	Violations []schema.Violation
	// Malformed is why what is stored cannot be read as an object. Fields are
	// the defaults then, and Raw is what is stored.
	Malformed error
	Raw       []byte
}

// Snapshot is what was read of the store: all of one revision.
type Snapshot struct {
	Revision store.Revision
	Objects  []Object                  // those that were asked for, in key order, each once
	Strays   []string                  // keys that cannot belong to an object
	Fences   map[string]store.Revision // of each type that was read for a change: its last deletion, 0 for none
}

// Select returns the objects of a type that a selector chooses.
func (s Snapshot) Select(t *schema.Type, chosen selector.Selector) []Object {
	var objects []Object
	for _, o := range s.Objects {
		if o.Type == t && chosen.Match(o.Tags, o.Name) {
			objects = append(objects, o)
		}
	}
	return objects
}

// Find returns the object with a key, as Object.Key has it; nil if there is
// none.
func (s Snapshot) Find(key string) *Object {
	for i := range s.Objects {
		if s.Objects[i].Key() == key {
			return &s.Objects[i]
		}
	}
	return nil
}

// ByKey returns the objects by their keys, as Object.Key has them.
func (s Snapshot) ByKey() map[string]*Object {
	all := make(map[string]*Object, len(s.Objects))
	for i := range s.Objects {
		all[s.Objects[i].Key()] = &s.Objects[i]
	}
	return all
}

// New returns an object that is not stored yet, with the defaults of its type.
func New(t *schema.Type, tags []string, name string) Object {
	return Object{Type: t, Tags: tags, Name: name, Fields: t.Defaults()}
}

// WithFields returns the object with other fields, in the order they are
// stored: the declared ones first.
func (o Object) WithFields(fields []value.Field) Object {
	o.Fields = Order(o.Type, fields)
	o.Violations, o.Malformed, o.Raw = nil, nil, nil
	return o
}

// Order returns the fields a type declares in its order, with their defaults
// where they are missing, and then the others as they are.
func Order(t *schema.Type, fields []value.Field) []value.Field {
	ordered := t.Defaults()
	declared := index(ordered)
	for _, f := range fields {
		if i := declared(f.Name); i >= 0 {
			ordered[i].Value = f.Value
		} else {
			ordered = append(ordered, f)
		}
	}
	return ordered
}

// Get returns the value of a field; it is absent if the object has none.
func (o Object) Get(field string) value.Value { return value.Get(o.Fields, field) }

// IsPooled reports whether the field pooled of an object is yes or true. Whether
// that gives capacity is for package safety to say.
func IsPooled(fields []value.Field) bool {
	pooled := value.Get(fields, "pooled")
	return pooled.True() || pooled.Text() == `"yes"`
}

// Shown returns the fields that a get shows: the declared ones, and of a
// free-form type all.
func (o Object) Shown() []value.Field {
	if o.Type.FreeForm {
		return o.Fields
	}
	return o.Fields[:len(o.Type.Fields)]
}

// Dir returns the tag values as a path; it is empty for a type without tags.
func (o Object) Dir() string { return strings.Join(o.Tags, "/") }

// Path names the object within its type: the tag values and the name.
func (o Object) Path() string {
	if len(o.Tags) == 0 {
		return o.Name
	}
	return o.Dir() + "/" + o.Name
}

// Key is where the object is below namespace and version.
func (o Object) Key() string { return o.Type.Path + "/" + o.Path() }

// String names the object and its type, in a message: on one line, whatever
// somebody has called it.
func (o Object) String() string {
	path := o.Path()
	if !text.IsLine(path) || strings.ContainsFunc(path, func(r rune) bool { return !unicode.IsPrint(r) }) {
		path = text.Line(strconv.Quote(path))
	}
	return o.Type.Name + " " + path
}

// TagText returns the tags as the contract prints them: dc=eqiad,cluster=a.
func (o Object) TagText() string {
	pairs := make([]string, len(o.Tags))
	for i, tag := range o.Type.Tags {
		pairs[i] = tag + "=" + o.Tags[i]
	}
	return strings.Join(pairs, ",")
}

// AppendStored appends the text that is stored for the object.
func (o Object) AppendStored(b []byte) []byte { return value.AppendMap(b, o.Fields) }

// CheckName reports why a word can be no object's name or tag value.
func CheckName(what, word string) error {
	switch {
	case word == "":
		return fmt.Errorf("%s is empty", what)
	case len(word) > 253:
		return fmt.Errorf("%s is %d bytes long; 253 are allowed", what, len(word))
	case word == "." || word == "..":
		return fmt.Errorf("%s cannot be %q", what, word)
	}
	for _, r := range word {
		switch {
		case r == '/':
			return fmt.Errorf("%s %q has a slash in it", what, word)
		case r == 0xFFFD:
			return fmt.Errorf("%s %q is not valid UTF-8", what, word)
		case unicode.IsSpace(r) || !unicode.IsPrint(r):
			return fmt.Errorf("%s %q has a blank or control character in it", what, word)
		}
	}
	return nil
}
