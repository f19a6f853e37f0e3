package schema

import (
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/conftool/confctl/pkg/value"
)

// ignoreFormats lets a compiler accept every format and every content. Python's
// validate() asserts neither, in any draft, so stored values may have any.
func ignoreFormats(c *jsonschema.Compiler) {
	for name := range jsonschema.Formats {
		c.Formats[name] = func(any) bool { return true }
	}
	for name := range jsonschema.Decoders {
		c.Decoders[name] = func(text string) ([]byte, error) { return []byte(text), nil }
	}
	for name := range jsonschema.MediaTypes {
		c.MediaTypes[name] = func([]byte) error { return nil }
	}
}

// hasFormats reports whether a part of the JSON schema has a keyword that
// ignoreFormats disarms.
func (s jsonSchema) hasFormats() bool {
	for _, part := range s.parts {
		if part.Format != "" || part.ContentEncoding != "" || part.ContentMediaType != "" {
			return true
		}
	}
	return false
}

// doubts returns what the JSON schema would refuse of an object, besides what it
// does refuse, if its formats were asserted. The rule is compiled.
func (r *Rule) doubts(object any) []Violation {
	r.onceAsserting.Do(func() {
		if !r.judge.hasFormats() {
			return
		}
		if c := r.compile(true); c.err == nil {
			r.asserting = c.judge
		}
	})
	if r.asserting.Schema == nil {
		return nil
	}
	refused, err := r.violations(r.judge, object)
	if err != nil {
		return nil // who checks the object is told
	}
	doubts, err := r.violations(r.asserting, object)
	if err != nil {
		return nil
	}
	known := map[Violation]bool{}
	for _, v := range refused {
		known[v] = true
	}
	return slices.DeleteFunc(doubts, func(v Violation) bool { return known[v] })
}

// Doubts returns what is accepted in an object's fields, as the Python tool
// accepts it, and is most likely not what was meant: networks written in an
// unusual way, and values that are not in the format that a JSON schema names.
// JSON schemas that cannot be used have none.
func (t *Type) Doubts(tags []string, name string, fields []value.Field) []Violation {
	var found []Violation
	for _, have := range fields {
		f, _ := t.Field(have.Name)
		for _, doubt := range f.Doubts(have.Value) {
			found = append(found, Violation{Field: have.Name, Msg: doubt})
		}
	}
	for _, r := range t.RulesFor(tags, name) {
		found = append(found, r.Doubts(fields)...)
	}
	return found
}

// Doubts is Type.Doubts for one JSON schema.
func (r *Rule) Doubts(fields []value.Field) []Violation {
	if r.Compile() != nil {
		return nil
	}
	return r.doubts(value.OfMap(fields...).Decode())
}
