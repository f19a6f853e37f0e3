package selector

import (
	"container/heap"
	"regexp"
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

// maxWord is how many bytes a tag value or a name may have.
const maxWord = 253

// CanMatch reports whether there is any object that the selector could choose:
// whether for each tag, and for the name, something matches that may be a tag
// value or a name at all.
func (s Selector) CanMatch() bool {
	_, _, ok := s.Example()
	return ok
}

// Example returns a shortest object that the selector chooses, if there can be
// one: tag values and a name without blanks, control characters and slashes, of
// 1 to 253 bytes, and neither . nor .. alone.
func (s Selector) Example() (tags []string, name string, ok bool) {
	tags = make([]string, len(s.terms))
	for i, t := range s.terms {
		if tags[i], ok = t.example(); !ok {
			return nil, "", false
		}
	}
	name, ok = s.name.example()
	return tags, name, ok
}

func (t term) example() (string, bool) {
	switch {
	case !t.given || t.any:
		return "a", true
	case t.plain || t.re == nil:
		return t.text, mayBeWord(t.text)
	}
	return shortest(t.re)
}

func mayBeWord(s string) bool {
	if s == "" || len(s) > maxWord || s == "." || s == ".." {
		return false
	}
	for _, r := range s {
		if !mayBeIn(r) {
			return false
		}
	}
	return true
}

// mayBeIn reports whether a tag value or a name may hold a letter.
func mayBeIn(r rune) bool {
	return r != '/' && r != utf8.RuneError && unicode.IsPrint(r) && !unicode.IsSpace(r)
}

// What is known of the letter before a place, or after it: what \b, ^ and $
// ask for.
type edge uint8

const (
	border  edge = iota // there is none: the text begins or ends here
	inWord              // it is one of [0-9A-Za-z_]
	outside             // it is any other
)

func edgeOf(r rune) edge {
	if r <= unicode.MaxASCII && syntax.IsWordChar(r) {
		return inWord
	}
	return outside
}

// dots is how far a text is one that may be no word: empty, . or .. alone.
type dots uint8

const (
	nothing dots = iota
	oneDot
	twoDots
	fine
)

func (d dots) then(r rune) dots {
	if r == '.' && d < twoDots {
		return d + 1
	}
	return fine
}

// state is a place in a program that a text can lead to. What follows the text
// is a guess, which the next letter has to fulfil.
type state struct {
	pc           uint32
	before, next edge
	dots         dots
}

// path is a shortest text that leads to a state.
type path struct {
	state
	text string
}

// paths is a heap, the shortest text first.
type paths []path

func (p paths) Len() int           { return len(p) }
func (p paths) Less(i, j int) bool { return len(p[i].text) < len(p[j].text) }
func (p paths) Swap(i, j int)      { p[i], p[j] = p[j], p[i] }

// Push is for package heap.
func (p *paths) Push(x any) { *p = append(*p, x.(path)) } //nolint:errcheck // only paths are pushed

// Pop is for package heap.
func (p *paths) Pop() any {
	last := (*p)[len(*p)-1]
	*p = (*p)[:len(*p)-1]
	return last
}

// search goes through a program by all texts at once, the shortest first
// (Dijkstra). Texts that lead to the same state have the same future, so one of
// them is enough.
type search struct {
	prog    *syntax.Prog
	open    paths
	seen    map[state]bool
	letters map[uint32][]rune  // of an instruction, once they are known
	ranges  map[[2]rune][]rune // the same of a range
}

// shortest returns a shortest word that a pattern, anchored at both ends,
// matches.
func shortest(re *regexp.Regexp) (string, bool) {
	parsed, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return "", false // not reached: it was compiled
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return "", false // not reached: it was compiled
	}
	s := search{prog: prog, seen: map[state]bool{}, letters: map[uint32][]rune{}, ranges: map[[2]rune][]rune{}}
	start := path{state: state{pc: uint32(prog.Start)}}
	s.guess(start)
	for s.open.Len() > 0 {
		p := heap.Pop(&s.open).(path) //nolint:errcheck // only paths are pushed
		if s.seen[p.state] {
			continue
		}
		s.seen[p.state] = true
		if s.step(p) {
			return p.text, true
		}
	}
	return "", false
}

