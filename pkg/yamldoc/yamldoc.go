// Package yamldoc reads YAML files so that every complaint can name file, line
// and column, and so that nothing in them is taken for what it is not.
//
// It works on nodes rather than decoded Go values: whether `no` is a word or a
// boolean is for the schema to say, so scalars keep the text they were written
// with until somebody who knows the type asks.
package yamldoc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/files"
)

// Limits on one file, against files that are something else and against
// aliases that multiply.
const (
	MaxBytes     = 64 << 20 // of an export, or of values
	MaxData      = 8 << 20  // of a file that declares objects
	MaxSettings  = 1 << 20  // of any other: a schema, rules, settings
	maxNodes     = 2 << 20  // after aliases are followed
	deepestLevel = 100      // of maps and lists in each other in a file, aliases followed
)

// Pos is a place in a file. Line and Column count from 1; 0 means unknown.
type Pos struct {
	File         string
	Line, Column int
}

// String returns file:line:column as far as it is known.
func (p Pos) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Error is a complaint about a place in a file.
type Error struct {
	Pos  Pos
	Msg  string
	Rule string // what sort of complaint it is, such as yaml-syntax; may be empty
	Err  error  // what the file system said, if the file could not be read
}

func (e *Error) Error() string { return e.Pos.String() + ": " + e.Msg }

// Unwrap returns the file system's error, if there was one.
func (e *Error) Unwrap() error { return e.Err }

// The rules of what this package itself complains about.
const (
	RuleSyntax     = "yaml-syntax"
	RuleDuplicate  = "yaml-duplicate-key"
	RuleUnreadable = "file-unreadable"
	RuleEscapes    = "path-escapes" // a path or a link leads out of the directories that are read
)

// WithRule says of an *Error what sort of complaint it is, unless that is said
// already: who sees it first knows best. Any other error it returns as it is.
func WithRule(err error, rule string) error {
	var at *Error
	if !errors.As(err, &at) || at.Rule != "" {
		return err
	}
	ruled := *at
	ruled.Rule = rule
	return &ruled
}

// Of says what sort of complaint it is, and returns it.
func (e *Error) Of(rule string) *Error {
	e.Rule = rule
	return e
}

// Node is a part of a document. Aliases are followed, and merge keys applied,
// by its methods.
type Node struct {
	file string
	n    *yaml.Node // nil for a file without a document
}

// Pair is one key of a map, with its value.
type Pair struct {
	Key   Node
	Name  string // the key's text
	Value Node
}

// Read reads the one document of a file of at most MaxSettings. All errors are
// *Error.
func Read(file string) (Node, error) { return ReadFrom(nil, file, MaxSettings) }

// ReadFrom is Read for files that are read in a certain way, of at most so many
// bytes.
func ReadFrom(from *files.Files, file string, most int64) (Node, error) {
	text, err := readFile(from, file, most)
	if err != nil {
		return Node{}, err
	}
	if parts(text) > most/4 {
		return Node{}, &Error{Pos: Pos{File: file}, Msg: fmt.Sprintf("has more than %d lines, lists, maps and commas", most/4), Rule: RuleUnreadable}
	}
	return parse(file, text, deepestLevel)
}

// parts returns about how many nodes a text may have: each takes a hundred times
// the memory of the bytes it is written with.
func parts(text []byte) int64 {
	return int64(2*bytes.Count(text, []byte("\n")) + bytes.Count(text, []byte(",")) + bytes.Count(text, []byte("[")) + bytes.Count(text, []byte("{")))
}

// ReadFile reads a regular file of at most MaxBytes, whatever is in it.
func ReadFile(file string) ([]byte, *Error) { return readFile(nil, file, MaxBytes) }

func readFile(from *files.Files, file string, most int64) ([]byte, *Error) {
	text, err := from.Read(file, most)
	if err != nil {
		return nil, Unreadable(file, err)
	}
	return text, nil
}

