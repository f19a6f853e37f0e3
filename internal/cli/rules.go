package cli

import (
	"slices"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/schema"
)

// unruledError reports mistakes in the declared rules that apply to a change. The
// change is not made, because ignoring a declared rule would break it.
type unruledError struct{ schema.InvalidError }

// checkRules returns an error for mistakes in the rules of the types. It returns nil
// if there are none, if the safety mode is none, or with --emergency or --gone.
func checkRules(g *globals, a *app.App, types ...*schema.Type) error {
	if a.Settings.SafetyMode == safety.None || g.terms.Emergency || g.terms.Gone {
		return nil
	}
	var wrong []schema.Problem
	for _, p := range a.Unruled {
		concerned := func(t *schema.Type) bool { return p.Type == "" || p.Type == t.Name }
		if slices.ContainsFunc(types, concerned) {
			wrong = append(wrong, p)
		}
	}
	if wrong == nil {
		return nil
	}
	return &unruledError{schema.InvalidError{Problems: wrong}}
}

// checkRulesFor returns an error for mistakes in the rules of objects that the
// changes delete or take out of service. For other changes, such as a repair, it
// only warns.
func checkRulesFor(std term.Streams, g *globals, a *app.App, changes []object.Change) error {
	var taken, given []*schema.Type
	for _, c := range changes {
		if c.After == nil || (c.Before != nil && safety.Serves(*c.Before) && !safety.Serves(*c.After)) {
			taken = append(taken, c.Object().Type)
		} else {
			given = append(given, c.Object().Type)
		}
	}
	if err := checkRules(g, a, taken...); err != nil {
		return err
	}
	if err := checkRules(g, a, given...); err != nil {
		std.Warn(err.Error())
	}
	return nil
}
