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

const service = "service" // the services of a host

// maxObjects is the largest number of objects that the files of a type may declare.
// A few lines of YAML aliases can stand for millions.
const maxObjects = 250_000

// document reads the declarations of a file, according to the tags of its type.
func (r *reader) document(doc yamldoc.Node) {
	if r.isNode() {
		r.level(doc, []string{"dc", "cluster", "host"}, nil, r.host)
	} else {
		r.level(doc, r.Type.Type.Tags, nil, r.names)
	}
}

// isNode reports whether the files list the services of hosts, rather than names
// below all tags.
func (r *reader) isNode() bool {
	return r.Type.Type.Name == schema.Node && len(r.Type.Type.Tags) == 3
}

// each returns what the innermost lists contain.
func (r *reader) each() string {
	if r.isNode() {
		return service
	}
	return selector.Name
}

// level descends one map for each element of what, and calls leaf with each node at
// the bottom and the keys that lead to it.
func (r *reader) level(n yamldoc.Node, what []string, above []string, leaf func(yamldoc.Node, []string)) {
	if len(what) == 0 {
		leaf(n, above)
		return
	}
	key, below := what[0], what[1:]
	place := "the file, by " + key + ","
	if len(above) > 0 {
		place = fmt.Sprintf("the part below %s, by %s,", strings.Join(above, "/"), key)
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
		if r.check(p.Key, key) {
			r.level(p.Value, below, append(slices.Clone(above), p.Name), leaf)
		}
	}
}

// host declares a node object for each of a host's services.
func (r *reader) host(services yamldoc.Node, above []string) {
	dc, cluster, host := above[0], above[1], above[2]
	for _, s := range r.scalars(services, "the services of "+host, above) {
		r.declare(s.Pos(), []string{dc, cluster, s.Text()}, host)
	}
}

// names declares an object for each name in a list.
func (r *reader) names(list yamldoc.Node, tags []string) {
	what := "the names of type " + r.Type.Type.Name
	if len(tags) > 0 {
		what = "the names below " + strings.Join(tags, "/")
	}
	for _, name := range r.scalars(list, what, tags) {
		r.declare(name.Pos(), tags, name.Text())
	}
}

// scalars returns the elements of a list that are valid names.
func (r *reader) scalars(n yamldoc.Node, what string, above []string) []yamldoc.Node {
	if !n.IsList() {
		r.misshapen(n, what+" must be a list", above, listOf(n, r.each()))
		return nil
	}
	items, err := n.Items(what)
	if err != nil {
		r.fault(RuleShape, err)
		return nil
	}
	if r.declared += len(items); r.declared > maxObjects {
		r.tooMany(n)
		return nil
	}
	return slices.DeleteFunc(items, func(item yamldoc.Node) bool { return !r.check(item, r.each()) })
}

// tooMany adds the fault of a list that exceeds the limit of the type. It does so
// once.
func (r *reader) tooMany(n yamldoc.Node) {
	if !r.full {
		r.full = true
		r.fault(RuleShape, n.Errorf("there are more than %d objects of type %s with these, all aliases followed; that is taken for a mistake", maxObjects, r.Type.Type.Name))
	}
}

// declare adds an object. An object that is declared again is only noted, since a
// declaration has no values.
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

// misshapen adds the fault of a part that is not the expected map or list, and
// suggests what to write instead.
func (r *reader) misshapen(n yamldoc.Node, must string, above []string, right string) {
	rule, alternative := RuleShape, ""
	switch {
	case n.IsEmpty():
		rule = RuleNull
	case len(above) == 3 && r.isNode() && n.IsScalar():
		rule = RuleService
	}
	if len(above) > 0 {
		key := above[len(above)-1]
		if n.IsEmpty() {
			alternative = ", or take " + key + " out"
		}
		if !strings.HasPrefix(right, "[") {
			right = "{" + right + "}"
		}
		right = key + ": " + right
	}
	r.fault(rule, n.Errorf("%s, not %s; write %s%s", must, n.Describe(), right, alternative))
}

// shape describes the expected structure: DC: {CLUSTER: {HOST: [SERVICE, ...]}}.
func shape(parts []string, each string) string {
	text := "[" + strings.ToUpper(each) + ", ...]"
	for i, key := range slices.Backward(parts) {
		if i < len(parts)-1 {
			text = "{" + text + "}"
		}
		text = strings.ToUpper(key) + ": " + text
	}
	return text
}

// plainList matches strings that need no quotes in a list.
var plainList = regexp.MustCompile(`^[\w.-]+([, ]+[\w.-]+)*$`)

// listOf returns the list that was probably meant by a string whose parts are
// separated by commas or blanks.
func listOf(n yamldoc.Node, each string) string {
	if n.IsNull() || !plainList.MatchString(n.Text()) {
		return shape(nil, each)
	}
	parts := strings.FieldsFunc(n.Text(), func(r rune) bool { return r == ',' || r == ' ' })
	return "[" + strings.Join(parts, ", ") + "]"
}

// check reports whether a scalar is a valid tag value or name, and adds a fault if
// it is not.
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

// remedy returns advice about an invalid name, where the fix is not obvious.
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
