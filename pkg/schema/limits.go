package schema

import (
	"fmt"
	"regexp/syntax"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/conftool/confctl/pkg/yamldoc"
)

// Limits on a schema file. No schema for objects that people edit is larger, and some
// of the checks take time proportional to the square of its size.
const (
	maxTypes  = 200
	maxFields = 1_000 // fields of a type, rules of its json_schema, and items of a list
)

// Limits on the JSON schema of one rule, including all documents that it refers to.
const (
	maxJSONBytes    = 1 << 20 // bytes of a document
	maxDocuments    = 100
	maxValues       = 10_000  // in all documents
	maxLevels       = 100     // levels of nested maps and lists
	maxInstructions = 10_000  // instructions of all compiled regular expressions
	maxParts        = 100_000 // parts, with a part counted again for each reference to it
	maxChain        = 500     // parts in a chain of references
	maxDigits       = 1_000   // characters of a number, and its largest exponent
)

// checkSize returns an error for a document that would take too long to compile. It
// scans the text before the text is parsed.
func (d *documents) checkSize(file string, text []byte) *yamldoc.Error {
	if len(d.all) >= maxDocuments {
		return tooLarge(yamldoc.Pos{File: file}, "is one of more than %d documents that a JSON schema refers to", maxDocuments)
	}
	level := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			i = endOfString(text, i)
		case c == '{', c == '[':
			d.values++
			if level++; level > maxLevels {
				return tooLarge(position(file, text, i), "has more than %d levels of maps and lists", maxLevels)
			}
		case c == '}', c == ']':
			level--
		case c == ',', c == ':':
			d.values++
		case c == '-', '0' <= c && c <= '9':
			end := i
			for end < len(text) && strings.IndexByte("0123456789+-.eE", text[end]) >= 0 {
				end++
			}
			if isExcessive(string(text[i:end])) {
				return tooLarge(position(file, text, i), "has a number of more than %d digits", maxDigits)
			}
			i = end - 1
		}
		if d.values > maxValues {
			return tooLarge(position(file, text, i), "has more than %d values, with those of all documents that the JSON schema refers to", maxValues)
		}
	}
	return nil
}

// endOfString returns the index of the quote that ends the string that begins at i.
func endOfString(text []byte, i int) int {
	for i++; i < len(text) && text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i
}

// isExcessive reports whether a number has so many digits, or so large an exponent,
// that calculating with it takes too long.
func isExcessive(number string) bool {
	_, exponent, _ := strings.Cut(strings.ToLower(number), "e")
	n, err := strconv.Atoi(strings.TrimPrefix(exponent, "+"))
	return len(number) > maxDigits || exponent != "" && (err != nil || n > maxDigits || n < -maxDigits)
}

func tooLarge(pos yamldoc.Pos, format string, args ...any) *yamldoc.Error {
	return yamldoc.Errorf(pos, "the JSON schema "+format, args...).Of(RuleJSONTooLarge)
}

// checkPatterns returns an error if the regular expressions take too much memory to
// compile. It counts every value that may be a regular expression, at any depth.
func (d *documents) checkPatterns(v any, path []string) *yamldoc.Error {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if err := d.checkMember(name, member, append(path, name)); err != nil {
				return err
			}
		}
	case []any:
		for i, e := range v {
			if err := d.checkPatterns(e, append(path, strconv.Itoa(i))); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *documents) checkMember(name string, member any, path []string) *yamldoc.Error {
	var patterns []string
	switch typed := member.(type) {
	case string:
		if name == "pattern" {
			patterns = []string{typed}
		}
	case map[string]any:
		if name == "patternProperties" {
			for p := range typed {
				patterns = append(patterns, p)
			}
		}
	}
	for _, p := range patterns {
		if d.instructions += instructions(p); d.instructions > maxInstructions {
			doc := d.all[len(d.all)-1]
			pos := yamldoc.Pos{File: doc.file}
			if offset, ok := find(doc.text, path); ok {
				pos = position(doc.file, doc.text, offset)
			}
			return tooLarge(pos, "has regular expressions of more than %d instructions, with all repetitions written out", maxInstructions)
		}
	}
	return d.checkPatterns(member, path)
}

// instructions returns an estimate of the size of a compiled regular expression. It
// returns 0 for one that is not valid, which fails to compile later.
func instructions(pattern string) int {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0
	}
	return size(re)
}

func size(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)/2
	for _, sub := range re.Sub {
		n += size(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min+1, re.Max)
	}
	return min(n, maxInstructions+1)
}

// expansion counts the parts of a JSON schema with each reference followed: a check of
// an object may visit as many.
type expansion struct {
	known  map[*jsonschema.Schema]extent
	inside map[*jsonschema.Schema]bool
}

// extent is the size of a part, including the parts that it refers to.
type extent struct{ parts, levels int }

func (x expansion) measure(s *jsonschema.Schema) extent {
	if e, ok := x.known[s]; ok {
		return e
	}
	if x.inside[s] { // a recursive reference: the object decides how often it is followed
		return extent{1, 1}
	}
	x.inside[s] = true
	all := extent{1, 1}
	for _, child := range children(s) {
		e := x.measure(child)
		all = extent{min(all.parts+e.parts, maxParts+1), max(all.levels, e.levels+1)}
	}
	delete(x.inside, s)
	x.known[s] = all
	return all
}

// checkExpansion returns an error for a compiled JSON schema that would take too long
// to check an object.
func checkExpansion(s *jsonschema.Schema, file string) error {
	all := expansion{map[*jsonschema.Schema]extent{}, map[*jsonschema.Schema]bool{}}.measure(s)
	switch {
	case all.parts > maxParts:
		return tooLarge(yamldoc.Pos{File: file}, "comes to more than %d parts when each reference is followed", maxParts)
	case all.levels > maxChain:
		return tooLarge(yamldoc.Pos{File: file}, "has more than %d parts that refer to each other in a row", maxChain)
	}
	return nil
}

// few returns the items of a list that a message names: at most maxListed, followed
// by the number of the others.
func few(words []string) []string {
	if len(words) <= maxListed {
		return words
	}
	return append(words[:maxListed:maxListed], fmt.Sprintf("and %d more", len(words)-maxListed))
}
