package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/dump"
	"github.com/conftool/confctl/pkg/editor"
	"github.com/conftool/confctl/pkg/etcdv2"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// The exit codes of the program.
const (
	exitDone        = 0 // done, or nothing to do
	exitFailed      = 1
	exitUsage       = 2 // the command line is wrong
	exitRefused     = 3 // by a safety rule
	exitNoMatch     = 4 // nothing matched
	exitConflict    = 5 // somebody else changed the same meanwhile
	exitUnavailable = 6 // the store is out of reach, nothing was written
	exitInvalid     = 7 // invalid data
	exitDeclined    = 8 // the question was not answered with yes
	exitUnknown     = 9 // it is not known whether the change was made
)

// exitNote is the annotation of a command with its exit codes, with which its help
// ends.
const exitNote = "exit codes"

// changeCodes annotates a command that makes changes with the codes it uses.
func changeCodes(codes ...int) map[string]string {
	notes := exitCodes(codes...)
	notes[changing] = "yes"
	return notes
}

// exitCodes annotates a command with the codes it uses.
func exitCodes(codes ...int) map[string]string {
	meaning := map[int]string{
		exitDone: "done, or nothing to change", exitFailed: "failed", exitUsage: "usage",
		exitRefused: "refused by a safety rule", exitNoMatch: "nothing matched", exitConflict: "conflict with another change",
		exitUnavailable: "store unavailable, nothing written", exitInvalid: "invalid data",
		exitDeclined: "declined", exitUnknown: "outcome unknown",
	}
	parts := make([]string, len(codes))
	for i, c := range codes {
		parts[i] = fmt.Sprintf("%d %s", c, meaning[c])
	}
	return map[string]string{exitNote: strings.Join(parts, " · ")}
}

// usageError is a command line that cannot be followed.
type usageError struct {
	msg  string
	hint string
}

func (e *usageError) Error() string { return e.msg }

// noMatchError is a command that found nothing to work on.
type noMatchError struct {
	msg  string
	hint string
}

func (e *noMatchError) Error() string { return e.msg }

// unwrittenError is a change that failed before anything was written, or whose
// outcome is not known.
type unwrittenError struct {
	err   error
	where []string // options that name the configuration
}

func (e *unwrittenError) Error() string { return e.err.Error() }
func (e *unwrittenError) Unwrap() error { return e.err }

// declinedError is a question that was not answered with yes.
type declinedError struct {
	msg string // empty if everything is said already
}

func (e *declinedError) Error() string { return e.msg }

// partlyError ends a command that did what it could and has said what is
// wrong with the rest.
type partlyError struct {
	code int
}

func (e *partlyError) Error() string { return "" }

// faultyError ends a command that left something out, since there are faults in
// the files or the schema, which it has told of. That goes before a refusal by a
// rule: whoever waits for that to pass would never learn of the faults.
type faultyError struct{ err error } // what else is the matter; may be nil

