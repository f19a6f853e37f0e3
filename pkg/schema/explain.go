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

// violations checks a decoded object. The rule must be compiled. The error is a
// *yamldoc.Error if the check takes too long.
//
// A message depends only on the part of the object that it is about. If a change does
// not alter that part, the messages before and after the change are equal.
func (r *Rule) violations(s jsonSchema, object any) ([]Violation, error) {
	type outcome struct {
		found []Violation
		err   error
	}
	o, err := runTimed(r.clock, s.meter, r.File, perCheck, func() outcome {
		found, err := r.check(s, object)
		return outcome{found, err}
	})
	if err != nil {
		return nil, err
	}
	return o.found, o.err
}

// check is like violations, without a limit on the time.
func (r *Rule) check(s jsonSchema, object any) (found []Violation, err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case tooManySteps:
			found, err = nil, tooLarge(yamldoc.Pos{File: r.File}, "takes too long to check an object: more than %d steps, and %d for each value in it", maxSteps, stepsPerValue)
		default: // the library panics on some schemas that only a custom $schema permits
			found, err = []Violation{{Rule: r.Name, Msg: fmt.Sprintf("cannot be checked with %s: %v", r.File, p)}}, nil
		}
	}()
	values, large := countValues(object, nil)
	if large != nil {
		return r.all([]complaint{*large}), nil
	}
	s.meter.steps = maxSteps + stepsPerValue*values
	err = s.Validate(object)
	if err == nil {
		return nil, nil
	}
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return []Violation{{Rule: r.Name, Msg: strings.TrimPrefix(err.Error(), "jsonschema: ")}}, nil
	}
	return r.all(explainer{s.parts, object}.complaints(invalid)), nil
}

func (r *Rule) all(complaints []complaint) []Violation {
	var all []Violation
	seen := map[Violation]bool{}
	for _, c := range complaints {
		v := Violation{Rule: r.Name, Msg: c.msg}
		if len(c.path) > 0 {
			v.Field = c.path[0]
			v.Msg = pathPrefix(c.path[1:]) + c.msg
		}
		if !seen[v] {
			seen[v] = true
			all = append(all, v)
		}
	}
	return all
}

