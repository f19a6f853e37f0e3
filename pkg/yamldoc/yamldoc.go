// Package yamldoc reads YAML files so that every error can name the file, the line
// and the column, and so that no scalar is read as the wrong type.
//
// It returns nodes rather than decoded Go values. Whether `no` is a string or a
// boolean depends on the schema, so a scalar keeps its text until a caller that
// knows the type asks for its value.
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

// Limits on one file. They protect against files that are no YAML and against
// aliases that multiply the content.
const (
	MaxBytes    = 64 << 20 // bytes of an export, or of values
	MaxData     = 8 << 20  // bytes of a file that declares objects
	MaxSettings = 1 << 20  // bytes of any other file: a schema, rules, settings
	maxNodes    = 2 << 20  // nodes, with all aliases followed
	maxLevels   = 100      // levels of nested maps and lists in a file, with all aliases followed
)

// Pos is a position in a file. Line and Column count from 1; 0 means unknown.
type Pos struct {
	File         string
	Line, Column int
}

// String returns file:line:column, or file:line or file if the rest is unknown.
func (p Pos) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Error reports a problem at a position in a file.
type Error struct {
	Pos  Pos
	Msg  string
	Rule string // the kind of problem, such as yaml-syntax; may be empty
	Err  error  // the file system's error if the file could not be read
}

func (e *Error) Error() string { return e.Pos.String() + ": " + e.Msg }

// Unwrap returns Err, which may be nil.
func (e *Error) Unwrap() error { return e.Err }

// The rules of the errors that this package returns.
const (
	RuleSyntax     = "yaml-syntax"
	RuleDuplicate  = "yaml-duplicate-key"
	RuleUnreadable = "file-unreadable"
	RuleEscapes    = "path-escapes" // a path or a link leads out of the directories that are read
)

// WithRule returns a copy of the *Error that err is or wraps, with the rule. It
// returns err unchanged if there is no *Error, or if that has a rule already: the
// function that found the problem knows its rule best.
func WithRule(err error, rule string) error {
	var e *Error
	if !errors.As(err, &e) || e.Rule != "" {
		return err
	}
	changed := *e
	changed.Rule = rule
	return &changed
}

// Of sets the rule of e, and returns e.
func (e *Error) Of(rule string) *Error {
	e.Rule = rule
	return e
}

// Node is a part of a document. Its methods follow aliases and apply merge keys.
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

// Read reads a file of at most MaxSettings bytes, which may have one document. If it
// has none, the Node is empty. All errors are *Error.
func Read(file string) (Node, error) { return ReadFrom(nil, file, MaxSettings) }

// ReadFrom is like Read, but reads the file with the given Files, and of at most
// maxBytes bytes. If from is nil, the file may be anywhere.
func ReadFrom(from *files.Files, file string, maxBytes int64) (Node, error) {
	text, err := readFile(from, file, maxBytes)
	if err != nil {
		return Node{}, err
	}
	if estimateNodes(text) > maxBytes/4 {
		return Node{}, &Error{Pos: Pos{File: file}, Msg: fmt.Sprintf("has more than %d lines, lists, maps and commas", maxBytes/4), Rule: RuleUnreadable}
	}
	return parse(file, text, maxLevels)
}

// estimateNodes returns an estimate of the number of nodes in a text. Each node
// takes a hundred times the memory of its text.
func estimateNodes(text []byte) int64 {
	return int64(2*bytes.Count(text, []byte("\n")) + bytes.Count(text, []byte(",")) + bytes.Count(text, []byte("[")) + bytes.Count(text, []byte("{")))
}

// ReadFile returns the content of a regular file of at most MaxBytes bytes. It does
// not check that the content is YAML.
func ReadFile(file string) ([]byte, *Error) { return readFile(nil, file, MaxBytes) }

func readFile(from *files.Files, file string, maxBytes int64) ([]byte, *Error) {
	text, err := from.Read(file, maxBytes)
	if err != nil {
		return nil, Unreadable(file, err)
	}
	return text, nil
}

