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

// Check returns all that is wrong with the rule's JSON schema, and not only
// what is found first: each of its regular expressions that RE2 does not know,
// where it is written, and whatever else Compile has to say.
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

// Oddities returns what is no mistake in the rule's JSON schema and may not be
// meant: regular expressions that RE2 and Python read differently, and formats,
// which are not asserted.
func (r *Rule) Oddities() []*yamldoc.Error {
	_ = r.Compile() // which says what is wrong to those who ask
	var all []*yamldoc.Error
	for _, d := range r.files {
		w := patterns{decoder: json.NewDecoder(bytes.NewReader(d.text)), document: d}
		_ = w.schema() // what is no JSON is reported by who compiles it
		all = append(all, w.odd...)
	}
	return all
}

func (w *patterns) oddity(offset int, rule, format string, args ...any) {
	w.odd = append(w.odd, yamldoc.Errorf(position(w.file, w.text, offset), format, args...).Of(rule))
}

// differences notes what of a pattern means another thing in Python.
func (w *patterns) differences(pattern string, offset int) {
	for _, d := range selector.Differences(pattern) {
		rule := RuleRegex
		if d.Beyond {
			rule = RuleRegexASCII
		}
		w.oddity(offset, rule, "pattern %s: %s", abbreviate(pattern), d)
	}
}

// badPatterns returns the regular expressions of a JSON schema that cannot be
// used. Of a text that is no JSON schema, it returns those before the mistake.
func badPatterns(d document) []*yamldoc.Error {
	w := patterns{decoder: json.NewDecoder(bytes.NewReader(d.text)), document: d}
	_ = w.schema() // what is no JSON is reported by who compiles it
	return w.bad
}

// patterns walks through a JSON schema as its keywords lead, since elsewhere, as
// in an enum or in what a newer draft may add, a pattern is any word.
type patterns struct {
	document
	decoder *json.Decoder
	depth   int
	bad     []*yamldoc.Error
	odd     []*yamldoc.Error // what is no mistake, and may not be meant
}

// deepest is how many JSON schemas within each other are walked through: more
// than anybody writes.
const deepest = 1_000

// schema walks through what is a schema, or a list of them.
func (w *patterns) schema() error {
	if w.depth++; w.depth > deepest {
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

// members walks through a map that was entered: f reads the value of a key,
// which is at an offset.
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

// offset returns where the next key or value begins.
func (w *patterns) offset() int {
	rest := w.text[w.decoder.InputOffset():]
	return len(w.text) - len(bytes.TrimLeft(rest, " \t\r\n:,"))
}

func (w *patterns) keyword(key string, at int) error {
	switch {
	case slices.Contains([]string{"format", "contentEncoding", "contentMediaType"}, key):
		var format any
		if err := w.decoder.Decode(&format); err != nil {
			return err
		}
		w.oddity(at, RuleJSONFormat, "%s %s is not asserted: a value that does not fit is stored, with a warning", key, jsonText(format))
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

// named walks through a map of names, if it is one.
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