func (e *faultyError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

// Unwrap returns what else is the matter.
func (e *faultyError) Unwrap() error { return e.err }

// isRefusal reports whether rules have refused all or part of a change.
func isRefusal(err error) bool {
	code, _, _ := explain(err)
	return code == exitRefused
}

// report says what went wrong, and returns the exit code.
func report(std term.Streams, err error) int {
	if err == nil {
		return exitDone
	}
	code, msg, hint := explain(err)
	for _, line := range text.Lines(msg) {
		std.Say("%s", line)
	}
	std.Detail(text.Lines(hint)...)
	return code
}

// reportAlso says in one line why a change was not made, to a person who does not
// see what report says.
func reportAlso(std term.Streams, err error) {
	if err == nil {
		return
	}
	_, msg, hint := explain(err)
	if first := append(text.Lines(hint), "")[0]; msg != "" && first != "" {
		std.SayOnOutput(text.OneLine(msg) + ": " + first)
	} else if msg != "" {
		std.SayOnOutput(msg)
	}
}

// explain says of an error which exit code it has, what to tell, and in a hint
// what to do next.
func explain(err error) (code int, msg, hint string) {
	for _, row := range explanations() {
		if code, msg, hint, ok := row(err); ok {
			return code, msg, hint
		}
	}
	return exitFailed, message(err), ""
}

// message is what an error says: a line for each error that it joins. A line end
// anywhere else is that of a name or a file in it, which must not begin a line.
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

// explanation explains the errors of one sort; it is not ok for any other.
type explanation func(error) (code int, msg, hint string, ok bool)

// explanations is the one table from an error to an exit code, a message and a
// hint. An error wraps others, so the first row that fits counts.
func explanations() []explanation {
	return []explanation{
		in(explainFaulty),
		in(explainKept),
		in(explainUnstored),
		in(explainBegun),
		in(explainNeeded),
		as(exitUnknown, func(e *store.UnknownError, err error) string { return unknownHint(err, e) }), // before what it may have come of
		as(exitUsage, func(e *usageError, _ error) string { return e.hint }),
		as(exitUsage, func(e *selector.Error, _ error) string { return e.Hint }),
		as(exitUsage, func(e *object.ActionError, _ error) string { return e.Hint }),
		as(exitUsage, func(e *schema.UnknownTypeError, _ error) string { return typesHint(e) }),
		in(explainUnknownPool),
		as(exitNoMatch, func(e *noMatchError, _ error) string { return e.hint }),
		as(exitUnknown, func(e *unsettledError, _ error) string { return e.hint }),
		as(exitNoMatch, says[*sal.NoRecordError]("see confctl log")),
		as(exitNoMatch, notAsideHint),
		as(exitNoMatch, func(_ *sal.VoidError, err error) string { return nothingWritten(err) }),
		as(exitDeclined, says[*declinedError]("")),
		in(func(e *partlyError, err error) (int, string, string) { return e.code, message(err), "" }),
		as(exitRefused, func(e *refusalError, _ error) string { return e.hint }),
		in(explainExpected),
		in(explainReverts),
		in(func(e *change.ConflictError, _ error) (int, string, string) {
			return exitConflict, conflictText(e), conflictHint(e)
		}),
		as(exitConflict, says[*store.ConflictError]("try again in a moment")),
		as(exitConflict, func(e *overtakenError, _ error) string { return e.hint() }),
		as(exitConflict, func(e *unconfirmedError, _ error) string { return e.hint() }),
		in(explainUnavailable),
		as(exitFailed, func(_ *store.DeniedError, err error) string { return nothingWritten(err) }),
		in(explainV2),
		in(func(e *dump.FaultsError, err error) (int, string, string) {
			return exitInvalid, faultsText(e), faultsHint(err)
		}),
		as(exitInvalid, says[*store.TooLargeError]("nothing was written; choose fewer objects at a time, or smaller values")),
		as(exitInvalid, says[*unruledError]("nothing was written: mend the rule; to do without any rule, once: --emergency")),
		as(exitInvalid, says[*schema.InvalidError]("")),
		in(func(e *yamldoc.Error, err error) (int, string, string) {
			return exitInvalid, message(err) + faultHint(e), ""
		}),
		as(exitInvalid, func(e *object.InvalidError, _ error) string { return e.Hint }),
		as(exitFailed, says[*sal.AsideError](asideHint)),
		in(explainOutput),
		as(exitUsage, says[term.NoTerminalError]("leave standard output or standard error on the terminal; --yes answers with yes")),
		explainInterrupt,
	}
}

// in is a row for errors of a type that stand somewhere in an error, with what
// they come to: f is given both.
func in[E error](f func(e E, err error) (code int, msg, hint string)) explanation {
	return func(err error) (code int, msg, hint string, ok bool) {
		var e E
		if !errors.As(err, &e) {
			return 0, "", "", false
		}
		code, msg, hint = f(e, err)
		return code, msg, hint, true
	}
}

// as is a row for errors of a type that have a code, say themselves what is
// wrong, and want but a hint.
func as[E error](code int, hint func(e E, err error) string) explanation {
	return in(func(e E, err error) (int, string, string) { return code, message(err), hint(e, err) })
}

// says is the same hint for all errors of a type.
func says[E error](hint string) func(E, error) string {
	return func(E, error) string { return hint }
}

func explainFaulty(e *faultyError, err error) (code int, msg, hint string) {
	if e.err == nil {
		return exitInvalid, message(err), ""
	}
	_, msg, hint = explain(e.err)
	return exitInvalid, msg, hint
}

// explainKept explains what ended an edit, and where what was typed is.
func explainKept(e *editor.KeptError, err error) (code int, msg, hint string) {
	code, msg, hint = explain(e.Err)
	if errors.As(err, new(*editor.RejectedError)) {
		code = exitInvalid
	}
	if !errors.Is(e.Err, editor.ErrRemoved) {
		hint += "\nyour text is kept in " + e.Path
	}
	if len(e.Beside) > 0 {
		hint += "\nwhat you did not save may be in " + strings.Join(e.Beside, ", ") + "; to recover it in vim: vim -r " + quote(e.Path)
	}
	return code, msg, strings.TrimLeft(hint, "\n")
}

func explainExpected(_ *change.ExpectError, err error) (code int, msg, hint string) {
	return exitRefused, "refused: " + message(err) + ", nothing changed", "--dry-run shows what would change"
}

func explainOutput(_ *term.OutputError, err error) (code int, msg, hint string) {
	switch {
	case errors.Is(err, syscall.EPIPE):
		return exitFailed, "", "" // whoever read it has seen enough
	case errors.Is(err, context.Canceled):
		return exitFailed, "interrupted", nothingWritten(err)
	case nothingWritten(err) != "":
		return exitFailed, err.Error() + "; " + nothingWritten(err), ""
	}
	return exitFailed, message(err), ""
}

// explainInterrupt explains an end that an operator or a signal asked for.
func explainInterrupt(err error) (code int, msg, hint string, ok bool) {
	if !errors.Is(err, context.Canceled) {
		return 0, "", "", false
	}
	return exitFailed, "interrupted", nothingWritten(err), true
}

// explainV2 explains why the keys of an etcd v2 could not be read.
func explainV2(e *etcdv2.Error, err error) (code int, msg, hint string) {
	codes := map[etcdv2.Kind]int{etcdv2.Misused: exitUsage, etcdv2.Unavailable: exitUnavailable, etcdv2.Absent: exitNoMatch}
	code = exitFailed
	if known, ok := codes[e.Kind]; ok {
		code = known
	}
	hint = e.Hint
	if e.Kind == etcdv2.Misused || e.Kind == etcdv2.Denied {
		hint = strings.TrimLeft(hint+"\nuser, password and certificates for it: --v2-etcdrc FILE", "\n")
	}
	return code, message(err), hint
}

// faultsText is what is wrong with a file, or the beginning of it.
func faultsText(e *dump.FaultsError) string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = text.OneLine(faultText(f))
	}
	return strings.Join(render.Limit(lines), "\n")
}

