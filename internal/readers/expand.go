package readers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
)

// placeholder matches {tag} in a target.
var placeholder = regexp.MustCompile(`\{([^{}]*)\}`)

// safeInTarget matches the tag values that may be inserted in a target: they cannot
// change the host or leave a path.
var safeInTarget = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)

// placeholders returns the positions of the tags of a type that occur as {tag} in a
// text.
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
		return nil, errors.New("a { or } stands alone; {TAG} is the value of a tag")
	}
	return slices.Sorted(maps.Keys(used)), nil
}

// tags returns the tags that occur as {tag} in the reader's target and label.
func (r Reader) tags() []int {
	tags, _ := placeholders(r.Target+r.Label, r.Type) // Load and Parse have checked both
	return tags
}

// expand returns the readers that the readers of the check stand for: one for each
// set of values of their tags, and for each of their hosts. A reader that cannot be
// expanded has a problem. The lookups of all host names share one timeout.
func (c Check) expand(ctx context.Context, s object.Snapshot) []Reader {
	limited, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	var all []Reader
	for _, r := range c.Readers {
		hosts, err := r.hosts.find(limited, s)
		for _, one := range r.perGroup(s) {
			if err != nil && one.problem == "" {
				one.problem = err.Error()
			}
			if one.problem != "" || len(hosts) == 0 {
				hosts = []string{""}
			}
			for _, one.host = range hosts {
				all = append(all, one)
			}
		}
	}
	return all
}

// perGroup returns one reader for each set of values in the store of the tags in the
// target and the label.
func (r Reader) perGroup(s object.Snapshot) []Reader {
	tags := r.tags()
	if len(tags) == 0 {
		return []Reader{r}
	}
	var all []Reader
	seen := map[string]bool{}
	for _, o := range r.objects(s) {
		one := r.withTags(tags, o.Tags)
		if key := fmt.Sprint(one.group); !seen[key] {
			seen[key] = true
			all = append(all, one)
		}
	}
	if len(all) == 0 {
		r.problem = nothingStored(r)
		return []Reader{r}
	}
	return all
}

// withTags returns the reader for one set of values. Values that the label does not
// contain are appended to it, so that each reader has a unique name.
func (r Reader) withTags(tags []int, values []string) Reader {
	one := r
	one.group = map[int]string{}
	var unnamed []string
	for _, i := range tags {
		one.group[i] = values[i]
		if !strings.Contains(r.Label, "{"+r.Type.Tags[i]+"}") {
			unnamed = append(unnamed, values[i])
		}
		if !safeInTarget.MatchString(values[i]) {
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
