package config

import (
	"strings"
)

// A Reason classifies an Error, so that the caller can suggest what to do.
type Reason int

// The reasons.
const (
	Invalid        Reason = iota // the setting does not take this value
	OnlyInFiles                  // the environment must not set the setting
	Looser                       // the environment must not loosen the setting
	NothingToServe               // no part of serve is switched on
	GatewayOff                   // the setting is for the gateway, which is not switched on
)

// Error reports a setting that cannot be used. A mistake at a position in a file
// is a *yamldoc.Error instead.
type Error struct {
	Reason  Reason
	Setting string // its name in the file; empty if it is not in a file
	Msg     string // one line that names the source of the value
	Fix     string // lines that say what to write instead; may be empty
}

func (e *Error) Error() string { return e.Msg }

// FileError reports that a file that was named does not exist or cannot be read.
type FileError struct {
	Kind string // "configuration" or "schema"
	File string
	Err  error
}

func (e *FileError) Error() string { return e.Kind + " file " + e.File + ": " + e.Err.Error() }

// Unwrap returns Err, an error of the file system.
func (e *FileError) Unwrap() error { return e.Err }

// NotFoundError reports that no configuration was named and none was found.
type NotFoundError struct {
	Files []string // the files that do not exist
}

func (e *NotFoundError) Error() string {
	return "no configuration file: there is no " + strings.Join(e.Files, " and no ")
}

// ExistsError reports that a file exists and was not overwritten.
type ExistsError struct{ File string }

func (e *ExistsError) Error() string { return e.File + " already exists, nothing was written" }

// NeededError reports that something cannot be done because a setting that it
// needs has a mistake.
type NeededError struct {
	What    string // what needs the setting, such as "a change"
	Setting string
	Err     error // the mistake
}

func (e *NeededError) Error() string {
	return e.What + " needs the setting " + e.Setting + ", which has the mistake above"
}

// Unwrap returns Err.
func (e *NeededError) Unwrap() error { return e.Err }
