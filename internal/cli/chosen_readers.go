package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/readers"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
)

// chosenReaders returns the readers to check, and results for those that cannot be
// checked.
func chosenReaders(std term.Streams, g *globals, a *app.App, o readerOptions) ([]readers.Reader, []readers.Result, error) {
	if len(o.urls) > 0 {
		return readersAt(std, g, a, o)
	}
	types := a.Schema.Declared()
	if o.typed {
		t, err := a.Schema.Type(g.objectType)
		if err != nil {
			return nil, nil, err
		}
		types = []*schema.Type{t}
	}
	all, wrong := declaredReaders(a, types)
	if len(all)+len(wrong) > 0 {
		return all, wrong, nil
	}
	msg := "the schema declares no readers"
	if o.typed {
		msg = fmt.Sprintf("type %s declares no readers", g.objectType)
	}
	return nil, nil, &usageError{msg, "add readers: [{kind: mediawiki, url: https://HOST/w/api.php}] to a type in schema.yaml or readers.yaml, or give URLs: confctl check readers --object-type TYPE URL"}
}

// declaredReaders returns the readers that types declare, and a result for each
// mistake, so that the readers are not mistaken for all that are declared. The
// readers of a type that cannot be used are unknown.
func declaredReaders(a *app.App, types []*schema.Type) ([]readers.Reader, []readers.Result) {
	declared, mistakes := readers.Load(a.Schema, a.Settings.ReadersFile())
	var all []readers.Reader
	var wrong []readers.Result
	add := func(of string, problems []schema.Problem) {
		for _, p := range problems {
			wrong = append(wrong, readers.Unasked(of+p.Err.Pos.String(), p.Err.Msg))
		}
	}
	of := func(name string) []schema.Problem {
		return slices.DeleteFunc(slices.Clone(mistakes), func(p schema.Problem) bool { return p.Type != name })
	}
	add("", of(""))
	for _, t := range types {
		problems := of(t.Name)
		var broken *schema.InvalidError
		if _, err := a.Schema.Type(t.Name); errors.As(err, &broken) {
			problems = broken.Problems
		}
		add("type "+t.Name+", ", problems)
		for _, r := range declared {
			if r.Type == t {
				all = append(all, r)
			}
		}
	}
	return all, wrong
}

// readersAt returns the readers at the URLs, each once, and a result for each URL
// that is not a reader's.
func readersAt(std term.Streams, g *globals, a *app.App, o readerOptions) ([]readers.Reader, []readers.Result, error) {
	t, err := a.Schema.Type(g.objectType)
	if err != nil {
		return nil, nil, err
	}
	var only selector.Selector
	if o.only != "" {
		if only, err = t.Selector(o.only); err != nil {
			return nil, nil, err
		}
		warnDoubts(std, only)
	}
	var all []readers.Reader
	var wrong []readers.Result
	for i, url := range o.urls {
		if slices.Contains(o.urls[:i], url) {
			continue
		}
		r, err := readers.Parse(url, t, only)
		if err == nil && !o.typed && r.Kind != readers.PyBal {
			// PyBal reads objects of the default type. Any other reader might be compared with
			// the wrong objects.
			err = fmt.Errorf("which objects does it read? say it with --object-type TYPE: %s", strings.Join(a.Schema.Names(), ", "))
		}
		if err != nil {
			wrong = append(wrong, readers.Unasked(cmp.Or(url, `""`), err.Error()))
			continue
		}
		all = append(all, r)
	}
	return all, wrong, nil
}

// sinceChange returns the records of the change that --since names, or nil if id is
// empty. It returns a *noMatchError if the journal has no such change or the change
// was refused.
func sinceChange(ctx context.Context, g *globals, a *app.App, id string) ([]sal.Stored, error) {
	hint := "--since takes the id of a change, as confctl log shows them, or last for your newest"
	if id == "" {
		return nil, nil
	}
	if id == "last" {
		me := g.whoami()
		mine, err := a.Journal().Search(ctx, sal.Query{Most: 1, Match: func(r sal.Stored) bool { return r.User.Name == me.Name && !r.Refused() }})
		switch {
		case err != nil && !sal.Incomplete(err):
			return nil, err
		case len(mine) == 0:
			return nil, &noMatchError{fmt.Sprintf("the journal has no change by %s", me.Name), hint}
		}
		id = mine[0].Run()
	}
	if err := checkID(id, hint); err != nil {
		return nil, err
	}
	found, err := a.Journal().Find(ctx, id)
	if err == nil && len(found) > 0 && found[0].Run() != id { // the id is that of a part; find the whole change
		found, err = a.Journal().Find(ctx, found[0].Run())
	}
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, &noMatchError{fmt.Sprintf("the journal has no change %s", id), hint}
	case found[0].Refused():
		return nil, &noMatchError{fmt.Sprintf("%s was refused, so there is nothing to be seen of it", id), hint}
	}
	return found, nil
}
