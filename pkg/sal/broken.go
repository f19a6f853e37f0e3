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
// enough to know their own. No sink can be called so.
const Unread = "sal"

// Broken stands for a sink whose settings are wrong. Nothing can be delivered to
// it: what it would be told waits in the outbox, under the name that the sink has
// once its settings are right. What is told others is not held up by that.
type Broken struct {
	Label string
	Is    Kind
}

var _ Sink = Broken{}

// NewUnread stands for all sinks whose names are not known. Their messages wait on
// each host for itself: the settings of others may be right.
func NewUnread() Broken { return Broken{Unread, PerHost} }

// Name is the sink's name in the outbox.
func (b Broken) Name() string { return b.Label }

// Kind is what the sink will be.
func (b Broken) Kind() Kind { return b.Is }

// Send fails.
func (b Broken) Send(context.Context, Delivery) error { return b.waits() }

// waits says that messages to the sink wait.
func (b Broken) waits() error {
	if b.Label == Unread {
		return errors.New("the settings of a sink are wrong: what it is to be told waits until they are right")
	}
	return fmt.Errorf("the settings of %s are wrong: what it is to be told waits until they are right", b.Label)
}

func isBroken(s Sink) bool {
	_, is := s.(Broken)
	return is
}

// working returns the sinks that something can be delivered to.
func (l *Log) working() []Sink {
	return slices.DeleteFunc(slices.Clone(l.Sinks), isBroken)
}

// stuck says of each broken sink that messages wait for it.
func (l *Log) stuck(waiting []message) []error {
	var errs []error
	for _, s := range l.Sinks {
		b, is := s.(Broken)
		if is && slices.ContainsFunc(waiting, func(m message) bool { return m.queue == l.queueOf(b) }) {
			errs = append(errs, b.waits())
		}
	}
	return errs
}

// pending makes a message one for a broken sink: nobody is sending it, and of one
// that waits for sinks without a name it is known who else was told.
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

// readdress moves what waits for sinks whose names were not known to those sinks
// that were not told of it, once all settings are right. It does so for some
// hosts, and reports whether there was anything.
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
	if _, err := l.commit(ctx, steps); err != nil { // what is left out another process does
		return true, fmt.Errorf("readdressing older messages: %w", err)
	}
	return len(unread) > 0, nil
}

// movable reports whether a message fits into a transaction as often as there are
// sinks.
func (l *Log) movable(m message) bool {
	writes, err := l.moved(m)
	return err == nil && step{m, writes}.fits()
}

// moved returns the writes that put a message where the sinks that were not told
// look for it.
func (l *Log) moved(m message) ([]store.Write, error) {
	writes := []store.Write{{Key: m.key, Delete: true}}
	for _, s := range l.Sinks {
		if slices.Contains(m.Told, s.Name()) || !isTold(s, m.Quiet) {
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
