package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"regexp/syntax"
	"slices"

	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Check returns all errors in the rule's JSON schema that it can find, while Compile
// returns only the first: one for each regular expression that RE2 does not support,
// with its position, and any other error of Compile.
func (r *Rule) Check() []*yamldoc.Error {
	err := r.Compile()
	var first *yamldoc.Error
	if !errors.As(err, &first) {
		return nil
	}
	var all []*yamldoc.Error
	for _, d := range r.files {
		all = append(all, badPatterns(d)...)
	}
	if len(all) == 0 || first.Rule != RuleJSONPattern {
		all = append(all, first)
	}
	return all
}

// Oddities returns the parts of the rule's JSON schema that are valid but may be a
// mistake: regular expressions that RE2 and Python read differently, and formats, which
// are not asserted.
func (r *Rule) Oddities() []*yamldoc.Error {
	_ = r.Compile() // Check returns its errors
	var all []*yamldoc.Error
	for _, d := range r.files {
		w := patterns{decoder: json.NewDecoder(bytes.NewReader(d.text)), document: d}
		_ = w.schema() // Compile returns the error for text that is not JSON
		all = append(all, w.odd...)
	}
	return all
}

func (w *patterns) oddity(offset int, rule, format string, args ...any) {
	w.odd = append(w.odd, yamldoc.Errorf(position(w.file, w.text, offset), format, args...).Of(rule))
}

// differences records the parts of a pattern that Python reads differently.
func (w *patterns) differences(pattern string, offset int) {
	for _, d := range selector.Differences(pattern) {
		rule := RuleRegex
		if d.Beyond {
			rule = RuleRegexASCII
		}
		w.oddity(offset, rule, "pattern %s: %s", abbreviate(pattern), d)
	}
}

// badPatterns returns an error for each regular expression of a JSON schema that cannot
// be used. If the text is not valid JSON, it returns those before the first mistake.
func badPatterns(d document) []*yamldoc.Error {
	w := patterns{decoder: json.NewDecoder(bytes.NewReader(d.text)), document: d}
	_ = w.schema() // Compile returns the error for text that is not JSON
	return w.bad
}

// patterns finds the regular expressions of a JSON schema. It follows only keywords
// that hold schemas: elsewhere, such as in an enum or in keywords of a newer draft,
// "pattern" need not be a keyword.
type patterns struct {
	document
	decoder *json.Decoder
	depth   int
	bad     []*yamldoc.Error
	odd     []*yamldoc.Error // valid parts that may be a mistake
}

// maxDepth is the deepest nesting of JSON schemas that patterns follows. No schema in
// use is nested as deep.
const maxDepth = 1_000

// schema reads a schema, or a list of schemas.
func (w *patterns) schema() error {
	if w.depth++; w.depth > maxDepth {
		return errors.New("too deep")
	}
	defer func() { w.depth-- }()
	open, err := w.decoder.Token()
	if err != nil {
		return err
	}
	switch open {
	case json.Delim('{'):
		return w.members(w.keyword)
	case json.Delim('['):
		for w.decoder.More() {
			if err := w.schema(); err != nil {
				return err
			}
		}
		_, err = w.decoder.Token()
	}
	return err
}

// members reads the rest of a map after its opening brace. It calls f for each key, with
// the offset of the key; f must read the value.
func (w *patterns) members(f func(key string, offset int) error) error {
	for w.decoder.More() {
		offset := w.offset()
		token, err := w.decoder.Token()
		if err != nil {
			return err
		}
		key, _ := token.(string)
		if err := f(key, offset); err != nil {
			return err
		}
	}
	_, err := w.decoder.Token()
	return err
}

// offset returns the offset of the next key or value.
func (w *patterns) offset() int {
	rest := w.text[w.decoder.InputOffset():]
	return len(w.text) - len(bytes.TrimLeft(rest, " \t\r\n:,"))
}

func (w *patterns) keyword(key string, keyOffset int) error {
	switch {
	case slices.Contains([]string{"format", "contentEncoding", "contentMediaType"}, key):
		var format any
		if err := w.decoder.Decode(&format); err != nil {
			return err
		}
		w.oddity(keyOffset, RuleJSONFormat, "%s %s is not asserted: a value that does not fit is stored, with a warning", key, jsonText(format))
		return nil
	case key == "pattern":
		offset := w.offset()
		var pattern any
		if err := w.decoder.Decode(&pattern); err != nil {
			return err
		}
		if text, isText := pattern.(string); isText {
			w.check(text, offset)
		}
		return nil
	case key == "patternProperties":
		return w.named(func(name string, offset int) error {
			w.check(name, offset)
			return w.schema()
		})
	case slices.Contains([]string{"properties", "$defs", "definitions", "dependentSchemas", "dependencies"}, key):
		return w.named(func(string, int) error { return w.schema() })
	case slices.Contains([]string{
		"items", "prefixItems", "additionalItems", "unevaluatedItems", "contains", "additionalProperties",
		"unevaluatedProperties", "propertyNames", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "contentSchema",
	}, key):
		return w.schema()
	}
	var skipped json.RawMessage
	return w.decoder.Decode(&skipped)
}

// named reads a map of names like members. It skips any other value.
func (w *patterns) named(f func(name string, offset int) error) error {
	if !bytes.HasPrefix(w.text[w.offset():], []byte("{")) {
		var skipped json.RawMessage
		return w.decoder.Decode(&skipped)
	}
	if _, err := w.decoder.Token(); err != nil {
		return err
	}
	return w.members(f)
}

func (w *patterns) check(pattern string, offset int) {
	_, err := regexp.Compile(pattern)
	if err == nil {
		w.differences(pattern, offset)
		return
	}
	why := err.Error()
	var bad *syntax.Error
	if errors.As(err, &bad) {
		why = bad.Code.String() + ": " + bad.Expr
	}
	found := yamldoc.Errorf(position(w.file, w.text, offset), "pattern %s cannot be used: %s", abbreviate(pattern), why)
	w.bad = append(w.bad, found.Of(RuleJSONPattern))
}
