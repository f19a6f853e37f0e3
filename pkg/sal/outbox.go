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
	claimTime = 10 * time.Second // how long a message is its holder's
	restTime  = time.Minute      // how long a sink that failed is left alone
	lateTime  = 10 * time.Minute // after which channels get messages in one line
	clockSkew = time.Minute      // what clocks of hosts may differ by

	maxParts = 100 // of a change whose records are read for its message
	maxWord  = 64  // bytes of the name of a user, a host or a sink that are shown
)

// entry is a message in the outbox, as it is stored.
type entry struct {
	ID      string    `json:"id"`
	Message string    `json:"message"`
	Time    time.Time `json:"time"`            // of the change
	Parts   int       `json:"parts"`           // of the change: that many records
	Holder  Holder    `json:"holder,omitzero"` // may send it
	Until   time.Time `json:"until,omitzero"`  // then anybody may
	Failed  time.Time `json:"failed,omitzero"` // when it was not to be delivered
	Error   string    `json:"error,omitempty"` // and why
	Told    []string  `json:"told,omitempty"`  // of Unread: the sinks that were told, by name
	Quiet   bool      `json:"quiet,omitempty"` // of Unread: channels are not told
}

// queue is where messages to a sink wait, in the order of their changes.
type queue struct {
	host string // that made the changes; empty if any host sends them
	sink string
}

// message is one in the outbox, with its place there.
type message struct {
	entry
	queue    queue
	key      string
	created  store.Revision
	modified store.Revision
	size     int // in bytes, as it is stored
}

// Prefixes returns what a change reads beside its objects, for Deliver: what
// waits and this host may send.
func (l *Log) Prefixes() []string {
	prefixes := []string{l.place(queue{l.Self.Host, Unread}, "")}
	for _, s := range l.working() {
		prefixes = append(prefixes, l.place(l.queueOf(s), ""))
	}
	return prefixes
}

func (l *Log) outbox() string { return l.Prefix + "outbox/" }

// queueOf returns where what is done on this host waits for a sink.
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

// Writes returns what is to be written in the transaction of a change: its
// record, and a message for each sink that this process may send for the next
// 10 s. An empty message, and what was refused, is for nobody, and a quiet one
// not for channels. The message of a further part takes the place of the one
// before, so it is to be about all of them.
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
		if !isTold(s, quiet) {
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

// isTold reports whether a sink is told of a change.
func isTold(s Sink, quiet bool) bool { return !quiet || s.Kind() != Channel }

// fresh is a message as the commit of a change's last part writes it.
func (l *Log) fresh(s Sink, text string, last Record) message {
	m := message{queue: l.queueOf(s), key: l.place(l.queueOf(s), last.Change.Run)}
	m.entry = entry{ID: last.Change.Run, Message: text, Time: last.Time.UTC(), Parts: part(last)}
	m.Holder, m.Until = l.Self, m.Time.Add(claimTime)
	return m
}

// part is the number of a record's part, which its id ends with.
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

// guard holds as long as nobody else has touched the message.
func (m message) guard() store.Guard { return store.Guard{Key: m.key, Revision: m.modified} }

// messages returns those among entries, the oldest first, and what is in the outbox
// and is no message.
func (l *Log) messages(entries []store.Entry) ([]message, []misfit) {
	var all []message
	var misfits []misfit
	for _, e := range entries {
		if !strings.HasPrefix(e.Key, l.outbox()) {
			continue
		}
		m, wrong := l.parseMessage(e)
		if wrong != "" {
			bad := misfitOf(e, wrong)
			bad.Sink, bad.Host = shorten(oneLine(m.queue.sink), maxWord), shorten(oneLine(m.queue.host), maxWord)
			misfits = append(misfits, bad)
			continue
		}
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b message) int {
		return cmp.Or(cmp.Compare(a.created, b.created), cmp.Compare(a.key, b.key))
	})
	return all, misfits
}

// parseMessage reads an entry of the outbox, or says why it is no message.
func (l *Log) parseMessage(e store.Entry) (m message, wrong string) {
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

// free reports whether this process may claim a message: nobody else is
// sending it.
func (l *Log) free(m message, now time.Time) bool {
	switch {
	case m.Holder == Holder{}, m.Holder == l.Self:
		return true
	case !now.Before(m.Until), m.Until.Sub(now) > claimTime+clockSkew: // or its clock is off
		return true
	}
	return m.Holder.dead(l.Self)
}

// claim makes messages this process's for a while, as far as nobody else has
// touched them, and returns those.
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

// settle takes out of the outbox what was delivered, and marks what was not,
// each only if nobody else has touched it since: what a further part of a change
// has added stays, and what others have sent does not come back.
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

// fails reports whether somebody else has touched a message.
func fails(conflict *store.ConflictError, m message) bool {
	return slices.ContainsFunc(conflict.Failed, func(f store.FailedGuard) bool { return f.Key == m.key })
}

// Waiting is what waits in the outbox for one sink.
type Waiting struct {
	Sink   string
	Host   string    // that is to send it; empty if any may
	Count  int       // of messages
	Since  time.Time // of the oldest change among them
	Failed time.Time // when the last attempt failed; zero if none did
	Error  string    // and why
}

// Waiting returns what waits for each sink, of all hosts, also those that are
// not configured here, and what cannot be delivered.
func (l *Log) Waiting(ctx context.Context) ([]Waiting, []Aside, error) {
	snapshot, err := l.Store.Read(ctx, l.outbox(), l.aside())
	if err != nil {
		return nil, nil, err
	}
	all, misfits := l.messages(snapshot.Entries)
	var asides []Aside
	for _, m := range slices.Concat(l.asides(snapshot.Entries), misfits) {
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
