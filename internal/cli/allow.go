package cli

import (
	"slices"
	"strconv"
	"strings"

	"github.com/conftool/confctl/internal/nearest"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/pkg/safety"
)

// splitAllow checks the values of --allow and splits lists of rules into one entry
// for each rule. The name of a pool may contain a comma, so RULE@POOL must be a
// value of its own.
func (t *termOptions) splitAllow() error {
	var all []string
	for _, text := range t.Allow {
		rules, pool, one := strings.Cut(text, "@")
		names := strings.Split(rules, ",")
		switch {
		case text == "":
			return &usageError{"--allow is empty", "give it a rule: " + strings.Join(safety.Names(), ", ")}
		case one && len(names) > 1:
			return &usageError{"--allow " + quote(text) + " does not say which of its rules are for the pool", "give RULE@POOL an --allow of its own"}
		case one && pool == "":
			return &usageError{"--allow " + quote(text) + " names no pool", "give it RULE@POOL with the pool as a refusal prints it, or RULE alone"}
		}
		for _, rule := range names {
			if !slices.Contains(safety.Names(), rule) {
				return &usageError{"no safety rule " + strconv.Quote(rule) + nearest.Suggest(rule, safety.Names()), "rules: " + strings.Join(safety.Names(), ", ")}
			}
		}
		if one {
			names[0] = text
		}
		all = append(all, names...)
	}
	t.Allow = all
	return nil
}

// maxAllowed is the largest number of pools that a suggested command line names one
// by one.
const maxAllowed = 3

// allowOptions returns the options that override the refusals, in addition to what
// is already allowed. Instead of more than maxAllowed values RULE@POOL, they allow
// the refusing rules for all pools.
func allowOptions(already []string, refused []safety.Finding) []string {
	rules, pools := map[string]bool{}, []string(nil)
	var plain []string
	add := func(allowed string) {
		if !slices.Contains(plain, allowed) {
			plain = append(plain, allowed)
		}
	}
	for _, allowed := range already {
		if strings.Contains(allowed, "@") {
			pools = append(pools, allowed)
		} else {
			add(allowed)
		}
	}
	for _, f := range refused {
		if allowed := f.Rule + "@" + f.Pool(); !slices.Contains(pools, allowed) {
			pools = append(pools, allowed)
		}
		rules[f.Rule] = true
	}
	if len(pools) > maxAllowed {
		for _, rule := range safety.Names() {
			if rules[rule] {
				add(rule)
			}
		}
		pools = slices.DeleteFunc(pools, func(allowed string) bool {
			rule, _, _ := strings.Cut(allowed, "@")
			return rules[rule]
		})
	}
	var options []string
	if len(plain) > 0 {
		options = append(options, option("--allow", strings.Join(plain, ","))...)
	}
	for _, allowed := range pools {
		options = append(options, option("--allow", allowed)...)
	}
	return options
}

// explainUnknownPool explains an --allow RULE@POOL whose pool does not exist.
func explainUnknownPool(e *safety.UnknownPoolError, _ error) (code int, msg, hint string) {
	known := make([]string, 0, render.MaxLines)
	for i, name := range e.Known {
		if i == render.MaxLines {
			known = append(known, "...")
			break
		}
		known = append(known, quote(name))
	}
	hint = "nothing was written"
	if len(known) > 0 {
		hint += "; --allow " + e.Rule + "@POOL takes: " + strings.Join(known, ", ")
	}
	return exitUsage, "no pool " + strconv.Quote(e.Pool) + " for --allow " + e.Rule + nearest.Suggest(e.Pool, e.Known), hint
}
