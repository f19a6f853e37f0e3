package cli

import (
	"slices"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/schema"
)

// unruledError reports mistakes in declared rules that a change would have to be
// judged by: to ignore a rule that somebody wrote down would be to break it.
type unruledError struct{ schema.InvalidError }

// checkRules returns the mistakes in the rules for some types, as far as rules are
// asked at all; nil for none.
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

// checkRulesFor reports the mistakes in the rules for what a plan takes away. What
// only gives, as a repair does, goes on with a warning.
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
