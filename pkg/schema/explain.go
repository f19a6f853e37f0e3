package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// violations checks a decoded object. The rule is compiled. The error is a
// *yamldoc.Error: it takes too long.
//
// A message depends on the part of the object it is about and on nothing else,
// so that what a change leaves as wrong as it was has the same words before and
// after.
func (r *Rule) violations(by jsonSchema, object any) ([]Violation, error) {
	type outcome struct {
		found []Violation
		err   error
	}
	o, err := timed(r.clock, by.meter, r.File, perCheck, func() outcome {
		found, err := r.check(by, object)
		return outcome{found, err}
	})
	if err != nil {
		return nil, err
	}
	return o.found, o.err
}

// check is violations without a limit of time.
func (r *Rule) check(by jsonSchema, object any) (found []Violation, err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case tooManySteps:
			found, err = nil, tooLarge(yamldoc.Pos{File: r.File}, "takes too long to check an object: more than %d steps, and %d for each value in it", mostSteps, perValue)
		default: // the library expects no schema that a $schema of one's own permits
			found, err = []Violation{{Rule: r.Name, Msg: fmt.Sprintf("cannot be checked with %s: %v", r.File, p)}}, nil
		}
	}()
	values, large := survey(object, nil)
	if large != nil {
		return r.all([]complaint{*large}), nil
	}
	by.meter.steps = mostSteps + perValue*values
	err = by.Validate(object)
	if err == nil {
		return nil, nil
	}
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return []Violation{{Rule: r.Name, Msg: strings.TrimPrefix(err.Error(), "jsonschema: ")}}, nil
	}
	return r.all(explainer{by.parts, object}.complaints(invalid)), nil
}

func (r *Rule) all(complaints []complaint) []Violation {
	var all []Violation
	seen := map[Violation]bool{}
	for _, c := range complaints {
		v := Violation{Rule: r.Name, Msg: c.msg}
		if len(c.at) > 0 {
			v.Field = c.at[0]
			v.Msg = within(c.at[1:]) + c.msg
		}
		if !seen[v] {
			seen[v] = true
			all = append(all, v)
		}
	}
	return all
}

// survey counts the values in an object, and finds the first number so large that
// nobody calculates with it, which the library would do.
func survey(v any, at []string) (values int, large *complaint) {
	values = 1
	more := func(v any, step string) bool {
		n, found := survey(v, append(at, step))
		values, large = values+n, found
		return found != nil
	}
	switch v := v.(type) {
	case json.Number:
		if isExcessive(string(v)) {
			large = &complaint{at: slices.Clone(at), msg: abbreviate(string(v)) + " is too large a number"}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if more(v[name], name) {
				break
			}
		}
	case []any:
		for i, e := range v {
			if more(e, strconv.Itoa(i)) {
				break
			}
		}
	}
	return values, large
}

// complaint is one thing that is wrong with a part of an object.
type complaint struct {
	at  []string // the steps down to the part
	msg string
}

// within names a place below another: "/groups/api: ".
func within(steps []string) string {
	if len(steps) == 0 {
		return ""
	}
	return "/" + strings.Join(steps, "/") + ": "
}

// explainer words the library's errors, which do not always say what is
// allowed, and not always the same.
type explainer struct {
	parts  map[string]*jsonschema.Schema
	object any
}

// complaints returns the errors that stand for themselves, in the order of the
// places they are about.
func (x explainer) complaints(e *jsonschema.ValidationError) []complaint {
	s, keyword := x.origin(e)
	at := steps(e.InstanceLocation)
	switch keyword {
	case "oneOf", "anyOf":
		return []complaint{{at, x.choice(e, at)}}
	case "required":
		return x.missing(s, at)
	case "additionalProperties":
		if extra := x.extra(s, at); len(extra) > 0 {
			return extra
		}
	case "minContains":
		return []complaint{{at, fmt.Sprintf("must hold at least %d of what \"contains\" in the JSON schema says", s.MinContains)}}
	}
	if len(e.Causes) == 0 {
		return []complaint{{at, x.message(e, s, keyword, at)}}
	}
	var all []complaint
	for _, c := range e.Causes {
		all = append(all, x.complaints(c)...)
	}
	slices.SortFunc(all, func(a, b complaint) int {
		if c := slices.Compare(a.at, b.at); c != 0 {
			return c
		}
		return strings.Compare(a.msg, b.msg)
	})
	return all
}

// origin returns the part of the JSON schema that an error is of, and the
// keyword; there is no keyword if nothing at all is allowed there.
func (x explainer) origin(e *jsonschema.ValidationError) (*jsonschema.Schema, string) {
	slash := strings.LastIndexByte(e.AbsoluteKeywordLocation, '/')
	if part := x.parts[e.AbsoluteKeywordLocation]; part != nil && part.Always != nil {
		return nil, ""
	}
	s, isPart := x.parts[e.AbsoluteKeywordLocation[:max(slash, 0)]]
	if !isPart {
		return nil, "other"
	}
	return s, e.AbsoluteKeywordLocation[slash+1:]
}

// choice says what each alternative wants.
func (x explainer) choice(e *jsonschema.ValidationError, at []string) string {
	var alternatives []string
	for _, c := range e.Causes {
		var words []string
		for _, c := range x.complaints(c) {
			words = append(words, within(c.at[min(len(at), len(c.at)):])+c.msg)
		}
		if alternative := strings.Join(words, " and "); !slices.Contains(alternatives, alternative) {
			alternatives = append(alternatives, alternative)
		}
	}
	if len(alternatives) == 0 {
		return "fits more than one of the alternatives in the JSON schema; just one is allowed"
	}
	return strings.Join(few(alternatives), "; or ")
}

// mostWords is how many alternatives or words a message names.
const mostWords = 100

