package schema

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/conftool/confctl/internal/nearest"
	"github.com/conftool/confctl/pkg/files"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Load reads a schema file. It adds the built-in type, with the path poolsPath, unless
// the file redefines it. If the file is not a YAML map or has too many types, Load
// returns a *yamldoc.Error. Mistakes in single types are not errors; Problems returns
// them.
func Load(file, poolsPath string) (*Schema, error) { return LoadWith(file, poolsPath, Options{}) }

// Options control how a schema is read.
type Options struct {
	// Locate returns the path of a JSON schema, or of a directory of them if isDir is
	// true, that a schema file names at a position. If it returns an empty string, the
	// name in the schema file is used. Locate may be nil.
	Locate func(at yamldoc.Pos, named string, isDir bool) string
	// From returns the Files with which to read a file, which is the schema file or a
	// JSON schema, and the files that it refers to. If From is nil, files may be
	// anywhere.
	From func(file string) *files.Files
	// Time limits the total time that all JSON schemas may take. It is DefaultTime if
	// it is not above 0.
	Time time.Duration
}

func (o Options) from(file string) *files.Files {
	if o.From == nil {
		return nil
	}
	return o.From(file)
}

// LoadWith is like Load, with options.
func LoadWith(file, poolsPath string, o Options) (*Schema, error) {
	from := o.from(file)
	doc, err := yamldoc.ReadFrom(from, file, yamldoc.MaxSettings)
	if err != nil {
		return nil, err
	}
	s, err := load(doc, file, poolsPath, o)
	if err != nil {
		return nil, err
	}
	s.from = from
	return s, nil
}

// Parse is like Load, for a text that has been read already. Paths of JSON schemas are
// relative to the directory of file.
func Parse(file string, text []byte, poolsPath string) (*Schema, error) {
	doc, err := yamldoc.Parse(file, text)
	if err != nil {
		return nil, err
	}
	return load(doc, file, poolsPath, Options{})
}

func load(doc yamldoc.Node, file, poolsPath string, o Options) (*Schema, error) {
	s := &Schema{file: file}
	if !doc.IsEmpty() {
		pairs, err := doc.Pairs("a schema")
		if err != nil {
			return nil, yamldoc.WithRule(err, RuleShape)
		}
		if len(pairs) > maxTypes {
			return nil, yamldoc.Errorf(pairs[maxTypes].Key.Pos(), "there are more than %d types", maxTypes).Of(RuleShape)
		}
		clock := newClock(o.Time)
		for _, p := range pairs {
			s.add(p, loader{dir: filepath.Dir(file), options: o, clock: clock})
		}
	}
	if !slices.Contains(s.Names(), Node) {
		s.types = slices.Insert(s.types, 0, node(poolsPath))
	}
	s.checkDepends()
	s.checkPaths()
	slices.SortStableFunc(s.problems, func(a, b Problem) int { return cmp.Compare(a.Err.Pos.Line, b.Err.Pos.Line) })
	return s, nil
}

// add loads one type. It also adds a type with problems, so that Type can return these.
func (s *Schema) add(p yamldoc.Pair, l loader) {
	t := l.load(p)
	s.types = append(s.types, t)
	for _, problem := range l.problems {
		problem.Type = t.Name
		s.problems = append(s.problems, problem)
	}
	s.oddities = append(s.oddities, l.odd...)
}

// loader reads one type and collects its problems.
type loader struct {
	dir      string // the directory of the schema file
	options  Options
	clock    *clock           // shared by all JSON schemas
	problems []Problem        // without the name of the type
	odd      []*yamldoc.Error // probable mistakes with which the type can be used
}

// fail records a problem with a part that is missing or cannot be read. An error
// without a rule gets RuleShape.
func (l *loader) fail(err error) {
	var at *yamldoc.Error
	if errors.As(yamldoc.WithRule(err, RuleShape), &at) {
		l.problems = append(l.problems, Problem{Err: at, Unclear: true})
	}
}

// failAt is like fail, with a new error at a node.
func (l *loader) failAt(n yamldoc.Node, rule, format string, args ...any) {
	l.fail(yamldoc.WithRule(n.Errorf(format, args...), rule))
}

// refuseAt records a problem with a part that can be read, but not used.
func (l *loader) refuseAt(n yamldoc.Node, rule, format string, args ...any) {
	l.problems = append(l.problems, Problem{Err: yamldoc.Errorf(n.Pos(), format, args...).Of(rule)})
}

