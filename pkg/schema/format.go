package schema

import (
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/conftool/confctl/pkg/value"
)

// ignoreFormats makes a compiler accept every format and every content. Python's
// validate() does not assert them in any draft, so stored values may violate them.
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
// ignoreFormats disables.
func (s jsonSchema) hasFormats() bool {
	for _, part := range s.parts {
		if part.Format != "" || part.ContentEncoding != "" || part.ContentMediaType != "" {
			return true
		}
	}
	return false
}

// doubts returns the violations that the JSON schema would report only if its formats
// were asserted. The rule must be compiled.
func (r *Rule) doubts(object any) []Violation {
	r.onceAsserting.Do(func() {
		if !r.validator.hasFormats() {
			return
		}
		if c := r.compile(true); c.err == nil {
			r.asserting = c.validator
		}
	})
	if r.asserting.Schema == nil {
		return nil
	}
	refused, err := r.violations(r.validator, object)
	if err != nil {
		return nil // Violations returns this error
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

// Doubts returns the values of an object's fields that are accepted, as the Python
// tool accepts them, but are probably a mistake: networks written in an unusual way,
// and values that violate a format in a JSON schema. A JSON schema that cannot be used
// adds nothing.
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

// Doubts is like Type.Doubts, for the JSON schema of this rule only.
func (r *Rule) Doubts(fields []value.Field) []Violation {
	if r.Compile() != nil {
		return nil
	}
	return r.doubts(value.OfMap(fields...).Decode())
}
