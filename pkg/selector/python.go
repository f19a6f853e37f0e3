package selector

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Difference is a part of a regular expression that Python's re compiles too,
// and reads in another way than RE2.
type Difference struct {
	Part    string // as it is written
	Here    string // what it means in RE2
	Python  string // what it means in Python
	Instead string // what to write; empty if there is no short way
	// Beyond says that the two only differ for characters beyond ASCII.
	Beyond bool
}

func (d Difference) String() string {
	text := fmt.Sprintf("%s means %s here (RE2), but %s in Python", d.Part, d.Here, d.Python)
	if d.Instead != "" {
		text += "; write " + d.Instead
	}
	return text
}

// Differences returns the parts of a regular expression that mean two things,
// each once. The expression is one that RE2 compiles. That $ in Python also
// matches before a line end at the end of the text is left out.
func Differences(pattern string) []Difference {
	s := scanner{rest: pattern, leading: true}
	for s.rest != "" {
		s.next()
	}
	return s.found
}

// scanner walks through a regular expression.
type scanner struct {
	rest       string
	found      []Difference
	repeatable bool // a repetition may follow
	leading    bool // only flags have been read so far
}

var (
	flagGroup    = regexp.MustCompile(`^\(\?[ims]+\)`)
	groupOpening = regexp.MustCompile(`^\((\?P?<\w+>|\?[imsU]*(-[imsU]+)?:)?`)
	repetition   = regexp.MustCompile(`^\{(0|[1-9][0-9]*)(,(0|[1-9][0-9]*)?)?\}`)
	ofPython     = regexp.MustCompile(`^\{([0-9]*)(,([0-9]*))?\}`)
)

// next reads one part.
func (s *scanner) next() {
	leading := s.leading
	s.leading = false
	switch c := s.rest[0]; {
	case flagGroup.MatchString(s.rest):
		flags := s.take(len(flagGroup.FindString(s.rest)))
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
		s.take(len(groupOpening.FindString(s.rest)))
		s.repeatable = false
	case c == '|', c == '^', c == '$':
		s.take(1)
		s.repeatable = false
	case c == '{' && repetition.MatchString(s.rest):
		s.take(len(repetition.FindString(s.rest)))
		s.repeatable = false
	case c == '{' && s.repeatable && ofPython.MatchString(s.rest) && !strings.HasPrefix(s.rest, "{}"):
		s.repetition()
	case c == '*', c == '+', c == '?':
		s.take(1)
		s.repeatable = false
	default:
		s.take(1)
		s.repeatable = true
	}
}

func (s *scanner) take(n int) string {
	taken := s.rest[:n]
	s.rest = s.rest[n:]
	return taken
}

func (s *scanner) add(d Difference) {
	if !slices.Contains(s.found, d) {
		s.found = append(s.found, d)
	}
}

// repetition reads one that is text to RE2: without a first number, or with a
// number that begins with 0.
func (s *scanner) repetition() {
	parts := ofPython.FindStringSubmatch(s.rest)
	part := s.take(len(parts[0]))
	number := func(digits string) string {
		if digits == "" {
			return ""
		}
		return strings.TrimLeft(digits[:len(digits)-1], "0") + digits[len(digits)-1:]
	}
	least, most := number(parts[1]), number(parts[3])
	if least == "" {
		least = "0"
	}
	meaning, instead := least, "{"+least+"}"
	if parts[2] != "" {
		meaning, instead = fmt.Sprintf("%s to %s", least, most), "{"+least+","+most+"}"
	}
	if parts[2] != "" && most == "" {
		meaning = least + " or more"
	}
	s.add(Difference{Part: part, Here: "that text itself", Python: meaning + " repetitions", Instead: fmt.Sprintf(`%s, or \%s for the text`, instead, part)})
	s.repeatable = false
}

// escape reads a backslash and what it is for.
func (s *scanner) escape() {
	part := s.take(min(2, len(s.rest)))
	switch part {
	case `\d`, `\D`, `\w`, `\W`, `\s`, `\S`, `\b`, `\B`:
		s.add(Difference{Part: part, Here: "ASCII characters alone", Python: "characters of all of Unicode", Beyond: true})
	}
}

// class reads a class of characters.
func (s *scanner) class() {
	s.take(1)
	s.take(len(classOpening(s.rest)))
	for s.rest != "" {
		named := namedClass.FindString(s.rest)
		switch {
		case named != "":
			s.take(len(named))
			s.add(Difference{Part: named, Here: "the named class", Python: "single characters and the end of the outer class", Instead: asciiRange(named)})
		case s.rest[0] == '\\':
			s.escape()
		case s.take(1) == "]":
			return
		}
	}
}

// asciiRange is what to write in place of a named class; it is empty if there is
// nothing short.
func asciiRange(named string) string {
	ranges := map[string]string{
		"alnum": "0-9A-Za-z", "alpha": "A-Za-z", "blank": `\t `, "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~",
		"space": `\t-\r `, "upper": "A-Z", "word": "0-9A-Za-z_", "xdigit": "0-9A-Fa-f",
	}
	return ranges[strings.Trim(named, "[:]")]
}

// Doubts returns what in the selector's regular expressions means one thing here
// and another in Python, a line each.
func (s Selector) Doubts() []string {
	var all []string
	terms := append(slices.Clone(s.terms), s.name)
	for i, tag := range s.words() {
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
