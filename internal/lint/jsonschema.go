package lint

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/seed"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// jsonSchemas checks the JSON schemas of all types and their selectors, and whether
// new objects satisfy them.
func (l *linter) jsonSchemas(declared map[*schema.Type]seed.Type) {
	used, certain := map[string]bool{}, true
	for _, t := range l.Schema.Declared() {
		certain = certain && l.isShaped(t)
		for _, r := range t.Rules {
			certain = l.jsonSchema(t, r) && certain
			for _, file := range r.Files() {
				used[RealPath(file)] = true
				l.files[file] = true
			}
		}
	}
	if certain { // otherwise, an unused file may be the one that was meant
		l.unused(used)
	}
	for _, t := range l.Schema.Types() {
		rules := l.inForce(t, declared[t])
		l.defaults(t, rules)
		l.doubtfulDefaults(t, rules)
	}
}

// jsonSchema checks one rule, and reports whether its files can be used.
func (l *linter) jsonSchema(t *schema.Type, r *schema.Rule) bool {
	l.at(r.File)
	if !r.Selector.CanMatch() {
		l.addAt(r.SelectorPos, RuleNeverMatches, "selector %q of rule %s cannot match any object of type %s", r.Selector, r.Name, t.Name)
	}
	for _, doubt := range r.Selector.Doubts() {
		l.addAt(r.SelectorPos, schema.RuleRegex, "selector %q of rule %s: %s", r.Selector, r.Name, doubt)
	}
	if r.File == "" { // already a problem of the type
		return false
	}
	for _, odd := range r.Oddities() {
		l.add(odd)
	}
	wrong := r.Check()
	for _, err := range wrong {
		l.add(err)
	}
	return len(wrong) == 0
}

// inForce returns the rules that new objects must satisfy: those that select an
// object that the data declares or, without complete data, any object.
func (l *linter) inForce(t *schema.Type, data seed.Type) []*schema.Rule {
	var rules []*schema.Rule
	for _, r := range t.Rules {
		selects := func(o object.Object) bool { return r.Selector.Match(o.Tags, o.Name) }
		switch {
		case !r.Selector.CanMatch():
		case !data.Complete() || slices.ContainsFunc(data.Objects, selects):
			rules = append(rules, r)
		default:
			l.addAt(r.SelectorPos, RuleSelectsNothing, "selector %q of rule %s selects none of the objects of type %s that the data declares", r.Selector, r.Name, t.Name)
		}
	}
	return rules
}

// defaults reports the defaults that JSON schemas refuse, once for each field.
func (l *linter) defaults(t *schema.Type, rules []*schema.Rule) {
	refused := map[string][]string{} // the reasons, by field
	for _, r := range rules {
		found, err := r.Violations(t.Defaults())
		if err != nil {
			if r.Compile() == nil { // otherwise it is already a finding
				l.add(err)
			}
			continue
		}
		for _, v := range found {
			if _, isField := t.Field(v.Field); isField {
				refused[v.Field] = append(refused[v.Field], fmt.Sprintf("%s (rule %s)", v.Msg, r.Name))
			} else {
				l.addAt(r.Pos, RuleJSONDefault, "a new object of type %s is refused by its JSON schema: %s", t.Name, v)
			}
		}
	}
	for _, f := range t.Fields {
		if why := refused[f.Name]; len(why) > 0 {
			l.addAt(f.DefaultPos, RuleJSONDefault, "the default of field %s of type %s is refused by its JSON schema: %s", f.Name, t.Name, strings.Join(why, "; "))
		}
	}
}

// doubtfulDefaults reports defaults that are accepted but probably not meant.
func (l *linter) doubtfulDefaults(t *schema.Type, rules []*schema.Rule) {
	for _, f := range t.Fields {
		for _, doubt := range f.Doubts(f.Default) {
			l.addAt(f.DefaultPos, RuleNetwork, "the default of field %s of type %s: %s", f.Name, t.Name, doubt)
		}
	}
	for _, r := range rules {
		for _, v := range r.Doubts(t.Defaults()) {
			pos := r.Pos
			if f, isField := t.Field(v.Field); isField {
				pos = f.DefaultPos
			}
			l.addAt(pos, schema.RuleJSONFormat, "a default of type %s is not in its format: %s", t.Name, v)
		}
	}
}

// unused reports files in the directories of JSON schemas that look like JSON
// schemas but are not used by any rule.
func (l *linter) unused(used map[string]bool) {
	left := 10_000 // the number of entries to visit; base_path can be any directory
	var look func(dir string)
	look = func(dir string) {
		entries, err := l.fromSchema(dir).ReadDir(dir)
		if err != nil {
			return // an unreadable file that is needed is reported by the rule that uses it
		}
		for _, e := range entries {
			name := filepath.Join(dir, e.Name())
			if left--; left < 0 {
				return
			}
			switch {
			case strings.HasPrefix(e.Name(), "."):
			case e.IsDir():
				look(name)
			case e.Type().IsRegular() && isJSONSchema(e.Name()) && !used[RealPath(name)]:
				l.addAt(yamldoc.Pos{File: name}, RuleJSONUnused, "no rule uses this JSON schema, and none that is used refers to it")
			}
		}
	}
	for _, t := range l.Schema.Types() {
		if t.RulesDir != "" {
			look(t.RulesDir)
		}
	}
}

func isJSONSchema(name string) bool {
	return slices.Contains([]string{".json", ".schema"}, filepath.Ext(name))
}

// RealPath returns the absolute path of a file with its symbolic links resolved, or
// the absolute path alone if they cannot be. The result is the same for all names of
// an existing file.
func RealPath(file string) string {
	abs, err := filepath.Abs(file)
	if err != nil {
		return filepath.Clean(file)
	}
	if linked, err := filepath.EvalSymlinks(abs); err == nil {
		return linked
	}
	return abs
}
