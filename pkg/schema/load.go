package schema

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/conftool/confctl/pkg/files"
	"github.com/conftool/confctl/pkg/nearest"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Load reads a schema file and adds the built-in type, in the given path,
// unless the file redefines it. A file that is no YAML map is an error (a
// *yamldoc.Error); what is wrong with single types becomes Problems.
func Load(file, poolsPath string) (*Schema, error) { return LoadWith(file, poolsPath, Options{}) }

// Options say how a schema is read.
type Options struct {
	// Locate returns where a JSON schema is, or with isDir a directory of them, that
	// a schema file names at a position. An empty answer leaves it where it is named.
	Locate func(at yamldoc.Pos, named string, isDir bool) string
	// From returns what reads a file, the schema file or a JSON schema, and all that
	// it refers to.
	From func(file string) *files.Files
	// Time is how long all JSON schemas may take together, DefaultTime if it is 0.
	Time time.Duration
}

func (o Options) from(file string) *files.Files {
	if o.From == nil {
		return nil
	}
	return o.From(file)
}

// LoadWith is Load with options.
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

// Parse is Load for a text that is already read. JSON schemas are looked for
// as if the text were in the file.
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
		if len(pairs) > mostTypes {
			return nil, yamldoc.Errorf(pairs[mostTypes].Key.Pos(), "there are more than %d types", mostTypes).Of(RuleShape)
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

// add loads one type. A type with problems is kept under its name, so that
// whoever asks for it is told what is wrong.
func (s *Schema) add(p yamldoc.Pair, l loader) {
	t := l.load(p)
	s.types = append(s.types, t)
	for _, problem := range l.problems {
		problem.Type = t.Name
		s.problems = append(s.problems, problem)
	}
	s.oddities = append(s.oddities, l.odd...)
}

// loader reads one type and gathers what is wrong with it.
type loader struct {
	dir      string // of the schema file
	options  Options
	clock    *clock           // of all JSON schemas
	problems []Problem        // without the name of the type
	odd      []*yamldoc.Error // what is most likely a mistake, and harms nobody
}

// fail records a part that is missing or cannot be read. An error that does not
// say of which rule it is, is of the shape of what is read.
func (l *loader) fail(err error) {
	var at *yamldoc.Error
	if errors.As(yamldoc.WithRule(err, RuleShape), &at) {
		l.problems = append(l.problems, Problem{Err: at, Unclear: true})
	}
}

// failAt is fail for what is found wrong here.
func (l *loader) failAt(n yamldoc.Node, rule, format string, args ...any) {
	l.fail(yamldoc.WithRule(n.Errorf(format, args...), rule))
}

// refuseAt records a part that can be read, but not be used.
func (l *loader) refuseAt(n yamldoc.Node, rule, format string, args ...any) {
	l.problems = append(l.problems, Problem{Err: yamldoc.Errorf(n.Pos(), format, args...).Of(rule)})
}

// known looks for keys that nothing reads. A newer version may.
func (l *loader) known(what string, pairs []yamldoc.Pair, keys ...string) {
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
	if !isStep(t.Name) {
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
	l.known("type "+t.Name, parts, "path", "tags", "schema", "depends", "free_form", "json_schema", "safety", "readers")
	for _, key := range []string{"path", "tags", "schema"} {
		if _, ok := found[key]; !ok {
			l.failAt(p.Key, RuleMissingKey, "type %s has no %s", t.Name, key)
		}
	}
	l.path(t, found["path"])
	l.tags(t, found["tags"])
	l.fields(t, found["schema"])
	t.Depends = l.words(found["depends"], "depends")
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

// isStep reports whether a word can be a part of a path.
func isStep(s string) bool { return isWord(s) && s != "." && s != ".." }

// text is a scalar's text; null is none.
func text(n yamldoc.Node) string {
	if n.IsNull() {
		return ""
	}
	return n.Text()
}

func absent(n yamldoc.Node) bool { return n == (yamldoc.Node{}) }

func (l *loader) path(t *Type, n yamldoc.Node) {
	if absent(n) {
		return
	}
	t.Path = strings.Trim(text(n), "/")
	parts := strings.Split(t.Path, "/")
	if slices.ContainsFunc(parts, func(p string) bool { return !isStep(p) }) {
		l.refuseAt(n, RulePath, "path of type %s cannot be %s; it is the part of the key above the tags, such as %q", t.Name, n.Describe(), t.Name+"s")
	}
}

func (l *loader) tags(t *Type, n yamldoc.Node) {
	if absent(n) {
		return
	}
	if n.IsEmpty() {
		l.failAt(n, RuleMissingKey, "tags of type %s are missing; a type without tags has: tags: []", t.Name)
		return
	}
	t.Tags = l.words(n, "tags")
	for i, tag := range t.Tags {
		if tag == selector.Name {
			l.failAt(n, RuleName, "a tag of type %s cannot be called %s: that is the object's own name", t.Name, tag)
		}
		if slices.Contains(t.Tags[:i], tag) {
			l.failAt(n, RuleName, "tag %s of type %s is there twice", tag, t.Name)
		}
	}
}

// words reads a list of words; absent and null are the empty list.
func (l *loader) words(n yamldoc.Node, what string) []string {
	if n.IsEmpty() {
		return nil
	}
	items, err := n.Items(what)
	if err != nil {
		l.fail(err)
		return nil
	}
	if len(items) > mostFields {
		l.failAt(items[mostFields], RuleShape, "%s has more than %d words", what, mostFields)
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
	if len(pairs) > mostFields {
		l.failAt(pairs[mostFields].Key, RuleShape, "type %s has more than %d fields", t.Name, mostFields)
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
	l.known(fmt.Sprintf("field %s of type %s", f.Name, t.Name), parts, "type", "default")
	var def yamldoc.Node
	for _, part := range parts {
		switch part.Name {
		case "type":
			l.kind(&f, part.Value)
		case "default":
			def = part.Value
		}
	}
	// A weight below 0 means nothing to a load balancer.
	f.NotNegative = t.Name == Node && f.Name == "weight" && f.Kind == Int
	f.DefaultPos = def.Pos()
	if f.Kind == Any && def.IsUnclear() {
		if v, err := def.Value(); err == nil && v.Kind() == value.String {
			l.odd = append(l.odd, yamldoc.Errorf(def.Pos(), "the default %s of field %s of type %s is text here, and may be something else in YAML 1.1, as the Python tool reads it",
				def.Text(), f.Name, t.Name).Of(RuleUnquoted))
		}
	}
	t.Fields = append(t.Fields, f)
	if absent(def) {
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

// rules reads the json_schema part. The schemas themselves are read when they
// are first needed, so that no get waits for them or fails by them.
func (l *loader) rules(t *Type, n yamldoc.Node) {
	if n.IsEmpty() {
		return
	}
	pairs, err := n.Pairs("json_schema")
	if err != nil {
		l.fail(err)
		return
	}
	l.known("json_schema of type "+t.Name, pairs, "base_path", "rules")
	var base, rules yamldoc.Node
	for _, p := range pairs {
		switch p.Name {
		case "base_path":
			base = p.Value
		case "rules":
			rules = p.Value
		}
	}
	if text(base) == "" || rules.IsEmpty() {
		l.failAt(n, RuleMissingKey, "json_schema of type %s needs base_path (a directory) and rules", t.Name)
		return
	}
	t.RulesDir = l.basePath(base)
	named, err := rules.Pairs("rules")
	if err != nil {
		l.fail(err)
		return
	}
	if len(named) > mostFields {
		l.failAt(named[mostFields].Key, RuleShape, "type %s has more than %d rules", t.Name, mostFields)
		return
	}
	for _, p := range named {
		l.rule(t, p)
	}
}

// basePath returns the directory of that name beside the schema file if there
// is one, or else the one in the working directory, where the original looked.
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

// located returns where something that is named there is, if it is elsewhere.
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
	l.known(fmt.Sprintf("rule %s of type %s", p.Name, t.Name), parts, "schema", "selector")
	r := &Rule{Name: p.Name, Pos: p.Key.Pos(), clock: l.clock}
	chooses := false
	for _, part := range parts {
		switch part.Name {
		case "schema":
			switch file := text(part.Value); {
			case filepath.IsAbs(file):
				r.File = cmp.Or(l.located(part.Value, file, false), file)
			case file != "":
				r.File = filepath.Join(t.RulesDir, file)
			}
		case "selector":
			chooses, r.SelectorPos = true, part.Value.Pos()
			if r.Selector, err = selector.Parse(text(part.Value), t.Tags); err != nil {
				l.refuseAt(part.Value, RuleSelector, "rule %s: %v", p.Name, err)
			}
		}
	}
	if r.File == "" || !chooses {
		l.failAt(p.Key, RuleMissingKey, "rule %s of type %s needs schema (a file) and selector", p.Name, t.Name)
	}
	r.from = l.options.from(r.File)
	t.Rules = append(t.Rules, r)
}

// checkDepends finds types that depend on what is not there, and loops.
func (s *Schema) checkDepends() {
	state := map[string]int{} // 1 while it is being visited, 2 after
	var visit func(t *Type, above []string)
	visit = func(t *Type, above []string) {
		if state[t.Name] == 1 {
			loop := slices.Concat(above[slices.Index(above, t.Name):], []string{t.Name})
			for _, name := range loop[1:] {
				s.between(name, t, RuleLoop, "dependency loop: %s", strings.Join(loop, " -> "))
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
				s.between(t.Name, t, RuleDepends, "type %s depends on %s, which is no type%s", t.Name, name, nearest.Suggest(name, s.Names()))
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

// between records a problem between types: at is the type whose line is named.
func (s *Schema) between(name string, at *Type, rule, format string, args ...any) {
	pos := at.Pos
	if pos.File == "" {
		pos.File = s.file
	}
	s.problems = append(s.problems, Problem{Type: name, Err: yamldoc.Errorf(pos, format, args...).Of(rule)})
}

// checkPaths finds types whose objects could be taken for each other's: on one
// path, or one path inside the other.
func (s *Schema) checkPaths() {
	for i, a := range s.types {
		for _, b := range s.types[:i] {
			if a.Path == "" || b.Path == "" || !overlap(a.Path+"/", b.Path+"/") {
				continue
			}
			for _, name := range []string{a.Name, b.Name} {
				s.between(name, a, RulePath, "type %s has path %s, which is in the way of type %s with path %s", a.Name, a.Path, b.Name, b.Path)
			}
		}
	}
}

func overlap(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }
