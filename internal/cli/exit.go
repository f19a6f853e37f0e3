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
	exitUsage       = 2 // the command line is invalid
	exitRefused     = 3 // a safety rule refused the change
	exitNoMatch     = 4 // nothing matched
	exitConflict    = 5 // somebody else changed the same objects
	exitUnavailable = 6 // the store is unavailable; nothing was written
	exitInvalid     = 7 // invalid data
	exitDeclined    = 8 // a question was not answered with yes
	exitUnknown     = 9 // it is unknown whether the change was made
)

// exitNote is the annotation of a command with its exit codes, for the end of its
// help.
const exitNote = "exit codes"

// changeCodes returns the annotations of a command that makes changes, with its exit
// codes.
func changeCodes(codes ...int) map[string]string {
	notes := exitCodes(codes...)
	notes[changing] = "yes"
	return notes
}

// exitCodes returns the annotation of a command with its exit codes.
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

// usageError reports an invalid command line.
type usageError struct {
	msg  string
	hint string
}

func (e *usageError) Error() string { return e.msg }

// noMatchError reports that a command found no objects or changes to work on.
type noMatchError struct {
	msg  string
	hint string
}

func (e *noMatchError) Error() string { return e.msg }

// unwrittenError reports a change that failed before anything was written, or whose
// outcome is unknown.
type unwrittenError struct {
	err   error
	where []string // options that name the configuration
}

func (e *unwrittenError) Error() string { return e.err.Error() }
func (e *unwrittenError) Unwrap() error { return e.err }

// declinedError reports that a question was not answered with yes.
type declinedError struct {
	msg string // empty if everything has been printed
}

func (e *declinedError) Error() string { return e.msg }

// partlyError ends a command that did what it could and has printed what is wrong
// with the rest.
type partlyError struct {
	code int
}

func (e *partlyError) Error() string { return "" }

// faultyError ends a command that left something out because of errors in the files
// or the schema, which it has printed. Its exit code takes precedence over that of a
// refusal: an operator who waits until the refusal no longer applies would never
// learn of the errors.
type faultyError struct{ err error } // another error of the command; may be nil

func (e *faultyError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

// Unwrap returns the other error of the command, which may be nil.
func (e *faultyError) Unwrap() error { return e.err }

// isRefusal reports whether safety rules refused all or part of a change.
func isRefusal(err error) bool {
	code, _, _ := explain(err)
	return code == exitRefused
}

// report prints an error and its hint, and returns the exit code.
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

// reportAlso prints on one line of standard output why a change was not made, if the
// operator may not see what report prints on standard error.
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
