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
	sendTime = time.Second // for a message; right after a commit, for all messages to all sinks
	// Of the latter, what has to be left for an older message to be begun, and
	// for one to be begun at all. What is begun late and cut off would count
	// as the sink's failure.
	leftForOlder = sendTime / 2
	leftForAny   = sendTime / 5

	mostOlder   = 50                 // messages for a sink at a time
	mostRecords = 2 * mostOlder      // of their changes
	mostLate    = 1000               // messages that go into one line
	mostBytes   = store.MaxBytes / 2 // of the former and of the latter
)

// Deliver sends the message of a change that was just committed to the sinks,
// in a second for all of them, and before it what others have left behind: what
// was seen in the outbox when the change was planned, and is free. Each
// message is claimed first, so that one process sends it. It costs one request
// if nothing was left behind, after the messages are sent.
//
// The errors, at most a few, each a sentence for the operator, are about
// messages that stay in the outbox.
func (l *Log) Deliver(ctx context.Context, own Delivery, seen []store.Entry) []error {
	if own.Message == "" || len(l.Sinks) == 0 {
		return nil
	}
	ctx = context.WithoutCancel(ctx) // the change is made: people are to know
	waiting, misfits := l.seen(ctx, seen)
	waiting = slices.DeleteFunc(waiting, func(m message) bool { return m.ID == own.ID })
	now := l.now()
	var jobs []job
	var errs []error
	for _, s := range l.Sinks {
		if broken, is := s.(Broken); is {
			if isTold(s, own.Quiet) {
				errs = append(errs, own.undelivered(s, broken.waits()))
			}
			continue
		}
		b := l.backlog(s, waiting, now, nil)
		if b.failed != nil {
			if isTold(s, own.Quiet) {
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
		if err := r.complaint(own, jobs[i].beyond); err != nil {
			errs = append(errs, err)
		}
	}
	if err == nil { // else it would only take longer
		errs = append(errs, l.setAside(ctx, misfits[:min(len(misfits), store.MaxGuards)])...)
	}
	return errs
}

// seen returns the messages among what was read when a change was planned, and what
// is no message. What
// has waited for settings to be mended is addressed first, if they are.
func (l *Log) seen(ctx context.Context, entries []store.Entry) ([]message, []misfit) {
	waiting, misfits := l.messages(entries)
	moved, err := l.readdress(ctx, waiting, []string{l.Self.Host})
	if !moved || err != nil { // then the next change comes to it
		return waiting, misfits
	}
	if now, err := l.Store.Read(ctx, l.Prefixes()...); err == nil {
		return l.messages(now.Entries)
	}
	return waiting, misfits
}

// afterCommit is what a process sends to a sink after its commit: what is
// older, its own message, and then what is late.
func (l *Log) afterCommit(s Sink, b backlog, own Delivery) job {
	j := job{sink: s, limit: sendTime, beyond: b.beyond}
	for _, m := range b.timely {
		j.letters = append(j.letters, letter{covers: []message{m}, needs: leftForOlder})
	}
	// Messages are sent in order, so where more are older than can be sent now
	// the own one waits behind them.
	if b.beyond == 0 && isTold(s, own.Quiet) {
		m := l.ownMessage(s, own)
		j.letters = append(j.letters, letter{Delivery: own, covers: []message{m}, needs: leftForAny, own: true})
	}
	if len(b.late) > 0 {
		j.letters = append(j.letters, letter{covers: b.late, late: true, needs: leftForAny})
	}
	return j
}

// ownMessage is that of the change just committed, as its commit has written it.
func (l *Log) ownMessage(s Sink, own Delivery) message {
	last := Record{Time: own.Time, Event: Event{ID: own.ID}, Change: ChangeRecord{Run: own.ID}}
	if n := len(own.Records); n > 0 {
		last.Time, last.Event.ID = own.Records[n-1].Time, own.Records[n-1].Event.ID
	}
	m := l.fresh(s, own.Message, last)
	m.created, m.modified = own.Revision, own.Revision
	return m
}

// undelivered says that a message stays in the outbox.
func (d Delivery) undelivered(s Sink, why error) error {
	if !isTold(s, d.Quiet) {
		return fmt.Errorf("earlier changes are not announced: %w", why)
	}
	if s.Kind() != Channel {
		return fmt.Errorf("not delivered: %w; the change is made and in the journal as %s", why, d.ID)
	}
	return fmt.Errorf("not announced: %w; the change is made and in the journal as %s", why, d.ID)
}

// backlog is what waits for a sink, the oldest first.
type backlog struct {
	sink   Sink
	timely []message // to be sent one by one
	late   []message // to be sent in one line
	beyond int       // could be sent too, but not now
	held   []message // by others
	failed *message  // the last to fail, if the sink is to be left alone
}

// backlog finds what this host may send to a sink; also what the hosts that it
// stands in for have left.
func (l *Log) backlog(s Sink, waiting []message, now time.Time, standIn []string) backlog {
	b := backlog{sink: s}
	var timely, late batch
	for i, m := range waiting {
		own := m.queue == l.queueOf(s)
		if !own && (s.Kind() != PerHost || m.queue.sink != s.Name() || !slices.Contains(standIn, m.queue.host)) {
			continue
		}
		if rest := now.Sub(m.Failed); rest < restTime && rest > -restTime && (b.failed == nil || m.Failed.After(b.failed.Failed)) {
			b.failed = &waiting[i]
		}
		isLate := s.Kind() == Channel && now.Sub(m.Time) > lateTime
		switch {
		case !l.free(m, now):
			b.held = append(b.held, m)
		case isLate && late.takes(m, mostLate, mostLate):
			b.late = append(b.late, m)
		case isLate:
		case timely.takes(m, mostOlder, mostRecords):
			b.timely = append(b.timely, m)
		default:
			b.beyond++
		}
	}
	return b
}

// batch bounds what is claimed and sent at a time.
type batch struct {
	messages, records, bytes int
	full                     bool
}

// takes reports whether a message still belongs into the batch. Messages are sent
// in order, so none does after the first that does not; the first of all does.
func (b *batch) takes(m message, messages, records int) bool {
	b.messages, b.records, b.bytes = b.messages+1, b.records+m.Parts, b.bytes+m.size
	b.full = b.full || b.messages > 1 && (b.messages > messages || b.records > records || b.bytes > mostBytes)
	return !b.full
}

// letter is what goes to a sink at once.
type letter struct {
	Delivery
	covers []message     // leave the outbox when it is sent
	needs  time.Duration // is not begun with less time left
	own    bool          // of the change just committed, which has claimed it
	late   bool          // one line for all it covers
}

// job is what goes to one sink, in order.
type job struct {
	sink    Sink
	letters []letter
	limit   time.Duration // for each
	beyond  int           // messages that have to wait, and all after them
}

// result is what came of a job.
type result struct {
	sink   Sink
	sent   []message
	failed *message // the first that the sink did not take: nothing was sent after it
	err    error    // why
	own    bool     // the own message was sent, or is in other hands
	left   int      // letters for which there was no time
}

// complaint says why the own message was not sent, or what failed after it.
func (r result) complaint(own Delivery, beyond int) error {
	switch {
	case r.err != nil && r.own:
		return fmt.Errorf("earlier changes are not announced: %w", r.err)
	case r.err != nil:
		return own.undelivered(r.sink, r.err)
	case r.own || !isTold(r.sink, own.Quiet):
		return nil
	case beyond > 0 || r.left > 1:
		return own.undelivered(r.sink, fmt.Errorf("older messages to %s go first", r.sink.Name()))
	}
	return own.undelivered(r.sink, fmt.Errorf("no time was left for %s", r.sink.Name()))
}

// perform claims what the jobs send, sends it, all sinks at once, and settles
// it in the outbox. Sending ends with the context, or after the given time, or
// when others may think that this process has died; what is begun is finished.
func (l *Log) perform(ctx context.Context, jobs []job, within time.Duration) ([]result, error) {
	errClaim := l.prepare(ctx, jobs)
	for _, j := range jobs {
		for _, le := range j.letters {
			within = min(within, le.covers[0].Until.Sub(l.now())-sendTime)
		}
	}
	sending, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	results := make([]result, len(jobs))
	var wait sync.WaitGroup
	for i, j := range jobs {
		wait.Go(func() { results[i] = j.perform(sending) })
	}
	wait.Wait()
	return results, errors.Join(errClaim, l.settle(context.WithoutCancel(ctx), results))
}

// prepare claims the messages of all letters and reads what the sinks want to
// know of them. Letters of which others have all messages are taken out; after
// an error all are that are not claimed.
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

// claimed reports whether the letter is this process's already: its own
// message, unless the commit took so long that others may send it.
func (le letter) claimed(now time.Time) bool {
	return le.own && le.covers[0].Until.Sub(now) > 2*sendTime
}

// keep leaves the letters that can be sent, and completes them.
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

// recordsOf reads the records of claimed messages by the id of their change, as
// far as sinks want them, in one request.
func (l *Log) recordsOf(ctx context.Context, jobs []job, claimed map[string]message) (map[string][]Record, error) {
	ids := map[string]string{} // by the record's key
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
	slices.SortFunc(snapshot.Entries, func(a, b store.Entry) int { return int(a.Created - b.Created) }) // the parts in order
	records := map[string][]Record{}
	for _, e := range snapshot.Entries {
		r, err := ParseRecord(e.Value)
		if err != nil || r.Change.Void {
			continue // its message has to do; showing the journal names it
		}
		records[ids[e.Key]] = append(records[ids[e.Key]], r)
	}
	return records, nil
}

// perform sends the letters in order, until one fails or time is up.
func (j job) perform(ctx context.Context) result {
	r := result{sink: j.sink, own: !slices.ContainsFunc(j.letters, func(le letter) bool { return le.own }) && j.beyond == 0}
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

// send sends one message, and comes back in time whatever the sink does. What
// was begun is not cut off by an interrupt: it would not be known whether the
// sink has it.
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
	const grace = 50 * time.Millisecond // for the sink's own words about it
	select {
	case err := <-done:
		return err
	case <-time.After(limit + grace):
		return fmt.Errorf("%s: no answer within %v", s.Name(), limit.Round(time.Millisecond))
	}
}
