package cli

import (
	"errors"
	"strings"

	"github.com/conftool/confctl/internal/config"
	"github.com/conftool/confctl/internal/dump"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// explain returns the exit code of an error, the message to print, and a hint about
// what to do next.
func explain(err error) (code int, msg, hint string) {
	for _, row := range explanations() {
		if code, msg, hint, ok := row(err); ok {
			return code, msg, hint
		}
	}
	return exitFailed, message(err), ""
}

// message returns the message of an error, with one line for each error that it
// joins. A line break anywhere else comes from a name or a file in it, which must
// not start a new line, so it is replaced or escaped.
func message(err error) string {
	for e := err; e != nil; e = errors.Unwrap(e) {
		all, joins := e.(interface{ Unwrap() []error })
		if !joins {
			continue
		}
		parts := all.Unwrap()
		if errors.Join(parts...).Error() != err.Error() {
			return text.OneLine(err.Error())
		}
		messages := make([]string, len(parts))
		for i, part := range parts {
			messages[i] = message(part)
		}
		return strings.Join(messages, "\n")
	}
	return text.Line(err.Error())
}

// An explanation explains the errors of one kind. It returns ok false for all
// others.
type explanation func(error) (code int, msg, hint string, ok bool)

// explanations returns the table that maps errors to exit codes, messages and hints.
// An error may match several rows, because it wraps other errors; the first match
// applies.
func explanations() []explanation {
	return []explanation{
		row(explainFaulty),
		row(explainKept),
		row(explainUnstored),
		row(explainBegun),
		row(explainNeeded),
		row(explainSetting),
		row(explainConfigFile),
		row(explainNoConfig),
		row(explainListen),
		coded(exitUsage, hinting[*config.ExistsError]("name another directory with --dir")),
		coded(exitUnknown, func(e *store.UnknownError, err error) string { return unknownHint(err, e) }), // before the errors that it may wrap
		coded(exitUsage, func(e *usageError, _ error) string { return e.hint }),
		coded(exitUsage, func(e *selector.Error, _ error) string { return e.Hint }),
		coded(exitUsage, func(e *object.ActionError, _ error) string { return e.Hint }),
		coded(exitUsage, func(e *schema.UnknownTypeError, _ error) string { return typesHint(e) }),
		row(explainUnknownPool),
		coded(exitNoMatch, func(e *noMatchError, _ error) string { return e.hint }),
		coded(exitUnknown, func(e *unsettledError, _ error) string { return e.hint }),
		coded(exitNoMatch, hinting[*sal.NoRecordError]("see confctl log")),
		coded(exitNoMatch, notAsideHint),
		coded(exitNoMatch, func(_ *sal.VoidError, err error) string { return nothingWritten(err) }),
		coded(exitDeclined, hinting[*declinedError]("")),
		row(func(e *partlyError, err error) (int, string, string) { return e.code, message(err), "" }),
		coded(exitRefused, func(e *refusalError, _ error) string { return e.hint }),
		row(explainExpected),
		row(explainReverts),
		row(func(e *change.ConflictError, _ error) (int, string, string) {
			return exitConflict, conflictText(e), conflictHint(e)
		}),
		coded(exitConflict, hinting[*store.ConflictError]("try again in a moment")),
		coded(exitConflict, func(e *overtakenError, _ error) string { return e.hint() }),
		coded(exitConflict, func(e *unconfirmedError, _ error) string { return e.hint() }),
		row(explainUnavailable),
		coded(exitFailed, func(_ *store.DeniedError, err error) string { return nothingWritten(err) }),
		row(explainV2),
		row(func(e *dump.FaultsError, err error) (int, string, string) {
			return exitInvalid, faultsText(e), faultsHint(err)
		}),
		coded(exitInvalid, hinting[*store.TooLargeError]("nothing was written; choose fewer objects at a time, or smaller values")),
		coded(exitInvalid, hinting[*unruledError]("nothing was written: mend the rule; to do without any rule, once: --emergency")),
		coded(exitInvalid, hinting[*schema.InvalidError]("")),
		row(func(e *yamldoc.Error, err error) (int, string, string) {
			return exitInvalid, message(err) + faultHint(e), ""
		}),
		coded(exitInvalid, func(e *object.InvalidError, _ error) string { return e.Hint }),
		coded(exitFailed, hinting[*sal.AsideError](asideHint)),
		row(explainOutput),
		coded(exitUsage, hinting[term.NoTerminalError]("leave standard output or standard error on the terminal; --yes answers with yes")),
		explainInterrupt,
	}
}

// row returns an explanation of the errors that wrap an E. It calls f with the E and
// the whole error.
func row[E error](f func(e E, err error) (code int, msg, hint string)) explanation {
	return func(err error) (code int, msg, hint string, ok bool) {
		var e E
		if !errors.As(err, &e) {
			return 0, "", "", false
		}
		code, msg, hint = f(e, err)
		return code, msg, hint, true
	}
}

// coded returns an explanation of the errors that wrap an E: their own message, an
// exit code and a hint.
func coded[E error](code int, hint func(e E, err error) string) explanation {
	return row(func(e E, err error) (int, string, string) { return code, message(err), hint(e, err) })
}

// hinting returns a function that returns the same hint for all errors of a type.
func hinting[E error](hint string) func(E, error) string {
	return func(E, error) string { return hint }
}
