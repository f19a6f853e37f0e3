package sal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

// maxEntry is the size in bytes of the largest outbox entry that is read. A
// normal message has a few hundred bytes.
const maxEntry = 64 << 10

// An Aside is an outbox entry that cannot be delivered because it is too large or
// is not a valid message. It is moved out of the outbox, where it would block
// other messages, and kept until Drop removes it.
type Aside struct {
	// ID is the argument of Drop: the last element of the key, which is the id
	// of the change, or a hash of the key if that element cannot be typed into a
	// shell.
	ID     string    `json:"id"`
	Sink   string    `json:"sink,omitempty"` // from the key; empty if unknown
	Host   string    `json:"host,omitempty"`
	Reason string    `json:"reason"`
	Size   int       `json:"size"`          // in bytes
	Time   time.Time `json:"time,omitzero"` // when it was set aside; zero while it is in the outbox
	Start  []byte    `json:"start"`         // the beginning of the value
}

// Name returns the id, sink and host of the entry.
func (a Aside) Name() string {
	name := a.ID
	if a.Sink != "" {
		name += " for " + a.Sink
	}
	if a.Host != "" {
		name += " of " + a.Host
	}
	return name
}

// AsideError reports entries that this call set aside.
type AsideError struct {
	Entries []Aside // at least one
}

func (e *AsideError) Error() string {
	first := e.Entries[0]
	text := fmt.Sprintf("the outbox entry %s cannot be delivered and is set aside: %s", first.Name(), first.Reason)
	if n := len(e.Entries) - 1; n > 0 {
		text = fmt.Sprintf("%s; so are %d more", text, n)
	}
	return text
}

// NotAsideError reports that no entry with an id is set aside.
type NotAsideError struct {
	ID      string
	Waiting bool // a deliverable message with the id is in the outbox
}

func (e *NotAsideError) Error() string {
	if e.Waiting {
		return fmt.Sprintf("the message %s is not set aside: it waits for delivery", e.ID)
	}
	return fmt.Sprintf("no outbox entry %s is set aside", e.ID)
}

// badEntry is an outbox entry that cannot be delivered, with its key and revision.
type badEntry struct {
	Aside
	key      string
	modified store.Revision
}

// newBadEntry describes an entry that is not a valid message.
func newBadEntry(e store.Entry, reason string) badEntry {
	const maxStart = 4 << 10 // bytes of the value that are kept
	return badEntry{key: e.Key, modified: e.Modified, Aside: Aside{
		ID: dropID(e.Key), Reason: reason, Size: len(e.Value), Start: e.Value[:min(len(e.Value), maxStart)],
	}}
}

