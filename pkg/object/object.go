// Package object has the objects of a fleet and the changes to them as values.
// It neither reads nor writes a store.
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

// Object is one object of a type. It must not be modified after it is made.
type Object struct {
	Type *schema.Type
	Tags []string // one value for each of the type's tags
	Name string
	// Fields has the fields that the type declares, in its order, with defaults
	// where the store has no value, and then all other stored fields.
	Fields   []value.Field
	Revision store.Revision // revision of its last change; 0 if it is not stored
	Created  store.Revision // revision of its creation; equal to Revision if it has not changed since

	// Violations lists the stored values that the declared fields do not allow.
	Violations []schema.Violation
	// Malformed is the error from decoding the stored value, nil if it is an
	// object. If it is not nil, Fields has the defaults and Raw the stored
	// bytes.
	Malformed error
	Raw       []byte
}

// Snapshot is the result of reading the store at one revision.
type Snapshot struct {
	Revision store.Revision
	Objects  []Object                  // the objects read, in key order, each once
	Strays   []string                  // keys that cannot belong to an object
	Fences   map[string]store.Revision // revision of the last deletion by type name, 0 for none; only of types read for a change
}

// Select returns the objects of a type that a selector matches.
func (s Snapshot) Select(t *schema.Type, chosen selector.Selector) []Object {
	var objects []Object
	for _, o := range s.Objects {
		if o.Type == t && chosen.Match(o.Tags, o.Name) {
			objects = append(objects, o)
		}
	}
	return objects
}

// Find returns the object with the given Object.Key, or nil.
func (s Snapshot) Find(key string) *Object {
	for i := range s.Objects {
		if s.Objects[i].Key() == key {
			return &s.Objects[i]
		}
	}
	return nil
}

// ByKey returns the objects by Object.Key.
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

// WithFields returns the object with other fields, ordered as by Order. The
// result has no Violations, Malformed or Raw.
func (o Object) WithFields(fields []value.Field) Object {
	o.Fields = Order(o.Type, fields)
	o.Violations, o.Malformed, o.Raw = nil, nil, nil
	return o
}

// Order returns the fields that a type declares, in its order, with defaults
// for missing ones, followed by all other fields in their order.
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

// Get returns the value of a field, which is absent if the object has no such
// field.
func (o Object) Get(field string) value.Value { return value.Get(o.Fields, field) }

// IsPooled reports whether the field pooled is yes or true. Use safety.Serves
// to find out whether the object gives capacity.
func IsPooled(fields []value.Field) bool {
	pooled := value.Get(fields, "pooled")
	return pooled.True() || pooled.Text() == `"yes"`
}

// Shown returns the fields that the get action shows: the declared ones, or all
// if the type is free-form.
func (o Object) Shown() []value.Field {
	if o.Type.FreeForm {
		return o.Fields
	}
	return o.Fields[:len(o.Type.Fields)]
}

// Dir returns the tag values joined by slashes; it is empty for a type without
// tags.
func (o Object) Dir() string { return strings.Join(o.Tags, "/") }

// Path returns the path of the object within its type: the tag values and the
// name, joined by slashes.
func (o Object) Path() string {
	if len(o.Tags) == 0 {
		return o.Name
	}
	return o.Dir() + "/" + o.Name
}

// Key returns the key of the object below namespace and API version.
func (o Object) Key() string { return o.Type.Path + "/" + o.Path() }

// String returns the type and path of the object for a message. It is one line,
// and quoted if the path has characters that cannot be printed.
func (o Object) String() string {
	path := o.Path()
	if !text.IsLine(path) || strings.ContainsFunc(path, func(r rune) bool { return !unicode.IsPrint(r) }) {
		path = text.Line(strconv.Quote(path))
	}
	return o.Type.Name + " " + path
}

// TagText returns the tags in the format of the command line's output:
// dc=eqiad,cluster=a.
func (o Object) TagText() string {
	pairs := make([]string, len(o.Tags))
	for i, tag := range o.Type.Tags {
		pairs[i] = tag + "=" + o.Tags[i]
	}
	return strings.Join(pairs, ",")
}

// AppendStored appends the JSON text that is stored for the object.
func (o Object) AppendStored(b []byte) []byte { return value.AppendMap(b, o.Fields) }

// CheckName returns an error if a string cannot be an object's name or a tag
// value; what names it in the error. A name has 1 to 253 bytes of UTF-8,
// without slashes, blanks or characters that cannot be printed, and is not "."
// or "..".
func CheckName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%s is empty", what)
	case len(name) > 253:
		return fmt.Errorf("%s is %d bytes long; 253 are allowed", what, len(name))
	case name == "." || name == "..":
		return fmt.Errorf("%s cannot be %q", what, name)
	}
	for _, r := range name {
		switch {
		case r == '/':
			return fmt.Errorf("%s %q has a slash in it", what, name)
		case r == 0xFFFD:
			return fmt.Errorf("%s %q is not valid UTF-8", what, name)
		case unicode.IsSpace(r) || !unicode.IsPrint(r):
			return fmt.Errorf("%s %q has a blank or control character in it", what, name)
		}
	}
	return nil
}
