package sal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

const (
	sendTime = time.Second // for one message; after a commit, for all messages to all sinks
	// leftForOlder and leftForAny are how much of sendTime must be left to begin
	// to send an older message, or any message. A message that is cut off for
	// lack of time would count as a failure of the sink.
	leftForOlder = sendTime / 2
	leftForAny   = sendTime / 5

	maxOlder      = 50                 // messages for a sink in one batch
	maxRecords    = 2 * maxOlder       // records of the changes of a batch
	maxLate       = 1000               // messages in one summary line
	maxBatchBytes = store.MaxBytes / 2 // size of a batch in bytes
)

// Deliver sends the message of a change that was just committed to the sinks,
// within a second for all of them. Before it, Deliver sends free messages that
// other processes left in the outbox and that were read when the change was
// planned. It claims each of those first, so that one process sends it. If there
// are none, Deliver makes one request to the store, after sending.
//
// The few errors are sentences for the operator about messages that stay in the
// outbox.
func (l *Log) Deliver(ctx context.Context, own Delivery, seen []store.Entry) []error {
	if own.Message == "" || len(l.Sinks) == 0 {
		return nil
	}
	ctx = context.WithoutCancel(ctx) // an interrupt must not suppress the announcement of a committed change
	waiting, badEntries := l.seen(ctx, seen)
	waiting = slices.DeleteFunc(waiting, func(m message) bool { return m.ID == own.ID })
	now := l.now()
	var jobs []job
	var errs []error
	for _, s := range l.Sinks {
		if broken, ok := s.(Broken); ok {
			if receives(s, own.Quiet) {
				errs = append(errs, own.undelivered(s, broken.waitError()))
			}
			continue
		}
		b := l.backlog(s, waiting, now, nil)
		if b.failed != nil {
			if receives(s, own.Quiet) {
				errs = append(errs, own.undelivered(s, fmt.Errorf("%s failed at %s UTC (%s) and is left alone for a minute",
					s.Name(), b.failed.Failed.UTC().Format(time.TimeOnly), strings.TrimPrefix(b.failed.Error, s.Name()+" "))))
			}
			continue
		}
		jobs = append(jobs, l.afterCommit(s, b, own))
	}
	results, err := l.perform(ctx, jobs, sendTime)
	if err != nil {
		errs = append(errs, err)
	}
	for i, r := range results {
		if err := r.complaint(own, jobs[i].remaining); err != nil {
			errs = append(errs, err)
		}
	}
	if err == nil { // after an error, another commit would only cost time
		errs = append(errs, l.setAside(ctx, badEntries[:min(len(badEntries), store.MaxGuards)])...)
	}
	return errs
}

// seen returns the messages and the invalid entries among what was read when a
// change was planned. If the settings of all sinks are right now, it first
// readdresses messages that waited for them.
func (l *Log) seen(ctx context.Context, entries []store.Entry) ([]message, []badEntry) {
	waiting, badEntries := l.messages(entries)
	moved, err := l.readdress(ctx, waiting, []string{l.Self.Host})
	if !moved || err != nil { // if the move failed, the next change tries again
		return waiting, badEntries
	}
	if now, err := l.Store.Read(ctx, l.Prefixes()...); err == nil {
		return l.messages(now.Entries)
	}
	return waiting, badEntries
}

// afterCommit returns what a process sends to a sink after its commit: older
// messages, its own message, then a summary of late ones.
func (l *Log) afterCommit(s Sink, b backlog, own Delivery) job {
	j := job{sink: s, limit: sendTime, remaining: b.remaining}
	for _, m := range b.timely {
		j.letters = append(j.letters, letter{covers: []message{m}, needs: leftForOlder})
	}
	// Messages are sent in order: the new one waits if not all older ones can be
	// sent now.
	if b.remaining == 0 && receives(s, own.Quiet) {
		m := l.ownMessage(s, own)
		j.letters = append(j.letters, letter{Delivery: own, covers: []message{m}, needs: leftForAny, own: true})
	}
	if len(b.late) > 0 {
		j.letters = append(j.letters, letter{covers: b.late, late: true, needs: leftForAny})
	}
	return j
}

// ownMessage returns the message of the change just committed, as the commit
// wrote it.
func (l *Log) ownMessage(s Sink, own Delivery) message {
	last := Record{Time: own.Time, Event: Event{ID: own.ID}, Change: ChangeRecord{Run: own.ID}}
	if n := len(own.Records); n > 0 {
		last.Time, last.Event.ID = own.Records[n-1].Time, own.Records[n-1].Event.ID
	}
	m := l.fresh(s, own.Message, last)
	m.created, m.modified = own.Revision, own.Revision
	return m
}

// undelivered returns the error that a message stays in the outbox.
func (d Delivery) undelivered(s Sink, why error) error {
	if !receives(s, d.Quiet) {
		return fmt.Errorf("earlier changes are not announced: %w", why)
	}
	if s.Kind() != Channel {
		return fmt.Errorf("not delivered: %w; the change is made and in the journal as %s", why, d.ID)
	}
	return fmt.Errorf("not announced: %w; the change is made and in the journal as %s", why, d.ID)
}

// backlog is the messages that wait for a sink, oldest first.
type backlog struct {
	sink      Sink
	timely    []message // sent one by one
	late      []message // sent in one summary line
	remaining int       // number of messages left for a later batch
	held      []message // other processes are sending these
	failed    *message  // the last that failed, if the sink failed within restTime
}

// backlog returns the messages that this host may send to a sink, including those
// of the hosts in absent.
func (l *Log) backlog(s Sink, waiting []message, now time.Time, absent []string) backlog {
	b := backlog{sink: s}
	var timely, late batch
	for i, m := range waiting {
		own := m.queue == l.queueOf(s)
		if !own && (s.Kind() != PerHost || m.queue.sink != s.Name() || !slices.Contains(absent, m.queue.host)) {
			continue
		}
		if rest := now.Sub(m.Failed); rest < restTime && rest > -restTime && (b.failed == nil || m.Failed.After(b.failed.Failed)) {
			b.failed = &waiting[i]
		}
		isLate := s.Kind() == Channel && now.Sub(m.Time) > lateTime
		switch {
		case !l.free(m, now):
			b.held = append(b.held, m)
		case isLate && late.takes(m, maxLate, maxLate):
			b.late = append(b.late, m)
		case isLate:
		case timely.takes(m, maxOlder, maxRecords):
			b.timely = append(b.timely, m)
		default:
			b.remaining++
		}
	}
	return b
}

// batch limits how much is claimed and sent at a time.
type batch struct {
	messages, records, bytes int
	full                     bool
}

// takes reports whether a message fits into the batch. The first message always
// fits. Messages are sent in order, so after one that does not fit, none fits.
func (b *batch) takes(m message, messages, records int) bool {
	b.messages, b.records, b.bytes = b.messages+1, b.records+m.Parts, b.bytes+m.size
	b.full = b.full || b.messages > 1 && (b.messages > messages || b.records > records || b.bytes > maxBatchBytes)
	return !b.full
}

// letter is one delivery to a sink.
type letter struct {
	Delivery
	covers []message     // messages that leave the outbox when the letter is sent
	needs  time.Duration // the letter is not begun with less time left
	own    bool          // for the change just committed, which has claimed its message
	late   bool          // one summary line for all messages
}

// job is the letters to one sink, in order.
type job struct {
	sink      Sink
	letters   []letter
	limit     time.Duration // for each letter
	remaining int           // likewise; newer ones wait behind them
}

// result is the outcome of a job.
type result struct {
	sink   Sink
	sent   []message
	failed *message // the first that failed; nothing was sent after it
	err    error    // why it failed
	own    bool     // the new message was sent, or another process has it
	left   int      // letters that were not begun for lack of time
}

// complaint returns why the new message was not sent, or what failed after it.
func (r result) complaint(own Delivery, remaining int) error {
	switch {
	case r.err != nil && r.own:
		return fmt.Errorf("earlier changes are not announced: %w", r.err)
	case r.err != nil:
		return own.undelivered(r.sink, r.err)
	case r.own || !receives(r.sink, own.Quiet):
		return nil
	case remaining > 0 || r.left > 1:
		return own.undelivered(r.sink, fmt.Errorf("older messages to %s go first", r.sink.Name()))
	}
	return own.undelivered(r.sink, fmt.Errorf("no time was left for %s", r.sink.Name()))
}

// perform claims the messages of the jobs, sends them to all sinks concurrently,
// and updates the outbox. It begins no letter after the context ends, after the
// given time, or when other processes may claim the messages. Letters that were
// begun are finished.
func (l *Log) perform(ctx context.Context, jobs []job, timeout time.Duration) ([]result, error) {
	errClaim := l.prepare(ctx, jobs)
	for _, j := range jobs {
		for _, le := range j.letters {
			timeout = min(timeout, le.covers[0].Until.Sub(l.now())-sendTime)
		}
	}
	sending, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	results := make([]result, len(jobs))
	var wait sync.WaitGroup
	for i, j := range jobs {
		wait.Go(func() { results[i] = j.perform(sending) })
	}
	wait.Wait()
	return results, errors.Join(errClaim, l.settle(context.WithoutCancel(ctx), results))
}