// countValues returns the number of values in an object, and a complaint about the first
// number that is too large: the library would take too long to calculate with it.
func countValues(v any, path []string) (values int, large *complaint) {
	values = 1
	more := func(v any, step string) bool {
		n, found := countValues(v, append(path, step))
		values, large = values+n, found
		return found != nil
	}
	switch v := v.(type) {
	case json.Number:
		if isExcessive(string(v)) {
			large = &complaint{path: slices.Clone(path), msg: abbreviate(string(v)) + " is too large a number"}
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

// complaint is a message about a part of an object.
type complaint struct {
	path []string // the keys and indexes that lead to the part
	msg  string
}

// pathPrefix returns the prefix of a message about a part of a field, such as
// "/groups/api: ".
func pathPrefix(steps []string) string {
	if len(steps) == 0 {
		return ""
	}
	return "/" + strings.Join(steps, "/") + ": "
}

// explainer makes messages of the library's errors. The library's own messages do
// not always name the allowed values, and vary between checks of the same object.
type explainer struct {
	parts  map[string]*jsonschema.Schema
	object any
}

// complaints returns a complaint for each innermost cause of an error, ordered by
// path. The causes of anyOf and oneOf become one complaint.
func (x explainer) complaints(e *jsonschema.ValidationError) []complaint {
	s, keyword := x.origin(e)
	path := steps(e.InstanceLocation)
	switch keyword {
	case "oneOf", "anyOf":
		return []complaint{{path, x.choice(e, path)}}
	case "required":
		return x.missing(s, path)
	case "additionalProperties":
		if extra := x.extra(s, path); len(extra) > 0 {
			return extra
		}
	case "minContains":
		return []complaint{{path, fmt.Sprintf("must hold at least %d of what \"contains\" in the JSON schema says", s.MinContains)}}
	}
	if len(e.Causes) == 0 {
		return []complaint{{path, x.message(e, s, keyword, path)}}
	}
	var all []complaint
	for _, c := range e.Causes {
		all = append(all, x.complaints(c)...)
	}
	slices.SortFunc(all, func(a, b complaint) int {
		if c := slices.Compare(a.path, b.path); c != 0 {
			return c
		}
		return strings.Compare(a.msg, b.msg)
	})
	return all
}

// origin returns the part of the JSON schema that an error comes from, and the
// keyword in it. The keyword is empty if that part allows no value at all, and
// "other" if the part is unknown.
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

// choice returns a message with the requirements of each alternative.
func (x explainer) choice(e *jsonschema.ValidationError, path []string) string {
	var alternatives []string
	for _, c := range e.Causes {
		var words []string
		for _, c := range x.complaints(c) {
			words = append(words, pathPrefix(c.path[min(len(path), len(c.path)):])+c.msg)
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

// maxListed is the largest number of alternatives or values that a message lists.
const maxListed = 100

func (x explainer) missing(s *jsonschema.Schema, path []string) []complaint {
	have, _ := x.part(path).(map[string]any)
	var all []complaint
	for _, name := range s.Required {
		if _, ok := have[name]; !ok {
			all = append(all, complaint{append(slices.Clone(path), name), "is missing"})
		}
	}
	return all
}

// extra returns a complaint for each key that is not allowed.
func (x explainer) extra(s *jsonschema.Schema, path []string) []complaint {
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
	have, _ := x.part(path).(map[string]any)
	var all []complaint
	for _, name := range slices.Sorted(maps.Keys(have)) {
		matches := func(p *regexp.Regexp) bool { return p.MatchString(name) }
		if s.Properties[name] == nil && !slices.ContainsFunc(expressions, matches) {
			all = append(all, complaint{append(slices.Clone(path), name), "is not allowed here; allowed: " + allowed})
		}
	}
	return all
}

// message returns the message for an error that has no causes.
func (x explainer) message(e *jsonschema.ValidationError, s *jsonschema.Schema, keyword string, path []string) string {
	is := jsonText(x.part(path))
	if strings.Contains(e.KeywordLocation, "/propertyNames") {
		is = jsonText(path[len(path)-1])
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
		return limitMessage("at least", s.Minimum, is)
	case "maximum":
		return limitMessage("at most", s.Maximum, is)
	case "exclusiveMinimum":
		return limitMessage("more than", s.ExclusiveMinimum, is)
	case "exclusiveMaximum":
		return limitMessage("less than", s.ExclusiveMaximum, is)
	case "minProperties":
		return fmt.Sprintf("must have %d keys or more", s.MinProperties)
	case "maxProperties":
		return fmt.Sprintf("must have %d keys or fewer", s.MaxProperties)
	case "not":
		return fmt.Sprintf("is %s, which \"not\" in the JSON schema excludes", is)
	}
	return e.Message
}

func limitMessage(words string, limit *big.Rat, is string) string {
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

// jsonText returns a decoded value in the form that the contract prints, abbreviated.
func jsonText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v) // not reached: the value was decoded from JSON
	}
	parsed, err := value.Parse(text)
	if err != nil {
		return string(text)
	}
	return abbreviate(parsed.Text())
}

// part returns the part of the object at a path, or nil if there is no such part.
func (x explainer) part(path []string) any {
	v := x.object
	for _, step := range path {
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

// index adds a JSON schema and all of its parts to a map by location.
func index(s *jsonschema.Schema, parts map[string]*jsonschema.Schema) {
	if parts[s.Location] != nil {
		return
	}
	parts[s.Location] = s
	for _, p := range children(s) {
		index(p, parts)
	}
}

// children returns the parts that a part of a JSON schema contains or refers to.
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
	mixed := []any{s.AdditionalProperties, s.Items, s.AdditionalItems} // each is a bool, a schema or a list of schemas
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
