package sal

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

const (
	claimTime = 10 * time.Second // how long a claim lasts
	restTime  = time.Minute      // how long a sink is not used after it failed
	lateTime  = 10 * time.Minute // after which a channel gets messages as one line
	clockSkew = time.Minute      // tolerated difference between the clocks of hosts

	maxParts = 100 // records of a change that are read for its message
	maxWord  = 64  // bytes shown of the name of a user, host or sink
)

// entry is a message in the outbox, as it is stored.
type entry struct {
	ID      string    `json:"id"`
	Message string    `json:"message"`
	Time    time.Time `json:"time"`            // of the change
	Parts   int       `json:"parts"`           // number of records of the change
	Holder  Holder    `json:"holder,omitzero"` // the process that may send it
	Until   time.Time `json:"until,omitzero"`  // when the claim of Holder ends
	Failed  time.Time `json:"failed,omitzero"` // when the last attempt to send it failed
	Error   string    `json:"error,omitempty"` // why it failed
	Told    []string  `json:"told,omitempty"`  // only for Unread: the names of the other sinks that have the message
	Quiet   bool      `json:"quiet,omitempty"` // only for Unread: channels do not get the message
}

// queue identifies the messages that wait for a sink, in the order of their
// changes.
type queue struct {
	host string // the host that made the changes; empty if any host may send them
	sink string
}

// message is a message in the outbox with its key and revisions.
type message struct {
	entry
	queue    queue
	key      string
	created  store.Revision
	modified store.Revision
	size     int // bytes of the stored value
}

// Prefixes returns the prefixes of the messages that this host may send. A change
// reads them together with its objects and passes the entries to Deliver.
func (l *Log) Prefixes() []string {
	prefixes := []string{l.place(queue{l.Self.Host, Unread}, "")}
	for _, s := range l.working() {
		prefixes = append(prefixes, l.place(l.queueOf(s), ""))
	}
	return prefixes
}

func (l *Log) outbox() string { return l.Prefix + "outbox/" }

// queueOf returns the queue for this host's messages to a sink.
func (l *Log) queueOf(s Sink) queue {
	if s.Kind() == PerHost {
		return queue{host: l.Self.Host, sink: s.Name()}
	}
	return queue{sink: s.Name()}
}

func (l *Log) place(q queue, id string) string {
	if q.host != "" {
		return l.outbox() + url.PathEscape(q.host) + "/" + q.sink + "/" + id
	}
	return l.outbox() + q.sink + "/" + id
}

// Writes returns the writes that the transaction of a change needs: its record,
// and a message for each sink, claimed by this process for 10 s. There are no
// messages if the text is empty or the change was refused, and none for channels
// if quiet is true. The message of a further part replaces that of the part
// before, so its text must describe all parts so far.
func (l *Log) Writes(r Record, text string, quiet bool) ([]store.Write, error) {
	record, err := r.Encode()
	if err != nil {
		return nil, err
	}
	writes := []store.Write{{Key: l.Key(r.Event.ID), Value: record}}
	if text == "" || r.Refused() {
		return writes, nil
	}
	for _, s := range l.Sinks {
		if !receives(s, quiet) {
			continue
		}
		m := l.fresh(s, text, r)
		if isBroken(s) {
			m = l.pending(m, quiet)
		}
		w, err := m.write()
		if err != nil {
			return nil, err
		}
		writes = append(writes, w)
	}
	return writes, nil
}

// receives reports whether a sink gets the message of a change.
func receives(s Sink, quiet bool) bool { return !quiet || s.Kind() != Channel }

// fresh returns the message for a sink as the commit of the change's last part
// writes it.
func (l *Log) fresh(s Sink, text string, last Record) message {
	m := message{queue: l.queueOf(s), key: l.place(l.queueOf(s), last.Change.Run)}
	m.entry = entry{ID: last.Change.Run, Message: text, Time: last.Time.UTC(), Parts: part(last)}
	m.Holder, m.Until = l.Self, m.Time.Add(claimTime)
	return m
}

// part returns the number of the record's part, which is the end of its id, or 1.
func part(r Record) int {
	n, err := strconv.Atoi(strings.TrimPrefix(strings.TrimPrefix(r.Event.ID, r.Change.Run), "-"))
	if err != nil {
		return 1
	}
	return n
}

func (m message) write() (store.Write, error) {
	text, err := json.Marshal(m.entry)
	if err != nil {
		return store.Write{}, fmt.Errorf("writing the outbox entry: %w", err)
	}
	return store.Write{Key: m.key, Value: text}, nil
}

// guard returns a guard that fails if another process has changed the message.
func (m message) guard() store.Guard { return store.Guard{Key: m.key, Revision: m.modified} }

// messages returns the messages of the outbox among the entries, oldest first,
// and the entries of the outbox that are not valid messages.
func (l *Log) messages(entries []store.Entry) ([]message, []badEntry) {
	var all []message
	var badEntries []badEntry
	for _, e := range entries {
		if !strings.HasPrefix(e.Key, l.outbox()) {
			continue
		}
		m, reason := l.parseMessage(e)
		if reason != "" {
			bad := newBadEntry(e, reason)
			bad.Sink, bad.Host = shorten(oneLine(m.queue.sink), maxWord), shorten(oneLine(m.queue.host), maxWord)
			badEntries = append(badEntries, bad)
			continue
		}
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b message) int {
		return cmp.Or(cmp.Compare(a.created, b.created), cmp.Compare(a.key, b.key))
	})
	return all, badEntries
}