func (x explainer) missing(s *jsonschema.Schema, at []string) []complaint {
	have, _ := x.part(at).(map[string]any)
	var all []complaint
	for _, name := range s.Required {
		if _, ok := have[name]; !ok {
			all = append(all, complaint{append(slices.Clone(at), name), "is missing"})
		}
	}
	return all
}

// extra complains about keys that are not allowed, one by one.
func (x explainer) extra(s *jsonschema.Schema, at []string) []complaint {
	if allowed, isBool := s.AdditionalProperties.(bool); !isBool || allowed {
		return nil
	}
	names := slices.Sorted(maps.Keys(s.Properties))
	allowed := strings.Join(few(names), ", ")
	var patterns []string
	expressions := slices.Collect(maps.Keys(s.PatternProperties))
	for _, p := range expressions {
		patterns = append(patterns, p.String())
	}
	slices.Sort(patterns)
	if len(patterns) > 0 {
		allowed = strings.TrimPrefix(allowed+", and ", ", and ") + "what matches " + strings.Join(few(patterns), " or ")
	}
	if allowed == "" {
		allowed = "none"
	}
	have, _ := x.part(at).(map[string]any)
	var all []complaint
	for _, name := range slices.Sorted(maps.Keys(have)) {
		matches := func(p *regexp.Regexp) bool { return p.MatchString(name) }
		if s.Properties[name] == nil && !slices.ContainsFunc(expressions, matches) {
			all = append(all, complaint{append(slices.Clone(at), name), "is not allowed here; allowed: " + allowed})
		}
	}
	return all
}

// message words an error that has no causes.
func (x explainer) message(e *jsonschema.ValidationError, s *jsonschema.Schema, keyword string, at []string) string {
	is := jsonText(x.part(at))
	if strings.Contains(e.KeywordLocation, "/propertyNames") {
		is = jsonText(at[len(at)-1])
	}
	switch keyword {
	case "":
		return "is not allowed here"
	case "type":
		return fmt.Sprintf("must be of type %s, not %s", strings.Join(s.Types, " or "), is)
	case "enum":
		return fmt.Sprintf("must be %s, not %s", oneOf(s.Enum), is)
	case "const":
		return fmt.Sprintf("must be %s, not %s", jsonText(s.Constant[0]), is)
	case "pattern":
		return fmt.Sprintf("must match %s, not be %s", s.Pattern, is)
	case "format":
		return fmt.Sprintf("must be a valid %s, not %s", s.Format, is)
	case "minimum":
		return bound("at least", s.Minimum, is)
	case "maximum":
		return bound("at most", s.Maximum, is)
	case "exclusiveMinimum":
		return bound("more than", s.ExclusiveMinimum, is)
	case "exclusiveMaximum":
		return bound("less than", s.ExclusiveMaximum, is)
	case "minProperties":
		return fmt.Sprintf("must have %d keys or more", s.MinProperties)
	case "maxProperties":
		return fmt.Sprintf("must have %d keys or fewer", s.MaxProperties)
	case "not":
		return fmt.Sprintf("is %s, which \"not\" in the JSON schema excludes", is)
	}
	return e.Message
}

func bound(words string, limit *big.Rat, is string) string {
	n := limit.RatString()
	if !limit.IsInt() {
		f, _ := limit.Float64()
		n = strconv.FormatFloat(f, 'g', -1, 64)
	}
	return fmt.Sprintf("must be %s %s, not %s", words, n, is)
}

func oneOf(values []any) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = jsonText(v)
	}
	if len(texts) == 1 {
		return texts[0]
	}
	return "one of " + strings.Join(few(texts), ", ")
}

// jsonText returns a decoded value as the contract prints it.
func jsonText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v) // not reached: it was decoded from JSON
	}
	parsed, err := value.Parse(text)
	if err != nil {
		return string(text)
	}
	return abbreviate(parsed.Text())
}

// part returns what some steps lead to in the object.
func (x explainer) part(at []string) any {
	v := x.object
	for _, step := range at {
		switch in := v.(type) {
		case map[string]any:
			v = in[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(in) {
				return nil
			}
			v = in[i]
		default:
			return nil
		}
	}
	return v
}

// index gathers a JSON schema and all it is made of by location.
func index(s *jsonschema.Schema, into map[string]*jsonschema.Schema) {
	if into[s.Location] != nil {
		return
	}
	into[s.Location] = s
	for _, p := range children(s) {
		index(p, into)
	}
}

// children returns the parts that a part of a JSON schema names or holds.
func children(s *jsonschema.Schema) []*jsonschema.Schema {
	parts := []*jsonschema.Schema{
		s.Ref, s.RecursiveRef, s.DynamicRef, s.Not, s.If, s.Then, s.Else, s.PropertyNames,
		s.UnevaluatedProperties, s.Items2020, s.Contains, s.UnevaluatedItems, s.ContentSchema,
	}
	for _, list := range [][]*jsonschema.Schema{s.AllOf, s.AnyOf, s.OneOf, s.PrefixItems} {
		parts = append(parts, list...)
	}
	parts = slices.AppendSeq(parts, maps.Values(s.Properties))
	parts = slices.AppendSeq(parts, maps.Values(s.PatternProperties))
	parts = slices.AppendSeq(parts, maps.Values(s.DependentSchemas))
	mixed := []any{s.AdditionalProperties, s.Items, s.AdditionalItems} // a bool, a schema, schemas
	for _, m := range slices.AppendSeq(mixed, maps.Values(s.Dependencies)) {
		switch m := m.(type) {
		case *jsonschema.Schema:
			parts = append(parts, m)
		case []*jsonschema.Schema:
			parts = append(parts, m...)
		}
	}
	return slices.DeleteFunc(parts, func(p *jsonschema.Schema) bool { return p == nil })
}
