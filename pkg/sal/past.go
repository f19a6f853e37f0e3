package sal

import (
	"fmt"
	"strings"

	txt "github.com/conftool/confctl/internal/text" // tests have a function text
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
)

// Past returns the change of the object in a form that can be undone under the
// current schema. An error names the object and says why the change cannot be
// undone: its type no longer exists or cannot be used, it has other tags now, or
// its earlier value was not an object.
func (o Object) Past(s *schema.Schema) (object.Past, error) {
	t, err := s.Type(o.Type)
	if err != nil {
		return object.Past{}, fmt.Errorf("%s %s: %w", o.Type, o.Path, err)
	}
	parts := strings.Split(o.Path, "/")
	if len(parts) != len(t.Tags)+1 {
		return object.Past{}, fmt.Errorf("%s %s: type %s has other tags by now: %s", o.Type, o.Path, t.Name, tagList(t))
	}
	if o.Raw != nil {
		return object.Past{}, fmt.Errorf("%s %s: what was stored before cannot be restored, it was no JSON object: %q", o.Type, o.Path, excerpt(o.Raw))
	}
	last := len(parts) - 1
	return object.Past{Type: t, Tags: parts[:last], Name: parts[last], Before: state(o.Before), After: state(o.After), Partial: o.Partial}, nil
}

// state returns the fields of an object; nil if the object was absent.
func state(v value.Value) []value.Field {
	if v.IsAbsent() {
		return nil
	}
	return append([]value.Field{}, v.Fields()...)
}

func tagList(t *schema.Type) string {
	if len(t.Tags) == 0 {
		return "none"
	}
	return strings.Join(t.Tags, ", ")
}

// excerpt returns the beginning of a text.
func excerpt(b []byte) string {
	const maxBytes = 100
	return txt.CutBytes(string(b), maxBytes)
}
