// Package lint checks the configuration of a site before it is used: the schema, its
// JSON schemas, safety rules and readers, and the files that declare objects. It
// needs no store and no network, and writes nothing.
package lint

import (
	"cmp"
	"errors"
	"slices"

	"github.com/conftool/confctl/internal/readers"
	"github.com/conftool/confctl/internal/seed"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/files"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Input lists what Check checks.
type Input struct {
	Schema    string // the schema file; empty: the built-in type alone
	PoolsPath string // of the built-in type
	Safety    string // a file of safety rules that need not exist; empty for none
	Readers   string // a file of readers that need not exist; empty for none
	Data      string // the data directory; empty for none

	// JSONSchemas is the directory of the JSON schemas. A JSON schema is looked up there
	// by the last parts of the path in the schema file. If it is empty, JSON schemas are
	// read from the paths in the schema file or, if such a path is absolute, from beside
	// the schema file.
	JSONSchemas string
	// Trees are the directories under review. Files in them cannot refer to files
	// outside. Files outside that are named in this Input are read, and each is a
	// finding. If it is nil, no tree is under review.
	Trees  []string
	Config string // the configuration that was read; empty for none

	// Progress, if not nil, is called with the name of each file or directory before it
	// is checked.
	Progress func(path string)
}

// Severity is the importance of a finding. A greater value is more important.
type Severity int

// The severities.
const (
	Note    Severity = iota // nothing is wrong, but the reader of the findings should know
	Warning                 // it works, but is probably not what was meant
	Error                   // something does not work, or is refused
)

func (s Severity) String() string { return [...]string{"note", "warning", "error"}[s] }

// Finding is one problem.
type Finding struct {
	// Pos is the position of the problem. Line and column are at least 1; for a whole
	// file or directory, both are 1.
	Pos      yamldoc.Pos
	Rule     string // the name of the rule, one of Rules
	Severity Severity
	Msg      string // what is wrong: one line, without the position
	Advice   string // how to correct it
}

// Result is the result of Check.
type Result struct {
	Findings []Finding // by file, line and column, each once
	Files    int       // the number of files checked: schemas, rules and data
	Objects  int       // the number of objects that the data declares

	// The results of reading, for further use by the caller. A value that could not be
	// read is zero. Schema and Data have only the types without errors.
	Schema  *schema.Schema
	Rules   *safety.Rules
	Unruled []schema.Problem // the problems of the rules
	Data    seed.Data
	read    map[string]bool // by RealPath
}

// Read reports whether Check read the file path, or a file in the directory path.
func (r Result) Read(path string) bool {
	path = RealPath(path)
	for file := range r.read {
		if file == path || IsInside(file, path) {
			return true
		}
	}
	return false
}

// Check checks a site. A file that cannot be read is a finding; everything that does
// not depend on it is still checked.
func Check(in Input) Result {
	l := linter{in: in, seen: map[Finding]bool{}, table: map[string]Rule{}, files: map[string]bool{}}
	for _, r := range Rules() {
		l.table[r.Name] = r
	}
	if in.Trees != nil {
		l.trees = files.Within(in.Trees...)
		defer l.trees.Close() //nolint:errcheck // nothing was written
	}
	for _, file := range []string{in.Safety, in.Readers} {
		if _, err := l.from(in.Schema).Stat(file); err == nil {
			l.files[file] = true
		}
	}
	if l.Schema = l.readSchema(); l.Schema == nil {
		l.alone(in.Safety)
		l.alone(in.Readers)
	} else {
		declared := l.readData()
		l.jsonSchemas(declared)
		l.safety(declared)
		l.readers(declared)
	}
	l.outside()
	l.Files += len(l.files)
	l.read = map[string]bool{}
	for file := range l.files {
		l.read[RealPath(file)] = true
	}
	slices.SortStableFunc(l.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Column, b.Pos.Column), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Msg, b.Msg))
	})
	return l.Result
}

// linter collects the findings of one check.
type linter struct {
	Result
	in    Input
	trees *files.Files // nil if no tree is under review
	seen  map[Finding]bool
	table map[string]Rule
	files map[string]bool // the files that were checked, except data files
}

// add adds a finding for an error, usually a *yamldoc.Error.
func (l *linter) add(err error) {
	var at *yamldoc.Error
	if !errors.As(err, &at) {
		at = &yamldoc.Error{Msg: err.Error(), Rule: yamldoc.RuleUnreadable}
	}
	rule := l.table[at.Rule]
	f := Finding{Pos: at.Pos, Rule: at.Rule, Severity: rule.Severity, Msg: text.Line(at.Msg), Advice: rule.Advice}
	if f.Pos.File == "" {
		f.Pos.File = l.in.Schema
	}
	f.Pos.Line, f.Pos.Column = max(f.Pos.Line, 1), max(f.Pos.Column, 1)
	if !l.seen[f] { // two types may have the same problem, such as a dependency loop
		l.seen[f] = true
		l.Findings = append(l.Findings, f)
	}
}