// Unreadable returns the complaint about a file or a directory that cannot be read,
// or is not, for the reason that package files gives.
func Unreadable(file string, err error) *Error {
	switch {
	case errors.As(err, new(files.OutsideError)):
		return &Error{Pos: Pos{File: file}, Msg: cause(err) + ", so it is not read", Rule: RuleEscapes}
	case files.Refused(err):
		return &Error{Pos: Pos{File: file}, Msg: cause(err), Rule: RuleUnreadable}
	}
	return &Error{Pos: Pos{File: file}, Msg: "cannot be read: " + cause(err), Rule: RuleUnreadable, Err: err}
}

// ReadAll is io.ReadAll for what may have no end, such as /dev/zero: more than
// MaxBytes are an error.
func ReadAll(from io.Reader) ([]byte, error) { return files.ReadAll(from, MaxBytes) }

// cause is the reason without the operation and the path, which are said
// already.
func cause(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// Parse reads the one document of a text. The file is only named in errors,
// all of which are *Error.
func Parse(file string, text []byte) (Node, error) { return parse(file, text, math.MaxInt) }

func parse(file string, text []byte, levels int) (Node, error) {
	first, more, err := decode(text)
	if err != nil {
		return Node{}, syntaxError(file, text, err)
	}
	if more != nil {
		return Node{}, &Error{Pos: Pos{file, more.Line, more.Column}, Msg: "a second document begins here; only one is allowed in a file", Rule: RuleSyntax}
	}
	if first == nil {
		return Node{file: file}, nil
	}
	c := checker{file: file, lines: 1 + bytes.Count(bytes.TrimRight(text, "\n"), []byte("\n")), levels: levels, sizes: map[*yaml.Node]size{}}
	if _, err := c.check(first); err != nil {
		return Node{}, err
	}
	return Node{file, first}, nil
}

// decode returns the content of the first document and of a second one. The
// YAML library is known to panic on some malformed input; that is a syntax
// error like any other.
func decode(text []byte) (first, second *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: %v", r)
		}
	}()
	d := yaml.NewDecoder(bytes.NewReader(text))
	if first, err = next(d); err != nil || first == nil {
		return nil, nil, err
	}
	second, err = next(d)
	return first, second, err
}

func next(d *yaml.Decoder) (*yaml.Node, error) {
	var doc yaml.Node
	err := d.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil || len(doc.Content) == 0 {
		return nil, err
	}
	return doc.Content[0], nil
}

