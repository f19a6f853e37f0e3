package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/conftool/confctl/internal/dump"
	"github.com/conftool/confctl/internal/editor"
	"github.com/conftool/confctl/internal/etcdv2"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/yamldoc"
)

func explainFaulty(e *faultyError, err error) (code int, msg, hint string) {
	if e.err == nil {
		return exitInvalid, message(err), ""
	}
	_, msg, hint = explain(e.err)
	return exitInvalid, msg, hint
}

// explainKept explains an error that ended an edit. The hint names the file that
// keeps the edited text.
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
		return exitFailed, "", "" // the reader of the output has closed it
	case errors.Is(err, context.Canceled):
		return exitFailed, "interrupted", nothingWritten(err)
	case nothingWritten(err) != "":
		return exitFailed, err.Error() + "; " + nothingWritten(err), ""
	}
	return exitFailed, message(err), ""
}

// explainInterrupt explains that the operator or a signal interrupted a command.
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

// faultsText returns the faults of a file, one line each, up to the limit of lines.
func faultsText(e *dump.FaultsError) string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = text.OneLine(faultText(f))
	}
	return strings.Join(render.Limit(lines), "\n")
}

// faultText returns a fault, followed by what to type next if there is a command for
// it.
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

// faultsHint returns the hint about the faults of a file: that nothing was written,
// and how to import the rest.
func faultsHint(err error) string {
	hint := nothingWritten(err)
	if errors.As(err, new(*misfitError)) {
		hint += "; --skip-invalid leaves out what does not fit, and writes the rest"
	}
	return hint
}

// nothingWritten returns "nothing was written" if err is an *unwrittenError, and ""
// otherwise.
func nothingWritten(err error) string {
	if errors.As(err, new(*unwrittenError)) {
		return "nothing was written"
	}
	return ""
}

// explainBegun explains a change that was made in part. It precedes the explanations
// of its cause, which may say that nothing was written.
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

// conflictText shows what somebody else changed, and what this command would have
// changed.
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
