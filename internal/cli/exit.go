package cli

import (
	"fmt"
	"strings"

	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
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