// prepare claims the messages of all letters and reads the records that the sinks
// need. It removes letters whose messages are all held by other processes and,
// after an error, all letters that are not claimed.
func (l *Log) prepare(ctx context.Context, jobs []job) error {
	var wanted []message
	now := l.now()
	for _, j := range jobs {
		for _, le := range j.letters {
			if !le.claimed(now) {
				wanted = append(wanted, le.covers...)
			}
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	claimed, err := l.claim(ctx, wanted)
	byKey := make(map[string]message, len(claimed))
	for _, m := range claimed {
		byKey[m.key] = m
	}
	records, errRead := l.recordsOf(ctx, jobs, byKey)
	for i := range jobs {
		jobs[i].keep(byKey, records, errRead == nil, now)
	}
	return errors.Join(err, errRead)
}

// claimed reports whether the commit has claimed the letter for this process and
// the claim is still long enough to send it.
func (le letter) claimed(now time.Time) bool {
	return le.own && le.covers[0].Until.Sub(now) > 2*sendTime
}

// keep removes the letters that cannot be sent and completes the others.
func (j *job) keep(claimed map[string]message, records map[string][]Record, readable bool, now time.Time) {
	kept := j.letters[:0:0]
	for _, le := range j.letters {
		if le.claimed(now) {
			kept = append(kept, le)
			continue
		}
		var mine []message
		for _, m := range le.covers {
			if c, ok := claimed[m.key]; ok {
				mine = append(mine, c)
			}
		}
		if len(mine) == 0 || (!readable && !le.own && j.sink.Kind() != Channel) {
			continue
		}
		le.covers = mine
		switch {
		case le.late:
			le.Delivery = Delivery{ID: mine[0].ID, Time: now, Message: lateLine(mine, now)}
		case !le.own:
			le.Delivery = Delivery{ID: mine[0].ID, Time: mine[0].Time, Message: mine[0].Message, Records: records[mine[0].ID]}
		}
		kept = append(kept, le)
	}
	j.letters = kept
}

// recordsOf reads the records of claimed messages in one request, for the sinks
// that need them. The result is by the id of the change.
func (l *Log) recordsOf(ctx context.Context, jobs []job, claimed map[string]message) (map[string][]Record, error) {
	ids := map[string]string{} // by the key of the record
	for _, j := range jobs {
		for _, le := range j.letters {
			m, ok := claimed[le.covers[0].key]
			if !ok || le.own || j.sink.Kind() == Channel {
				continue
			}
			for n := range m.Parts {
				ids[l.Key(PartID(m.ID, n+1))] = m.ID
			}
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return l.readRecords(ctx, ids)
}

func (l *Log) readRecords(ctx context.Context, ids map[string]string) (map[string][]Record, error) {
	keys := make([]string, 0, len(ids))
	for key := range ids {
		keys = append(keys, key)
	}
	snapshot, err := l.Store.Read(ctx, keys...)
	if err != nil {
		return nil, fmt.Errorf("reading the records of older messages: %w", err)
	}
	slices.SortFunc(snapshot.Entries, func(a, b store.Entry) int { return int(a.Created - b.Created) }) // order of parts
	records := map[string][]Record{}
	for _, e := range snapshot.Entries {
		r, err := ParseRecord(e.Value)
		if err != nil || r.Change.Void {
			continue // the sink gets the message alone; commands that read the journal report the record
		}
		records[ids[e.Key]] = append(records[ids[e.Key]], r)
	}
	return records, nil
}

// perform sends the letters in order, until one fails or time runs out.
func (j job) perform(ctx context.Context) result {
	r := result{sink: j.sink, own: !slices.ContainsFunc(j.letters, func(le letter) bool { return le.own }) && j.remaining == 0}
	for i, le := range j.letters {
		if deadline, ok := ctx.Deadline(); ctx.Err() != nil || (ok && time.Until(deadline) < le.needs) {
			r.left = len(j.letters) - i
			return r
		}
		if r.err = send(ctx, j.sink, le.Delivery, j.limit); r.err != nil {
			r.failed = &le.covers[0]
			return r
		}
		r.sent = append(r.sent, le.covers...)
		r.own = r.own || le.own
	}
	return r
}

// send sends one message. It returns within the limit even if the sink does not.
// An interrupt does not cut it off, because then it would be unknown whether the
// sink has the message.
func send(ctx context.Context, s Sink, d Delivery, limit time.Duration) error {
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	done := make(chan error, 1)
	go func() {
		defer cancel()
		done <- s.Send(ctx, d)
	}()
	const grace = 50 * time.Millisecond // lets the sink return its own error
	select {
	case err := <-done:
		return err
	case <-time.After(limit + grace):
		return fmt.Errorf("%s: no answer within %v", s.Name(), limit.Round(time.Millisecond))
	}
}
