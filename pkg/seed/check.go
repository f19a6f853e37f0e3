package seed

import (
	"errors"
	"fmt"
	"slices"

	"github.com/conftool/confctl/pkg/object"
)

// Invalid is a stored object that today's schema does not allow.
type Invalid struct {
	Object  object.Object
	Reasons []string // at least one
}

// Check returns the objects of a snapshot that today's schema does not allow:
// what is stored cannot be read, or a field's type or a JSON schema refuses it.
//
// An object that has nothing but the defaults of its type is left out, even if
// its JSON schema refuses them: that is how a new one is created, so it is the
// schema that is at fault, and nothing an operator could put right. Fields that
// the type does not declare are left to the JSON schemas, too: what is stored
// in them survives changes.
//
// The error is for JSON schemas that cannot be used, each once. Everything else
// is checked all the same, so both results may be there.
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

// refused returns why an object is not allowed. Where a JSON schema cannot be
// used, the type alone is asked.
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