// parseMessage reads an entry of the outbox, or returns why it is not a valid
// message.
func (l *Log) parseMessage(e store.Entry) (m message, reason string) {
	m = message{key: e.Key, created: e.Created, modified: e.Modified, size: len(e.Value)}
	steps := strings.Split(strings.TrimPrefix(e.Key, l.outbox()), "/")
	switch host, err := url.PathUnescape(steps[0]); {
	case len(steps) == 3 && err == nil:
		m.queue = queue{host, steps[1]}
	case len(steps) == 2:
		m.queue = queue{sink: steps[0]}
	default:
		return m, "its key is not one of the outbox"
	}
	if len(e.Value) > maxEntry {
		return m, fmt.Sprintf("it has %d bytes, more than %d", len(e.Value), maxEntry)
	}
	if err := json.Unmarshal(e.Value, &m.entry); err != nil {
		return m, "it is not a message in JSON"
	}
	m.Parts = min(max(m.Parts, 1), maxParts)
	if m.ID == "" || m.queue.sink == "" || m.key != l.place(m.queue, m.ID) {
		return m, "its id is not the one in its key"
	}
	if m.queue.sink == Unread && !l.movable(m) {
		return m, "it is too large for so many sinks"
	}
	return m, ""
}

// free reports whether this process may claim a message because no other process
// is sending it.
func (l *Log) free(m message, now time.Time) bool {
	switch {
	case m.Holder == Holder{}, m.Holder == l.Self:
		return true
	case !now.Before(m.Until), m.Until.Sub(now) > claimTime+clockSkew: // the claim has ended, or ends too late to be right
		return true
	}
	return m.Holder.dead(l.Self)
}

// claim claims messages for claimTime and returns those that no other process had
// changed.
func (l *Log) claim(ctx context.Context, wanted []message) ([]message, error) {
	var steps []step
	for _, m := range wanted {
		m.Holder, m.Until = l.Self, l.now().Add(claimTime)
		w, err := m.write()
		if err != nil {
			return nil, err
		}
		steps = append(steps, step{m, []store.Write{w}})
	}
	claimed, err := l.commit(ctx, steps)
	if err != nil {
		err = fmt.Errorf("claiming older messages: %w", err)
	}
	return claimed, err
}

// settle removes delivered messages from the outbox and marks those that failed.
// It skips messages that another process has changed: the message that a further
// part of a change has rewritten stays, and one that another process has sent is
// not written back.
func (l *Log) settle(ctx context.Context, results []result) error {
	var all []step
	for _, r := range results {
		for _, m := range r.sent {
			all = append(all, step{m, []store.Write{{Key: m.key, Delete: true}}})
		}
		if r.failed == nil {
			continue
		}
		m := *r.failed
		m.Holder, m.Until = Holder{}, time.Time{}
		m.Failed, m.Error = l.now(), shorten(oneLine(r.err.Error()), maxAnnouncement)
		w, err := m.write()
		if err != nil {
			return err
		}
		all = append(all, step{m, []store.Write{w}})
	}
	var errs []error
	for _, some := range chunks(all) {
		_, err := l.commitTogether(ctx, some)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("delivered, but still in the outbox, so it may be delivered again: %w", err)
	}
	return nil
}

// fails reports whether another process has changed a message.
func fails(conflict *store.ConflictError, m message) bool {
	return slices.ContainsFunc(conflict.Failed, func(f store.FailedGuard) bool { return f.Key == m.key })
}

// Waiting describes the messages that wait for one sink.
type Waiting struct {
	Sink   string
	Host   string    // the host that must send them; empty if any host may
	Count  int       // number of messages
	Since  time.Time // time of the oldest change
	Failed time.Time // when the last attempt failed; zero if none did
	Error  string    // why it failed
}

// Waiting returns the messages that wait for each sink, of all hosts and
// including sinks that are not configured here, and the entries that cannot be
// delivered.
func (l *Log) Waiting(ctx context.Context) ([]Waiting, []Aside, error) {
	snapshot, err := l.Store.Read(ctx, l.outbox(), l.aside())
	if err != nil {
		return nil, nil, err
	}
	all, badEntries := l.messages(snapshot.Entries)
	var asides []Aside
	for _, m := range slices.Concat(l.asides(snapshot.Entries), badEntries) {
		asides = append(asides, m.Aside)
	}
	var waiting []Waiting
	for _, m := range all {
		i := slices.IndexFunc(waiting, func(w Waiting) bool { return w.Sink == m.queue.sink && w.Host == m.queue.host })
		if i < 0 {
			i, waiting = len(waiting), append(waiting, Waiting{Sink: m.queue.sink, Host: m.queue.host, Since: m.Time})
		}
		w := &waiting[i]
		w.Count++
		if m.Time.Before(w.Since) {
			w.Since = m.Time
		}
		if m.Failed.After(w.Failed) {
			w.Failed, w.Error = m.Failed, m.Error
		}
	}
	slices.SortFunc(waiting, func(a, b Waiting) int {
		return cmp.Or(cmp.Compare(a.Sink, b.Sink), cmp.Compare(a.Host, b.Host))
	})
	return waiting, asides, nil
}
