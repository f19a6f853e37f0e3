// Package seed reads which objects should exist from a directory of files,
// conftool-data, and plans what that means for a store: what is missing is
// created, what is not declared any more is removed, and what exists keeps its
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

// Data is what a directory declares.
type Data struct {
	Dir   string
	Types []Type // in the order that was asked for
}

// Type is what the files of one object type declare.
type Type struct {
	Type    *schema.Type
	Dir     string
	Objects []object.Object        // in the order of files and lines, each once
	Places  map[string]yamldoc.Pos // where each is declared first, by Object.Path
	Files   int                    // how many were there
	// Faults are what is wrong with the files. Of a type with faults nothing
	// is created or removed, since what its files mean is not certain.
	Faults []*yamldoc.Error
	// Gaps are files that are empty or cannot be read. What the other files
	// declare is certain, so it is created, but nothing is removed.
	Gaps []*yamldoc.Error
	// Notes are what is odd, and changes nothing: an object that is declared
	// twice, a file that is left beside the others and not read.
	Notes []*yamldoc.Error
}

// What faults, gaps and notes are about, as yamldoc.Error.Rule has it. What
// package yamldoc finds wrong with a file has a rule of its own.
const (
	RuleShape     = "data-shape"     // fault: no map or list where one is expected
	RuleNull      = "data-null"      // fault: nothing where a map or list is expected
	RuleService   = "data-service"   // fault: a service where a list of them is expected
	RuleName      = "data-name"      // fault: what can be no name or tag value
	RuleEmpty     = "data-empty"     // gap: a file that declares nothing
	RuleFile      = "data-file"      // gap: what should be read, but is no file, or has not its name
	RuleDuplicate = "data-duplicate" // note: an object that is declared again
	RuleIgnored   = "data-ignored"   // note: a file that is not read
	RuleDirectory = "data-directory" // of Unclaimed: a directory that no type has
)

// Complete reports whether the files say all there is to say about the type,
// so that what they do not declare should not exist.
func (t Type) Complete() bool { return len(t.Faults) == 0 && len(t.Gaps) == 0 && t.Files > 0 }

// Read reads the files of the given types: those that end in .yaml or .yml in
// the directory of the type's name and do not begin with a dot. A type without a directory declares
// nothing. The error is for the directory as a whole.
func Read(dir string, types []*schema.Type) (Data, error) { return ReadFrom(nil, dir, types) }

// ReadFrom is Read for files that are read in a certain way.
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

// isNothing reports whether an error says that there is nothing at all, not
// even a link to where nothing is.
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
	declared int  // how often, objects declared again included
	full     bool // whether that is more than there may be
}

// entry reads a file, or says why it is not read though it looks like one that
// should be: leaving it out would remove what it declares. What editors and
// people leave beside data is another matter.
func (r *reader) entry(base string) {
	name := filepath.Join(r.Dir, base)
	info, err := r.from.Stat(name) // of what a link leads to
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

// ignore takes note of a file that is not read, unless nobody would expect it
// to be.
func (r *reader) ignore(name, base string) {
	const leftover = ", or delete it if it is a leftover"
	switch {
	case strings.HasPrefix(base, ".#"), isHidden(base) && !isYAML(base), isReadme(base):
		// .# is an editor's lock
	case isHidden(base):
		r.note(RuleIgnored, yamldoc.Pos{File: name}, "is not read, since its name begins with a dot: rename it"+leftover)
	default:
		r.note(RuleIgnored, yamldoc.Pos{File: name}, "is not read, since its name does not end in .yaml or .yml: rename it"+leftover)
	}
}

func isHidden(base string) bool { return strings.HasPrefix(base, ".") }

func isReadme(base string) bool { return strings.HasPrefix(strings.ToUpper(base), "README") }

// isYAML reports whether a name ends as a data file's does, in any case of
// letters.
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
