package schema

import (
	"fmt"
	"regexp/syntax"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/conftool/confctl/pkg/yamldoc"
)

// Limits on a schema file: what is larger is not written for objects that people
// set, and some of what is done with it takes the square of its size.
const (
	mostTypes  = 200
	mostFields = 1_000 // of a type, and rules of its json_schema, and words of a list
)

// Limits on the JSON schema of one rule, with all documents that it refers to.
const (
	mostJSON         = 1 << 20 // bytes of a document
	mostDocuments    = 100
	mostValues       = 10_000  // in all documents
	deepestJSON      = 100     // levels of maps and lists
	mostInstructions = 10_000  // of a compiled regular expression
	mostParts        = 100_000 // with what is referred to counted each time
	longestChain     = 500     // of parts that refer to each other
	mostDigits       = 1_000   // of a number, and its largest exponent
)

// bound refuses a document that would take too long to compile. It is asked before
// anything parses the text.
func (d *documents) bound(file string, text []byte) *yamldoc.Error {
	if len(d.all) >= mostDocuments {
		return tooLarge(yamldoc.Pos{File: file}, "is one of more than %d documents that a JSON schema refers to", mostDocuments)
	}
	level := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			i = endOfString(text, i)
		case c == '{', c == '[':
			d.values++
			if level++; level > deepestJSON {
				return tooLarge(position(file, text, i), "has more than %d levels of maps and lists", deepestJSON)
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
				return tooLarge(position(file, text, i), "has a number of more than %d digits", mostDigits)
			}
			i = end - 1
		}
		if d.values > mostValues {
			return tooLarge(position(file, text, i), "has more than %d values, with those of all documents that the JSON schema refers to", mostValues)
		}
	}
	return nil
}

// endOfString returns where the string ends that begins at i.
func endOfString(text []byte, i int) int {
	for i++; i < len(text) && text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i
}

// isExcessive reports whether a number is so large, or so small, that to calculate
// with it takes long.
func isExcessive(number string) bool {
	_, exponent, _ := strings.Cut(strings.ToLower(number), "e")
	n, err := strconv.Atoi(strings.TrimPrefix(exponent, "+"))
	return len(number) > mostDigits || exponent != "" && (err != nil || n > mostDigits || n < -mostDigits)
}

func tooLarge(pos yamldoc.Pos, format string, args ...any) *yamldoc.Error {
	return yamldoc.Errorf(pos, "the JSON schema "+format, args...).Of(RuleJSONTooLarge)
}

// boundPatterns refuses regular expressions that take too much memory when they are
// compiled. It looks at whatever may be one, wherever it is.
func (d *documents) boundPatterns(v any, at []string) *yamldoc.Error {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if err := d.boundMember(name, member, append(at, name)); err != nil {
				return err
			}
		}
	case []any:
		for i, e := range v {
			if err := d.boundPatterns(e, append(at, strconv.Itoa(i))); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *documents) boundMember(name string, member any, at []string) *yamldoc.Error {
	var patterns []string
	switch of := member.(type) {
	case string:
		if name == "pattern" {
			patterns = []string{of}
		}
	case map[string]any:
		if name == "patternProperties" {
			for p := range of {
				patterns = append(patterns, p)
			}
		}
	}
	for _, p := range patterns {
		if d.instructions += instructions(p); d.instructions > mostInstructions {
			doc := d.all[len(d.all)-1]
			pos := yamldoc.Pos{File: doc.file}
			if offset, ok := find(doc.text, at); ok {
				pos = position(doc.file, doc.text, offset)
			}
			return tooLarge(pos, "has regular expressions of more than %d instructions, with all repetitions written out", mostInstructions)
		}
	}
	return d.boundPatterns(member, at)
}

// instructions returns about how large a compiled regular expression is. One that is
// not valid is refused by who compiles it.
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
	return min(n, mostInstructions+1)
}

// expansion counts the parts that a JSON schema stands for when each reference is
// followed, which is what checking with it may come to.
type expansion struct {
	known  map[*jsonschema.Schema]extent
	inside map[*jsonschema.Schema]bool
}

// extent is how large a part is with all that it refers to.
type extent struct{ parts, levels int }

func (x expansion) of(s *jsonschema.Schema) extent {
	if e, ok := x.known[s]; ok {
		return e
	}
	if x.inside[s] { // it is of itself: how often is for the object to say
		return extent{1, 1}
	}
	x.inside[s] = true
	all := extent{1, 1}
	for _, child := range children(s) {
		e := x.of(child)
		all = extent{min(all.parts+e.parts, mostParts+1), max(all.levels, e.levels+1)}
	}
	delete(x.inside, s)
	x.known[s] = all
	return all
}

// boundExpansion refuses a compiled JSON schema that would take too long to check
// with.
func boundExpansion(s *jsonschema.Schema, file string) error {
	all := expansion{map[*jsonschema.Schema]extent{}, map[*jsonschema.Schema]bool{}}.of(s)
	switch {
	case all.parts > mostParts:
		return tooLarge(yamldoc.Pos{File: file}, "comes to more than %d parts when each reference is followed", mostParts)
	case all.levels > longestChain:
		return tooLarge(yamldoc.Pos{File: file}, "has more than %d parts that refer to each other in a row", longestChain)
	}
	return nil
}

// few returns the words that a message names of a list.
func few(words []string) []string {
	if len(words) <= mostWords {
		return words
	}
	return append(words[:mostWords:mostWords], fmt.Sprintf("and %d more", len(words)-mostWords))
}