// faultText is a fault and, where there is a command for it, what to type next.
func faultText(f *yamldoc.Error) string { return f.Error() + faultHint(f) }

func faultHint(f *yamldoc.Error) string {
	switch f.Rule {
	case dump.RuleCompressed:
		return "; gunzip it first, or: zcat FILE | confctl import -"
	case dump.RuleDataFile:
		return "; to make the store like such files: confctl sync --directory DIR"
	case dump.RuleSchemaFile:
		return "; a schema is named with --schema FILE"
	case dump.RuleUnreadable:
		return "; --repair overwrites or removes it"
	}
	return ""
}

// faultsHint says what of a file can be had all the same.
func faultsHint(err error) string {
	hint := nothingWritten(err)
	if errors.As(err, new(*misfitError)) {
		hint += "; --skip-invalid leaves out what does not fit, and writes the rest"
	}
	return hint
}

// nothingWritten says so, where there was something to write.
func nothingWritten(err error) string {
	if errors.As(err, new(*unwrittenError)) {
		return "nothing was written"
	}
	return ""
}

// explainBegun explains a change that was made in part: whatever ended it, it
// is not true that nothing was written.
func explainBegun(e *change.PartlyDoneError, _ error) (int, string, string) {
	code, why, hint := exitFailed, text.OneLine(e.Err.Error()), "what is done stays done; run it again for the rest"
	var unknown *store.UnknownError
	switch {
	case errors.As(e.Err, &unknown):
		code, hint = exitUnknown, unknownHint(e.Err, unknown)+"\n"+hint
	case errors.Is(e.Err, context.Canceled):
		why = "interrupted"
	}
	msg := fmt.Sprintf("only partly done: %d objects changed as %s, then: %s", len(e.Done.Objects), e.Done.ID, why)
	return code, msg, hint
}

func typesHint(e *schema.UnknownTypeError) string {
	from := "there is no schema file, so only the built-in type is known"
	if e.File != "" {
		from = "known in " + e.File + ": " + strings.Join(e.Known, ", ")
	}
	return from
}

func unavailableText(e *store.UnavailableError) string {
	if len(e.Tried) == 1 {
		return text.OneLine(fmt.Sprintf("the store at %s is unavailable: %v", e.Tried[0].Address, e.Tried[0].Err))
	}
	all := "the store is unavailable"
	for _, t := range e.Tried {
		all += "\n  " + text.OneLine(fmt.Sprintf("%s: %v", t.Address, t.Err))
	}
	return all
}

func unknownHint(err error, e *store.UnknownError) string {
	var where []string
	var unwritten *unwrittenError
	if errors.As(err, &unwritten) {
		where = unwritten.where
	}
	if !strings.Contains(e.Once, "/journal/") {
		return "whether it was written is not known; look before you repeat it"
	}
	id := e.Once[strings.LastIndexByte(e.Once, '/')+1:]
	return commandFor(where, "log", "show", id, "--wait") + " settles it, before you repeat it"
}

// conflictText shows what somebody else did, and what was to be done.
func conflictText(e *change.ConflictError) string {
	if e.Busy != nil || e.Void != nil {
		return e.Error() + "; nothing was written"
	}
	lines := append([]string{"somebody else made a change meanwhile, nothing was written"}, render.Conflicts(e.Objects)...)
	return strings.Join(lines, "\n")
}

func conflictHint(e *change.ConflictError) string {
	if e.Void != nil {
		return "run it again, if it is still wanted"
	}
	if e.Busy != nil {
		return "try again in a moment"
	}
	return "run it again to start from what is there now"
}

// cause is an error of the file system without the operation and the path.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.Err
	}
	return err
}