// checkKeys records unknown keys as oddities. They are not problems, since a newer
// version may read them.
func (l *loader) checkKeys(what string, pairs []yamldoc.Pair, keys ...string) {
	for _, p := range pairs {
		if slices.Contains(keys, p.Name) {
			continue
		}
		odd := yamldoc.Errorf(p.Key.Pos(), "%s has a key %q that nothing reads%s", what, p.Name, nearest.Suggest(p.Name, keys))
		l.odd = append(l.odd, odd.Of(RuleUnknownKey))
	}
}

func (l *loader) load(p yamldoc.Pair) *Type {
	t := &Type{Name: p.Name, Pos: p.Key.Pos()}
	if !isPathPart(t.Name) {
		l.failAt(p.Key, RuleName, "%q cannot be the name of a type: letters, digits, - and _ can", t.Name)
	}
	parts, err := p.Value.Pairs("type " + t.Name)
	if err != nil {
		l.fail(err)
		return t
	}
	found := map[string]yamldoc.Node{}
	for _, part := range parts {
		found[part.Name] = part.Value
	}
	l.checkKeys("type "+t.Name, parts, "path", "tags", "schema", "depends", "free_form", "json_schema", "safety", "readers")
	for _, key := range []string{"path", "tags", "schema"} {
		if _, ok := found[key]; !ok {
			l.failAt(p.Key, RuleMissingKey, "type %s has no %s", t.Name, key)
		}
	}
	l.path(t, found["path"])
	l.tags(t, found["tags"])
	l.fields(t, found["schema"])
	t.Depends = l.wordList(found["depends"], "depends")
	l.freeForm(t, found["free_form"])
	l.rules(t, found["json_schema"])
	t.Safety = found["safety"]
	t.Readers = found["readers"]
	return t
}

func isWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r == '/' || r == ',' || r == '=' || r == 0x7f
	})
}

// isPathPart reports whether s can be a part of a path.
func isPathPart(s string) bool { return isWord(s) && s != "." && s != ".." }

// scalarText returns the text of a scalar, or an empty string for null.
func scalarText(n yamldoc.Node) string {
	if n.IsNull() {
		return ""
	}
	return n.Text()
}

func isAbsent(n yamldoc.Node) bool { return n == (yamldoc.Node{}) }

func (l *loader) path(t *Type, n yamldoc.Node) {
	if isAbsent(n) {
		return
	}
	t.Path = strings.Trim(scalarText(n), "/")
	parts := strings.Split(t.Path, "/")
	if slices.ContainsFunc(parts, func(p string) bool { return !isPathPart(p) }) {
		l.refuseAt(n, RulePath, "path of type %s cannot be %s; it is the part of the key above the tags, such as %q", t.Name, n.Describe(), t.Name+"s")
	}
}

func (l *loader) tags(t *Type, n yamldoc.Node) {
	if isAbsent(n) {
		return
	}
	if n.IsEmpty() {
		l.failAt(n, RuleMissingKey, "tags of type %s are missing; a type without tags has: tags: []", t.Name)
		return
	}
	t.Tags = l.wordList(n, "tags")
	for i, tag := range t.Tags {
		if tag == selector.Name {
			l.failAt(n, RuleName, "a tag of type %s cannot be called %s: that is the object's own name", t.Name, tag)
		}
		if slices.Contains(t.Tags[:i], tag) {
			l.failAt(n, RuleName, "tag %s of type %s is there twice", tag, t.Name)
		}
	}
}

// wordList reads a list of words. It returns nil for null and for a missing node.
func (l *loader) wordList(n yamldoc.Node, what string) []string {
	if n.IsEmpty() {
		return nil
	}
	items, err := n.Items(what)
	if err != nil {
		l.fail(err)
		return nil
	}
	if len(items) > maxFields {
		l.failAt(items[maxFields], RuleShape, "%s has more than %d words", what, maxFields)
		return nil
	}
	var words []string
	for _, item := range items {
		if !item.IsScalar() || item.IsNull() || !isWord(item.Text()) {
			l.failAt(item, RuleShape, "%s cannot hold %s: a word is expected", what, item.Describe())
			continue
		}
		words = append(words, item.Text())
	}
	return words
}

