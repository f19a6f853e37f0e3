package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/selector"
)

// undo plans to undo changes. It returns a conflict if the same fields have been
// changed since.
func undo(past []object.Past, on object.Snapshot) (object.Plan, error) {
	plan, clashes, err := object.Undo(past, on)
	if err != nil || len(clashes) == 0 {
		byKey := func(a, b object.Object) int { return strings.Compare(a.Key(), b.Key()) }
		slices.SortFunc(plan.Matched, byKey)
		slices.SortFunc(plan.Changes, func(a, b object.Change) int { return byKey(*a.Object(), *b.Object()) })
		return plan, err
	}
	conflicts := make([]change.Conflict, len(clashes))
	for i, c := range clashes {
		conflicts[i] = change.Conflict{Mine: c.Mine, Theirs: c.Theirs}
	}
	return object.Plan{}, &change.ConflictError{Objects: conflicts}
}

// past returns what happened to each object, the newest first.
func (u *undoer) past(records []sal.Stored) ([]object.Past, error) {
	var past []object.Past
	var left error
	for _, r := range records {
		for _, o := range r.Change.Objects {
			p, err := o.Past(u.Schema)
			switch {
			case err == nil:
				past = append(past, p)
			case u.opts.repair:
				u.Warn("left as it is: " + err.Error())
				left = err
			default:
				return nil, &object.InvalidError{
					Reason: fmt.Sprintf("%v; nothing of %s is undone", err, r.Event.ID),
					Hint:   "--repair leaves that one as it is and takes back the rest; what was changed: " + u.opts.command("log", "show", r.Event.ID),
				}
			}
		}
	}
	if len(past) == 0 && left != nil {
		return nil, &object.InvalidError{Reason: fmt.Sprintf("nothing changed: nothing of %s can be undone", records[0].Event.ID)}
	}
	return past, nil
}

// queriesOf returns what to read for some objects: each by itself if they are
// few, or else all beside them.
func queriesOf(past []object.Past) []catalog.Query {
	const few = 20
	for _, around := range []func(object.Past) catalog.Query{itself, neighbours} {
		if queries := queriesBy(past, around); len(queries) <= few {
			return queries
		}
	}
	return queriesBy(past, func(p object.Past) catalog.Query { return catalog.Query{Type: p.Type} })
}

// queriesBy returns the distinct queries that a function returns for the objects.
func queriesBy(past []object.Past, of func(object.Past) catalog.Query) []catalog.Query {
	var queries []catalog.Query
	seen := map[string]bool{}
	for _, p := range past {
		q := of(p)
		if key := strings.Join(append([]string{q.Type.Name}, q.Selector.Literals()...), "/"); !seen[key] {
			seen[key] = true
			queries = append(queries, q)
		}
	}
	return queries
}

func itself(p object.Past) catalog.Query {
	values := map[string]string{selector.Name: p.Name}
	for i, tag := range p.Type.Tags {
		values[tag] = p.Tags[i]
	}
	return catalog.Query{Type: p.Type, Selector: selector.Exactly(p.Type.Tags, values)}
}

// neighbours returns the query for all objects with the same tags.
func neighbours(p object.Past) catalog.Query { return itself(p).Around(len(p.Tags)) }
