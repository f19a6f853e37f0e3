package etcd

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/conftool/confctl/pkg/store"
)

// call is one request to the store. It consists of attempts at one endpoint after
// another, until one answers or the budget is used up.
type call struct {
	what    string // for the debug log
	needs   []need // the permissions that it needs
	writes  bool   // it changes the store
	once    bool   // it must not be sent again when it may have been performed
	patient bool   // it continues even if no endpoint can be reached
	own     bool   // it needs a session of its own
	do      func(ctx context.Context, u *session) error

	endpoints []*endpoint
	budget    time.Duration
	attempts  int
	pause     time.Duration // before the next round of attempts
	at        *endpoint     // where the last attempt was sent; nil if it was not sent
	failed    []error       // the last error of each endpoint; nil if it has not failed
	doubt     error         // the error of an attempt that may have been performed or may still be
	rejection error         // the error of a server that refused the call although an attempt may have been performed
}

// run performs a call within the store's timeout.
func (s *Store) run(ctx context.Context, c *call) error {
	begun := time.Now()
	err := s.perform(ctx, c)
	if s.cfg.Debug != nil {
		outcome, at := "ok", "no endpoint"
		if err != nil {
			outcome = err.Error()
		}
		if c.at != nil {
			at = c.at.address
		}
		s.cfg.Debug("etcd: %s: %s in %v, %d attempts, %s", c.what, outcome, time.Since(begun).Round(100*time.Microsecond), c.attempts, at)
	}
	return err
}

func (s *Store) perform(parent context.Context, c *call) (err error) {
	if err := parent.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(clientv3.WithRequireLeader(parent), s.cfg.Timeout)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	c.budget = s.cfg.Timeout
	if end, limited := parent.Deadline(); limited {
		c.budget = min(c.budget, time.Until(end).Round(time.Millisecond))
	}
	if c.endpoints, err = s.resolve(ctx); err != nil {
		if errors.Is(parent.Err(), context.Canceled) {
			err = parent.Err()
		}
		return err
	}
	c.failed = make([]error, len(c.endpoints))
	for {
		v, err := s.attempt(ctx, c)
		switch {
		case v == done || v == refused:
			return err
		case v == lost && c.once:
			return c.settle(c.orTimeout(err))
		case v == unreachable && c.doubt == nil && !c.patient && ctx.Err() == nil:
			return c.unavailable()
		}
		if !c.wait(ctx, v) {
			return c.timedOut(parent)
		}
	}
}

// wait pauses between two attempts: not at all while there are endpoints that have
// not been tried, then longer each time. It reports whether there is time left.
func (c *call) wait(ctx context.Context, v verdict) bool {
	if v != unreachable && c.attempts%len(c.endpoints) != 0 {
		return ctx.Err() == nil
	}
	c.pause = min(max(2*c.pause, 20*time.Millisecond), 250*time.Millisecond)
	select {
	case <-ctx.Done():
		return false
	case <-time.After(c.pause/2 + rand.N(c.pause)):
		return true
	}
}

// attempt sends the request once and records the outcome.
func (s *Store) attempt(ctx context.Context, c *call) (verdict, error) {
	c.attempts++
	u, sent, err := s.send(ctx, c)
	v := judge(err, c.at, sent, c.writes)
	if v == denied && s.cfg.User != "" && isAny(err, rpctypes.ErrUserEmpty) {
		v = retry // authentication was enabled after the session began
	}
	if v != done && !u.shared {
		defer u.end()
	}
	switch v {
	case done:
		return done, nil
	case denied:
		return refused, c.fail(s.denied(ctx, c, u, err), c.doubt != nil)
	case refused:
		return refused, c.fail(c.refusal(err), c.doubt != nil)
	case ended:
		return refused, c.fail(c.refusal(err), true)
	}
	why := s.note(ctx, c, u, err)
	if v == lost && c.writes {
		c.doubt = why
	}
	return v, why
}

// send logs in if necessary and performs the call's function. An endpoint may stay
// silent for the time of one attempt. An answer that has begun to arrive may take the
// rest of the budget, and so may a request that is sent only once. Connecting may
// also take the rest of the budget, except for a session of its own: a long-lived
// session must find another endpoint soon.
func (s *Store) send(ctx context.Context, c *call) (u *session, sent bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	lost := func() { cancel(noAnswer(s.cfg.Attempt)) }
	m := &mark{patience: s.cfg.Attempt, lost: lost}
	stop := c.limitConnect(m)
	u, err = s.session(context.WithValue(ctx, markKey{}, m), c.own)
	stop()
	if err == nil {
		m = &mark{patience: s.cfg.Attempt, lost: lost}
		if c.once {
			m.patience = 0
		}
		defer c.limitConnect(m)()
		err = c.do(context.WithValue(ctx, markKey{}, m), u)
		sent = m.at.Load() != nil
	}
	c.at = m.at.Load()
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	return u, sent, err
}

