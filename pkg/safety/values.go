package safety

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/conftool/confctl/pkg/nearest"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/yamldoc"
)

func (l *loader) expect(n yamldoc.Node, key, format string, args ...any) {
	l.failAt(n, "%s cannot be %s; %s is expected", key, n.Describe(), fmt.Sprintf(format, args...))
}

// mode reads what comes of the rule: that it refuses, unless something else is
// given.
func (l *loader) mode(d declaration) Mode {
	n, given := d.parts["mode"]
	if !given {
		return Refuse
	}
	words := []string{"none", "warn", "refuse"} // as Mode counts
	i := slices.Index(words, n.Text())
	if i < 0 {
		l.failAt(n, "mode cannot be %s%s; refuse, warn or none is expected", n.Describe(), nearest.Suggest(n.Text(), words))
		return Refuse
	}
	return Mode(i)
}

// number reads a number of objects.
func (l *loader) number(d declaration, key string, usual int) int {
	n, given := d.parts[key]
	if !given {
		return usual
	}
	const most = 1_000_000
	text := n.Text()
	number, err := strconv.Atoi(text)
	if err != nil || strings.HasPrefix(text, "+") || number < 1 || number > most {
		l.expect(n, key, "a whole number in plain digits, from 1 to %d,", most)
		return usual
	}
	return number
}

func (l *loader) ratio(d declaration, usual ratio) ratio {
	n, given := d.parts["ratio"]
	if !given {
		return usual
	}
	r, err := parseRatio(n.Text())
	if err != nil {
		l.expect(n, "ratio", "%v", err)
		return usual
	}
	return r
}

// tags reads which tags a rule groups by: all, unless some are given. By none
// means that the whole type is one group.
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

// only reads which objects a rule counts: all, unless a selector is given.
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
	// A name given twice is an error, so this is one if a name is given at all.
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
