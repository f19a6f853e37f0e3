package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/nearest"
	"github.com/conftool/confctl/pkg/value"
)

// Violation reports a value in an object that its type does not allow.
type Violation struct {
	Field string // the field's name; empty if the violation is about the whole object
	Rule  string // the name of the JSON schema rule; empty if the type itself is violated
	Msg   string
}

// String returns the message, and the field and the rule if a rule is violated.
func (v Violation) String() string {
	msg := v.Msg
	if v.Rule != "" && v.Field != "" {
		msg = v.Field + ": " + msg
	}
	if v.Rule != "" {
		return fmt.Sprintf("%s (rule %s)", msg, v.Rule)
	}
	return msg
}

// RulesFor returns the JSON schema rules whose selectors choose an object.
func (t *Type) RulesFor(tags []string, name string) []*Rule {
	var rules []*Rule
	for _, r := range t.Rules {
		if r.Selector.Match(tags, name) {
			rules = append(rules, r)
		}
	}
	return rules
}

// Validate returns all violations in an object's fields. The error is a *yamldoc.Error:
// a JSON schema cannot be used, or takes too long to check the object.
func (t *Type) Validate(tags []string, name string, fields []value.Field) ([]Violation, error) {
	found := t.ValidateFields(fields)
	rules := t.RulesFor(tags, name)
	if len(rules) == 0 {
		return found, nil
	}
	object := value.OfMap(fields...).Decode()
	for _, r := range rules {
		if err := r.Compile(); err != nil {
			return nil, err
		}
		refused, err := r.violations(r.validator, object)
		if err != nil {
			return nil, err
		}
		found = append(found, refused...)
	}
	return found, nil
}

// ValidateFields is like Validate, without the JSON schemas.
func (t *Type) ValidateFields(fields []value.Field) []Violation {
	var found []Violation
	for _, have := range fields {
		f, known := t.Field(have.Name)
		if !known {
			if !t.FreeForm {
				found = append(found, Violation{Field: have.Name, Msg: t.NoField(have.Name).Error()})
			}
			continue
		}
		if err := f.Check(have.Value); err != nil {
			found = append(found, Violation{Field: have.Name, Msg: err.Error()})
		}
	}
	return found
}

// NoField returns the error for a name that is not a field of the type.
func (t *Type) NoField(name string) error {
	names := t.FieldNames()
	if slices.Contains(t.Tags, name) {
		return fmt.Errorf("%s is a tag of type %s, not a field, and cannot be changed", name, t.Name)
	}
	return fmt.Errorf("type %s has no field %q%s; its fields are %s", t.Name, name, nearest.Suggest(name, names), strings.Join(names, ", "))
}
