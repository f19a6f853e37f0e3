// Package sal keeps the journal, the server admin log: who changed what, where
// and when. The record of a change is written in the transaction of the change,
// so that one never exists without the other. Announcements are delivered from an
// outbox in the store to sinks.
package sal

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/value"
)

// A Record is the journal's entry for one change. It is stored as JSON with the
// field names of the Elastic Common Schema.
type Record struct {
	Time    time.Time    `json:"@timestamp"`
	Event   Event        `json:"event"`
	User    User         `json:"user"`
	Host    Host         `json:"host"`
	Process Process      `json:"process"`
	Change  ChangeRecord `json:"confctl"`
}

// The outcomes of an event in the Elastic Common Schema.
const (
	Success = "success"
	Failure = "failure" // a safety rule refused the change, or the record is void
)

// Event describes the change as an event.
type Event struct {
	ID      string `json:"id"`
	Action  string `json:"action"`            // the verb and its argument, such as set/pooled=no
	Outcome string `json:"outcome,omitempty"` // empty in records of earlier versions, which means success
	Reason  string `json:"reason,omitempty"`  // the operator's reason
}

// User is the user who made a change.
type User struct {
	Name string `json:"name"`         // the person, even with sudo
	ID   string `json:"id,omitempty"` // the numeric user id of the process
}

// Host is the host where a change was made.
type Host struct {
	Name string `json:"hostname"`
}

// Process is the process that made a change.
type Process struct {
	CommandLine string `json:"command_line"`
}

// ChangeRecord describes what a change did.
type ChangeRecord struct {
	Selector  string    `json:"selector"`
	Run       string    `json:"run"` // id shared by all parts of a split change
	Task      string    `json:"task,omitempty"`
	Undoes    []string  `json:"undoes,omitempty"`    // ids of the changes that this one undoes
	Partial   bool      `json:"partial,omitempty"`   // more parts of a split change were to follow
	Gone      bool      `json:"gone,omitempty"`      // the operator said that the host is down or going down
	Emergency bool      `json:"emergency,omitempty"` // the operator overrode all rules
	Overrides []string  `json:"overrides,omitempty"` // names of the overridden rules
	Findings  []Finding `json:"findings,omitempty"`  // findings of the rules
	Void      bool      `json:"void,omitempty"`      // the change was not made and will not be; see Record.Void
	Held      int       `json:"held,omitempty"`      // number of objects that rules held back from an otherwise completed change
	Objects   []Object  `json:"objects"`             // of a refusal, the objects that would have changed
	// Fences has, for each type with created or deleted objects, the revision of
	// the last deletion before this change; types without one are left out.
	Fences map[string]store.Revision `json:"fences,omitempty"`
}

// Finding is the text of a finding of a safety rule.
type Finding struct {
	Rule    string `json:"rule"`
	Subject string `json:"subject"`
	Msg     string `json:"message"`
	Level   string `json:"level,omitempty"` // refused, held back, not done, overridden or warned
}

// Object is one changed object, before and after. All fields are included unless
// Partial is set.
type Object struct {
	Type   string      `json:"type"`
	Path   string      `json:"path"` // tag values and name
	Before value.Value `json:"before,omitzero"`
	After  value.Value `json:"after,omitzero"`
	// Raw is the stored value before the change if that was not a JSON object;
	// nil otherwise.
	Raw []byte `json:"raw,omitzero"`
	// Since is the revision at which Before was written; 0 if the object was
	// created, and in records of earlier versions.
	Since store.Revision `json:"since,omitzero"`
	// Partial says that Before and After lack fields that the change did not
	// change; see Record.Trim.
	Partial bool `json:"partial,omitempty"`
}

// NewID returns a new id for a change made at the given time. An id begins with
// the time in UTC, so that the ids of one day share a prefix.
func NewID(now time.Time) string {
	var random [4]byte
	if _, err := rand.Read(random[:]); err != nil {
		panic(err) // crypto/rand documents that this never happens
	}
	return now.UTC().Format(idTime) + "-" + hex.EncodeToString(random[:])
}

// idTime is the layout of the time at the beginning of an id.
const idTime = "20060102T150405.000000Z"

