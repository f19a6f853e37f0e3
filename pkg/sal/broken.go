package sal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

// Unread is the name in the outbox of sinks whose settings cannot be read well
// enough to know their names. No sink may have this name.
const Unread = "sal"

// Broken represents a sink whose settings are wrong. Nothing can be delivered to
// it: its messages wait in the outbox, under the sink's name, until its settings
// are right. Delivery to other sinks continues.
type Broken struct {
	Label string
	Is    Kind
}

var _ Sink = Broken{}

// NewUnread returns a Broken for all sinks whose names are not known. Its
// messages are kept for each host separately, because the settings of other hosts
// may be right.
func NewUnread() Broken { return Broken{Unread, PerHost} }

// Name returns the sink's name in the outbox.
func (b Broken) Name() string { return b.Label }

// Kind returns the kind that the sink has once its settings are right.
func (b Broken) Kind() Kind { return b.Is }

// Send always fails.
func (b Broken) Send(context.Context, Delivery) error { return b.waitError() }

// waitError returns the error that messages wait for this sink's settings.
func (b Broken) waitError() error {
	if b.Label == Unread {
		return errors.New("the settings of a sink are wrong: what it is to be told waits until they are right")
	}
	return fmt.Errorf("the settings of %s are wrong: what it is to be told waits until they are right", b.Label)
}

func isBroken(s Sink) bool {
	_, ok := s.(Broken)
	return ok
}

// working returns the sinks whose settings are right.
func (l *Log) working() []Sink {
	return slices.DeleteFunc(slices.Clone(l.Sinks), isBroken)
}

// waitErrors returns an error for each broken sink that messages wait for.
func (l *Log) waitErrors(waiting []message) []error {
	var errs []error
	for _, s := range l.Sinks {
		b, ok := s.(Broken)
		if ok && slices.ContainsFunc(waiting, func(m message) bool { return m.queue == l.queueOf(b) }) {
			errs = append(errs, b.waitError())
		}
	}
	return errs
}

// pending changes a message for a broken sink so that no process holds it. If the
// sink's name is not known, the message lists the sinks that also have it.
func (l *Log) pending(m message, quiet bool) message {
	m.Holder, m.Until = Holder{}, time.Time{}
	if m.queue.sink != Unread {
		return m
	}
	m.Quiet = quiet
	for _, s := range l.Sinks {
		if s.Name() != Unread {
			m.Told = append(m.Told, s.Name())
		}
	}
	return m
}

// readdress moves messages for sinks with unknown names to the sinks that have
// not received them, once all settings are right. It handles the messages of the
// given hosts, and reports whether there were any.
func (l *Log) readdress(ctx context.Context, waiting []message, hosts []string) (bool, error) {
	if slices.ContainsFunc(l.Sinks, isBroken) {
		return false, nil
	}
	unread := slices.DeleteFunc(slices.Clone(waiting), func(m message) bool {
		return m.queue.sink != Unread || !slices.Contains(hosts, m.queue.host)
	})
	var steps []step
	for _, m := range unread {
		writes, err := l.moved(m)
		if err != nil {
			return true, err
		}
		steps = append(steps, step{m, writes})
	}
	if _, err := l.commit(ctx, steps); err != nil { // another process moves the rest
		return true, fmt.Errorf("readdressing older messages: %w", err)
	}
	return len(unread) > 0, nil
}

// movable reports whether copies of a message for all sinks fit into one
// transaction.
func (l *Log) movable(m message) bool {
	writes, err := l.moved(m)
	return err == nil && step{m, writes}.fits()
}

// moved returns the writes that move a message to the queues of the sinks that
// have not received it.
func (l *Log) moved(m message) ([]store.Write, error) {
	writes := []store.Write{{Key: m.key, Delete: true}}
	for _, s := range l.Sinks {
		if slices.Contains(m.Told, s.Name()) || !receives(s, m.Quiet) {
			continue
		}
		to := queue{sink: s.Name()}
		if s.Kind() == PerHost {
			to.host = m.queue.host
		}
		one := m
		one.key, one.Told, one.Quiet = l.place(to, m.ID), nil, false
		w, err := one.write()
		if err != nil {
			return nil, err
		}
		writes = append(writes, w)
	}
	return writes, nil
}