// guess adds a place with each thing that may follow it.
func (s *search) guess(p path) {
	for p.next = border; p.next <= outside; p.next++ {
		s.add(p)
	}
}

func (s *search) add(p path) {
	if len(p.text) <= maxWord && !s.seen[p.state] {
		heap.Push(&s.open, p)
	}
}

// step goes on from a place, and reports whether the text there is a match.
func (s *search) step(p path) bool {
	inst := &s.prog.Inst[p.pc]
	switch inst.Op {
	case syntax.InstMatch:
		return p.next == border && p.dots == fine
	case syntax.InstAlt, syntax.InstAltMatch:
		s.jump(p, inst.Out)
		s.jump(p, inst.Arg)
	case syntax.InstCapture, syntax.InstNop:
		s.jump(p, inst.Out)
	case syntax.InstEmptyWidth:
		if need := syntax.EmptyOp(inst.Arg); need&^p.holds() == 0 {
			s.jump(p, inst.Out)
		}
	case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
		s.read(p, inst)
	case syntax.InstFail:
	}
	return false
}

func (s *search) jump(p path, pc uint32) {
	p.pc = pc
	s.add(p)
}

// holds returns what is true between the letter before and the one after.
func (p path) holds() syntax.EmptyOp {
	sample := [...]rune{border: -1, inWord: 'a', outside: '-'} // no line ever ends
	return syntax.EmptyOpContext(sample[p.before], sample[p.next])
}

// read goes on by each sort of letter that is guessed to follow.
func (s *search) read(p path, inst *syntax.Inst) {
	letters, known := s.letters[p.pc]
	if !known {
		letters = s.lettersOf(inst)
		s.letters[p.pc] = letters
	}
	for _, r := range letters {
		if edgeOf(r) == p.next {
			s.guess(path{state{pc: inst.Out, before: p.next, dots: p.dots.then(r)}, p.text + string(r)})
		}
	}
}

// sort is what matters of a letter: whether it is a dot, and which edge it
// makes.
type sort struct {
	dots dots
	edge edge
}

func sortOf(r rune) sort { return sort{nothing.then(r), edgeOf(r)} }

// lettersOf returns a shortest letter of each sort that an instruction reads
// and a word may hold.
func (s *search) lettersOf(inst *syntax.Inst) []rune {
	ranges := inst.Rune
	switch {
	case inst.Op == syntax.InstRuneAny || inst.Op == syntax.InstRuneAnyNotNL:
		ranges = []rune{0, unicode.MaxRune}
	case len(ranges) == 1:
		ranges = []rune{ranges[0], ranges[0]}
		if syntax.Flags(inst.Arg)&syntax.FoldCase != 0 {
			for r := unicode.SimpleFold(ranges[0]); r != ranges[0]; r = unicode.SimpleFold(r) {
				ranges = append(ranges, r, r)
			}
		}
	}
	var all []rune
	have := map[sort]bool{}
	for i := 0; i+1 < len(ranges); i += 2 {
		all = append(all, s.lettersIn(ranges[i], ranges[i+1])...)
	}
	slices.Sort(all) // the shorter ones are first
	return slices.DeleteFunc(all, func(r rune) bool {
		again := have[sortOf(r)]
		have[sortOf(r)] = true
		return again
	})
}

// lettersIn returns the first letter of each sort in a range.
func (s *search) lettersIn(low, high rune) []rune {
	key := [2]rune{low, high}
	if known, ok := s.ranges[key]; ok {
		return known
	}
	var found []rune
	have := map[sort]bool{}
	for r := low; r <= high; r++ {
		if mayBeIn(r) && !have[sortOf(r)] {
			have[sortOf(r)] = true
			found = append(found, r)
		}
		if r > unicode.MaxASCII && have[sort{fine, outside}] {
			break // all further ones are of this sort
		}
	}
	s.ranges[key] = found
	return found
}
