package seed

import (
	"errors"
	"fmt"
	"slices"

	"github.com/conftool/confctl/pkg/object"
)

// Invalid is a stored object that the current schema does not allow.
type Invalid struct {
	Object  object.Object
	Reasons []string // at least one
}

// Check returns the objects of a snapshot that the current schema does not allow:
// those that cannot be read, and those whose values are refused by the type of a
// field or by a JSON schema.
//
// An object that has only the defaults of its type is left out, even if its JSON
// schema refuses them: new objects are created like this, so the mistake is in the
// schema, not in the data. Fields that the type does not declare are checked only by
// the JSON schemas, because changes preserve them.
//
// The error joins the errors of the JSON schemas that cannot be used, each once.
// Everything else is still checked, so both results may be non-nil.
func Check(snapshot object.Snapshot) ([]Invalid, error) {
	var all []Invalid
	var unusable []error
	for _, o := range snapshot.Objects {
		if o.Malformed != nil {
			all = append(all, Invalid{o, []string{fmt.Sprintf("what is stored cannot be read: %v", o.Malformed)}})
			continue
		}
		reasons, err := refused(o)
		if err != nil && !slices.ContainsFunc(unusable, func(e error) bool { return e.Error() == err.Error() }) {
			unusable = append(unusable, err)
		}
		if len(reasons) > 0 {
			all = append(all, Invalid{o, reasons})
		}
	}
	return all, errors.Join(unusable...)
}

// refused returns the reasons why an object is not allowed. If a JSON schema cannot
// be used, only the type is checked.
func refused(o object.Object) ([]string, error) {
	if len(object.Diff(o.Type.Defaults(), o.Fields)) == 0 {
		return nil, nil
	}
	violations, err := o.Type.Validate(o.Tags, o.Name, o.Fields)
	if err != nil {
		violations = o.Type.ValidateFields(o.Fields)
	}
	var reasons []string
	for _, v := range violations {
		if _, declared := o.Type.Field(v.Field); declared || v.Rule != "" {
			reasons = append(reasons, v.String())
		}
	}
	return reasons, err
}