func (l *loader) freeForm(t *Type, n yamldoc.Node) {
	if n.IsEmpty() {
		return
	}
	v, err := Field{Name: "free_form", Kind: Bool}.FromYAML(n)
	if err != nil {
		l.fail(err)
		return
	}
	t.FreeForm = v.True()
}

func (l *loader) fields(t *Type, n yamldoc.Node) {
	if n.IsEmpty() {
		return
	}
	pairs, err := n.Pairs("the schema of type " + t.Name)
	if err != nil {
		l.fail(err)
		return
	}
	if len(pairs) > maxFields {
		l.failAt(pairs[maxFields].Key, RuleShape, "type %s has more than %d fields", t.Name, maxFields)
		return
	}
	for _, p := range pairs {
		l.field(t, p)
	}
}

func (l *loader) field(t *Type, p yamldoc.Pair) {
	f := Field{Name: p.Name, Kind: Any, Pos: p.Key.Pos()}
	parts, err := p.Value.Pairs("field " + p.Name)
	if err != nil {
		l.fail(err)
		return
	}
	if f.Name == "" {
		l.failAt(p.Key, RuleName, "a field of type %s has no name", t.Name)
	}
	l.checkKeys(fmt.Sprintf("field %s of type %s", f.Name, t.Name), parts, "type", "default")
	var def yamldoc.Node
	for _, part := range parts {
		switch part.Name {
		case "type":
			l.kind(&f, part.Value)
		case "default":
			def = part.Value
		}
	}
	// A weight below 0 has no meaning for a load balancer.
	f.NotNegative = t.Name == Node && f.Name == "weight" && f.Kind == Int
	f.DefaultPos = def.Pos()
	if f.Kind == Any && def.IsUnclear() {
		if v, err := def.Value(); err == nil && v.Kind() == value.String {
			l.odd = append(l.odd, yamldoc.Errorf(def.Pos(), "the default %s of field %s of type %s is text here, and may be something else in YAML 1.1, as the Python tool reads it",
				def.Text(), f.Name, t.Name).Of(RuleUnquoted))
		}
	}
	t.Fields = append(t.Fields, f)
	if isAbsent(def) {
		l.failAt(p.Key, RuleMissingKey, "field %s of type %s has no default", f.Name, t.Name)
		return
	}
	if t.Fields[len(t.Fields)-1].Default, err = f.FromYAML(def); err != nil {
		var at *yamldoc.Error
		if errors.As(err, &at) {
			l.refuseAt(def, RuleDefault, "the default of field %s of type %s: %s", f.Name, t.Name, at.Msg)
		}
	}
}

func (l *loader) kind(f *Field, n yamldoc.Node) {
	name, words, isEnum := strings.Cut(n.Text(), ":")
	f.Kind = Kind(name)
	kinds := []string{"string", "int", "bool", "list", "dict", "enum:a|b", "cidr_list", "any"}
	switch {
	case isEnum && f.Kind == Enum && !slices.Contains(strings.Split(words, "|"), ""):
		f.Words = strings.Split(words, "|")
	case isEnum || f.Kind == Enum || !slices.Contains(kinds, name):
		l.refuseAt(n, RuleType, "field %s cannot be of type %s%s; types are %s", f.Name, n.Describe(), nearest.Suggest(name, kinds), strings.Join(kinds, ", "))
		f.Kind = Any
	}
}

// rules reads the key json_schema. The JSON schemas themselves are read when they are
// first used, so that reading objects does not wait for them or fail because of them.
func (l *loader) rules(t *Type, n yamldoc.Node) {
	if n.IsEmpty() {
		return
	}
	pairs, err := n.Pairs("json_schema")
	if err != nil {
		l.fail(err)
		return
	}
	l.checkKeys("json_schema of type "+t.Name, pairs, "base_path", "rules")
	var base, rules yamldoc.Node
	for _, p := range pairs {
		switch p.Name {
		case "base_path":
			base = p.Value
		case "rules":
			rules = p.Value
		}
	}
	if scalarText(base) == "" || rules.IsEmpty() {
		l.failAt(n, RuleMissingKey, "json_schema of type %s needs base_path (a directory) and rules", t.Name)
		return
	}
	t.RulesDir = l.basePath(base)
	named, err := rules.Pairs("rules")
	if err != nil {
		l.fail(err)
		return
	}
	if len(named) > maxFields {
		l.failAt(named[maxFields].Key, RuleShape, "type %s has more than %d rules", t.Name, maxFields)
		return
	}
	for _, p := range named {
		l.rule(t, p)
	}
}