// What the YAML library's errors look like.
var (
	yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:unmarshal errors:\s*)?(?:line (\d+): )?`)
	// Of what its scanner finds it counts lines from 1, of what its parser
	// finds from 0.
	fromParser = regexp.MustCompile(`^did not find expected (<|node content|'-'|key|',' or)|^found (undefined tag handle|duplicate %|incompatible)`)
	// Of what does not get as far it knows no line.
	fromReader  = regexp.MustCompile(`UTF-8|UTF-16|Unicode character$|surrogate|control characters`)
	fromNowhere = regexp.MustCompile(`^unknown anchor|^runtime error`)
)

func syntaxError(file string, text []byte, err error) *Error {
	msg := err.Error()
	m := yamlLine.FindStringSubmatch(msg)
	line, _ := strconv.Atoi(m[1])
	msg = strings.TrimPrefix(msg, m[0])
	switch {
	case line > 0 && fromParser.MatchString(msg):
		line++
	case line > 0 || fromNowhere.MatchString(msg):
	case fromReader.MatchString(msg):
		line = badLine(text)
	default:
		line = 1
	}
	// What is missing at the end of the text is missing after its last word.
	last := 1 + bytes.Count(bytes.TrimSpace(text), []byte("\n"))
	return &Error{Pos: Pos{File: file, Line: min(line, last)}, Msg: "not valid YAML: " + msg, Rule: RuleSyntax}
}

// badLine returns the first line with something that is no text, 0 if there is
// none.
func badLine(text []byte) int {
	for i, line := range bytes.Split(text, []byte("\n")) {
		control := bytes.ContainsFunc(line, func(r rune) bool { return unicode.IsControl(r) && r != '\t' && r != '\r' && r != '\u0085' })
		if control || !utf8.Valid(line) {
			return i + 1
		}
	}
	return 0
}

// checker walks a document once, so that later walks need not fear aliases:
// none contains itself, and following all of them stays within limits.
type checker struct {
	file   string
	lines  int                 // how many the text has
	levels int                 // how many there may be
	sizes  map[*yaml.Node]size // of what has an anchor, once it is known
}

// size is how large a part of a document is, all aliases followed.
type size struct{ nodes, levels int }

func (c checker) check(n *yaml.Node) (size, error) {
	n.Line = min(n.Line, c.lines) // what is missing at the end of the text has the line after it
	if n.Kind == yaml.AliasNode {
		of, known := c.sizes[n.Alias]
		if !known {
			return size{}, c.errorf(n, "alias *%s stands inside what it names", n.Value)
		}
		return of, nil
	}
	if n.Style&yaml.TaggedStyle != 0 && !fits(n) {
		return size{}, c.errorf(n, "tag %s is not known here", n.ShortTag())
	}
	all := size{nodes: 1, levels: 1}
	for _, child := range n.Content {
		of, err := c.check(child)
		if err != nil {
			return size{}, err
		}
		if all.nodes += of.nodes; all.nodes > maxNodes {
			return size{}, c.errorf(child, "with all aliases followed there are more than %d values", maxNodes)
		}
		if all.levels = max(all.levels, of.levels+1); all.levels > c.levels {
			return size{}, c.errorf(child, "with all aliases followed there are more than %d levels of maps and lists", c.levels)
		}
	}
	if n.Anchor != "" {
		c.sizes[n] = all
	}
	return all, nil
}

// fits reports whether a node's tag says what the node is. What a scalar is
// taken for is for its reader to say.
func fits(n *yaml.Node) bool {
	switch n.Kind {
	case yaml.MappingNode:
		return n.ShortTag() == "!!map"
	case yaml.SequenceNode:
		return n.ShortTag() == "!!seq"
	}
	return n.ShortTag() != "!!null" || n.Value == "" || n.Value == "~" || strings.EqualFold(n.Value, "null")
}

func (c checker) errorf(n *yaml.Node, format string, args ...any) error {
	return WithRule(Node{c.file, n}.Errorf(format, args...), RuleSyntax)
}

// Errorf returns an *Error at the node's place.
func (n Node) Errorf(format string, args ...any) error { return Errorf(n.Pos(), format, args...) }

// Errorf returns a complaint about a place in a file.
func Errorf(pos Pos, format string, args ...any) *Error {
	return &Error{Pos: pos, Msg: fmt.Sprintf(format, args...)}
}

// Pos returns where the node is written: for an alias, where the alias is.
func (n Node) Pos() Pos {
	if n.n == nil {
		return Pos{File: n.file}
	}
	return Pos{n.file, n.n.Line, n.n.Column}
}

// target is the node an alias stands for, or the node itself.
func (n Node) target() *yaml.Node {
	if n.n != nil && n.n.Kind == yaml.AliasNode {
		return n.n.Alias
	}
	return n.n
}

// IsEmpty reports whether there is no document, or nothing but null.
func (n Node) IsEmpty() bool { return n.n == nil || n.IsNull() }

// IsMap reports whether the node is a map.
func (n Node) IsMap() bool { t := n.target(); return t != nil && t.Kind == yaml.MappingNode }

// IsList reports whether the node is a list.
func (n Node) IsList() bool { t := n.target(); return t != nil && t.Kind == yaml.SequenceNode }

// IsScalar reports whether the node is neither a map nor a list; null is one.
func (n Node) IsScalar() bool { t := n.target(); return t != nil && t.Kind == yaml.ScalarNode }

// IsNull reports whether the node is null: written as such, or left out.
func (n Node) IsNull() bool { return n.IsScalar() && n.target().ShortTag() == "!!null" }

// IsQuoted reports whether a scalar is certain to be text: quoted, a block, or
// tagged as a string.
func (n Node) IsQuoted() bool {
	t := n.target()
	const text = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	return n.IsScalar() && (t.Style&text != 0 || (t.Style&yaml.TaggedStyle != 0 && t.ShortTag() == "!!str"))
}

// IsUnclear reports whether this is a word without quotes that readers of YAML 1.1,
// such as PyYAML, take for something else than text.
func (n Node) IsUnclear() bool {
	return n.IsScalar() && !n.IsNull() && !n.IsQuoted() && ambiguous(n.Text())
}

// Text returns a scalar's text as it was written, less its quotes; it is empty
// for anything else.
func (n Node) Text() string {
	if !n.IsScalar() {
		return ""
	}
	return n.target().Value
}

// Describe says what the node is, for an error message.
func (n Node) Describe() string {
	switch {
	case n.IsMap():
		return "a map"
	case n.IsList():
		return "a list"
	case n.IsEmpty():
		return "nothing"
	}
	const most = 60
	return strconv.Quote(text.Cut(n.Text(), most))
}

// Items returns the elements of a list; anything else is an *Error that says
// what was expected.
func (n Node) Items(what string) ([]Node, error) {
	if !n.IsList() {
		return nil, n.Errorf("%s must be a list, not %s", what, n.Describe())
	}
	t := n.target()
	items := make([]Node, len(t.Content))
	for i, c := range t.Content {
		items[i] = Node{n.file, c}
	}
	return items, nil
}

// Pairs returns the keys and values of a map in the order they are written,
// those of merge keys (<<) after them. Anything that is no map, a key that is
// there twice and a key that is no scalar are *Errors.
func (n Node) Pairs(what string) ([]Pair, error) {
	if !n.IsMap() {
		return nil, n.Errorf("%s must be a map, not %s", what, n.Describe())
	}
	t := n.target()
	var pairs []Pair
	var merge Pair // of readers of YAML, some take the first of two, some the last
	seen := make(map[string]Pos, len(t.Content)/2)
	for i := 0; i < len(t.Content); i += 2 {
		key, val := Node{n.file, t.Content[i]}, Node{n.file, t.Content[i+1]}
		switch {
		case !key.IsScalar():
			return nil, key.Errorf("a key of %s must be a word, not %s", what, key.Describe())
		case key.target().ShortTag() == "!!merge" && merge.Key == Node{}:
			merge = Pair{Key: key, Value: val}
			continue
		case key.target().ShortTag() == "!!merge":
			return nil, WithRule(key.Errorf("key << is there already, in line %d; of several maps it takes a list: <<: [*a, *b]", merge.Key.Pos().Line), RuleDuplicate)
		case seen[key.Text()].Line != 0:
			return nil, WithRule(key.Errorf("key %q is there already, in line %d", key.Text(), seen[key.Text()].Line), RuleDuplicate)
		}
		seen[key.Text()] = key.Pos()
		pairs = append(pairs, Pair{key, key.Text(), val})
	}
	if merge.Key == (Node{}) {
		return pairs, nil
	}
	merged, err := merge.Value.merged(what)
	if err != nil {
		return nil, err
	}
	for _, p := range merged {
		if _, own := seen[p.Name]; !own {
			seen[p.Name] = p.Key.Pos()
			pairs = append(pairs, p)
		}
	}
	return pairs, nil
}

// merged returns what a merge key brings in: the pairs of one map, or of a
// list of maps.
func (n Node) merged(what string) ([]Pair, error) {
	if !n.IsList() {
		return n.Pairs(what)
	}
	items, err := n.Items(what)
	if err != nil {
		return nil, err
	}
	var all []Pair
	for _, item := range items {
		pairs, err := item.Pairs(what)
		if err != nil {
			return nil, err
		}
		all = append(all, pairs...)
	}
	return all, nil
}
