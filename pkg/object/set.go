package object

import (
	"fmt"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Assignment is a field and what it is to be. The candidates are what the
// words of the operator may mean, the likeliest first.
type Assignment struct {
	Field      string
	Candidates []value.Value
	Quoted     bool // a text in it is meant as a text
}

// InvalidError reports a change that would leave an object invalid, or that
// cannot be understood. Nothing was planned.
type InvalidError struct {
	Object string // as Object.String has it; empty if it is not about one object
	Reason string
	Hint   string
}

func (e *InvalidError) Error() string {
	if e.Object == "" {
		return e.Reason
	}
	return e.Object + ": " + e.Reason
}

// ActionError reports words that say no change: nothing to set, no = between
// field and value.
type ActionError struct {
	Msg  string
	Hint string // what to type instead
}

func (e *ActionError) Error() string { return e.Msg }

// ParseAssignments reads field=value:field=value. A value cannot hold a colon
// or an equals sign in this spelling, which is the original's. Errors are
// *ActionError and *InvalidError.
func ParseAssignments(t *schema.Type, text string) ([]Assignment, error) {
	if strings.TrimSpace(text) == "" {
		return nil, &ActionError{"nothing to set", "write set/" + example(t)}
	}
	words := strings.Split(text, ":")
	for i, pair := range words {
		name, val, found := strings.Cut(pair, "=")
		name, val = strings.TrimSpace(name), strings.TrimSpace(val)
		if !found || strings.Contains(val, "=") {
			return nil, malformedPair(t, pair, len(words) > 1 || found)
		}
		words[i] = name + "=" + val
	}
	return ParseWords(t, words)
}

func malformedPair(t *schema.Type, pair string, punctuated bool) error {
	e := &ActionError{fmt.Sprintf("%q is not FIELD=VALUE", strings.TrimSpace(pair)), "write set/" + example(t)}
	if f, ok := t.Field(strings.TrimSpace(pair)); ok {
		e.Hint = fmt.Sprintf("write set/%s=VALUE; it takes %s", f.Name, f.Allowed())
	}
	if punctuated {
		e.Hint = "a value that holds : or = is given as a word of its own: set 'FIELD=VALUE'"
	}
	return e
}

func example(t *schema.Type) string {
	if len(t.Fields) == 0 {
		return "FIELD=VALUE"
	}
	return t.Fields[0].Name + "=VALUE"
}

// ParseWords reads field=value, a word each, where a value may hold anything.
// Errors are *ActionError and *InvalidError.
func ParseWords(t *schema.Type, words []string) ([]Assignment, error) {
	if len(words) == 0 {
		return nil, &ActionError{"nothing to set", "write set " + example(t)}
	}
	var all []Assignment
	for _, word := range words {
		name, text, found := strings.Cut(word, "=")
		name = strings.TrimSpace(name)
		if !found || name == "" {
			return nil, &ActionError{fmt.Sprintf("%q is not FIELD=VALUE", word), "write set " + example(t)}
		}
		if slices.ContainsFunc(all, func(a Assignment) bool { return a.Field == name }) {
			return nil, &ActionError{fmt.Sprintf("field %s is given twice", name), ""}
		}
		f, err := settable(t, name)
		if err != nil {
			return nil, err
		}
		candidates, err := f.Parse(text)
		if err != nil {
			return nil, &InvalidError{Reason: err.Error()}
		}
		all = append(all, Assignment{name, candidates, isQuoted(text)})
	}
	return all, nil
}

// isQuoted reports whether a word is text in the quotes of JSON.
func isQuoted(word string) bool {
	v, err := value.Parse([]byte(word))
	return err == nil && v.Kind() == value.String
}

// settable returns the field of that name; of a free-form type, that may be
// one which is not declared.
func settable(t *schema.Type, name string) (schema.Field, error) {
	if f, ok := t.Field(name); ok {
		return f, nil
	}
	if t.FreeForm && !slices.Contains(t.Tags, name) {
		return schema.Field{Name: name, Kind: schema.Any}, nil
	}
	return schema.Field{}, &InvalidError{Reason: t.NoField(name).Error()}
}

// FileAssignments reads a YAML map of fields and values. Errors are
// *yamldoc.Error or *InvalidError.
func FileAssignments(t *schema.Type, doc yamldoc.Node) ([]Assignment, error) {
	pairs, err := doc.Pairs("a file of values")
	if err != nil {
		return nil, err
	}
	if len(pairs) == 0 {
		return nil, doc.Errorf("nothing to set")
	}
	var all []Assignment
	for _, p := range pairs {
		f, err := settable(t, p.Name)
		if err != nil {
			return nil, p.Key.Errorf("%v", err)
		}
		v, err := f.FromYAML(p.Value)
		if err != nil {
			return nil, err
		}
		all = append(all, Assignment{p.Name, []value.Value{v}, p.Value.IsQuoted()})
	}
	return all, nil
}

// Set plans to give fields of some objects new values. Fields not named stay
// as they are. An object that is so already is left out of the changes.
func Set(objects []Object, assignments []Assignment) (Plan, error) {
	plan := Plan{Matched: objects}
	for _, a := range assignments {
		plan.Asked = append(plan.Asked, a.Field)
	}
	for i := range objects {
		before := &objects[i]
		after, warnings, err := set(*before, assignments)
		if err != nil {
			return Plan{}, err
		}
		plan.Warnings = append(plan.Warnings, warnings...)
		if c := (Change{before, &after}); !c.isNothing() {
			unclear, err := ambiguities(c, assignments)
			if err != nil {
				return Plan{}, err
			}
			plan.Changes = append(plan.Changes, c)
			plan.Ambiguities = append(plan.Ambiguities, unclear...)
			plan.Warnings = append(plan.Warnings, doubts(c)...)
		}
	}
	return plan, nil
}

// set tries the likeliest meaning of each value first, and the next where a
// JSON schema refuses that field.
func set(before Object, assignments []Assignment) (Object, []string, error) {
	var touched []string
	for _, a := range assignments {
		touched = append(touched, a.Field)
	}
	choice := make([]int, len(assignments))
	after := assign(before, assignments, choice)
	first, warnings, err := judge(before, after, touched)
	if err != nil || len(first) == 0 {
		return after, warnings, err
	}
	again := false
	for i, a := range assignments {
		refused := slices.ContainsFunc(first, func(v schema.Violation) bool {
			return v.Field == a.Field || v.Field == "" // of the object as a whole
		})
		if refused && len(a.Candidates) > 1 {
			choice[i], again = 1, true
		}
	}
	if again {
		other := assign(before, assignments, choice)
		second, warnings, err := judge(before, other, touched)
		if err != nil || len(second) == 0 {
			return other, warnings, err
		}
	}
	return Object{}, nil, refusal(before, first)
}

func assign(before Object, assignments []Assignment, choice []int) Object {
	fields := slices.Clone(before.Fields)
	for i, a := range assignments {
		v := a.Candidates[choice[i]]
		if at := value.Index(fields, a.Field); at >= 0 {
			fields[at].Value = v
		} else {
			fields = append(fields, value.Field{Name: a.Field, Value: v})
		}
	}
	return before.WithFields(fields)
}

// judge returns the violations that forbid a change: those it adds, and those
// that remain in a field it touches. Others are the state of things, and only
// worth a warning.
func judge(before, after Object, touched []string) (refused []schema.Violation, warnings []string, err error) {
	now, err := after.Type.Validate(after.Tags, after.Name, after.Fields)
	if err != nil || len(now) == 0 {
		return nil, nil, err
	}
	was, err := before.Type.Validate(before.Tags, before.Name, before.Fields)
	if err != nil {
		return nil, nil, err
	}
	earlier, touches := setOf(was), setOf(touched)
	for _, v := range now {
		if touches[v.Field] || !earlier[v] {
			refused = append(refused, v)
		} else {
			warnings = append(warnings, fmt.Sprintf("%s was invalid before, and still is: %s", before, v))
		}
	}
	return refused, warnings, nil
}

func refusal(o Object, violations []schema.Violation) error {
	const most = 100
	reasons := make([]string, 0, most+1)
	for i, v := range violations {
		if i == most {
			reasons = append(reasons, fmt.Sprintf("and %d more", len(violations)-most))
			break
		}
		reasons = append(reasons, v.String())
	}
	return &InvalidError{Object: o.String(), Reason: strings.Join(reasons, "; ")}
}

// Replace plans to make an object what an edited buffer says. A declared field
// that is not in the buffer keeps its value, any other key that is not there
// is removed. Errors are *yamldoc.Error or *InvalidError.
func Replace(before *Object, doc yamldoc.Node) (Plan, error) {
	pairs, err := doc.Pairs("the object")
	if err != nil {
		return Plan{}, err
	}
	fields := slices.Clone(before.Fields[:len(before.Type.Fields)])
	var touched, bare []string
	stored, places := getter(before.Fields), map[string]int{}
	for i, f := range fields {
		places[f.Name] = i
	}
	for _, p := range pairs {
		f, declared := before.Type.Field(p.Name)
		switch {
		case !declared && slices.Contains(before.Type.Tags, p.Name):
			return Plan{}, p.Key.Errorf("%v", before.Type.NoField(p.Name))
		case !declared:
			f = schema.Field{Name: p.Name, Kind: schema.Any}
		}
		// What is not changed is not judged, nor read as its type would have it.
		v, err := p.Value.Value()
		if err != nil || v != stored(p.Name) {
			if v, err = f.FromYAML(p.Value); err != nil {
				return Plan{}, err
			}
			touched = append(touched, p.Name)
			if p.Value.IsScalar() && !p.Value.IsQuoted() {
				bare = append(bare, p.Name)
			}
		}
		if at, there := places[p.Name]; there {
			fields[at].Value = v
		} else {
			places[p.Name] = len(fields)
			fields = append(fields, value.Field{Name: p.Name, Value: v})
		}
	}
	after := before.WithFields(fields)
	plan := Plan{Matched: []Object{*before}}
	refused, warnings, err := judge(*before, after, touched)
	if err != nil {
		return Plan{}, err
	}
	if len(refused) > 0 {
		return Plan{}, refusal(*before, refused)
	}
	plan.Warnings = slices.Concat(warnings, keptWarnings(before, pairs))
	if c := (Change{before, &after}); !c.isNothing() {
		if err := unambiguous(c, bare); err != nil {
			return Plan{}, err
		}
		plan.Changes = []Change{c}
		plan.Warnings = append(plan.Warnings, doubts(c)...)
	}
	return plan, nil
}

// keptWarnings says which declared fields are not in an edited buffer: they cannot
// be taken out, and keep their values.
func keptWarnings(before *Object, pairs []yamldoc.Pair) []string {
	var warnings []string
	for _, f := range before.Type.Fields {
		if !slices.ContainsFunc(pairs, func(p yamldoc.Pair) bool { return p.Name == f.Name }) {
			warnings = append(warnings, fmt.Sprintf("%s: field %s cannot be taken out, and keeps its value %s", before, f.Name, before.Get(f.Name).Text()))
		}
	}
	return warnings
}

// Delete plans to delete objects.
func Delete(objects []Object) Plan {
	plan := Plan{Matched: objects}
	for i := range objects {
		plan.Changes = append(plan.Changes, Change{Before: &objects[i]})
	}
	return plan
}