// addAt adds a finding of a rule that only this package checks.
func (l *linter) addAt(pos yamldoc.Pos, rule, format string, args ...any) {
	l.add(yamldoc.Errorf(pos, format, args...).Of(rule))
}

// at reports the file or directory that is checked next.
func (l *linter) at(path string) {
	if l.in.Progress != nil {
		l.in.Progress(path)
	}
}

// readSchema returns the schema, or nil if it cannot be used.
func (l *linter) readSchema() *schema.Schema {
	if l.in.Schema == "" {
		return schema.BuiltIn(l.in.PoolsPath)
	}
	l.files[l.in.Schema] = true
	l.at(l.in.Schema)
	s, err := schema.LoadWith(l.in.Schema, l.in.PoolsPath, schema.Options{Locate: l.locate, From: l.fromSchema})
	if err != nil {
		l.add(err)
		return nil
	}
	for _, p := range s.Problems() {
		l.add(p.Err)
	}
	for _, odd := range s.Oddities() {
		l.add(odd)
	}
	return s
}

// readData returns what the data declares, by type. It includes types that cannot be
// used for a reason other than the shape of their files.
func (l *linter) readData() map[*schema.Type]seed.Type {
	if l.in.Data == "" {
		return nil
	}
	l.at(l.in.Data)
	data, err := seed.ReadFrom(l.from(l.in.Data), l.in.Data, slices.DeleteFunc(l.Schema.Declared(), func(t *schema.Type) bool { return !l.isShaped(t) }))
	if err != nil {
		l.add(unreadable(l.in.Data, err))
		return nil
	}
	declared := map[*schema.Type]seed.Type{}
	for _, t := range data.Types {
		declared[t.Type] = t
		l.Files += t.Files
		l.Objects += len(t.Objects)
		for _, err := range slices.Concat(t.Faults, t.Gaps, t.Notes) {
			l.add(err)
		}
	}
	l.unclaimed()
	usable := l.Schema.Types()
	data.Types = slices.DeleteFunc(data.Types, func(t seed.Type) bool { return !slices.Contains(usable, t.Type) })
	l.Data = data
	return declared
}

// isShaped reports whether the shape of a type's files, and the JSON schemas that it
// uses, are known for certain.
func (l *linter) isShaped(t *schema.Type) bool {
	return !slices.ContainsFunc(l.Schema.Problems(), func(p schema.Problem) bool { return p.Type == t.Name && p.Unclear })
}

// unclaimed reports entries of the data directory that belong to no type.
func (l *linter) unclaimed() {
	left, err := seed.UnclaimedFrom(l.from(l.in.Data), l.in.Data, l.Schema.Names())
	if err != nil {
		l.add(unreadable(l.in.Data, err))
		return
	}
	for _, at := range left {
		l.add(at)
	}
}

// alone checks a file of rules or readers without a schema: only that it is valid
// YAML.
func (l *linter) alone(file string) {
	if !l.files[file] {
		return
	}
	if _, err := yamldoc.ReadFrom(l.from(l.in.Schema), file, yamldoc.MaxSettings); err != nil {
		l.add(err)
	}
}

// unreadable returns the finding for a data directory that cannot be read.
func unreadable(dir string, err error) error {
	if errors.As(err, new(files.OutsideError)) {
		return yamldoc.Unreadable(dir, err)
	}
	return &yamldoc.Error{Pos: yamldoc.Pos{File: dir}, Msg: err.Error(), Rule: yamldoc.RuleUnreadable}
}

// readers checks the declared readers.
func (l *linter) readers(declared map[*schema.Type]seed.Type) {
	l.at(l.in.Readers)
	all, problems := readers.Load(l.Schema, l.in.Readers)
	for _, p := range problems {
		l.add(p.Err)
	}
	for _, r := range all {
		for _, err := range slices.Concat(r.Doubts(), r.Unnamed(complete(declared[r.Type]))) {
			l.add(err)
		}
	}
	for _, doubt := range readers.Swapped(all) {
		l.add(doubt)
	}
}

// complete returns the objects that a type should have, or nil if not all of them
// are known.
func complete(t seed.Type) []object.Object {
	if !t.Complete() {
		return nil
	}
	return t.Objects
}

// safety checks the declared safety rules.
func (l *linter) safety(declared map[*schema.Type]seed.Type) {
	l.at(l.in.Safety)
	rules, problems := safety.Load(l.Schema, l.in.Safety)
	l.Unruled = problems
	for _, p := range problems {
		l.add(p.Err)
	}
	for _, t := range l.Schema.Types() {
		for _, doubt := range rules.Doubts(t, complete(declared[t])) {
			l.add(doubt)
		}
	}
	l.Rules = rules
}
