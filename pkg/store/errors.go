package store

import (
	"errors"
	"fmt"
	"strings"
)

// ErrCompacted ends a Watch whose starting point the store does not know: it
// has forgotten it, or an older backup was restored.
var ErrCompacted = errors.New("the store has forgotten the changes since that revision")

// CompactedError is the ErrCompacted, as errors.Is has it, of a store that has
// forgotten but some of the changes.
type CompactedError struct {
	Oldest Revision // a Watch after this one misses nothing, until more is forgotten
}

func (e *CompactedError) Error() string {
	return fmt.Sprintf("%v; those after %d are known", ErrCompacted, e.Oldest)
}

// Unwrap returns ErrCompacted.
func (e *CompactedError) Unwrap() error { return ErrCompacted }

// ConflictError reports a transaction that was not performed because of its
// guards: somebody else wrote in between.
type ConflictError struct {
	Failed []FailedGuard // at least one
	// Spent says that the Once key exists by now and holds the Void of the
	// transaction: whoever plans again takes another key.
	Spent bool
}

// FailedGuard is a guard that did not hold, and what was found instead.
type FailedGuard struct {
	Guard
	Found *Entry // the entry of a guarded key; nil if it is absent, and for a prefix
}

func (e *ConflictError) Error() string {
	keys := make([]string, len(e.Failed))
	for i, f := range e.Failed {
		keys[i] = f.Key
	}
	return "changed by somebody else meanwhile: " + strings.Join(keys, ", ")
}

// TooLargeError reports a transaction beyond the limits of this package. It
// was not sent.
type TooLargeError struct {
	Writes, Bytes, Guards int
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("too large for one commit: %d writes of at most %d, %d bytes of at most %d, %d guards of at most %d",
		e.Writes, MaxWrites, e.Bytes, MaxBytes, e.Guards, MaxGuards)
}

// UnavailableError reports a store that could not be reached or did not answer.
// Nothing was written.
type UnavailableError struct {
	Tried []Endpoint // at least one
}

// Endpoint is a place where the store was looked for, and why that failed.
type Endpoint struct {
	Address string // as the operator would write it: a URL, or a file name
	Err     error  // short, without the address
}

func (e *UnavailableError) Error() string {
	tried := make([]string, len(e.Tried))
	for i, t := range e.Tried {
		tried[i] = fmt.Sprintf("%s: %v", t.Address, t.Err)
	}
	return "store unavailable: " + strings.Join(tried, "; ")
}

// Unwrap returns what each endpoint failed with.
func (e *UnavailableError) Unwrap() []error {
	errs := make([]error, len(e.Tried))
	for i, t := range e.Tried {
		errs[i] = t.Err
	}
	return errs
}

// DamagedError reports contents of a store that differ from what was written,
// as after a fault of a disk. It stands in an *UnavailableError.
type DamagedError struct {
	Problems []string // what does not fit; at least one
}

func (e *DamagedError) Error() string {
	text := "the file is damaged: " + e.Problems[0]
	if more := len(e.Problems) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

// DeniedError reports a request that the store refused to this user. Nothing
// was written.
type DeniedError struct {
	User  string // empty when none was given
	Grant string // what would be needed, such as "read /conftool/.confctl/ and write /conftool/v1/pools/"
	Err   error
}

func (e *DeniedError) Error() string {
	who := "without a user"
	if e.User != "" {
		who = "for user " + e.User
	}
	if e.Grant == "" {
		return fmt.Sprintf("denied by the store %s: %v", who, e.Err)
	}
	return fmt.Sprintf("denied by the store %s, it takes the permission to %s: %v", who, e.Grant, e.Err)
}

func (e *DeniedError) Unwrap() error { return e.Err }

// UnknownError reports a Commit whose outcome is not known: it may have
// happened, or may happen yet. That the Once key is absent does not settle it;
// to commit a Void at the Once key does, one way or the other.
type UnknownError struct {
	Once string
	Err  error
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("the store did not say whether the change was made: %v", e.Err)
}

func (e *UnknownError) Unwrap() error { return e.Err }

func malformed(format string, args ...any) error {
	return fmt.Errorf("malformed transaction: "+format, args...)
}
