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
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
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
	Objects []object.Object // in the order of files and lines, each once
	Files   int             // how many were there
	// Faults are what is wrong with the files. Of a type with faults nothing
	// is created or removed, since what its files mean is not certain.
	Faults []*yamldoc.Error
	// Gaps are files that are empty or cannot be read. What the other files
	// declare is certain, so it is created, but nothing is removed.
	Gaps []*yamldoc.Error
}

// Read reads the files of the given types: those that end in .yaml or .yml in
// the directory of the type's name and do not begin with a dot. A type without a directory declares
// nothing. The error is for the directory as a whole.
func Read(dir string, types []*schema.Type) (Data, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return Data{}, fmt.Errorf("data directory %s: %w", dir, errors.Unwrap(err))
	}
	if !info.IsDir() {
		return Data{}, fmt.Errorf("data directory %s: not a directory", dir)
	}
	data := Data{Dir: dir}
	for _, t := range types {
		data.Types = append(data.Types, readType(filepath.Join(dir, t.Name), t))
	}
	return data, nil
}

func readType(dir string, t *schema.Type) Type {
	r := reader{Type: Type{Type: t, Dir: dir}, seen: map[string]bool{}}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.Gaps = append(r.Gaps, yamldoc.Errorf(yamldoc.Pos{File: dir}, "cannot be read: %v", errors.Unwrap(err)))
	}
	for _, e := range entries {
		r.entry(e)
	}
	return r.Type
}

// entry reads a file, or says why it is not read though it looks like one that
// should be: leaving it out would remove what it declares. Hidden files, and
// those of other endings, are what editors and people leave beside data.
func (r *reader) entry(e fs.DirEntry) {
	name, ext := filepath.Join(r.Dir, e.Name()), filepath.Ext(e.Name())
	info, err := os.Stat(name) // of what a link leads to
	why := ""
	switch {
	case strings.HasPrefix(e.Name(), "."):
		return
	case e.IsDir():
		why = "is a directory; files in it are not read"
	case !strings.EqualFold(ext, ".yaml") && !strings.EqualFold(ext, ".yml"):
		return
	case ext != ".yaml" && ext != ".yml":
		why = "is not read: its name has to end in .yaml or .yml"
	case err == nil && !info.Mode().IsRegular():
		why = "is no regular file"
	}
	if why != "" {
		r.Gaps = append(r.Gaps, yamldoc.Errorf(yamldoc.Pos{File: name}, "%s", why))
		return
	}
	r.Files++
	r.file(name)
}

// reader reads the files of one type.
type reader struct {
	Type
	seen     map[string]bool // paths of objects declared so far
	declared int             // how often, those declared again included
}

func (r *reader) file(name string) {
	doc, err := yamldoc.Read(name)
	var bad *yamldoc.Error
	switch {
	case errors.As(err, &bad) && bad.Err != nil:
		r.Gaps = append(r.Gaps, bad)
		return
	case err != nil:
		r.fault(err)
		return
	}
	before, faults := r.declared, len(r.Faults)
	switch {
	case doc.IsEmpty():
	case r.isNode():
		r.level(doc, []string{"dc", "cluster", "host"}, nil, r.host)
	default:
		r.level(doc, r.Type.Type.Tags, nil, r.names)
	}
	if r.declared == before && len(r.Faults) == faults {
		r.Gaps = append(r.Gaps, yamldoc.Errorf(doc.Pos(), "declares nothing; a file without objects is taken for a mistake: delete it if there are none"))
	}
}

// isNode reports whether the files have hosts with their services, rather than
// names below all tags.
func (r *reader) isNode() bool {
	return r.Type.Type.Name == schema.Node && len(r.Type.Type.Tags) == 3
}

func (r *reader) fault(err error) {
	var at *yamldoc.Error
	if !errors.As(err, &at) {
		at = yamldoc.Errorf(yamldoc.Pos{File: r.Dir}, "%v", err)
	}
	r.Faults = append(r.Faults, at)
}

// level walks down one map for each of the given words, and hands what is at
// the bottom to leaf, with the words found on the way.
func (r *reader) level(n yamldoc.Node, what []string, above []string, leaf func(yamldoc.Node, []string)) {
	if len(what) == 0 {
		leaf(n, above)
		return
	}
	word, below := what[0], what[1:]
	pairs, err := n.Pairs(place(word, above))
	if err != nil {
		r.fault(err)
		return
	}
	for _, p := range pairs {
		if r.check(p.Key, word) {
			r.level(p.Value, below, append(slices.Clone(above), p.Name), leaf)
		}
	}
}

// place names a part of a file: what it is by, and what it is below.
func place(what string, above []string) string {
	if len(above) == 0 {
		return "the file, by " + what + ","
	}
	return fmt.Sprintf("the part below %s, by %s,", strings.Join(above, "/"), what)
}

// check reports whether a word can be a tag value or a name.
func (r *reader) check(n yamldoc.Node, what string) bool {
	err := object.CheckName(what, n.Text())
	if !n.IsScalar() || n.IsNull() {
		err = fmt.Errorf("%s must be a word, not %s", what, n.Describe())
	}
	if err != nil {
		r.fault(n.Errorf("%v", err))
	}
	return err == nil
}

// host declares a node for each of a host's services.
func (r *reader) host(services yamldoc.Node, above []string) {
	dc, cluster, host := above[0], above[1], above[2]
	for _, service := range r.words(services, "the services of "+host, "service") {
		r.declare([]string{dc, cluster, service}, host)
	}
}

// names declares an object for each name in a list.
func (r *reader) names(list yamldoc.Node, tags []string) {
	what := "the names of type " + r.Type.Type.Name
	if len(tags) > 0 {
		what = "the names below " + strings.Join(tags, "/")
	}
	for _, name := range r.words(list, what, selector.Name) {
		r.declare(tags, name)
	}
}

func (r *reader) words(n yamldoc.Node, what, each string) []string {
	items, err := n.Items(what)
	if err != nil {
		r.fault(err)
		return nil
	}
	var words []string
	for _, item := range items {
		if r.check(item, each) {
			words = append(words, item.Text())
		}
	}
	return words
}

func (r *reader) declare(tags []string, name string) {
	r.declared++
	o := object.New(r.Type.Type, tags, name)
	if path := o.Path(); !r.seen[path] {
		r.seen[path] = true
		r.Objects = append(r.Objects, o)
	}
}
