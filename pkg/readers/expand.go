package readers

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
)

// placeholder is {tag} in a target.
var placeholder = regexp.MustCompile(`\{([^{}]*)\}`)

// fits is what a tag's value must be to stand in a target: it cannot lead to
// another host, or out of a path.
var fits = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)

// placeholders returns which tags of the type a text has to be filled in with,
// in their order. The error names what is no tag.
func placeholders(text string, t *schema.Type) ([]int, error) {
	used := map[int]bool{}
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		i := slices.Index(t.Tags, m[1])
		if i < 0 {
			return nil, fmt.Errorf("%s is no tag of type %s; its tags are: %s", m[0], t.Name, strings.Join(t.Tags, ", "))
		}
		used[i] = true
	}
	if rest := placeholder.ReplaceAllString(text, ""); strings.ContainsAny(rest, "{}") {
		return nil, fmt.Errorf("a { or } stands alone; {TAG} is the value of a tag")
	}
	return slices.Sorted(maps.Keys(used)), nil
}

// expanded is a reader with its tags filled in, or why that cannot be.
type expanded struct {
	Reader
	problem string
}

// tags returns which tags the reader is filled in with.
func (r Reader) tags() []int {
	tags, _ := placeholders(r.Target+r.Label, r.Type) // Load and Parse have looked
	return tags
}

// expand returns one reader for each set of values that the tags in its target
// and label have in the store.
func (r Reader) expand(s object.Snapshot) []expanded {
	tags := r.tags()
	if len(tags) == 0 {
		return []expanded{{r, ""}}
	}
	var all []expanded
	seen := map[string]bool{}
	for _, o := range r.objects(s) {
		one := r.filledIn(tags, o.Tags)
		if key := fmt.Sprint(one.group); !seen[key] {
			seen[key] = true
			all = append(all, one)
		}
	}
	if len(all) == 0 {
		return []expanded{{r, "the store has no " + r.selection() + " to compare with"}}
	}
	return all
}

// filledIn is the reader for one set of values. Those that its label leaves out
// are put behind it, so that each is called something else.
func (r Reader) filledIn(tags []int, values []string) expanded {
	one := expanded{Reader: r}
	one.group = map[int]string{}
	var unnamed []string
	for _, i := range tags {
		one.group[i] = values[i]
		if !strings.Contains(r.Label, "{"+r.Type.Tags[i]+"}") {
			unnamed = append(unnamed, values[i])
		}
		if !fits.MatchString(values[i]) {
			one.problem = fmt.Sprintf("%s=%s cannot stand in %s", r.Type.Tags[i], values[i], r.Target)
		}
	}
	fill := func(text string) string {
		return placeholder.ReplaceAllStringFunc(text, func(m string) string {
			return values[slices.Index(r.Type.Tags, strings.Trim(m, "{}"))]
		})
	}
	one.Target, one.Label = fill(r.Target), fill(r.Label)
	if r.Label != "" && len(unnamed) > 0 {
		one.Label += " " + strings.Join(unnamed, "/")
	}
	return one
}