// limitConnect limits the time that a call with a session of its own may take to
// connect. The caller calls stop once it is connected.
func (c *call) limitConnect(m *mark) (stop func()) {
	if !c.own {
		return func() {}
	}
	late := time.AfterFunc(m.patience, func() {
		if m.at.Load() == nil {
			m.lost()
		}
	})
	return func() { late.Stop() }
}

// note records the error of each endpoint, and returns the cause of the failed
// attempt. The next attempt has a new session, which begins with another endpoint.
func (s *Store) note(ctx context.Context, c *call, u *session, err error) error {
	why := err
	at := slices.Index(c.endpoints, c.at)
	for i, e := range c.endpoints {
		seen := s.cause(ctx, u, e)
		switch {
		case i == at:
			why = explain(err, seen)
			seen = why
		case seen == nil && at < 0 && ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded): // no endpoint is still connecting
			seen = errors.New("the server does not answer as etcd does")
		}
		if seen != nil && (ctx.Err() == nil || c.failed[i] == nil) { // after the timeout, the earlier error is more specific
			c.failed[i] = seen
		}
	}
	s.retire(u, at)
	return why
}

// explain returns the cause of a failed attempt: the server's own error or, without
// one, the error seen on its connection.
func explain(err, seen error) error {
	switch {
	case errors.As(err, new(*cause)):
		return err
	case seen == nil || errors.As(err, new(rpctypes.EtcdError)):
		return causef(err, "%s", reason(err))
	}
	return seen
}

// fail returns the error of a call that a server refused. If performed is true, an
// attempt may have been performed nevertheless: an earlier one or this one.
func (c *call) fail(err error, performed bool) error {
	if !performed {
		return err
	}
	c.rejection = err
	return c.unknown(err)
}

// settle returns the error of a call, which is unknown's if an earlier attempt may
// have been performed.
func (c *call) settle(err error) error {
	if c.doubt == nil {
		return err
	}
	return c.unknown(err)
}

// unknown returns the error of a call that may have been performed. It keeps only the
// text of err: its type would make a promise that holds only for the last attempt.
func (c *call) unknown(err error) error {
	kept := c.doubt
	if errors.Is(err, context.Canceled) {
		kept = err
	}
	return &store.UnknownError{Err: causef(kept, "%s", err)}
}

// refusal returns the error of a request that every server would refuse.
func (c *call) refusal(err error) error {
	switch {
	case isAny(err, rpctypes.ErrNoSpace):
		return c.unavailableHere(causef(err, "the store is full, it takes no writes until somebody made room (etcdctl alarm list)"))
	case isAny(err, rpctypes.ErrCorrupt):
		return c.unavailableHere(causef(err, "the members of the store contradict each other (etcdctl alarm list)"))
	}
	return causef(err, "refused by the store: %s", reason(err))
}

// unavailableHere returns the error of a call that failed because of one endpoint.
func (c *call) unavailableHere(err error) error {
	return &store.UnavailableError{Tried: []store.Endpoint{{Address: c.at.address, Err: err}}}
}

// unavailable returns the error of a call that failed at all endpoints. An endpoint
// that was silent in its last attempt has not answered within the budget.
func (c *call) unavailable() error {
	e := &store.UnavailableError{Tried: make([]store.Endpoint, len(c.endpoints))}
	for i, at := range c.endpoints {
		e.Tried[i] = store.Endpoint{Address: at.address, Err: c.orTimeout(c.failed[i])}
	}
	return e
}

// orTimeout returns err, or an error that says that there was no answer within the
// budget if err is nil or a timeout.
func (c *call) orTimeout(err error) error {
	if err == nil || errors.Is(err, context.DeadlineExceeded) {
		return noAnswer(c.budget)
	}
	return err
}

// timedOut returns the error of a call whose time is over.
func (c *call) timedOut(ctx context.Context) error {
	err := ctx.Err()
	if !errors.Is(err, context.Canceled) {
		err = c.unavailable()
	}
	return c.settle(err)
}
