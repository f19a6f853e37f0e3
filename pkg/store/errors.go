package store

import (
	"errors"
	"fmt"
	"strings"
)

// ErrCompacted ends a Watch whose starting revision the store does not know: the
// store has forgotten it, or an older backup was restored.
var ErrCompacted = errors.New("the store has forgotten the changes since that revision")

// CompactedError is returned by a store that knows the oldest revision it remembers.
// It wraps ErrCompacted.
type CompactedError struct {
	Oldest Revision // a Watch after this one misses nothing, until more is forgotten
}

func (e *CompactedError) Error() string {
	return fmt.Sprintf("%v; those after %d are known", ErrCompacted, e.Oldest)
}

// Unwrap returns ErrCompacted.
func (e *CompactedError) Unwrap() error { return ErrCompacted }

// ConflictError reports a transaction that was not performed because some of its
// guards failed: another writer came first.
type ConflictError struct {
	Failed []FailedGuard // at least one
	// Spent reports that the Once key now holds the Void of the transaction: a caller
	// that plans again needs another key.
	Spent bool
}

// FailedGuard is a guard that did not hold, and the entry that was found.
type FailedGuard struct {
	Guard
	Found *Entry // the entry of a guarded key; nil if the key is absent or the guard is on a prefix
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

// Endpoint is an address at which the store was tried, and the error.
type Endpoint struct {
	Address string // as an operator writes it: a URL or a file name
	Err     error  // short, without the address
}

func (e *UnavailableError) Error() string {
	tried := make([]string, len(e.Tried))
	for i, t := range e.Tried {
		tried[i] = fmt.Sprintf("%s: %v", t.Address, t.Err)
	}
	return "store unavailable: " + strings.Join(tried, "; ")
}

// Unwrap returns the errors of the endpoints.
func (e *UnavailableError) Unwrap() []error {
	errs := make([]error, len(e.Tried))
	for i, t := range e.Tried {
		errs[i] = t.Err
	}
	return errs
}

// DamagedError reports contents of a store that differ from what was written, as
// after a disk fault. It is wrapped in an *UnavailableError.
type DamagedError struct {
	Problems []string // at least one
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
	User  string // empty if the request had no user
	Grant string // the permissions needed; may be empty. An example is "read /conftool/.confctl/ and write /conftool/v1/pools/"
	Err   error
}

func (e *DeniedError) Error() string {
	user := "without a user"
	if e.User != "" {
		user = "for user " + e.User
	}
	if e.Grant == "" {
		return fmt.Sprintf("denied by the store %s: %v", user, e.Err)
	}
	return fmt.Sprintf("denied by the store %s, it takes the permission to %s: %v", user, e.Grant, e.Err)
}

func (e *DeniedError) Unwrap() error { return e.Err }

// UnknownError reports a Commit whose outcome is not known: it may have happened, or
// may still happen. An absent Once key does not prove that it will not; committing a
// Void at the Once key settles the outcome either way.
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