// Unreadable returns an *Error for a file or a directory that could not be read, or
// that package files refused to read. Its message gives the reason of err, which is
// an error of package files. Its Err is err, or nil if package files refused.
func Unreadable(file string, err error) *Error {
	switch {
	case errors.As(err, new(files.OutsideError)):
		return &Error{Pos: Pos{File: file}, Msg: cause(err) + ", so it is not read", Rule: RuleEscapes}
	case files.Refused(err):
		return &Error{Pos: Pos{File: file}, Msg: cause(err), Rule: RuleUnreadable}
	}
	return &Error{Pos: Pos{File: file}, Msg: "cannot be read: " + cause(err), Rule: RuleUnreadable, Err: err}
}

// ReadAll is like io.ReadAll, but returns a files.SizeError if there are more than
// MaxBytes bytes, since the input may be endless, such as /dev/zero.
func ReadAll(from io.Reader) ([]byte, error) { return files.ReadAll(from, MaxBytes) }

// cause returns the message of err without the operation and the path, which the
// caller's message already has.
func cause(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// Parse reads a text, which may have one document. If it has none, the Node is
// empty. The file is only used in errors, all of which are *Error.
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

// decode returns the content of the first document and of the second one; each is
// nil if there is none. The YAML library panics on some malformed input; decode
// returns that as an error.
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

// Patterns of the YAML library's error messages.
var (
	yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:unmarshal errors:\s*)?(?:line (\d+): )?`)
	// The library's scanner counts lines from 1, its parser from 0. These messages
	// are from the parser.
	fromParser = regexp.MustCompile(`^did not find expected (<|node content|'-'|key|',' or)|^found (undefined tag handle|duplicate %|incompatible)`)
	// These messages have no line.
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
	// If something is missing at the end of the text, the line is that of the last
	// text that is not blank.
	last := 1 + bytes.Count(bytes.TrimSpace(text), []byte("\n"))
	return &Error{Pos: Pos{File: file, Line: min(line, last)}, Msg: "not valid YAML: " + msg, Rule: RuleSyntax}
}

// badLine returns the number of the first line with a control character or with
// bytes that are not UTF-8. It returns 0 if there is no such line.
func badLine(text []byte) int {
	for i, line := range bytes.Split(text, []byte("\n")) {
		control := bytes.ContainsFunc(line, func(r rune) bool { return unicode.IsControl(r) && r != '\t' && r != '\r' && r != '\u0085' })
		if control || !utf8.Valid(line) {
			return i + 1
		}
	}
	return 0
}

// checker checks a document once, so that its nodes can be visited later with all
// aliases followed: no alias contains itself, and the limits hold.
type checker struct {
	file   string
	lines  int                 // the number of lines of the text
	levels int                 // the largest number of levels allowed
	sizes  map[*yaml.Node]size // the sizes of the nodes with an anchor that are checked already
}

// size is the size of a part of a document, with all aliases followed.
type size struct{ nodes, levels int }

func (c checker) check(n *yaml.Node) (size, error) {
	n.Line = min(n.Line, c.lines) // a node that is missing at the end of the text has the next line
	if n.Kind == yaml.AliasNode {
		part, known := c.sizes[n.Alias]
		if !known {
			return size{}, c.errorf(n, "alias *%s stands inside what it names", n.Value)
		}
		return part, nil
	}
	if n.Style&yaml.TaggedStyle != 0 && !tagFits(n) {
		return size{}, c.errorf(n, "tag %s is not known here", n.ShortTag())
	}
	all := size{nodes: 1, levels: 1}
	for _, child := range n.Content {
		part, err := c.check(child)
		if err != nil {
			return size{}, err
		}
		if all.nodes += part.nodes; all.nodes > maxNodes {
			return size{}, c.errorf(child, "with all aliases followed there are more than %d values", maxNodes)
		}
		if all.levels = max(all.levels, part.levels+1); all.levels > c.levels {
			return size{}, c.errorf(child, "with all aliases followed there are more than %d levels of maps and lists", c.levels)
		}
	}
	if n.Anchor != "" {
		c.sizes[n] = all
	}
	return all, nil
}

// tagFits reports whether a node's tag fits the node. For scalars it only checks
// the tag !!null; Value checks the others.
func tagFits(n *yaml.Node) bool {
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

// Errorf returns an *Error at the node's position.
func (n Node) Errorf(format string, args ...any) error { return Errorf(n.Pos(), format, args...) }

// Errorf returns an *Error at a position in a file.
func Errorf(pos Pos, format string, args ...any) *Error {
	return &Error{Pos: pos, Msg: fmt.Sprintf(format, args...)}
}

// Pos returns the position of the node. For an alias, it is the alias's own.
func (n Node) Pos() Pos {
	if n.n == nil {
		return Pos{File: n.file}
	}
	return Pos{n.file, n.n.Line, n.n.Column}
}

// target returns the node that an alias refers to, or the node itself if it is not
// an alias. It returns nil if there is no document.
func (n Node) target() *yaml.Node {
	if n.n != nil && n.n.Kind == yaml.AliasNode {
		return n.n.Alias
	}
	return n.n
}

// IsEmpty reports whether the node is null, or there is no document.
func (n Node) IsEmpty() bool { return n.n == nil || n.IsNull() }

// IsMap reports whether the node is a map.
func (n Node) IsMap() bool { t := n.target(); return t != nil && t.Kind == yaml.MappingNode }

// IsList reports whether the node is a list.
func (n Node) IsList() bool { t := n.target(); return t != nil && t.Kind == yaml.SequenceNode }

// IsScalar reports whether the node is a scalar, such as null.
func (n Node) IsScalar() bool { t := n.target(); return t != nil && t.Kind == yaml.ScalarNode }

// IsNull reports whether the node is null, either written or left out.
func (n Node) IsNull() bool { return n.IsScalar() && n.target().ShortTag() == "!!null" }

// IsQuoted reports whether the node is a scalar that every YAML parser reads as a
// string: quoted, a block, or tagged !!str.
func (n Node) IsQuoted() bool {
	t := n.target()
	const text = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	return n.IsScalar() && (t.Style&text != 0 || (t.Style&yaml.TaggedStyle != 0 && t.ShortTag() == "!!str"))
}

// IsUnclear reports whether the node is a scalar without quotes that may not be a
// string to a YAML 1.1 parser such as PyYAML. It returns false for null.
func (n Node) IsUnclear() bool {
	return n.IsScalar() && !n.IsNull() && !n.IsQuoted() && ambiguous(n.Text())
}

// Text returns the text of a scalar, without its quotes. It returns an empty string
// for any other node.
func (n Node) Text() string {
	if !n.IsScalar() {
		return ""
	}
	return n.target().Value
}

// Describe returns a description of the node for an error message: "a map", "a list",
// "nothing", or the quoted text of a scalar, cut to 60 characters.
func (n Node) Describe() string {
	switch {
	case n.IsMap():
		return "a map"
	case n.IsList():
		return "a list"
	case n.IsEmpty():
		return "nothing"
	}
	const maxText = 60
	return strconv.Quote(text.Cut(n.Text(), maxText))
}

// Items returns the elements of a list. If the node is not a list, the error is an
// *Error. Its message begins with what, the name of the node.
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

// Pairs returns the keys and values of a map in the order in which they are written,
// followed by those of its merge key (<<) that are not keys of the map itself. The
// error is an *Error: the node is not a map, a key is repeated, or a key is not a
// scalar. Its message uses what, the name of the node.
func (n Node) Pairs(what string) ([]Pair, error) {
	if !n.IsMap() {
		return nil, n.Errorf("%s must be a map, not %s", what, n.Describe())
	}
	t := n.target()
	var pairs []Pair
	var merge Pair // only one is allowed: of two, some YAML parsers use the first, others the last
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

// merged returns the pairs that a merge key with the value n adds: those of a map,
// or of a list of maps.
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
