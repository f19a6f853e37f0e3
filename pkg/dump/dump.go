// Package dump is objects as one file, and back: YAML, for people and their
// version control, and JSON Lines, an object a line, for programs.
//
// A file holds what objects are, and of when and how they became so only the
// revision of the last change: two files are the same bytes while nothing changes. All values are exact: text
// that YAML takes for something else is quoted, numbers keep their digits.
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

// Format is how a file is written.
type Format string

// The formats. Parse tells them apart by what is in the file.
const (
	YAML      Format = "yaml"
	JSONLines Format = "jsonl"
)

// Formats returns the names of the formats, the standard one first.
func Formats() []string { return []string{string(YAML), string(JSONLines)} }

// version is of what is in the files.
const version = 1

// Dump is the objects of a file, typed.
type Dump struct {
	// Types are those it covers, each after those it depends on: those that its
	// header names, also without an object, or else those that it has objects of.
	Types   []*schema.Type
	Objects []Item // by type, in that order, then in key order; each object once
	// Whole says that it has all objects that a store had of its types. A file
	// whose header does not name the types may be a part.
	Whole bool
	Header

	pictured bool // a header says that it is of a store
	unedited bool // it is as it was written, by its checksum
}

// Item is an object of a file.
type Item struct {
	// Object has the fields the type declares, in its order and with defaults
	// for those the file does not have, and then all others. Of a value that the
	// type refuses, and of a field that it does not have, Plan is the judge.
	Object object.Object
	Given  []string // the fields the file names
	Bare   []string // those of them that are text without quotes where that may be a mistake
	Pos    yamldoc.Pos

	foreign bool                     // it is as a store had it
	written []value.Field            // those that the type understands otherwise than they are written
	places  func(string) yamldoc.Pos // of fields that are given
}

// place returns where a field of the object is written; for one that is not,
// where the object is.
func (i Item) place(field string) yamldoc.Pos {
	if i.places == nil || !slices.Contains(i.Given, field) {
		return i.Pos
	}
	return i.places(field)
}

// The rules of faults, as yamldoc.Error.Rule has them, about which there is more to
// say than what is wrong.
const (
	RuleCompressed = "compressed"        // the file is compressed with gzip
	RuleDataFile   = "data-file"         // it is a file of a data directory
	RuleSchemaFile = "schema-file"       // it is a schema
	RuleUnreadable = "unreadable-object" // what is stored cannot be read, and Terms.Repair is not set
)

// FaultsError is all that is wrong with a file, in the order of its lines. Each
// fault is one line, whatever is in the file.
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

// oneLineEach returns faults without what would break their lines.
func oneLineEach(faults []*yamldoc.Error) []*yamldoc.Error {
	for i, f := range faults {
		line := *f // some are of a schema, which others have too
		line.Pos.File, line.Msg = text.Line(f.Pos.File), text.Line(f.Msg)
		faults[i] = &line
	}
	return faults
}

// sortFaults sorts by place, and leaves those of one place as they are.
func sortFaults(faults []*yamldoc.Error) {
	slices.SortStableFunc(faults, func(a, b *yamldoc.Error) int {
		if a.Pos.Line != b.Pos.Line {
			return a.Pos.Line - b.Pos.Line
		}
		return a.Pos.Column - b.Pos.Column
	})
}

// Of returns all objects of some types as they were read from somewhere else
// than a file, with the name of the place where each was found. All fields they
// have are given, also those that have their default because nothing is stored.
// The faults are what cannot be in a dump, and is left out.
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

// Unwritable says why an object cannot be in a dump; it is empty if it can.
func Unwritable(o object.Object) string {
	if o.Malformed != nil {
		return "what is stored cannot be read: " + o.Malformed.Error()
	}
	if !utf8.ValidString(o.Path()) {
		return "the name is not valid UTF-8"
	}
	return ""
}

// arrange brings items in order, and the types: those that are covered, and
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

// sortByPath sorts objects of one type as a store sorts their keys.
func sortByPath[T any](all []T, of func(T) object.Object) {
	type pathed struct {
		path string
		it   T
	}
	byPath := make([]pathed, len(all))
	for i, it := range all {
		byPath[i] = pathed{of(it).Path(), it}
	}
	slices.SortStableFunc(byPath, func(a, b pathed) int { return strings.Compare(a.path, b.path) })
	for i := range byPath {
		all[i] = byPath[i].it
	}
}

// Snapshot returns the objects as if they had been read from a store, to
// compare something with them or to try a plan on them.
//
// A file does not say whether somebody has changed an object since its
// creation. One that has nothing but the defaults of its type is taken to be
// still as it was created, which safety rules ask about.
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
	// Objects of a type are in order, and no type's path is inside another's.
	slices.SortStableFunc(s.Objects, func(a, b object.Object) int { return strings.Compare(keys[a.Type], keys[b.Type]) })
	return s
}
