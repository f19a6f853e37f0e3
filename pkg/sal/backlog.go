package sal

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

// Redeliver sends all messages in the outbox that this host may send, oldest
// first, including those to sinks that failed recently. It waits for messages
// that other processes are sending, until they are delivered or released. It
// returns the number of messages that each sink received, by name, and the
// errors. After a sink fails, Redeliver sends nothing more to it.
func (l *Log) Redeliver(ctx context.Context) (map[string]int, []error) {
	taken, failed := map[string]int{}, map[string]bool{}
	var errs []error
	var start store.Revision // Redeliver does not wait for later messages
	for ctx.Err() == nil {
		snapshot, err := l.Store.Read(ctx, l.outbox())
		if err != nil {
			return taken, append(errs, err)
		}
		waiting, badEntries := l.messages(snapshot.Entries)
		if start == 0 {
			start = snapshot.Revision
			errs = append(errs, l.setAside(ctx, badEntries)...)
		}
		if moved, err := l.readdress(ctx, waiting, []string{l.Self.Host}); err != nil {
			return taken, append(errs, err)
		} else if moved {
			continue
		}
		b := l.backlogs(waiting, nil, func(b backlog) bool { return !failed[b.sink.Name()] })
		if len(b.jobs) == 0 && !b.heldBefore(start) {
			return taken, append(errs, l.waitErrors(waiting)...)
		}
		if len(b.jobs) == 0 {
			pause(ctx, claimTime/20)
			continue
		}
		results, err := l.perform(ctx, b.jobs, claimTime)
		for _, r := range results {
			taken[r.sink.Name()] += len(r.sent)
			if r.err != nil {
				failed[r.sink.Name()] = true
				errs = append(errs, r.err)
			}
		}
		if err != nil {
			return taken, append(errs, err)
		}
	}
	return taken, append(errs, ctx.Err())
}

// backlogs is the backlog of several sinks.
type backlogs struct {
	jobs []job // that send the messages this host may send now
	all  []backlog
}

// backlogs returns what this host may send to the sinks whose backlogs are
// wanted.
func (l *Log) backlogs(waiting []message, absent []string, wanted func(backlog) bool) backlogs {
	var all backlogs
	now := l.now()
	for _, s := range l.working() {
		b := l.backlog(s, waiting, now, absent)
		if !wanted(b) {
			continue
		}
		all.all = append(all.all, b)
		j := job{sink: s, limit: sendTime}
		if s.Kind() == Central {
			j.limit = 5 * sendTime
		}
		if len(b.late) > 0 {
			j.letters = append(j.letters, letter{covers: b.late, late: true, needs: j.limit})
		}
		for _, m := range b.timely {
			j.letters = append(j.letters, letter{covers: []message{m}, needs: j.limit})
		}
		if len(j.letters) > 0 {
			all.jobs = append(all.jobs, j)
		}
	}
	return all
}

// heldBefore reports whether other processes are sending messages created at a
// revision or earlier.
func (b backlogs) heldBefore(r store.Revision) bool {
	return slices.ContainsFunc(b.all, func(b backlog) bool {
		return slices.ContainsFunc(b.held, func(m message) bool { return m.created <= r })
	})
}

// next returns when a message may become free to send without any write to the
// outbox. It is at most a minute away.
func (b backlogs) next(now time.Time) time.Time {
	next := now.Add(restTime)
	for _, one := range b.all {
		if one.failed != nil {
			next = earlier(next, one.failed.Failed.Add(restTime))
			continue
		}
		for _, m := range one.held {
			next = earlier(next, m.Until)
		}
	}
	return next
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// silentTime is how long a host may make no change before other hosts deliver its
// messages.
const silentTime = 7 * 24 * time.Hour

// silent returns the hosts that have messages in the outbox, all older than
// silentTime.
func silent(waiting []message, now time.Time) []string {
	newest := map[string]time.Time{}
	for _, m := range waiting {
		if m.queue.host != "" && !m.Time.Before(newest[m.queue.host]) {
			newest[m.queue.host] = m.Time
		}
	}
	var hosts []string
	for host, t := range newest {
		if now.Sub(t) > silentTime {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// KeepDelivering sends messages that other processes have left in the outbox, as
// soon as they are free, until the context ends. It also sends those of hosts
// whose messages are all older than 7 days. It does not use a sink for a minute
// after that sink failed. Errors of sinks and of the store do not stop it: it
// reports them, and repeats the same error at most once a minute.
func (l *Log) KeepDelivering(ctx context.Context, report func(error)) {
	const minPause = time.Second // between two reads of the outbox
	var last string
	var when time.Time
	reportNew := func(err error) {
		if err == nil || ctx.Err() != nil || (err.Error() == last && l.now().Sub(when) < time.Minute) {
			return
		}
		last, when = err.Error(), l.now()
		report(err)
	}
	for ctx.Err() == nil {
		after, next, err := l.deliverOnce(ctx)
		reportNew(err)
		pause(ctx, minPause)
		if after > 0 {
			reportNew(l.await(ctx, after, next))
		}
	}
}

// deliverOnce sends the messages that are free. It returns the revision that it
// read, 0 if it could not read, and when to look again if the outbox does not
// change.
func (l *Log) deliverOnce(ctx context.Context) (store.Revision, time.Time, error) {
	snapshot, err := l.Store.Read(ctx, l.outbox())
	if err != nil {
		return 0, time.Time{}, err
	}
	waiting, badEntries := l.messages(snapshot.Entries)
	errs := errors.Join(append(l.setAside(ctx, badEntries), l.waitErrors(waiting)...)...)
	now := l.now()
	absent := silent(waiting, now)
	if moved, err := l.readdress(ctx, waiting, append([]string{l.Self.Host}, absent...)); moved || err != nil {
		return snapshot.Revision, now, errors.Join(errs, err)
	}
	b := l.backlogs(waiting, absent, func(backlog) bool { return true })
	next := b.next(now)
	b.jobs = slices.DeleteFunc(b.jobs, func(j job) bool { return b.resting(j.sink) })
	if len(b.jobs) == 0 {
		return snapshot.Revision, next, errs
	}
	results, err := l.perform(ctx, b.jobs, claimTime)
	errs = errors.Join(errs, err)
	for _, r := range results {
		errs = errors.Join(errs, r.err)
	}
	return snapshot.Revision, now, errs
}

// resting reports whether a sink failed within restTime.
func (b backlogs) resting(s Sink) bool {
	return slices.ContainsFunc(b.all, func(b backlog) bool { return b.sink.Name() == s.Name() && b.failed != nil })
}

// await returns when the outbox changes or the time is reached.
func (l *Log) await(ctx context.Context, after store.Revision, until time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, until.Sub(l.now()))
	defer cancel()
	for batch, err := range l.Store.Watch(ctx, after, l.outbox()) {
		if err != nil && !errors.Is(err, store.ErrCompacted) { // after compaction, read the outbox again
			return err
		}
		if err != nil || len(batch.Events) > 0 {
			return nil
		}
	}
	return nil
}

// pause waits for a while, or until the context ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
