package dump

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/conftool/confctl/internal/nearest"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// The keys of both formats.
const (
	headerKey  = "confctl_export"
	versionKey = "version"
	typesKey   = "types"
	leftOutKey = "left_out"
	sumKey     = "sum"
	objectsKey = "objects"
)

// Read reads a file. The error is a *FaultsError.
func Read(file string, s *schema.Schema) (Dump, error) {
	text, fault := yamldoc.ReadFile(file)
	if fault != nil {
		return Dump{}, &FaultsError{[]*yamldoc.Error{fault}}
	}
	return Parse(file, text, s)
}

// Parse reads a text in any of the formats. The name file is used only in errors.
//
// The error is a *FaultsError with every fault in the form of the file: invalid
// types, tags and names, repeated objects, fewer objects than the header says. Plan,
// not Parse, checks the values of the objects against the stored ones: a file of all
// objects of a store can be imported into it again, whatever values they have. A
// name is refused only if it cannot be part of a key.
//
// A file with a header is treated as an export of a store: fields that the type does
// not declare are kept, as object.Wanted describes. A file without a header is
// treated as written by hand, where such fields are mistakes.
//
// In YAML, the type of the field decides how an unquoted scalar is read: yes is a
// string for an enum and true for a bool. In JSON, a value has its own type.
func Parse(file string, text []byte, s *schema.Schema) (Dump, error) {
	r := reader{
		file: file, schema: s,
		types: map[string]*schema.Type{}, seen: map[string]yamldoc.Pos{},
	}
	switch what, rule := encoded(text); {
	case what != "":
		r.ruled(yamldoc.Pos{File: file, Line: 1}, what, rule)
	case isJSONLines(text):
		r.readLines(text)
	default:
		r.readYAML(text)
	}
	r.checkCovered()
	r.checkCount(text)
	if len(r.faults) > 0 {
		sortFaults(r.faults)
		return Dump{}, &FaultsError{oneLineEach(r.faults)}
	}
	for i := range r.items {
		r.items[i].foreign = r.header != nil
	}
	d := arrange(s, r.covered, r.items)
	if r.header != nil {
		d.Header, d.pictured = r.header.Header, true
		d.unedited = r.header.sum == sum(bodyOf(text, r.header.pos.Line))
	}
	d.Whole = r.listed && d.LeftOut == 0
	return d, nil
}

// encoded describes the encoding of a text that cannot be read as it is, and returns
// the rule of that fault, if it has one. Both are empty if the text can be read.
func encoded(text []byte) (what, rule string) {
	switch {
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")):
		return "this is UTF-16, and UTF-8 is expected; iconv -f UTF-16 -t UTF-8 makes it so", ""
	case bytes.HasPrefix(text, []byte("\x1f\x8b")):
		return "this is compressed with gzip", RuleCompressed
	}
	return "", ""
}

// isJSONLines reports whether a text is JSON Lines, rather than one YAML document in
// flow style.
func isJSONLines(text []byte) bool {
	first, rest, _ := bytes.Cut(bytes.TrimSpace(withoutMark(text)), []byte("\n"))
	if !bytes.HasPrefix(first, []byte("{")) {
		return false
	}
	v, err := value.ParseAround(first)
	if err != nil {
		return bytes.HasPrefix(bytes.TrimSpace(rest), []byte("{"))
	}
	return value.Get(v.Fields(), objectsKey).Kind() != value.Map
}

// withoutMark returns a text without a leading byte order mark.
func withoutMark(text []byte) []byte { return bytes.TrimPrefix(text, []byte("\ufeff")) }

// reader collects the objects and the faults of a file.
type reader struct {
	file    string
	schema  *schema.Schema
	faults  []*yamldoc.Error
	items   []Item
	types   map[string]*schema.Type // nil for a type that cannot be used
	seen    map[string]yamldoc.Pos  // the positions of objects by key
	header  *header
	listed  bool           // the header names the covered types
	covered []*schema.Type // those of them that can be used
	count   int            // the number of objects in the file, valid or not
	unsure  bool           // not all objects could be counted
	yaml    bool
	lastDir []string // tag values; consecutive objects usually have the same
}

// header is the header of a file.
type header struct {
	Header
	pos     yamldoc.Pos
	objects int    // negative if missing
	sum     string // checksum of the rest of the file; empty if missing
}

func (r *reader) faultf(pos yamldoc.Pos, format string, args ...any) {
	r.faults = append(r.faults, yamldoc.Errorf(pos, format, args...))
}

// ruled adds a fault with a rule.
func (r *reader) ruled(pos yamldoc.Pos, what, rule string) {
	r.faults = append(r.faults, yamldoc.Errorf(pos, "%s", what).Of(rule))
}

// fault adds an error, at pos if it has no position.
func (r *reader) fault(err error, pos yamldoc.Pos) {
	var at *yamldoc.Error
	if errors.As(err, &at) {
		r.faults = append(r.faults, at)
		return
	}
	r.faultf(pos, "%v", err)
}

