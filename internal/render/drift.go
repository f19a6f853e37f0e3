package render

import (
	"fmt"
	"strings"

	"github.com/conftool/confctl/internal/seed"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Drift is the differences between a store and the files and schema of a site.
type Drift struct {
	Revision   store.Revision
	Missing    []object.Object
	Extra      []object.Object        // objects that the files of their types, which are complete, do not declare
	Places     map[string]yamldoc.Pos // where each missing object is declared, by key
	Invalid    []seed.Invalid
	Strays     []string // keys that do not belong to an object
	Uncompared []string // types that could not be compared completely
	Faults     []string // the reasons
}

// Count returns the number of differences.
func (d Drift) Count() int { return len(d.Missing) + len(d.Extra) + len(d.Invalid) + len(d.Strays) }

// Lines returns a line for each difference.
func (d Drift) Lines(color bool) []string {
	var lines []string
	add := func(code, kind string, texts ...string) {
		for _, s := range texts {
			lines = append(lines, paint(fmt.Sprintf("%-8s %s", kind, text.OneLine(s)), code, color))
		}
	}
	add(green, "missing", eachOrGroups(d.Missing, func(o object.Object) string { return o.String() + ", declared at " + d.Places[o.Key()].String() })...)
	add(red, "extra", eachOrGroups(d.Extra, extra)...)
	for _, i := range d.Invalid {
		add(yellow, "invalid", i.Object.String()+": "+strings.Join(i.Reasons, "; "))
	}
	add(yellow, "stray", d.Strays...)
	return lines
}

func extra(o object.Object) string {
	if o.Malformed != nil {
		return o.String() + ", which cannot be read"
	}
	return o.String() + " " + fieldsText(o.Fields)
}

// Summary returns the number of differences of each kind.
func (d Drift) Summary() string {
	return fmt.Sprintf("drift: %d missing, %d extra, %d invalid, %s", len(d.Missing), len(d.Extra), len(d.Invalid), text.Count(len(d.Strays), "stray key"))
}

// Document returns the report as a value, for the formats json and yaml.
func (d Drift) Document() value.Value {
	var missing, extra, invalid []value.Value
	for _, o := range d.Missing {
		missing = append(missing, value.OfMap(append(Identity(o), textField("declared", d.Places[o.Key()].String()))...))
	}
	for _, o := range d.Extra {
		if o.Malformed != nil {
			extra = append(extra, value.OfMap(Identity(o)...))
		} else {
			extra = append(extra, Document(o))
		}
	}
	for _, i := range d.Invalid {
		invalid = append(invalid, value.OfMap(append(Identity(i.Object), value.Field{Name: "reasons", Value: textList(i.Reasons)})...))
	}
	return value.OfMap(
		value.Field{Name: "drift", Value: value.OfBool(d.Count() > 0)},
		value.Field{Name: "revision", Value: value.OfInt(int64(d.Revision))},
		value.Field{Name: "missing", Value: value.OfList(missing...)},
		value.Field{Name: "extra", Value: value.OfList(extra...)},
		value.Field{Name: "invalid", Value: value.OfList(invalid...)},
		value.Field{Name: "strays", Value: textList(d.Strays)},
		value.Field{Name: "not_compared", Value: textList(d.Uncompared)},
		value.Field{Name: "faults", Value: textList(d.Faults)},
	)
}
