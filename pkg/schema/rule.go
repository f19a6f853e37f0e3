package schema

import (
	"bytes"
	"errors"
	"io"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/conftool/confctl/pkg/files"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Rule applies a JSON schema to the objects of a type that a selector chooses.
type Rule struct {
	Name     string
	File     string // the path of the JSON schema
	Selector selector.Selector
	Pos      yamldoc.Pos
	// SelectorPos is the position of the selector in the schema file.
	SelectorPos yamldoc.Pos

	from  *files.Files // reads the JSON schema
	clock *clock       // shared by all JSON schemas

	once sync.Once
	compiled

	onceAsserting sync.Once
	asserting     jsonSchema // asserts all formats; zero if the JSON schema has none
}

// compiled is the result of compiling a rule's JSON schema.
type compiled struct {
	validator jsonSchema
	files     []document // the files that were read
	err       error
}

// jsonSchema is a compiled JSON schema.
type jsonSchema struct {
	*jsonschema.Schema
	parts map[string]*jsonschema.Schema // the schema and all of its parts, by location
	meter *meter
}

// Compile reads and compiles the rule's JSON schema on the first call. Later calls
// return the same result. A JSON schema without $schema uses draft 2020-12. The error
// is a *yamldoc.Error with a position in the JSON schema, or in the schema file if the
// JSON schema cannot be read.
func (r *Rule) Compile() error {
	r.once.Do(func() {
		r.compiled = r.compile(false)
		r.err = yamldoc.WithRule(r.err, RuleJSONInvalid)
	})
	return r.err
}

// compile compiles the JSON schema if time is left. The keywords format,
// contentEncoding and contentMediaType have an effect only if asserting is true.
func (r *Rule) compile(asserting bool) compiled {
	m := &meter{}
	c, err := runTimed(r.clock, m, r.File, 0, func() compiled { return r.compileWith(m, asserting) })
	if err != nil {
		return compiled{files: []document{{file: r.File}}, err: err}
	}
	return c
}

func (r *Rule) compileWith(m *meter, asserting bool) (result compiled) {
	dir, err := filepath.Abs(filepath.Dir(r.File))
	if err != nil {
		return compiled{err: yamldoc.Errorf(r.Pos, "rule %s: %v", r.Name, err)}
	}
	d := &documents{from: r.from, dir: dir, shown: filepath.Dir(r.File), named: r.Pos}
	// The library panics on some schemas that only a custom $schema permits.
	defer func() {
		result.files = d.all
		if p := recover(); p != nil {
			result.err = yamldoc.Errorf(yamldoc.Pos{File: r.File}, "cannot be used as a JSON schema: %v", p)
		}
	}()
	c := jsonschema.NewCompiler()
	c.RegisterExtension("meter", nil, m)
	c.LoadURL = d.load
	if c.AssertFormat, c.AssertContent = asserting, asserting; !asserting {
		ignoreFormats(c)
	}
	c.ExtractAnnotations = true // for Description
	address := url.URL{Scheme: "file", Path: filepath.ToSlash(filepath.Join(dir, filepath.Base(r.File)))}
	root, err := c.Compile(address.String())
	if err != nil {
		return compiled{err: d.explain(err)}
	}
	if err := checkExpansion(root, r.File); err != nil {
		return compiled{err: err}
	}
	s := jsonSchema{root, map[string]*jsonschema.Schema{}, m}
	index(root, s.parts)
	if !asserting {
		for _, part := range s.parts {
			part.ContentSchema = nil // Python ignores it, like a format
		}
	}
	return compiled{validator: s}
}

// Description returns the description in the JSON schema. It returns an empty string if
// there is none, or if the JSON schema cannot be used.
func (r *Rule) Description() string {
	if r.Compile() != nil {
		return ""
	}
	return strings.TrimSpace(r.validator.Description)
}

// Files returns the paths, as in errors, of the rule's JSON schema and of the files that
// it refers to. It omits files that cannot be read.
func (r *Rule) Files() []string {
	_ = r.Compile() // Check returns its errors
	files := make([]string, len(r.files))
	for i, d := range r.files {
		files[i] = d.file
	}
	return files
}

// Violations returns the violations of the JSON schema by an object with the given
// fields. The error is a *yamldoc.Error: the JSON schema cannot be used, or takes too
// long to check the object.
func (r *Rule) Violations(fields []value.Field) ([]Violation, error) {
	if err := r.Compile(); err != nil {
		return nil, err
	}
	return r.violations(r.validator, value.OfMap(fields...).Decode())
}

// documents are the JSON files of one rule's JSON schema.
type documents struct {
	from  *files.Files // reads them
	dir   string       // the absolute directory of the first one
	shown string       // the same directory as errors name it
	named yamldoc.Pos  // the position of the rule in the schema file
	all   []document   // in the order in which they were read

	values       int // the number of values in all documents
	instructions int // the number of instructions of all regular expressions
}

type document struct {
	file string
	text []byte
}

// load reads a file for the compiler. Errors are *yamldoc.Error, with the position of
// the reference to a file that cannot be read, or of the mistake in the file.
func (d *documents) load(address string) (io.ReadCloser, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "file" {
		return nil, missing(d.referrer(address), "%s is not known here, and nothing is read from the network", address)
	}
	file := d.show(u.Path)
	text, err := d.from.Read(u.Path, maxJSONBytes)
	if err != nil {
		why := yamldoc.Unreadable(file, err)
		rule := RuleJSONMissing
		if why.Err == nil { // package files refused to read it
			rule = why.Rule
		}
		return nil, yamldoc.Errorf(d.referrer(address), "JSON schema %s %s", file, why.Msg).Of(rule)
	}
	if err := d.checkSize(file, text); err != nil {
		d.all = append(d.all, document{file: file})
		return nil, err
	}
	d.all = append(d.all, document{file, text})
	parsed, err := checkJSON(file, text)
	if err != nil {
		return nil, err
	}
	if err := d.checkPatterns(parsed, nil); err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(text)), nil
}

