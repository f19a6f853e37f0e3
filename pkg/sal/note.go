package sal

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

// A Note is a person's comment on a change that was made. It is stored beside the
// record, which is never rewritten.
type Note struct {
	Time time.Time `json:"time"`
	User User      `json:"user"`
	Text string    `json:"text"`
}

// NoRecordError reports that the journal has no record of a change.
type NoRecordError struct {
	ID  string
	Old bool // too old for Settle: its record may have been pruned
}

func (e *NoRecordError) Error() string {
	return fmt.Sprintf("the journal has no change %s", e.ID)
}

// note returns the prefix of the notes on a change, or of all notes if there is
// no id.
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
		Guards: []store.Guard{{Key: l.Key(id), Revision: found.Entries[0].Modified}}, // fails if the record was pruned meanwhile
		Writes: []store.Write{{Key: key, Value: text}},
	})
	if errors.As(err, new(*store.ConflictError)) {
		return missing
	}
	return err
}

// NotesOf returns the notes on one change in the order they were committed, up to
// 64 MiB of them. Errors are those of Search.
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
	found := map[string][]written{}
	var broken []error
	var cut error
	bytes, seen := 0, 0
	for e, err := range store.Walk(ctx, l.Store, prefix, "", "") {
		if err != nil {
			return nil, err
		}
		if bytes += len(e.Value); bytes > maxKept {
			cut = &CutError{Seen: seen, Notes: true, Limit: maxKept}
			break
		}
		seen++
		w := written{at: e.Modified}
		if err := json.Unmarshal(e.Value, &w.Note); err != nil {
			broken = append(broken, &BrokenError{[]error{fmt.Errorf("%s: reading a note: %w", e.Key, err)}})
			continue
		}
		id, _, _ := strings.Cut(strings.TrimPrefix(e.Key, l.note()), "/")
		found[id] = append(found[id], w)
	}
	return inOrder(found), partialError(broken, cut)
}

// written is a note with the revision of its commit.
type written struct {
	Note
	at store.Revision
}

// inOrder returns the notes of each change in the order of their revisions.
func inOrder(found map[string][]written) map[string][]Note {
	notes := make(map[string][]Note, len(found))
	for id, all := range found {
		slices.SortStableFunc(all, func(a, b written) int { return cmp.Compare(a.at, b.at) })
		for _, w := range all {
			notes[id] = append(notes[id], w.Note)
		}
	}
	return notes
}
