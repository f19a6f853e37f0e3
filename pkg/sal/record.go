// Package sal is the server admin log: who changed what, where and when. A
// record is written in the same transaction as the change it is about, so that
// neither is ever there without the other, and from there it is delivered to
// where people look.
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

// Record is the journal's entry of one change. It is stored as JSON with the
// field names of the Elastic Common Schema.
type Record struct {
	Time    time.Time    `json:"@timestamp"`
	Event   Event        `json:"event"`
	User    User         `json:"user"`
	Host    Host         `json:"host"`
	Process Process      `json:"process"`
	Change  ChangeRecord `json:"confctl"`
}

// The outcomes of an event, as the Elastic Common Schema has them.
const (
	Success = "success"
	Failure = "failure" // a safety rule refused it, or it is void
)

// Event says what happened.
type Event struct {
	ID      string `json:"id"`
	Action  string `json:"action"`            // the verb with its argument, such as set/pooled=no
	Outcome string `json:"outcome,omitempty"` // empty in records of earlier versions: a success
	Reason  string `json:"reason,omitempty"`  // why, in the operator's words
}

// User is who made a change.
type User struct {
	Name string `json:"name"`         // the person, also behind sudo
	ID   string `json:"id,omitempty"` // the numeric user id of the process
}

// Host is where a change was made.
type Host struct {
	Name string `json:"hostname"`
}

// Process is how a change was made.
type Process struct {
	CommandLine string `json:"command_line"`
}

// ChangeRecord is what changed.
type ChangeRecord struct {
	Selector  string    `json:"selector"`
	Run       string    `json:"run"` // the id that all parts of a split change share
	Task      string    `json:"task,omitempty"`
	Undoes    []string  `json:"undoes,omitempty"`    // ids of the changes that this one takes back
	Partial   bool      `json:"partial,omitempty"`   // more parts of a split change were to follow
	Gone      bool      `json:"gone,omitempty"`      // the host was said to be down or going down
	Emergency bool      `json:"emergency,omitempty"` // no rule was to stand in the way
	Overrides []string  `json:"overrides,omitempty"` // names of the rules that would have refused
	Findings  []Finding `json:"findings,omitempty"`  // what the rules said
	Void      bool      `json:"void,omitempty"`      // it was not made, and will not be: see Record.Void
	Held      int       `json:"held,omitempty"`      // how many objects they held back, of a change that did the rest
	Objects   []Object  `json:"objects"`             // of a refusal, what would have changed
	// Fences has, for each type of which objects were created or deleted, the
	// revision of the last deletion before this change; none for 0.
	Fences map[string]store.Revision `json:"fences,omitempty"`
}

// Finding is what a safety rule had to say, in words.
type Finding struct {
	Rule    string `json:"rule"`
	Subject string `json:"subject"`
	Msg     string `json:"message"`
	Level   string `json:"level,omitempty"` // refused, held back, not done, overridden or warned
}

// Object is one object that changed, before and after: whole, unless it is
// Partial.
type Object struct {
	Type   string      `json:"type"`
	Path   string      `json:"path"` // tag values and name
	Before value.Value `json:"before,omitzero"`
	After  value.Value `json:"after,omitzero"`
	// Raw is what was stored before if it was no JSON object; nil otherwise.
	Raw []byte `json:"raw,omitzero"`
	// Since is the revision at which Before was written; 0 if the object was
	// created, and in records of earlier versions.
	Since store.Revision `json:"since,omitzero"`
	// Partial says that Before and After lack fields that the change left as they
	// were; see Record.Trim.
	Partial bool `json:"partial,omitempty"`
}

// NewID returns the id of a change made at the given time. Ids begin with the
// time as text, in UTC, so that a day's are under one prefix.
func NewID(now time.Time) string {
	var random [4]byte
	if _, err := rand.Read(random[:]); err != nil {
		panic(err) // never: the standard library promises it
	}
	return now.UTC().Format(idTime) + "-" + hex.EncodeToString(random[:])
}

// idTime is how an id begins.
const idTime = "20060102T150405.000000Z"

// IDLength is how many characters the id of a change has; that of a further part
// has its number after it.
const IDLength = len(idTime) + len("-") + 2*4

// IsID reports whether a text has the form of an id of NewID or PartID. Nothing
// else is an id, whoever wrote it: an id is part of a key, and of a line that
// people paste.
func IsID(text string) bool {
	if len(text) < IDLength {
		return false
	}
	_, err := time.Parse(idTime, text[:len(idTime)])
	random, part := text[len(idTime):IDLength], text[IDLength:]
	isHex := strings.Trim(random[1:], "0123456789abcdef") == ""
	return err == nil && random[0] == '-' && isHex && isPartNumber(part)
}

// isPartNumber reports whether a text may follow an id: -2 and on, or nothing.
func isPartNumber(text string) bool {
	if text == "" {
		return true
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "-"), 10, 16)
	return err == nil && n >= 2 && text == fmt.Sprintf("-%d", n)
}

// PartID returns the id of a part of a change, counting from 1: the change's
// own for the first.
func PartID(id string, part int) string {
	if part == 1 {
		return id
	}
	return fmt.Sprintf("%s-%d", id, part)
}

// Objects returns what a record says of the changes of a plan.
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

// Refused reports whether a safety rule refused the change: nothing of it was
// made.
func (r Record) Refused() bool { return !r.Made() && !r.Change.Void }

// Fields returns the fields that changed.
func (o Object) Fields() []object.FieldChange {
	return object.Diff(o.Before.Fields(), o.After.Fields())
}

// Created reports whether the object was created by the change.
func (o Object) Created() bool { return o.Before.IsAbsent() && o.Raw == nil }

// Deleted reports whether the object was deleted by the change.
func (o Object) Deleted() bool { return o.After.IsAbsent() }

// Encode returns the record as it is stored.
func (r Record) Encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return nil, fmt.Errorf("writing the journal record: %w", err)
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// The limits of a record, beside store.MaxBytes, which no record is beyond.
const (
	maxDepth    = value.MaxDepth + 8 // of lists and maps within one another
	maxElements = 10_000             // objects, findings and the like, all together
)

// ParseRecord reads a record as it is stored. It refuses what is too large, too
// deep or has too many parts to be a record of a change: the memory it takes is
// bounded, whoever wrote it.
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

// checkIDs reports ids in a record that are none, and one that is not that of the
// key it is at: such a record is not of a change that was made.
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
