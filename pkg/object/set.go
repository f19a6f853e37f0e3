package object

import (
	"fmt"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Assignment is a field and its new value. Candidates are the possible values
// of the operator's input, the most likely first.
type Assignment struct {
	Field      string
	Candidates []value.Value
	Quoted     bool // the input is a quoted string
}

// InvalidError reports a change that is invalid, or would leave an object
// invalid. Nothing was planned.
type InvalidError struct {
	Object string // as returned by Object.String; empty if the error is not about one object
	Reason string
	Hint   string
}

func (e *InvalidError) Error() string {
	if e.Object == "" {
		return e.Reason
	}
	return e.Object + ": " + e.Reason
}

// ActionError reports input that is not an action: there is nothing to set, or
// no = between field and value.
type ActionError struct {
	Msg  string
	Hint string // what to type instead
}

func (e *ActionError) Error() string { return e.Msg }

// ParseAssignments reads field=value:field=value, the syntax of conftool. A
// value in it cannot contain a colon or an equals sign. Errors are *ActionError
// and *InvalidError.
func ParseAssignments(t *schema.Type, text string) ([]Assignment, error) {
	if strings.TrimSpace(text) == "" {
		return nil, &ActionError{"nothing to set", "write set/" + example(t)}
	}
	args := strings.Split(text, ":")
	for i, pair := range args {
		name, val, found := strings.Cut(pair, "=")
		name, val = strings.TrimSpace(name), strings.TrimSpace(val)
		if !found || strings.Contains(val, "=") {
			return nil, malformedPair(t, pair, len(args) > 1 || found)
		}
		args[i] = name + "=" + val
	}
	return ParseWords(t, args)
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

// ParseWords reads arguments of the form field=value, where a value may contain
// any character. Errors are *ActionError and *InvalidError.
func ParseWords(t *schema.Type, args []string) ([]Assignment, error) {
	if len(args) == 0 {
		return nil, &ActionError{"nothing to set", "write set " + example(t)}
	}
	var all []Assignment
	for _, arg := range args {
		name, text, found := strings.Cut(arg, "=")
		name = strings.TrimSpace(name)
		if !found || name == "" {
			return nil, &ActionError{fmt.Sprintf("%q is not FIELD=VALUE", arg), "write set " + example(t)}
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

// isQuoted reports whether an argument is a JSON string.
func isQuoted(arg string) bool {
	v, err := value.Parse([]byte(arg))
	return err == nil && v.Kind() == value.String
}

// settable returns the field with a name. In a free-form type, the field may be
// undeclared.
func settable(t *schema.Type, name string) (schema.Field, error) {
	if f, ok := t.Field(name); ok {
		return f, nil
	}
	if t.FreeForm && !slices.Contains(t.Tags, name) {
		return schema.Field{Name: name, Kind: schema.Any}, nil
	}
	return schema.Field{}, &InvalidError{Reason: t.NoField(name).Error()}
}

// FileAssignments reads a YAML map from fields to values. Errors are
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

// Set plans to set fields of objects to new values. It does not change other
// fields. Objects that already have the values are in Matched, but not in
// Changes. If any object would be left invalid, Set returns an *InvalidError; if
// a JSON schema cannot be used, it returns the schema's error. The plan is empty
// then.
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

// set tries the most likely candidate of each value first, and the next one for
// fields that a JSON schema refuses.
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
			return v.Field == a.Field || v.Field == "" // concerns the whole object
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

// judge returns the violations for which a change is refused: those it adds,
// and those in a field it touches. It returns warnings about the others, which
// existed before.
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
	const maxReasons = 100
	reasons := make([]string, 0, maxReasons+1)
	for i, v := range violations {
		if i == maxReasons {
			reasons = append(reasons, fmt.Sprintf("and %d more", len(violations)-maxReasons))
			break
		}
		reasons = append(reasons, v.String())
	}
	return &InvalidError{Object: o.String(), Reason: strings.Join(reasons, "; ")}
}

// Replace plans to replace the fields of an object by those in an edited YAML
// document. A declared field that is not in the document keeps its value; any
// other stored key that is not in it is removed. Errors are *yamldoc.Error or
// *InvalidError.
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
		// An unchanged value is neither validated nor converted to its field's
		// type.
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
		if err := checkUnambiguous(c, bare); err != nil {
			return Plan{}, err
		}
		plan.Changes = []Change{c}
		plan.Warnings = append(plan.Warnings, doubts(c)...)
	}
	return plan, nil
}

// keptWarnings returns a warning for each declared field that is missing in an
// edited document: it cannot be removed, and keeps its value.
func keptWarnings(before *Object, pairs []yamldoc.Pair) []string {
	var warnings []string
	for _, f := range before.Type.Fields {
		if !slices.ContainsFunc(pairs, func(p yamldoc.Pair) bool { return p.Name == f.Name }) {
			warnings = append(warnings, fmt.Sprintf("%s: field %s cannot be taken out, and keeps its value %s", before, f.Name, before.Get(f.Name).Text()))
		}
	}
	return warnings
}

// Delete returns a plan to delete objects.
func Delete(objects []Object) Plan {
	plan := Plan{Matched: objects}
	for i := range objects {
		plan.Changes = append(plan.Changes, Change{Before: &objects[i]})
	}
	return plan
}