// dropID returns the last element of a key if it is easy to type, and a hash of
// the key otherwise.
func dropID(key string) string {
	if last := path.Base(key); regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.-]{0,63}$`).MatchString(last) {
		return last
	}
	return keyHash(key)
}

// keyHash returns a short hash of a key of any length.
func keyHash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:8])
}

func (l *Log) aside() string { return l.Prefix + "aside/" }

// setAside moves entries out of the outbox. It skips an entry that another
// process has moved or changed, and one whose key is too long for a transaction.
// The errors are an *AsideError about the entries that were moved, and one of
// store.Store.Commit.
func (l *Log) setAside(ctx context.Context, all []badEntry) []error {
	var steps []step
	moved := map[string]Aside{}
	for _, m := range all {
		m.Time = l.now()
		text, err := json.Marshal(m.Aside)
		if err != nil {
			return []error{fmt.Errorf("setting aside an outbox entry: %w", err)}
		}
		s := step{message{key: m.key, modified: m.modified}, []store.Write{
			{Key: m.key, Delete: true}, {Key: l.aside() + keyHash(m.key), Value: text},
		}}
		if s.fits() {
			steps, moved[m.key] = append(steps, s), m.Aside
		}
	}
	done, err := l.commit(ctx, steps)
	var errs []error
	if len(done) > 0 {
		report := &AsideError{}
		for _, m := range done {
			report.Entries = append(report.Entries, moved[m.key])
		}
		errs = append(errs, report)
	}
	if err != nil {
		errs = append(errs, fmt.Errorf("setting aside what cannot be delivered: %w", err))
	}
	return errs
}

// asides returns the entries that are set aside.
func (l *Log) asides(entries []store.Entry) []badEntry {
	var all []badEntry
	for _, e := range entries {
		if !strings.HasPrefix(e.Key, l.aside()) {
			continue
		}
		m := newBadEntry(e, "it cannot be read")
		var a Aside
		if len(e.Value) <= maxEntry && json.Unmarshal(e.Value, &a) == nil && dropID(a.ID) == a.ID {
			m.Aside = a
		}
		all = append(all, m)
	}
	return all
}

// Drop removes all undeliverable entries with an id and returns them. Errors are
// *NotAsideError and those of store.Store.
func (l *Log) Drop(ctx context.Context, id string) ([]Aside, error) {
	snapshot, err := l.Store.Read(ctx, l.outbox(), l.aside())
	if err != nil {
		return nil, err
	}
	waiting, badEntries := l.messages(snapshot.Entries)
	var steps []step
	dropped := map[string]Aside{}
	for _, m := range slices.Concat(l.asides(snapshot.Entries), badEntries) {
		if m.ID == id {
			dropped[m.key] = m.Aside
			steps = append(steps, step{message{key: m.key, modified: m.modified}, []store.Write{{Key: m.key, Delete: true}}})
		}
	}
	done, err := l.commit(ctx, steps)
	var all []Aside
	for _, m := range done {
		all = append(all, dropped[m.key])
	}
	if err == nil && len(all) == 0 {
		err = &NotAsideError{id, slices.ContainsFunc(waiting, func(m message) bool { return m.ID == id })}
	}
	return all, err
}

// step is a message with the writes that are committed for it if no other process
// has changed it.
type step struct {
	message
	writes []store.Write
}

// size returns how many bytes of a transaction the step needs.
func (s step) size() int {
	size := len(s.key) // of the guard
	for _, w := range s.writes {
		size += len(w.Key) + len(w.Value)
	}
	return size
}

// fits reports whether the step fits into one transaction.
func (s step) fits() bool { return s.size() <= store.MaxBytes && len(s.writes) <= store.MaxWrites }

// chunks divides steps into groups that each fit into one transaction.
func chunks(steps []step) [][]step {
	var all [][]step
	var bytes, writes int
	for _, s := range steps {
		bytes, writes = bytes+s.size(), writes+len(s.writes)
		if n := len(all); n == 0 || len(all[n-1]) == store.MaxGuards || bytes > store.MaxBytes || writes > store.MaxWrites {
			all, bytes, writes = append(all, nil), s.size(), len(s.writes)
		}
		all[len(all)-1] = append(all[len(all)-1], s)
	}
	return all
}

// commit performs steps in as few transactions as possible and stops at the first
// error. It returns the messages of the steps that were performed. It skips
// messages that another process has changed.
func (l *Log) commit(ctx context.Context, steps []step) ([]message, error) {
	var done []message
	for _, some := range chunks(steps) {
		got, err := l.commitTogether(ctx, some)
		if err != nil {
			return done, err
		}
		done = append(done, got...)
	}
	return done, nil
}

// commitTogether performs steps in one transaction.
func (l *Log) commitTogether(ctx context.Context, steps []step) ([]message, error) {
	for len(steps) > 0 {
		var txn store.Txn
		for _, s := range steps {
			txn.Writes, txn.Guards = append(txn.Writes, s.writes...), append(txn.Guards, s.guard())
		}
		receipt, err := l.Store.Commit(ctx, txn)
		var conflict *store.ConflictError
		if errors.As(err, &conflict) {
			steps = slices.DeleteFunc(slices.Clone(steps), func(s step) bool { return fails(conflict, s.message) })
			continue
		}
		if err != nil {
			return nil, err
		}
		done := make([]message, len(steps))
		for i, s := range steps {
			done[i] = s.message
			done[i].modified = receipt.Revision
		}
		return done, nil
	}
	return nil, nil
}