// IDLength is the number of characters of the id of a change. The id of a further
// part is followed by a hyphen and its number.
const IDLength = len(idTime) + len("-") + 2*4

// IsID reports whether a text has the form of an id made by NewID or PartID. All
// other texts are rejected, because ids are parts of keys and of lines that
// people paste into a shell.
func IsID(text string) bool {
	if len(text) < IDLength {
		return false
	}
	_, err := time.Parse(idTime, text[:len(idTime)])
	random, part := text[len(idTime):IDLength], text[IDLength:]
	isHex := strings.Trim(random[1:], "0123456789abcdef") == ""
	return err == nil && random[0] == '-' && isHex && isPartNumber(part)
}

// isPartNumber reports whether a text is the end of an id: empty, or -2, -3 and
// so on.
func isPartNumber(text string) bool {
	if text == "" {
		return true
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "-"), 10, 16)
	return err == nil && n >= 2 && text == fmt.Sprintf("-%d", n)
}

// PartID returns the id of a part of a change. Parts count from 1; the first has
// the id of the change.
func PartID(id string, part int) string {
	if part == 1 {
		return id
	}
	return fmt.Sprintf("%s-%d", id, part)
}

// Objects returns the objects of a record for the changes of a plan.
func Objects(changes []object.Change) []Object {
	all := make([]Object, len(changes))
	for i, c := range changes {
		o := Object{Type: c.Object().Type.Name, Path: c.Object().Path()}
		if c.Before != nil {
			o.Since = c.Before.Revision
		}
		if c.Before != nil && c.Before.Malformed != nil {
			o.Raw = append([]byte{}, c.Before.Raw...)
		} else if c.Before != nil {
			o.Before = value.OfMap(c.Before.Fields...)
		}
		if c.After != nil {
			o.After = value.OfMap(c.After.Fields...)
		}
		all[i] = o
	}
	return all
}

// Refused reports whether a safety rule refused the change, so that none of it
// was made.
func (r Record) Refused() bool { return !r.Made() && !r.Change.Void }

// Fields returns the changed fields.
func (o Object) Fields() []object.FieldChange {
	return object.Diff(o.Before.Fields(), o.After.Fields())
}

// Created reports whether the change created the object.
func (o Object) Created() bool { return o.Before.IsAbsent() && o.Raw == nil }

// Deleted reports whether the change deleted the object.
func (o Object) Deleted() bool { return o.After.IsAbsent() }

// Encode returns the record as JSON, the form in which it is stored.
func (r Record) Encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return nil, fmt.Errorf("writing the journal record: %w", err)
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// Limits of a record, in addition to store.MaxBytes.
const (
	maxDepth    = value.MaxDepth + 8 // nesting of lists and maps
	maxElements = 10_000             // objects, findings and other parts in total
)

// ParseRecord reads a stored record. It rejects one that is too large, too deep
// or has too many parts, so that the memory it needs is limited even for hostile
// input.
func ParseRecord(stored []byte) (Record, error) {
	var r Record
	if err := checkShape(stored); err != nil {
		return Record{}, fmt.Errorf("reading a journal record: %w", err)
	}
	if err := json.Unmarshal(stored, &r); err != nil {
		return Record{}, fmt.Errorf("reading a journal record: %w", err)
	}
	return r, nil
}

// checkIDs returns an error if an id in the record is malformed or does not match
// the key of the record. Such a record does not belong to a change that was made.
func (r Record) checkIDs(id string) error {
	switch {
	case r.Event.ID != id:
		return fmt.Errorf("the record at this key is of another change: %q", excerpt([]byte(r.Event.ID)))
	case !IsID(id):
		return fmt.Errorf("%q is not an id of a change", excerpt([]byte(id)))
	case !IsID(r.Run()), id != r.Run() && !strings.HasPrefix(id, r.Run()+"-"):
		return fmt.Errorf("the record is of a part of another change: %q", excerpt([]byte(r.Run())))
	}
	for _, undone := range r.Change.Undoes {
		if !IsID(undone) {
			return fmt.Errorf("it undoes %q, which is not an id of a change", excerpt([]byte(undone)))
		}
	}
	return nil
}