// setHeader sets the header from its version and the values of its other keys: the
// number of objects, the number of objects left out, the revision, and the checksum.
func (r *reader) setHeader(pos yamldoc.Pos, got value.Value, get func(string) value.Value) {
	objects := get(objectsKey)
	if got != value.OfInt(version) {
		r.faultf(pos, "%s must be of version %d; this is of %s", headerKey, version, cmp.Or(got.Text(), "none"))
	}
	h := &header{pos: pos, objects: -1}
	n, ok := objects.Int()
	switch {
	case ok && n >= 0:
		h.objects = int(n)
	case !objects.IsAbsent():
		r.faultf(pos, "%s must be how many objects the file has, not %s", objectsKey, objects.Text())
	}
	if leftOut := get(leftOutKey); isCount(leftOut) {
		n, _ := leftOut.Int()
		h.LeftOut = int(n)
	} else if !leftOut.IsAbsent() {
		r.faultf(pos, "%s must be how many objects were left out, not %s", leftOutKey, leftOut.Text())
	}
	if revision := get(revisionKey); isCount(revision) {
		n, _ := revision.Int()
		h.Revision = store.Revision(n)
	} else if !revision.IsAbsent() {
		r.faultf(pos, "%s must be the number of a revision of the store, not %s", revisionKey, revision.Text())
	}
	h.sum, _ = get(sumKey).Str()
	r.header = h
}

// isCount reports whether a value is a non-negative integer.
func isCount(v value.Value) bool {
	n, ok := v.Int()
	return ok && n >= 0
}

// cover adds a type that the header names.
func (r *reader) cover(name string, named func() yamldoc.Pos) {
	switch t := r.typeOf(name, named); {
	case t == nil: // already reported
	case slices.Contains(r.covered, t):
		r.faultf(named(), "type %s is there already", name)
	default:
		r.covered = append(r.covered, t)
	}
}

// checkCovered reports objects of types that the header does not name.
func (r *reader) checkCovered() {
	if !r.listed {
		return
	}
	var missed []*schema.Type
	for _, i := range r.items {
		if t := i.Object.Type; !slices.Contains(r.covered, t) && !slices.Contains(missed, t) {
			missed = append(missed, t)
			r.faultf(i.Pos, "%s of the header does not have %s: the file was edited: then add it there", typesKey, t.Name)
		}
	}
}

// checkCount reports a truncated file.
func (r *reader) checkCount(text []byte) {
	if r.header == nil || r.unsure {
		return
	}
	if n := r.header.objects; n >= 0 && n != r.count {
		r.faultf(r.header.pos, "header says %s, but it has %d: it is cut off, or was edited: then correct the number", objects(n), r.count)
		return
	}
	last := 1 + bytes.Count(text, []byte("\n"))
	braces := bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) // the closing brace shows that the document is complete
	switch {
	case r.header.objects < 0: // already reported
	case r.yaml && !braces && !bytes.HasSuffix(bytes.TrimRight(text, " \t\r\n"), []byte("\n"+theEnd)):
		r.faultf(yamldoc.Pos{File: r.file, Line: last}, "there is no line %s at the end: the file is cut off, or was edited: then add it", theEnd)
	case !braces && !bytes.HasSuffix(text, []byte("\n")), !r.yaml && !bytes.HasSuffix(text, []byte("\n")):
		r.faultf(yamldoc.Pos{File: r.file, Line: last}, "the last line has no end: the file is cut off, or was edited: then end the line")
	}
}

func objects(n int) string {
	if n == 1 {
		return "1 object"
	}
	return strconv.Itoa(n) + " objects"
}

// typeOf returns a type, or nil if it cannot be used. That is reported once, where
// the type is first named.
func (r *reader) typeOf(name string, named func() yamldoc.Pos) *schema.Type {
	if t, known := r.types[name]; known {
		return t
	}
	pos := named()
	t, err := r.schema.Type(name)
	var invalid *schema.InvalidError
	var unknown *schema.UnknownTypeError
	switch {
	case errors.As(err, &invalid):
		r.faultf(pos, "type %s cannot be used: %v", name, invalid.Problems[0].Err)
	case errors.As(err, &unknown):
		r.faultf(pos, "%v; the types are %s", unknown, strings.Join(unknown.Known, ", "))
	case err != nil:
		r.faultf(pos, "%v", err)
	}
	r.types[name] = t
	return t
}

// unknownKey reports an unknown key.
func (r *reader) unknownKey(pos yamldoc.Pos, name string, known ...string) {
	r.faultf(pos, "%q is not known here%s; known: %s", name, nearest.Suggest(name, known), strings.Join(known, ", "))
}

// add adds an object, if its name is valid and it is not repeated.
func (r *reader) add(t *schema.Type, tags []string, name string, item Item, fields []value.Field) {
	for i, tag := range t.Tags {
		if !r.isStep("tag "+tag, tags[i], item.Pos) {
			return
		}
	}
	if !r.isStep("the name", name, item.Pos) {
		return
	}
	if slices.Equal(tags, r.lastDir) {
		tags = r.lastDir
	}
	r.lastDir = tags
	item.Object = object.New(t, tags, name).WithFields(fields)
	key := item.Object.Key()
	if first, twice := r.seen[key]; twice {
		r.faultf(item.Pos, "%s is there already, in line %d", item.Object, first.Line)
		return
	}
	r.seen[key] = item.Pos
	r.items = append(r.items, item)
}

// isStep reports whether a string can be part of a key, and adds a fault if it
// cannot.
func (r *reader) isStep(what, part string, pos yamldoc.Pos) bool {
	switch {
	case part == "":
		r.faultf(pos, "%s is empty", what)
	case strings.Contains(part, "/"):
		r.faultf(pos, "%s %q has a slash in it", what, part)
	default:
		return true
	}
	return false
}
