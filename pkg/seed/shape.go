package seed

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/yamldoc"
)

const service = "service" // what a host has a list of

// most is how many objects the files of a type may declare. A few lines of
// aliases can stand for millions.
const most = 250_000

// document reads what a file declares, by the shape that its type has.
func (r *reader) document(doc yamldoc.Node) {
	if r.isNode() {
		r.level(doc, []string{"dc", "cluster", "host"}, nil, r.host)
	} else {
		r.level(doc, r.Type.Type.Tags, nil, r.names)
	}
}

// isNode reports whether the files have hosts with their services, rather than
// names below all tags.
func (r *reader) isNode() bool {
	return r.Type.Type.Name == schema.Node && len(r.Type.Type.Tags) == 3
}

// each is what the lists at the bottom hold.
func (r *reader) each() string {
	if r.isNode() {
		return service
	}
	return selector.Name
}

// level walks down one map for each of the given words, and hands what is at
// the bottom to leaf, with the words found on the way.
func (r *reader) level(n yamldoc.Node, what []string, above []string, leaf func(yamldoc.Node, []string)) {
	if len(what) == 0 {
		leaf(n, above)
		return
	}
	word, below := what[0], what[1:]
	place := "the file, by " + word + ","
	if len(above) > 0 {
		place = fmt.Sprintf("the part below %s, by %s,", strings.Join(above, "/"), word)
	}
	if !n.IsMap() {
		r.misshapen(n, place+" must be a map", above, shape(what, r.each()))
		return
	}
	pairs, err := n.Pairs(place)
	if err != nil {
		r.fault(RuleShape, err)
		return
	}
	for _, p := range pairs {
		if r.check(p.Key, word) {
			r.level(p.Value, below, append(slices.Clone(above), p.Name), leaf)
		}
	}
}

// host declares a node for each of a host's services.
func (r *reader) host(services yamldoc.Node, above []string) {
	dc, cluster, host := above[0], above[1], above[2]
	for _, s := range r.words(services, "the services of "+host, above) {
		r.declare(s.Pos(), []string{dc, cluster, s.Text()}, host)
	}
}

// names declares an object for each name in a list.
func (r *reader) names(list yamldoc.Node, tags []string) {
	what := "the names of type " + r.Type.Type.Name
	if len(tags) > 0 {
		what = "the names below " + strings.Join(tags, "/")
	}
	for _, name := range r.words(list, what, tags) {
		r.declare(name.Pos(), tags, name.Text())
	}
}

// words returns those elements of a list that can be names.
func (r *reader) words(n yamldoc.Node, what string, above []string) []yamldoc.Node {
	if !n.IsList() {
		r.misshapen(n, what+" must be a list", above, listOf(n, r.each()))
		return nil
	}
	items, err := n.Items(what)
	if err != nil {
		r.fault(RuleShape, err)
		return nil
	}
	if r.declared += len(items); r.declared > most {
		r.tooMany(n)
		return nil
	}
	return slices.DeleteFunc(items, func(item yamldoc.Node) bool { return !r.check(item, r.each()) })
}

// tooMany is the fault of a list that leads beyond what a type may have. It is
// told once.
func (r *reader) tooMany(n yamldoc.Node) {
	if !r.full {
		r.full = true
		r.fault(RuleShape, n.Errorf("there are more than %d objects of type %s with these, all aliases followed; that is taken for a mistake", most, r.Type.Type.Name))
	}
}

// declare adds an object. One that is there already is the same object, as an
// object has no more than its name here.
func (r *reader) declare(pos yamldoc.Pos, tags []string, name string) {
	o := object.New(r.Type.Type, tags, name)
	path := o.Path()
	first, again := r.Places[path]
	if !again {
		r.Places[path] = pos
		r.Objects = append(r.Objects, o)
		return
	}
	where := first.String()
	if first.File == pos.File {
		where = fmt.Sprintf("line %d", first.Line)
	}
	r.note(RuleDuplicate, pos, fmt.Sprintf("%s is declared again; first in %s: take one of the two out", path, where))
}

// misshapen is the fault of a part that is no map, or no list, with what to
// write instead.
func (r *reader) misshapen(n yamldoc.Node, must string, above []string, right string) {
	rule, or := RuleShape, ""
	switch {
	case n.IsEmpty():
		rule = RuleNull
	case len(above) == 3 && r.isNode() && n.IsScalar():
		rule = RuleService
	}
	if len(above) > 0 {
		key := above[len(above)-1]
		if n.IsEmpty() {
			or = ", or take " + key + " out"
		}
		if !strings.HasPrefix(right, "[") {
			right = "{" + right + "}"
		}
		right = key + ": " + right
	}
	r.fault(rule, n.Errorf("%s, not %s; write %s%s", must, n.Describe(), right, or))
}

// shape shows what is expected: DC: {CLUSTER: {HOST: [SERVICE, ...]}}.
func shape(words []string, each string) string {
	text := "[" + strings.ToUpper(each) + ", ...]"
	for i, word := range slices.Backward(words) {
		if i < len(words)-1 {
			text = "{" + text + "}"
		}
		text = strings.ToUpper(word) + ": " + text
	}
	return text
}

// What needs no quotes in a list.
var plainWords = regexp.MustCompile(`^[\w.-]+([, ]+[\w.-]+)*$`)

// listOf makes the list that was meant by a word, or by words that are
// separated by commas or blanks.
func listOf(n yamldoc.Node, each string) string {
	if n.IsNull() || !plainWords.MatchString(n.Text()) {
		return shape(nil, each)
	}
	words := strings.FieldsFunc(n.Text(), func(r rune) bool { return r == ',' || r == ' ' })
	return "[" + strings.Join(words, ", ") + "]"
}

// check reports whether a word can be a tag value or a name.
func (r *reader) check(n yamldoc.Node, what string) bool {
	err := object.CheckName(what, n.Text())
	if !n.IsScalar() || n.IsNull() {
		err = fmt.Errorf("%s must be a word, not %s", what, n.Describe())
	}
	if err != nil {
		r.fault(RuleName, n.Errorf("%v%s", err, remedy(n, what == r.each())))
	}
	return err == nil
}

// remedy says what to do about what cannot be a name, where that is not plain.
func remedy(n yamldoc.Node, inList bool) string {
	switch {
	case n.IsMap():
		return ": if the colon belongs to it, put it in quotes"
	case n.IsList():
		return ": take its brackets, or the second dash, out"
	case n.IsNull():
		return ": take it out, or put it in quotes if that is what it is called"
	case n.Text() == "":
		return ": take it out"
	case inList && strings.Contains(n.Text(), " ") && !n.IsQuoted():
		return ": separate words by commas, or write each in a line of its own with a dash in front"
	}
	return ""
}
