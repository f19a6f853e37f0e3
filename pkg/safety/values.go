package safety

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/conftool/confctl/internal/nearest"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/yamldoc"
)

func (l *loader) expect(n yamldoc.Node, key, format string, args ...any) {
	l.failAt(n, "%s cannot be %s; %s is expected", key, n.Describe(), fmt.Sprintf(format, args...))
}

// mode reads the mode of a rule, which is Refuse by default.
func (l *loader) mode(d declaration) Mode {
	n, given := d.parts["mode"]
	if !given {
		return Refuse
	}
	modes := []string{"none", "warn", "refuse"} // indexed by Mode
	i := slices.Index(modes, n.Text())
	if i < 0 {
		l.failAt(n, "mode cannot be %s%s; refuse, warn or none is expected", n.Describe(), nearest.Suggest(n.Text(), modes))
		return Refuse
	}
	return Mode(i)
}

// number reads a number of objects, from 1 to a million.
func (l *loader) number(d declaration, key string, fallback int) int {
	n, given := d.parts[key]
	if !given {
		return fallback
	}
	const maxNumber = 1_000_000
	text := n.Text()
	number, err := strconv.Atoi(text)
	if err != nil || strings.HasPrefix(text, "+") || number < 1 || number > maxNumber {
		l.expect(n, key, "a whole number in plain digits, from 1 to %d,", maxNumber)
		return fallback
	}
	return number
}

func (l *loader) ratio(d declaration, fallback ratio) ratio {
	n, given := d.parts["ratio"]
	if !given {
		return fallback
	}
	r, err := parseRatio(n.Text())
	if err != nil {
		l.expect(n, "ratio", "%v", err)
		return fallback
	}
	return r
}

// tags reads the indices of the tags that a rule groups by. The default is all
// tags. An empty list makes the whole type one group.
func (l *loader) tags(d declaration) []int {
	n, given := d.parts["group_by"]
	if !given {
		return allTags(l.typ)
	}
	items, err := n.Items("group_by")
	if err != nil {
		l.errs = append(l.errs, err)
		return nil
	}
	var tags []int
	for _, item := range items {
		i := slices.Index(l.typ.Tags, item.Text())
		switch {
		case i < 0:
			l.failAt(item, "group_by cannot hold %s%s; the tags of type %s are: %s", item.Describe(),
				nearest.Suggest(item.Text(), l.typ.Tags), l.typ.Name, strings.Join(l.typ.Tags, ", "))
		case slices.Contains(tags, i):
			l.failAt(item, "tag %s is in group_by twice", item.Text())
		default:
			tags = append(tags, i)
		}
	}
	return tags
}

// only reads the selector of the objects that a rule counts. The default is all
// objects.
func (l *loader) only(d declaration, p *poolRule) {
	n, given := d.parts["only"]
	if !given {
		return
	}
	text := strings.TrimSpace(n.Text())
	chosen, err := selector.Parse(text, l.typ.Tags)
	if err != nil {
		l.failAt(n, "only: %v", err)
		return
	}
	// Parse refuses a name that is given twice, so this fails if the selector
	// has a name.
	if _, err := selector.Parse(text+","+selector.Name+"=.*", l.typ.Tags); err != nil {
		l.failAt(n, "only: selector %q: a group is judged whole, so only tags choose it, and no name", text)
		return
	}
	var by []string
	for _, tag := range p.by {
		by = append(by, l.typ.Tags[tag])
	}
	_, err = selector.Parse(text, by)
	p.only, p.onlyPos, p.partly = chosen, n.Pos(), err != nil
}