// basePath returns the directory of the JSON schemas. A relative name is looked up in
// the directory of the schema file, then in the working directory, which the Python
// tool uses. If neither exists, basePath returns the first.
func (l *loader) basePath(n yamldoc.Node) string {
	dir := n.Text()
	if located := l.located(n, dir, true); located != "" {
		return located
	}
	beside := filepath.Join(l.dir, dir)
	if filepath.IsAbs(dir) {
		return dir
	}
	for _, candidate := range []string{beside, dir} {
		if info, err := l.options.from(candidate).Stat(candidate); err == nil && info.IsDir() {
			return candidate
		}
	}
	return beside
}

// located returns the path that the option Locate gives for a name at a node, or an
// empty string.
func (l *loader) located(n yamldoc.Node, named string, isDir bool) string {
	if l.options.Locate == nil {
		return ""
	}
	return l.options.Locate(n.Pos(), named, isDir)
}

func (l *loader) rule(t *Type, p yamldoc.Pair) {
	parts, err := p.Value.Pairs("rule " + p.Name)
	if err != nil {
		l.fail(err)
		return
	}
	l.checkKeys(fmt.Sprintf("rule %s of type %s", p.Name, t.Name), parts, "schema", "selector")
	r := &Rule{Name: p.Name, Pos: p.Key.Pos(), clock: l.clock}
	hasSelector := false
	for _, part := range parts {
		switch part.Name {
		case "schema":
			switch file := scalarText(part.Value); {
			case filepath.IsAbs(file):
				r.File = cmp.Or(l.located(part.Value, file, false), file)
			case file != "":
				r.File = filepath.Join(t.RulesDir, file)
			}
		case "selector":
			hasSelector, r.SelectorPos = true, part.Value.Pos()
			if r.Selector, err = selector.Parse(scalarText(part.Value), t.Tags); err != nil {
				l.refuseAt(part.Value, RuleSelector, "rule %s: %v", p.Name, err)
			}
		}
	}
	if r.File == "" || !hasSelector {
		l.failAt(p.Key, RuleMissingKey, "rule %s of type %s needs schema (a file) and selector", p.Name, t.Name)
	}
	r.from = l.options.from(r.File)
	t.Rules = append(t.Rules, r)
}

// checkDepends records dependencies on unknown types, and dependency loops.
func (s *Schema) checkDepends() {
	state := map[string]int{} // 1 while the type is being visited, 2 afterwards
	var visit func(t *Type, above []string)
	visit = func(t *Type, above []string) {
		if state[t.Name] == 1 {
			loop := slices.Concat(above[slices.Index(above, t.Name):], []string{t.Name})
			for _, name := range loop[1:] {
				s.addProblem(name, t, RuleLoop, "dependency loop: %s", strings.Join(loop, " -> "))
			}
		}
		if state[t.Name] != 0 {
			return
		}
		state[t.Name] = 1
		for _, name := range t.Depends {
			if d := s.find(name); d != nil {
				visit(d, append(slices.Clone(above), t.Name))
			} else {
				s.addProblem(t.Name, t, RuleDepends, "type %s depends on %s, which is no type%s", t.Name, name, nearest.Suggest(name, s.Names()))
			}
		}
		state[t.Name] = 2
	}
	for _, t := range s.types {
		visit(t, nil)
	}
}

func (s *Schema) find(name string) *Type {
	for _, t := range s.types {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// addProblem records a problem of the type name, at the position of the type at.
func (s *Schema) addProblem(name string, at *Type, rule, format string, args ...any) {
	pos := at.Pos
	if pos.File == "" {
		pos.File = s.file
	}
	s.problems = append(s.problems, Problem{Type: name, Err: yamldoc.Errorf(pos, format, args...).Of(rule)})
}

// checkPaths records types whose keys could be confused: their paths are equal, or one
// path is inside the other.
func (s *Schema) checkPaths() {
	for i, a := range s.types {
		for _, b := range s.types[:i] {
			if a.Path == "" || b.Path == "" || !overlap(a.Path+"/", b.Path+"/") {
				continue
			}
			for _, name := range []string{a.Name, b.Name} {
				s.addProblem(name, a, RulePath, "type %s has path %s, which is in the way of type %s with path %s", a.Name, a.Path, b.Name, b.Path)
			}
		}
	}
}

func overlap(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }
