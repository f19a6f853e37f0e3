// Package seed reads declarations of objects from a directory of files, such as
// conftool-data, and plans the changes to a store: missing objects are created,
// objects that are no longer declared are deleted, and existing objects keep their
// values.
package seed

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/conftool/confctl/pkg/files"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Data is the content of a data directory.
type Data struct {
	Dir   string
	Types []Type // in the order of the types given to Read
}

// Type is the declarations of the files of one object type.
type Type struct {
	Type    *schema.Type
	Dir     string
	Objects []object.Object        // in the order of files and lines, each object once
	Places  map[string]yamldoc.Pos // the position of the first declaration of each object, by Object.Path
	Files   int                    // the number of files
	// Faults are the mistakes in the files. If a type has faults, the meaning of its
	// files is not certain, so nothing is created or deleted.
	Faults []*yamldoc.Error
	// Gaps are files that are empty or cannot be read. What the other files declare is
	// certain, so it is created, but nothing is deleted.
	Gaps []*yamldoc.Error
	// Notes are oddities without an effect: an object that is declared twice, a file
	// beside the data files that is not read.
	Notes []*yamldoc.Error
}

// The rules of faults, gaps and notes (yamldoc.Error.Rule). Errors of package
// yamldoc have their own rules.
const (
	RuleShape     = "data-shape"     // fault: not the map or list that is expected
	RuleNull      = "data-null"      // fault: an empty value where a map or list is expected
	RuleService   = "data-service"   // fault: a string where a list of services is expected
	RuleName      = "data-name"      // fault: not a valid name or tag value
	RuleEmpty     = "data-empty"     // gap: a file that declares no objects
	RuleFile      = "data-file"      // gap: an entry that looks like a data file, but is not a regular file or has another name
	RuleDuplicate = "data-duplicate" // note: an object that is declared again
	RuleIgnored   = "data-ignored"   // note: a file that is not read
	RuleDirectory = "data-directory" // from Unclaimed: a directory that is not named after a type
)

// Complete reports whether the files declare all objects of the type, so that all
// others should be deleted.
func (t Type) Complete() bool { return len(t.Faults) == 0 && len(t.Gaps) == 0 && t.Files > 0 }

// Read reads the files of the given types: in the directory named after the type,
// those that end in .yaml or .yml and do not begin with a dot. A type without a
// directory declares nothing. The error is for the directory as a whole.
func Read(dir string, types []*schema.Type) (Data, error) { return ReadFrom(nil, dir, types) }

// ReadFrom is like Read, but reads the files through from.
func ReadFrom(from *files.Files, dir string, types []*schema.Type) (Data, error) {
	info, err := from.Stat(dir)
	if err != nil {
		return Data{}, fmt.Errorf("data directory %s: %w", dir, errors.Unwrap(err))
	}
	if !info.IsDir() {
		return Data{}, fmt.Errorf("data directory %s: not a directory", dir)
	}
	data := Data{Dir: dir}
	for _, t := range types {
		data.Types = append(data.Types, readType(from, filepath.Join(dir, t.Name), t))
	}
	return data, nil
}

func readType(from *files.Files, dir string, t *schema.Type) Type {
	r := reader{Type: Type{Type: t, Dir: dir, Places: map[string]yamldoc.Pos{}}, from: from}
	entries, err := from.ReadDir(dir)
	if err != nil && !isNothing(dir, err) {
		r.Gaps = append(r.Gaps, yamldoc.Unreadable(dir, err))
	}
	for _, e := range entries {
		r.entry(e.Name())
	}
	return r.Type
}

// isNothing reports whether an error means that dir does not exist, not even as a
// dangling link.
func isNothing(dir string, err error) bool {
	if !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	_, err = os.Lstat(dir)
	return errors.Is(err, fs.ErrNotExist)
}

// reader reads the files of one type.
type reader struct {
	Type
	from     *files.Files
	declared int  // the number of declarations, including repeated ones
	full     bool // declared exceeds the limit
}

// entry reads a file. A file that looks like a data file but cannot be read as one
// is a gap, because leaving it out would delete the objects that it declares. Other
// files that editors and people leave beside the data are not.
func (r *reader) entry(base string) {
	name := filepath.Join(r.Dir, base)
	info, err := r.from.Stat(name) // follows links
	isDir := err == nil && info.IsDir()
	ext := filepath.Ext(base)
	why := ""
	switch {
	case isHidden(base) && isDir:
		return
	case isHidden(base), !isYAML(base) && !isDir:
		r.ignore(name, base)
		return
	case isDir:
		why = "is a directory; files in it are not read: move them up into " + r.Dir
	case ext != ".yaml" && ext != ".yml":
		why = "is not read: its name has to end in .yaml or .yml: rename it to " + strings.TrimSuffix(base, ext) + strings.ToLower(ext)
	case err == nil && !info.Mode().IsRegular():
		why = "is no regular file: put one in its place, or take it out"
	}
	if why != "" {
		r.gap(RuleFile, yamldoc.Pos{File: name}, why)
		return
	}
	r.Files++
	r.file(name)
}

// ignore adds a note for a file that is not read, unless it is a file that nobody
// would expect to be read.
func (r *reader) ignore(name, base string) {
	const leftover = ", or delete it if it is a leftover"
	switch {
	case strings.HasPrefix(base, ".#"), isHidden(base) && !isYAML(base), isReadme(base):
		// the lock file of an editor
	case isHidden(base):
		r.note(RuleIgnored, yamldoc.Pos{File: name}, "is not read, since its name begins with a dot: rename it"+leftover)
	default:
		r.note(RuleIgnored, yamldoc.Pos{File: name}, "is not read, since its name does not end in .yaml or .yml: rename it"+leftover)
	}
}

func isHidden(base string) bool { return strings.HasPrefix(base, ".") }

func isReadme(base string) bool { return strings.HasPrefix(strings.ToUpper(base), "README") }

// isYAML reports whether a file name has the extension of a data file, in any case.
func isYAML(base string) bool {
	ext := filepath.Ext(base)
	return strings.EqualFold(ext, ".yaml") || strings.EqualFold(ext, ".yml")
}

func (r *reader) file(name string) {
	doc, err := yamldoc.ReadFrom(r.from, name, yamldoc.MaxData)
	var bad *yamldoc.Error
	switch {
	case errors.As(err, &bad) && bad.Err != nil:
		r.Gaps = append(r.Gaps, bad)
		return
	case err != nil:
		r.fault(RuleShape, err)
		return
	}
	before, faults := r.declared, len(r.Faults)
	if !doc.IsEmpty() {
		r.document(doc)
	}
	if r.declared == before && len(r.Faults) == faults {
		r.gap(RuleEmpty, doc.Pos(), "declares nothing; a file without objects is taken for a mistake: delete it if there are none")
	}
}

func (r *reader) fault(rule string, err error) {
	var at *yamldoc.Error
	if !errors.As(yamldoc.WithRule(err, rule), &at) {
		at = &yamldoc.Error{Pos: yamldoc.Pos{File: r.Dir}, Msg: err.Error(), Rule: rule}
	}
	r.Faults = append(r.Faults, at)
}

func (r *reader) gap(rule string, pos yamldoc.Pos, msg string) {
	r.Gaps = append(r.Gaps, &yamldoc.Error{Pos: pos, Msg: msg, Rule: rule})
}

func (r *reader) note(rule string, pos yamldoc.Pos, msg string) {
	r.Notes = append(r.Notes, &yamldoc.Error{Pos: pos, Msg: msg, Rule: rule})
}
