package sal

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

// Sink is a place where people look.
type Sink interface {
	// Name is one word, the same for every run of the program.
	Name() string
	// Send delivers one message, within the context's time.
	Send(ctx context.Context, message string) error
}

// Log writes the journal and delivers from the outbox, where every message
// waits from the commit of its change until its sink has taken it.
type Log struct {
	Store  store.Store
	Prefix string // of the keys it keeps, with a slash at the end
	Sinks  []Sink
}

// Waiting is a message in the outbox.
type Waiting struct {
	ID      string `json:"id"` // of the change, or of its first part
	Message string `json:"message"`
}

// Key returns where the journal's record of a change is.
func (l *Log) Key(id string) string { return l.Prefix + "journal/" + id }

func (l *Log) outbox(sink Sink, id string) string {
	return l.Prefix + "outbox/" + sink.Name() + "/" + id
}

// Writes returns what is to be written in the transaction of a change: its
// record, and a message for each sink. An empty message is for nobody.
func (l *Log) Writes(r Record, message string) ([]store.Write, error) {
	record, err := r.Encode()
	if err != nil {
		return nil, err
	}
	writes := []store.Write{{Key: l.Key(r.Event.ID), Value: record}}
	if message == "" {
		return writes, nil
	}
	entry, err := json.Marshal(Waiting{ID: r.Change.Run, Message: message})
	if err != nil {
		return nil, fmt.Errorf("writing the outbox entry: %w", err)
	}
	for _, s := range l.Sinks {
		writes = append(writes, store.Write{Key: l.outbox(s, r.Change.Run), Value: entry})
	}
	return writes, nil
}

// sendTimeout is how long a message may take on its way to all sinks.
const sendTimeout = time.Second

// Deliver sends a message that was committed, and takes it out of the outbox
// where a sink took it, by one request for all. The errors, one for each sink
// that did not, leave it there.
func (l *Log) Deliver(ctx context.Context, id, message string) []error {
	if message == "" || len(l.Sinks) == 0 {
		return nil
	}
	ctx = context.WithoutCancel(ctx) // the change is made: people are to know
	sending, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	var taken []store.Write
	var errs []error
	for _, s := range l.Sinks {
		if err := s.Send(sending, message); err != nil {
			errs = append(errs, err)
			continue
		}
		taken = append(taken, store.Write{Key: l.outbox(s, id), Delete: true})
	}
	if len(taken) == 0 {
		return errs
	}
	if _, err := l.Store.Commit(ctx, store.Txn{Writes: taken}); err != nil {
		errs = append(errs, fmt.Errorf("announced, but still in the outbox: %w", err))
	}
	return errs
}

// Stored is a record with the revision of its commit.
type Stored struct {
	Record
	Revision store.Revision
}

// Records returns the whole journal, the newest first by revision.
//
// A record that cannot be read is left out; the error names it, and is not
// nil then, beside the others.
func (l *Log) Records(ctx context.Context) ([]Stored, error) {
	snapshot, err := l.Store.Read(ctx, l.Key(""))
	if err != nil {
		return nil, err
	}
	records, err := parse(snapshot.Entries)
	slices.SortFunc(records, func(a, b Stored) int { return cmp.Compare(b.Revision, a.Revision) })
	return records, err
}

// Find returns the records of one change, those of its parts in order. There is
// none if no such change was made.
func (l *Log) Find(ctx context.Context, id string) ([]Stored, error) {
	const most = 100 // parts, each of which holds some thousand objects
	keys := []string{l.Key(id)}
	for part := 2; part <= most; part++ {
		keys = append(keys, l.Key(PartID(id, part)))
	}
	snapshot, err := l.Store.Read(ctx, keys...)
	if err != nil {
		return nil, err
	}
	records, err := parse(snapshot.Entries)
	slices.SortFunc(records, func(a, b Stored) int { return cmp.Compare(a.Revision, b.Revision) })
	return records, err
}

// parse reads records. The error names those that cannot be read.
func parse(entries []store.Entry) ([]Stored, error) {
	var records []Stored
	var errs []error
	for _, e := range entries {
		r, err := ParseRecord(e.Value)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", e.Key, err))
			continue
		}
		records = append(records, Stored{r, e.Modified})
	}
	return records, errors.Join(errs...)
}