func missing(pos yamldoc.Pos, format string, args ...any) error {
	return yamldoc.Errorf(pos, format, args...).Of(RuleJSONMissing)
}

// show returns a path as errors name it: relative to the directory of the first document,
// as that is named in the schema file.
func (d *documents) show(path string) string {
	rel, err := filepath.Rel(d.dir, path)
	if err != nil {
		return path
	}
	return filepath.Join(d.shown, rel)
}

var reference = regexp.MustCompile(`"\$(?:ref|schema)"\s*:\s*"([^"#]+)`)

// referrer returns the position of a reference to a document: in the last document that
// contains one, or else the last document, or else in the schema file.
func (d *documents) referrer(address string) yamldoc.Pos {
	for _, doc := range slices.Backward(d.all) {
		for _, at := range reference.FindAllSubmatchIndex(doc.text, -1) {
			if strings.HasSuffix(address, strings.TrimLeft(string(doc.text[at[2]:at[3]]), "./")) {
				return position(doc.file, doc.text, at[0])
			}
		}
	}
	if len(d.all) > 0 {
		return yamldoc.Pos{File: d.all[len(d.all)-1].file}
	}
	return d.named
}

// explain returns a *yamldoc.Error for an error of the compiler, with a position.
func (d *documents) explain(err error) error {
	var at *yamldoc.Error
	if errors.As(err, &at) {
		return at
	}
	var invalid *jsonschema.ValidationError
	if errors.As(err, &invalid) {
		leaf := leaves(invalid)[0]
		why := yamldoc.Errorf(d.place(leaf.InstanceLocation), "no valid JSON schema: %s: %s", pointer(leaf.InstanceLocation), leaf.Message)
		if strings.Contains(leaf.Message, "regex") {
			why.Msg += " (RE2 syntax, without look-around and back-references)"
			return why.Of(RuleJSONPattern)
		}
		return why
	}
	var bad *jsonschema.SchemaError
	if errors.As(err, &bad) && bad.Err != nil {
		err = bad.Err
	}
	pos := d.named
	if len(d.all) > 0 {
		pos = yamldoc.Pos{File: d.all[0].file}
	}
	return yamldoc.Errorf(pos, "no valid JSON schema: %s", strings.TrimPrefix(err.Error(), "jsonschema: "))
}

// place returns the position of a JSON pointer. It looks in the last document first,
// since each document is checked when it is read, and then in those before.
func (d *documents) place(ptr string) yamldoc.Pos {
	for _, doc := range slices.Backward(d.all) {
		if offset, ok := find(doc.text, steps(ptr)); ok {
			return position(doc.file, doc.text, offset)
		}
	}
	return yamldoc.Pos{File: d.all[len(d.all)-1].file}
}

func pointer(ptr string) string {
	if ptr == "" {
		return "the whole"
	}
	return ptr
}

// leaves returns the innermost causes of an error, ordered by location.
func leaves(e *jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(e.Causes) == 0 {
		return []*jsonschema.ValidationError{e}
	}
	var all []*jsonschema.ValidationError
	for _, c := range e.Causes {
		all = append(all, leaves(c)...)
	}
	slices.SortStableFunc(all, func(a, b *jsonschema.ValidationError) int {
		return strings.Compare(a.InstanceLocation+"\x00"+a.KeywordLocation, b.InstanceLocation+"\x00"+b.KeywordLocation)
	})
	return all
}
