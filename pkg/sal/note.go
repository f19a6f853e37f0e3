package sal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

// Note is what somebody has to say about a change that was made. It is kept
// beside the record, which is never rewritten.
type Note struct {
	Time time.Time `json:"time"`
	User User      `json:"user"`
	Text string    `json:"text"`
}

// NoRecordError reports that the journal has no record of a change.
type NoRecordError struct {
	ID  string
	Old bool // it is too old for Settle: its record may have been pruned
}

func (e *NoRecordError) Error() string {
	return fmt.Sprintf("the journal has no change %s", e.ID)
}

// note is where the notes on a change are; on all of them without an id.
func (l *Log) note(parts ...string) string {
	return l.Prefix + "note/" + strings.Join(append(parts, ""), "/")
}

// Annotate adds a note to a change. Errors are *NoRecordError, *VoidError and
// those of store.Store.
func (l *Log) Annotate(ctx context.Context, id string, n Note) error {
	missing := &NoRecordError{ID: id}
	if !IsID(id) {
		return missing
	}
	found, err := l.Store.Read(ctx, l.Key(id))
	if err != nil {
		return err
	}
	if len(found.Entries) == 0 {
		return missing
	}
	if r, err := ParseRecord(found.Entries[0].Value); err == nil && r.Change.Void {
		return &VoidError{r}
	}
	text, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("writing the note: %w", err)
	}
	key := l.note(id) + NewID(n.Time)
	_, err = l.Store.Commit(ctx, store.Txn{
		Once:   key,
		Guards: []store.Guard{{Key: l.Key(id), Revision: found.Entries[0].Modified}}, // it was not pruned meanwhile
		Writes: []store.Write{{Key: key, Value: text}},
	})
	if errors.As(err, new(*store.ConflictError)) {
		return missing
	}
	return err
}

// NotesOf returns the notes on one change, in the order they were made. The
// error is a *BrokenError, beside those that can be read, or one of
// store.Store.Read.
func (l *Log) NotesOf(ctx context.Context, id string) ([]Note, error) {
	if !IsID(id) {
		return nil, nil
	}
	notes, err := l.notes(ctx, l.note(id))
	return notes[id], err
}

// Notes returns all notes by the id of their change; see NotesOf.
func (l *Log) Notes(ctx context.Context) (map[string][]Note, error) {
	return l.notes(ctx, l.note())
}

func (l *Log) notes(ctx context.Context, prefix string) (map[string][]Note, error) {
	snapshot, err := l.Store.List(ctx, prefix, store.OldestFirst, 0)
	if err != nil {
		return nil, err
	}
	notes := map[string][]Note{}
	var errs []error
	for _, e := range snapshot.Entries {
		var n Note
		if err := json.Unmarshal(e.Value, &n); err != nil {
			errs = append(errs, fmt.Errorf("%s: reading a note: %w", e.Key, err))
			continue
		}
		path := strings.Split(strings.TrimPrefix(e.Key, l.note()), "/")
		notes[path[0]] = append(notes[path[0]], n)
	}
	if errs != nil {
		return notes, &BrokenError{errs}
	}
	return notes, nil
}
