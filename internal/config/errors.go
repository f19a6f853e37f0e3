package config

import (
	"strings"
)

// Reason says why a setting cannot be used, for whoever suggests what to do.
type Reason int

// The reasons.
const (
	Invalid        Reason = iota // the value is none that the setting takes
	OnlyInFiles                  // the environment must not set it
	Looser                       // the environment must not loosen it
	NothingToServe               // no part of serve is switched on
	GatewayOff                   // a setting of the gateway, which is not switched on
)

// Error reports a setting that cannot be used. A mistake at a place in a file is a
// *yamldoc.Error instead.
type Error struct {
	Reason  Reason
	Setting string // as it is called in the file; empty if it is none
	Msg     string // one line, which names where the value comes from
	Fix     string // what to write instead, in lines; may be empty
}

func (e *Error) Error() string { return e.Msg }

// FileError reports that a file that was named is not there or cannot be read.
type FileError struct {
	Kind string // "configuration" or "schema"
	File string
	Err  error
}

func (e *FileError) Error() string { return e.Kind + " file " + e.File + ": " + e.Err.Error() }

// Unwrap returns the error of the file system.
func (e *FileError) Unwrap() error { return e.Err }

// NotFoundError reports that there is no configuration, and none was named.
type NotFoundError struct {
	Files []string // that were looked for
}

func (e *NotFoundError) Error() string {
	return "no configuration file: there is no " + strings.Join(e.Files, " and no ")
}

// ExistsError reports a file that would be overwritten.
type ExistsError struct{ File string }

func (e *ExistsError) Error() string { return e.File + " already exists, nothing was written" }

// NeededError reports that something cannot be done because of a mistake in a
// setting it needs.
type NeededError struct {
	What    string // that needs it, such as "a change"
	Setting string
	Err     error // the mistake
}

func (e *NeededError) Error() string {
	return e.What + " needs the setting " + e.Setting + ", which has the mistake above"
}

// Unwrap returns the mistake.
func (e *NeededError) Unwrap() error { return e.Err }
