package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/readers"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/sal"
)

// readerOptions are the options of check readers.
type readerOptions struct {
	urls              []string
	only              string // selector of the objects that the readers at the URLs read
	ca                string // file of certificate authorities
	typed             bool   // --object-type was given
	since             string // the id of a change, or "last"
	warning, critical time.Duration
	timeout           time.Duration
}

func newCheckReaders(std term.Streams, g *globals) *cobra.Command {
	var o readerOptions
	cmd := &cobra.Command{
		Use:   "readers [URL...]",
		Short: "Check whether the readers have seen the last changes",
		Long: `Check whether the readers of the store have seen the last changes. The readers
are those that the types of the schema declare (readers:, see docs/readers.md),
those of --object-type, or the given URLs. What they report is compared with
the store:

  http://HOST/w/api.php         MediaWiki, which reports an index
  http://HOST:9090/pools/POOL   PyBal, which reports the enabled hosts
  file:///PATH                  a local file with "index: NUMBER" in its header
  http://HOST/...               anything that answers with an index

{TAG} in a URL stands for each value of that tag in the store.

The output is that of a monitoring plugin: one line with numbers for graphs,
then one line a reader, worst first, then what cannot be checked. A reader that
is later than its limit (within:, 30s) is WARNING, and CRITICAL at four times
that. With --since it is WARNING at once.`,
		Annotations: using("object-type", map[string]string{exitNote: pluginCodes}),
		Example: `  confctl check readers
  confctl check readers --since last
  confctl check readers --object-type mwconfig https://en.example.org/w/api.php
  confctl check readers --only dc=north 'http://lvs1:9090/pools/{cluster}'`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.urls, o.typed = args, cmd.Flag("object-type").Changed
			if err := o.check(cmd); err != nil {
				return unknownAtWorst(std, err)
			}
			if err := g.noFormat("check readers"); err != nil {
				return unknownAtWorst(std, err)
			}
			var text string
			var level readers.Level
			quiet := std
			if !g.debug {
				quiet.Err = io.Discard // monitoring systems would take it for the first line
			}
			err := with(quiet, g, func(a *app.App) (err error) {
				text, level, err = checkReaders(cmd.Context(), quiet, g, a, o)
				return err
			})
			if err != nil {
				return unknownAtWorst(std, err)
			}
			return printLevel(std, text, level)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.only, "only", "", "the objects that the readers at the URLs read, as `SELECTOR`")
	f.StringVar(&o.ca, "ca", "", "`FILE` of certificate authorities for https, for readers that declare none (default: those of the system)")
	must(cmd.MarkFlagFilename("ca"))
	f.StringVar(&o.since, "since", "", "check only whether the readers have seen this change: an `ID`, or last for your newest")
	f.DurationVar(&o.warning, "warning", 0, "report WARNING for a reader that is late by `DURATION`, such as 30s")
	f.DurationVar(&o.critical, "critical", 0, "report CRITICAL for a reader that is late by `DURATION`")
	f.DurationVar(&o.timeout, "timeout", 5*time.Second, "wait `DURATION` for each reader")
	must(cmd.RegisterFlagCompletionFunc("since", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		words := completer{g}.changes(func(r sal.Stored, _ bool) bool { return !r.Refused() })
		return append([]string{"last\tyour newest change"}, words...), noFile | cobra.ShellCompDirectiveKeepOrder
	}))
	return cmd
}

// check returns an error if options have invalid values or exclude each other.
func (o readerOptions) check(cmd *cobra.Command) error {
	for _, name := range []string{"host", "quiet"} {
		if cmd.Flag(name).Changed {
			return notForChanges(cmd, name)
		}
	}
	for _, name := range []string{"warning", "critical", "timeout"} {
		if f := cmd.Flag(name); f.Changed && (f.Value.String() == "0s" || strings.HasPrefix(f.Value.String(), "-")) {
			return &usageError{fmt.Sprintf("--%s cannot be %s", name, f.Value), "it takes a length of time above 0, such as 30s or 5m"}
		}
	}
	switch {
	case o.critical > 0 && o.critical < o.warning:
		return &usageError{fmt.Sprintf("--critical %v is less than --warning %v", o.critical, o.warning), ""}
	case o.only != "" && len(o.urls) == 0:
		return &usageError{"--only says what a URL reads, and there is none", "of a declared reader the schema says it: readers: [{only: SELECTOR, ...}]"}
	}
	return nil
}

// checkReaders checks the readers and returns the report and its level.
func checkReaders(ctx context.Context, std term.Streams, g *globals, a *app.App, o readerOptions) (string, readers.Level, error) {
	asked, results, err := chosenReaders(std, g, a, o)
	if err != nil {
		return "", readers.Unknown, err
	}
	check := readers.Check{Readers: asked, Warning: o.warning, Critical: o.critical, Timeout: o.timeout, CA: o.ca, Now: time.Now}
	if check.Since, err = sinceChange(ctx, g, a, o.since); err != nil {
		return "", readers.Unknown, err
	}
	check.Objects = func(ctx context.Context) (object.Snapshot, error) { return readersObjects(ctx, a, asked) }
	var broken *sal.BrokenError
	check.Read = func(ctx context.Context) (state readers.State, err error) {
		state, broken, err = readersState(ctx, a, asked)
		return state, err
	}
	if len(asked) > 0 {
		answered, err := check.Run(ctx)
		if err != nil {
			return "", readers.Unknown, err
		}
		results = append(answered, results...)
	}
	report, level := readers.Report(results)
	if broken != nil {
		report += fmt.Sprintf("note: %s of the journal cannot be read, so a reader may be later than it seems; see confctl log\n", text.Count(len(broken.Errs), "record"))
	}
	return report, level, nil
}

// maxRecords is how many of the newest journal records are compared with the
// readers. A reader that has not seen an older change is at least as late as the
// oldest of these records.
const maxRecords = 2_000

// readersObjects reads the objects of all types that the readers read.
func readersObjects(ctx context.Context, a *app.App, asked []readers.Reader) (object.Snapshot, error) {
	var queries []catalog.Query
	for _, r := range asked {
		for _, t := range r.Types() {
			if !slices.ContainsFunc(queries, func(have catalog.Query) bool { return have.Type == t }) {
				queries = append(queries, catalog.Query{Type: t})
			}
		}
	}
	return a.Catalog.Read(ctx, queries...)
}

// readersState returns what the readers are compared with. It reads the objects
// before the journal, so that the journal has the record of each change that the
// objects show. The *sal.BrokenError lists the records that cannot be read; it is
// nil if all can be read.
func readersState(ctx context.Context, a *app.App, asked []readers.Reader) (readers.State, *sal.BrokenError, error) {
	snapshot, err := readersObjects(ctx, a, asked)
	if err != nil {
		return readers.State{}, nil, err
	}
	records, err := a.Journal().Newest(ctx, maxRecords)
	if err != nil && !sal.Incomplete(err) {
		return readers.State{}, nil, err
	}
	var broken *sal.BrokenError
	errors.As(err, &broken)
	return readers.State{Snapshot: snapshot, Journal: records}, broken, nil
}
