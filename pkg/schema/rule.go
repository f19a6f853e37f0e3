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

// Rule says which JSON schema holds for which objects of a type.
type Rule struct {
	Name     string
	File     string // the JSON schema's
	Selector selector.Selector
	Pos      yamldoc.Pos
	// SelectorPos is where the selector is written.
	SelectorPos yamldoc.Pos

	from  *files.Files // what reads its JSON schema
	clock *clock       // of all JSON schemas

	once sync.Once
	compiled

	onceAsserting sync.Once
	asserting     jsonSchema // the same with all formats asserted; zero if there are none
}

// compiled is what comes of compiling a rule's JSON schema.
type compiled struct {
	judge jsonSchema
	files []document // what was read
	err   error
}

// jsonSchema is a compiled JSON schema.
type jsonSchema struct {
	*jsonschema.Schema
	parts map[string]*jsonschema.Schema // by location
	meter *meter
}

// Compile reads the rule's JSON schema, once. A schema that names no draft is
// of 2020-12. The error is a *yamldoc.Error with a place in the JSON schema's
// file, or in the schema file if there is no such file.
func (r *Rule) Compile() error {
	r.once.Do(func() {
		r.compiled = r.compile(false)
		r.err = yamldoc.WithRule(r.err, RuleJSONInvalid)
	})
	return r.err
}

// compile compiles the JSON schema, if there is time. The keywords format,
// contentEncoding and contentMediaType only count if they are to be asserted.
func (r *Rule) compile(asserting bool) compiled {
	m := &meter{}
	c, err := timed(r.clock, m, r.File, 0, func() compiled { return r.compileWith(m, asserting) })
	if err != nil {
		return compiled{files: []document{{file: r.File}}, err: err}
	}
	return c
}

func (r *Rule) compileWith(m *meter, asserting bool) (made compiled) {
	dir, err := filepath.Abs(filepath.Dir(r.File))
	if err != nil {
		return compiled{err: yamldoc.Errorf(r.Pos, "rule %s: %v", r.Name, err)}
	}
	d := &documents{from: r.from, dir: dir, shown: filepath.Dir(r.File), named: r.Pos}
	// A $schema of one's own may permit what the library does not expect.
	defer func() {
		made.files = d.all
		if p := recover(); p != nil {
			made.err = yamldoc.Errorf(yamldoc.Pos{File: r.File}, "cannot be used as a JSON schema: %v", p)
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
	if err := boundExpansion(root, r.File); err != nil {
		return compiled{err: err}
	}
	s := jsonSchema{root, map[string]*jsonschema.Schema{}, m}
	index(root, s.parts)
	if !asserting {
		for _, part := range s.parts {
			part.ContentSchema = nil // which Python ignores like a format
		}
	}
	return compiled{judge: s}
}

// Description returns what the JSON schema says it is for; it is empty if the
// schema does not say, or cannot be used.
func (r *Rule) Description() string {
	if r.Compile() != nil {
		return ""
	}
	return strings.TrimSpace(r.judge.Description)
}

// Files returns the files that the rule's JSON schema is made of, as errors
// name them: its own and those it refers to, as far as they can be read.
func (r *Rule) Files() []string {
	_ = r.Compile() // which says what is wrong to those who ask
	files := make([]string, len(r.files))
	for i, d := range r.files {
		files[i] = d.file
	}
	return files
}

// Violations returns what the JSON schema refuses of an object with the given
// fields. The error is that of Compile.
func (r *Rule) Violations(fields []value.Field) ([]Violation, error) {
	if err := r.Compile(); err != nil {
		return nil, err
	}
	return r.violations(r.judge, value.OfMap(fields...).Decode())
}

// documents are the JSON files that one rule's schema is made of.
type documents struct {
	from  *files.Files // what reads them
	dir   string       // of the first one
	shown string       // the same as errors name it
	named yamldoc.Pos
	all   []document // in the order they were read

	values       int // in all of them
	instructions int // of their regular expressions
}

type document struct {
	file string
	text []byte
}

// load reads a file that a compiler asks for. Errors are *yamldoc.Error, with
// the place where the file is asked for.
func (d *documents) load(address string) (io.ReadCloser, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "file" {
		return nil, missing(d.asking(address), "%s is not known here, and nothing is read from the network", address)
	}
	file := d.show(u.Path)
	text, err := d.from.Read(u.Path, mostJSON)
	if err != nil {
		why := yamldoc.Unreadable(file, err)
		rule := RuleJSONMissing
		if why.Err == nil { // it is there, and is not read
			rule = why.Rule
		}
		return nil, yamldoc.Errorf(d.asking(address), "JSON schema %s %s", file, why.Msg).Of(rule)
	}
	if err := d.bound(file, text); err != nil {
		d.all = append(d.all, document{file: file})
		return nil, err
	}
	d.all = append(d.all, document{file, text})
	parsed, err := checkJSON(file, text)
	if err != nil {
		return nil, err
	}
	if err := d.boundPatterns(parsed, nil); err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(text)), nil
}

func missing(pos yamldoc.Pos, format string, args ...any) error {
	return yamldoc.Errorf(pos, format, args...).Of(RuleJSONMissing)
}

// show returns the path as a person would name it who knows the first one.
func (d *documents) show(path string) string {
	rel, err := filepath.Rel(d.dir, path)
	if err != nil {
		return path
	}
	return filepath.Join(d.shown, rel)
}

var reference = regexp.MustCompile(`"\$(?:ref|schema)"\s*:\s*"([^"#]+)`)

// asking finds where a document is referred to: in the schema file, or in the
// last document that does.
func (d *documents) asking(address string) yamldoc.Pos {
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

// explain says why a JSON document is no JSON schema, and where.
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

// place finds a JSON pointer in the document that was read last, since each is
// checked when it is read, or else in those before it.
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

// leaves returns the innermost causes, in the order of where they are.
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
