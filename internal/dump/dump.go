// Package dump writes objects to one file and reads them back. The formats are YAML,
// for people and version control, and JSON Lines, one object per line, for programs.
//
// A file holds the objects as they are, without their history except for the
// revision of the last change: while nothing changes, two files have the same bytes.
// All values are exact: strings that YAML would read as another type are quoted, and
// numbers keep their digits.
package dump

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Format is the format of a file.
type Format string

// The formats. Parse detects the format from the content.
const (
	YAML      Format = "yaml"
	JSONLines Format = "jsonl"
)

// Formats returns the names of the formats, the default one first.
func Formats() []string { return []string{string(YAML), string(JSONLines)} }

// version is the version of the file format.
const version = 1

// Dump is the content of a file, with types.
type Dump struct {
	// Types are the types that the dump covers, each after those it depends on. They are
	// the types named in the header, even those without objects; without such a header,
	// they are the types of the objects.
	Types   []*schema.Type
	Objects []Item // by type in the order of Types, then in key order; each object once
	// Whole reports whether the dump has all objects that a store had of its types. A
	// file whose header does not name the types may be incomplete.
	Whole bool
	Header

	pictured bool // the header says that the file was written from a store
	unedited bool // the checksum shows that the file has not been edited
}

// Item is an object in a file.
type Item struct {
	// Object has the fields that the type declares, in the order of the type and with
	// defaults for those that the file does not set, and then all other fields. Plan
	// checks values that the type refuses and fields that it does not declare.
	Object object.Object
	Given  []string // the fields that the file sets
	Bare   []string // those of them whose value is an unquoted string that may be a mistake
	Pos    yamldoc.Pos

	foreign bool                     // the object is as a store had it
	written []value.Field            // the values as written, where the type parses them differently
	places  func(string) yamldoc.Pos // the positions of the given fields
}

// place returns the position of a field of the object, or that of the object if the
// file does not set the field.
func (i Item) place(field string) yamldoc.Pos {
	if i.places == nil || !slices.Contains(i.Given, field) {
		return i.Pos
	}
	return i.places(field)
}

// Rules of faults (yamldoc.Error.Rule) for which the caller may add advice.
const (
	RuleCompressed = "compressed"        // the file is compressed with gzip
	RuleDataFile   = "data-file"         // it is a file of a data directory
	RuleSchemaFile = "schema-file"       // it is a schema
	RuleUnreadable = "unreadable-object" // the stored object cannot be read, and Terms.Repair is not set
)

// FaultsError reports all faults of a file, in line order. Each fault is one line,
// whatever the file contains.
type FaultsError struct{ Faults []*yamldoc.Error }

func (e *FaultsError) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the faults.
func (e *FaultsError) Unwrap() []error {
	all := make([]error, len(e.Faults))
	for i, f := range e.Faults {
		all[i] = f
	}
	return all
}

// oneLineEach returns copies of the faults with messages that fit on one line.
func oneLineEach(faults []*yamldoc.Error) []*yamldoc.Error {
	for i, f := range faults {
		line := *f // copied, because a fault of a schema is shared
		line.Pos.File, line.Msg = text.Line(f.Pos.File), text.Line(f.Msg)
		faults[i] = &line
	}
	return faults
}

// sortFaults sorts faults by position and keeps the order of those with the same
// position.
func sortFaults(faults []*yamldoc.Error) {
	slices.SortStableFunc(faults, func(a, b *yamldoc.Error) int {
		if a.Pos.Line != b.Pos.Line {
			return a.Pos.Line - b.Pos.Line
		}
		return a.Pos.Column - b.Pos.Column
	})
}

// Of returns a dump of all objects of some types that were read from elsewhere than
// a file. place returns the name of the place where an object was found. All fields
// of an object count as given, including those that have their default because
// nothing is stored. The faults are the objects that a dump cannot hold; they are
// left out.
func Of(s *schema.Schema, types []*schema.Type, from object.Snapshot, place func(object.Object) string) (Dump, []*yamldoc.Error) {
	var items []Item
	var faults []*yamldoc.Error
	for _, o := range from.Objects {
		pos := yamldoc.Pos{File: place(o)}
		if reason := Unwritable(o); reason != "" {
			faults = append(faults, yamldoc.Errorf(pos, "%s", reason))
			continue
		}
		item := Item{Object: o, Pos: pos, foreign: true}
		for _, f := range o.Fields {
			item.Given = append(item.Given, f.Name)
		}
		items = append(items, item)
	}
	d := arrange(s, types, items)
	d.Whole = true
	return d, oneLineEach(faults)
}

// Unwritable returns the reason why a dump cannot hold an object, or "" if it can.
func Unwritable(o object.Object) string {
	if o.Malformed != nil {
		return "what is stored cannot be read: " + o.Malformed.Error()
	}
	if !utf8.ValidString(o.Path()) {
		return "the name is not valid UTF-8"
	}
	return ""
}

// arrange returns a dump with the items in order. Its types are the covered ones and
// those of the items.
func arrange(s *schema.Schema, covered []*schema.Type, items []Item) Dump {
	var d Dump
	for _, t := range s.InDependencyOrder() {
		from := len(d.Objects)
		for _, i := range items {
			if i.Object.Type == t {
				d.Objects = append(d.Objects, i)
			}
		}
		mine := d.Objects[from:]
		if len(mine) > 0 || slices.Contains(covered, t) {
			d.Types = append(d.Types, t)
		}
		sortByPath(mine, func(i Item) object.Object { return i.Object })
	}
	return d
}

// sortByPath sorts objects of one type in the order of their keys in a store.
func sortByPath[T any](all []T, objectOf func(T) object.Object) {
	type pathed struct {
		path string
		it   T
	}
	byPath := make([]pathed, len(all))
	for i, it := range all {
		byPath[i] = pathed{objectOf(it).Path(), it}
	}
	slices.SortStableFunc(byPath, func(a, b pathed) int { return strings.Compare(a.path, b.path) })
	for i := range byPath {
		all[i] = byPath[i].it
	}
}

// Snapshot returns the objects as if they had been read from a store, to compare
// them with something or to try a plan on them.
//
// A file does not record whether an object has changed since it was created. An
// object that has only the defaults of its type is treated as unchanged, which
// matters to safety rules.
func (d Dump) Snapshot() object.Snapshot {
	s := object.Snapshot{Revision: 2, Objects: make([]object.Object, len(d.Objects))}
	keys := make(map[*schema.Type]string, len(d.Types))
	for i, item := range d.Objects {
		o := item.Object
		if o.Created, o.Revision = 1, 2; len(object.Diff(o.Type.Defaults(), o.Fields)) == 0 {
			o.Revision = o.Created
		}
		o.Violations = o.Type.ValidateFields(o.Fields[:len(o.Type.Fields)])
		s.Objects[i], keys[o.Type] = o, o.Type.Path+"/"
	}
	// The objects of a type are sorted, and no type's path is inside another's.
	slices.SortStableFunc(s.Objects, func(a, b object.Object) int { return strings.Compare(keys[a.Type], keys[b.Type]) })
	return s
}
