package selector

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Difference is a part of a regular expression that Python's re and RE2 both
// compile, and that means something different in each.
type Difference struct {
	Part    string // the part as it is written
	Here    string // its meaning in RE2
	Python  string // its meaning in Python
	Instead string // what to write instead; empty if there is no short replacement
	// Beyond is true if the meanings differ only for characters outside ASCII.
	Beyond bool
}

func (d Difference) String() string {
	text := fmt.Sprintf("%s means %s here (RE2), but %s in Python", d.Part, d.Here, d.Python)
	if d.Instead != "" {
		text += "; write " + d.Instead
	}
	return text
}

// Differences returns the parts of a regular expression that RE2 and Python read
// differently, each once. The expression must be one that RE2 compiles.
// Differences does not report $, which in Python also matches before a newline at
// the end of the text.
func Differences(pattern string) []Difference {
	s := scanner{rest: pattern, leading: true}
	for s.rest != "" {
		s.next()
	}
	return s.found
}

// scanner splits a regular expression into its parts.
type scanner struct {
	rest       string
	found      []Difference
	repeatable bool // a repetition may follow
	leading    bool // only flags have been read so far
}

var (
	flagGroup        = regexp.MustCompile(`^\(\?[ims]+\)`)
	groupOpening     = regexp.MustCompile(`^\((\?P?<\w+>|\?[imsU]*(-[imsU]+)?:)?`)
	repetition       = regexp.MustCompile(`^\{(0|[1-9][0-9]*)(,(0|[1-9][0-9]*)?)?\}`)
	pythonRepetition = regexp.MustCompile(`^\{([0-9]*)(,([0-9]*))?\}`)
)

// next reads the next part.
func (s *scanner) next() {
	leading := s.leading
	s.leading = false
	switch c := s.rest[0]; {
	case flagGroup.MatchString(s.rest):
		flags := s.advance(len(flagGroup.FindString(s.rest)))
		if s.leading = leading; !leading {
			s.add(Difference{Part: flags, Here: "that flag for what follows", Python: "that flag for the whole expression (an error since 3.11)", Instead: flags[:len(flags)-1] + ":...)"})
		}
		s.repeatable = false
	case c == '\\':
		s.escape()
		s.repeatable = true
	case c == '[':
		s.class()
		s.repeatable = true
	case c == '(':
		s.advance(len(groupOpening.FindString(s.rest)))
		s.repeatable = false
	case c == '|', c == '^', c == '$':
		s.advance(1)
		s.repeatable = false
	case c == '{' && repetition.MatchString(s.rest):
		s.advance(len(repetition.FindString(s.rest)))
		s.repeatable = false
	case c == '{' && s.repeatable && pythonRepetition.MatchString(s.rest) && !strings.HasPrefix(s.rest, "{}"):
		s.repetition()
	case c == '*', c == '+', c == '?':
		s.advance(1)
		s.repeatable = false
	default:
		s.advance(1)
		s.repeatable = true
	}
}

func (s *scanner) advance(n int) string {
	read := s.rest[:n]
	s.rest = s.rest[n:]
	return read
}

func (s *scanner) add(d Difference) {
	if !slices.Contains(s.found, d) {
		s.found = append(s.found, d)
	}
}

// repetition reads a repetition of Python that is plain text in RE2: one without
// a first number, or with a number that begins with 0.
func (s *scanner) repetition() {
	parts := pythonRepetition.FindStringSubmatch(s.rest)
	part := s.advance(len(parts[0]))
	number := func(digits string) string {
		if digits == "" {
			return ""
		}
		return strings.TrimLeft(digits[:len(digits)-1], "0") + digits[len(digits)-1:]
	}
	minimum, maximum := number(parts[1]), number(parts[3])
	if minimum == "" {
		minimum = "0"
	}
	meaning, instead := minimum, "{"+minimum+"}"
	if parts[2] != "" {
		meaning, instead = fmt.Sprintf("%s to %s", minimum, maximum), "{"+minimum+","+maximum+"}"
	}
	if parts[2] != "" && maximum == "" {
		meaning = minimum + " or more"
	}
	s.add(Difference{Part: part, Here: "that text itself", Python: meaning + " repetitions", Instead: fmt.Sprintf(`%s, or \%s for the text`, instead, part)})
	s.repeatable = false
}

// escape reads a backslash and the character after it.
func (s *scanner) escape() {
	part := s.advance(min(2, len(s.rest)))
	switch part {
	case `\d`, `\D`, `\w`, `\W`, `\s`, `\S`, `\b`, `\B`:
		s.add(Difference{Part: part, Here: "ASCII characters alone", Python: "characters of all of Unicode", Beyond: true})
	}
}

// class reads a character class.
func (s *scanner) class() {
	s.advance(1)
	s.advance(len(classOpening(s.rest)))
	for s.rest != "" {
		named := namedClass.FindString(s.rest)
		switch {
		case named != "":
			s.advance(len(named))
			s.add(Difference{Part: named, Here: "the named class", Python: "single characters and the end of the outer class", Instead: asciiRange(named)})
		case s.rest[0] == '\\':
			s.escape()
		case s.advance(1) == "]":
			return
		}
	}
}

// asciiRange returns the ranges that are equal to a named class. It returns an
// empty string for a class without a short equivalent.
func asciiRange(named string) string {
	ranges := map[string]string{
		"alnum": "0-9A-Za-z", "alpha": "A-Za-z", "blank": `\t `, "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~",
		"space": `\t-\r `, "upper": "A-Z", "word": "0-9A-Za-z_", "xdigit": "0-9A-Fa-f",
	}
	return ranges[strings.Trim(named, "[:]")]
}

// Doubts describes the parts of the selector's regular expressions that RE2 and
// Python read differently, one line for each part. It omits the parts that differ
// only for characters outside ASCII.
func (s Selector) Doubts() []string {
	var all []string
	terms := append(slices.Clone(s.terms), s.name)
	for i, tag := range s.keys() {
		if !terms[i].given || terms[i].any {
			continue
		}
		for _, d := range Differences(terms[i].pattern) {
			if !d.Beyond {
				all = append(all, tag+": "+d.String())
			}
		}
	}
	return all
}
