package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/config"
	"github.com/conftool/confctl/internal/lint"
	"github.com/conftool/confctl/internal/nearest"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
)

// lintOptions are the options of lint.
type lintOptions struct {
	directory string
	format    string
	strict    bool
	against   string
	schemas   string // the directory of JSON schemas
	rules     bool
}

func newLint(std term.Streams, g *globals) *cobra.Command {
	var o lintOptions
	cmd := &cobra.Command{
		Use:   "lint [PATH...]",
		Short: "Check the schema, the safety rules and the data files",
		Long: `Check the schema, the JSON schemas, the safety rules and the data files.

This needs no store, no network and, if --schema and --directory are given, no
configuration. Each finding has a file, line and column, the name of a rule,
and what to do about it; --rules lists the rules.

If every PATH is in the data directory, findings about data are limited to them.
Findings about anything else, such as the schema, are always shown.

An absolute base_path, as on an installed site, is looked for beside the schema
by its last parts; --json-schema-dir names another directory. The tree under
review is the git repository, or the working directory, around these files.
Symbolic links, paths and references that lead out of the tree are errors and
are not followed.

--against compares the data with the store (the word store) or with an export,
and shows what a sync would create and remove. The exit code is that of the
sync: 3 if a safety rule would hold something back, 7 if something could not be
compared.`,
		Annotations: map[string]string{exitNote: "0 no error · 1 failed · 2 usage · 3 a safety rule would refuse the sync · 6 store unavailable · 7 an error was found, or a warning with --strict, or a sync could not make all changes"},
		Example: `  confctl lint
  confctl lint --schema schema.yaml --directory conftool-data --strict
  confctl lint --format github --against export.jsonl`,
		RunE: func(cmd *cobra.Command, paths []string) error {
			if err := allTypes(cmd); err != nil {
				return err
			}
			if err := g.noFormat("lint"); err != nil {
				return err
			}
			if !slices.Contains(lintFormats(), o.format) {
				return &usageError{fmt.Sprintf("lint has no format %q%s", o.format, nearest.Suggest(o.format, lintFormats())), "formats: " + strings.Join(lintFormats(), ", ")}
			}
			l := linter{Streams: std, globals: g, lintOptions: o}
			if o.rules {
				return l.listRules()
			}
			return l.run(cmd.Context(), paths)
		},
	}
	addDirectory(cmd, &o.directory)
	f := cmd.Flags()
	f.StringVar(&o.format, "format", "text", "`FORMAT` of the findings: text, json or github")
	f.BoolVar(&o.strict, "strict", false, "treat warnings as errors")
	f.StringVar(&o.against, "against", "", "also show what a sync would change in `STORE|FILE`: the word store, or an export")
	f.StringVar(&o.schemas, "json-schema-dir", "", "look for JSON schemas in `DIR`, by the last parts of their paths in the schema")
	must(cmd.MarkFlagDirname("json-schema-dir"))
	f.BoolVar(&o.rules, "rules", false, "list the rules")
	must(cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(lintFormats(), cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}

func lintFormats() []string { return []string{"text", "json", "github"} }

// A linter runs lint once.
type linter struct {
	term.Streams
	*globals
	lintOptions
	settings *config.Settings
}

func (l *linter) run(ctx context.Context, paths []string) error {
	// Lint writes nothing, so an interrupt may end it at any point, even while it
	// checks a file that takes long.
	l.Interrupts.EndAtOnce()
	settings, err := lintSettings(l.globals)
	if err != nil {
		return err
	}
	l.settings = settings
	warnMistakes(l.Streams, settings)
	l.warnExposed(l.Streams, settings)
	scope, err := l.scope(paths)
	if err != nil {
		return err
	}
	result, err := checkInTime(lint.Input{
		Schema:    settings.SchemaFile,
		PoolsPath: settings.PoolsPath,
		Safety:    settings.SafetyFile(),
		Readers:   settings.ReadersFile(),
		Data:      scope.data,

		JSONSchemas: l.schemas,
		Trees:       l.trees(scope),
		Config:      settings.File,
	})
	if err != nil {
		return err
	}
	if err := scope.check(result); err != nil {
		return err
	}
	result.Findings = slices.DeleteFunc(result.Findings, func(f lint.Finding) bool { return !scope.has(f) })
	withOptions(result.Findings)
	var m *render.Merge
	var failed error // the error of the comparison; the findings are printed anyway
	if l.against != "" && result.Schema != nil {
		m, failed = l.merge(ctx, result, scope)
	}
	if err := l.print(result, m); err != nil {
		return err
	}
	return l.verdict(result, m, failed)
}

// lintTime limits the duration of lint to about a hundred times what a large site
// needs.
const lintTime = 30 * time.Second

// checkInTime runs lint.Check and returns an error if it takes longer than
// lintTime, so that no file can keep a CI job busy. After a timeout the check runs
// on in its goroutine until the program exits.
func checkInTime(in lint.Input) (lint.Result, error) {
	var path atomic.Value
	path.Store(in.Schema)
	in.Progress = func(p string) { path.Store(p) }
	done := make(chan lint.Result, 1)
	go func() { done <- lint.Check(in) }()
	timer := time.NewTimer(lintTime)
	defer timer.Stop()
	select {
	case result := <-done:
		return result, nil
	case <-timer.C:
		return lint.Result{}, &faultyError{fmt.Errorf("lint was not done within %v; the last that it looked at is %v", lintTime, path.Load())}
	}
}

// lintSettings returns the settings of the configuration, or the default settings
// if there is no configuration, because a CI job may have only the files to check.
func lintSettings(g *globals) (*config.Settings, error) {
	if g.config != "" {
		beside := filepath.Join(filepath.Dir(g.config), "confctl.yaml")
		if err := cmp.Or(staysIn(g.config, g.config, "--config FILE"), staysIn(g.config, beside, "--config FILE")); err != nil {
			return nil, err
		}
	}
	s, err := g.loadSettings()
	if !errors.As(err, new(*config.NotFoundError)) {
		return s, err
	}
	s = config.Default()
	if g.schema != "" {
		s.SchemaFile, err = config.FindSchema(g.schema, "")
		return s, err
	}
	return s, nil
}

// verdict returns the error with the exit code of lint, or nil. Findings come
// first, then the result that a sync would have. Failed is the error of the
// comparison with the store or the export.
func (l *linter) verdict(r lint.Result, m *render.Merge, failed error) error {
	errs, warnings := render.Severities(r.Findings)
	found := errs > 0 || l.strict && warnings > 0
	switch {
	case found && failed != nil:
		return &faultyError{failed}
	case failed != nil:
		return failed
	case found, m != nil && len(m.Left) > 0:
		return &partlyError{exitInvalid}
	case m != nil && len(m.Refused) > 0:
		return &partlyError{exitRefused}
	}
	return nil
}
