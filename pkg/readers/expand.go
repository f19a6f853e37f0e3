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

// expand returns one reader for each set of values that the tags in its target
// have in the store.
func (r Reader) expand(s object.Snapshot) []expanded {
	found := r.objects(s)
	if len(found) == 0 {
		return []expanded{{r, "the store has no " + r.chosen() + " to compare with"}}
	}
	tags, _ := placeholders(r.Target+r.Label, r.Type) // Load and Parse have looked
	if len(tags) == 0 {
		return []expanded{{r, ""}}
	}
	var all []expanded
	seen := map[string]bool{}
	for _, o := range found {
		one := r.filledIn(tags, o.Tags)
		if key := fmt.Sprint(one.group); !seen[key] {
			seen[key] = true
			all = append(all, one)
		}
	}
	return all
}

func (r Reader) filledIn(tags []int, values []string) expanded {
	one := expanded{Reader: r}
	one.group = map[int]string{}
	var words []string
	for _, i := range tags {
		one.group[i] = values[i]
		words = append(words, values[i])
		if !fits.MatchString(values[i]) {
			one.problem = fmt.Sprintf("%s=%s cannot stand in %s", r.Type.Tags[i], values[i], r.Target)
		}
	}
	fill := func(text string) string {
		return placeholder.ReplaceAllStringFunc(text, func(m string) string {
			return values[slices.Index(r.Type.Tags, strings.Trim(m, "{}"))]
		})
	}
	one.Target = fill(r.Target)
	if one.Label = fill(r.Label); r.Label != "" && one.Label == r.Label {
		one.Label += " " + strings.Join(words, "/")
	}
	return one
}
