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

// call is one request to the store: attempts at one endpoint after the other,
// until one is answered or the budget is used up.
type call struct {
	what    string // for the debug log
	needs   []need // the permissions it takes
	writes  bool   // it changes the store
	once    bool   // it must not be sent again when it may have been performed
	patient bool   // it goes on although no endpoint can be reached
	own     bool   // it wants a session of its own
	do      func(ctx context.Context, u *session) error

	endpoints []*endpoint
	budget    time.Duration
	attempts  int
	pause     time.Duration // before the next round of attempts
	at        *endpoint     // of the last attempt, if it got that far
	failed    []error       // what each endpoint failed with last; nil for not yet
	doubt     error         // of an attempt that may have been performed, or may be yet
	said      error         // what a server refused the call with, if an attempt may have been performed
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
			return c.settle(c.inTime(err))
		case v == nowhere && c.doubt == nil && !c.patient && ctx.Err() == nil:
			return c.unavailable()
		}
		if !c.wait(ctx, v) {
			return c.gaveUp(parent)
		}
	}
}

// wait is what lies between two attempts: nothing while there are endpoints
// that have not had their turn, else a little more each time. It reports
// whether there is time left.
func (c *call) wait(ctx context.Context, v verdict) bool {
	if v != nowhere && c.attempts%len(c.endpoints) != 0 {
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

// attempt sends the request once, and keeps what came of it.
func (s *Store) attempt(ctx context.Context, c *call) (verdict, error) {
	c.attempts++
	u, sent, err := s.send(ctx, c)
	v := judge(err, c.at, sent, c.writes)
	if v == denied && s.cfg.User != "" && isAny(err, rpctypes.ErrUserEmpty) {
		v = again // the store began to ask after the session had begun
	}
	if v != done && !u.shared {
		defer u.end()
	}
	switch v {
	case done:
		return done, nil
	case denied:
		return refused, c.ends(s.denied(ctx, c, u, err), c.doubt != nil)
	case refused:
		return refused, c.ends(c.refusal(err), c.doubt != nil)
	case ended:
		return refused, c.ends(c.refusal(err), true)
	}
	why := s.note(ctx, c, u, err)
	if v == lost && c.writes {
		c.doubt = why
	}
	return v, why
}

// send logs in if need be and performs the call's own part. The endpoint may
// be mute as long as an attempt may last, but an answer that has begun to
// arrive may take the rest of the budget, and so may a request that is sent
// but once, and the way to an endpoint. The way of a session of its own may
// not: who stays for long is to find another one soon.
func (s *Store) send(ctx context.Context, c *call) (u *session, sent bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	lost := func() { cancel(noAnswer(s.cfg.Attempt)) }
	m := &mark{patience: s.cfg.Attempt, lost: lost}
	arrived := c.departs(m)
	u, err = s.session(context.WithValue(ctx, markKey{}, m), c.own)
	arrived()
	if err == nil {
		m = &mark{patience: s.cfg.Attempt, lost: lost}
		if c.once {
			m.patience = 0
		}
		defer c.departs(m)()
		err = c.do(context.WithValue(ctx, markKey{}, m), u)
		sent = m.at.Load() != nil
	}
	c.at = m.at.Load()
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	return u, sent, err
}

// departs begins the time that an attempt may be on its way to an endpoint, which
// what is returned ends.
func (c *call) departs(m *mark) (arrived func()) {
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

// note keeps what each endpoint failed with, and returns what ended the
// attempt. The next one has a new session, which begins with another endpoint.
func (s *Store) note(ctx context.Context, c *call, u *session, err error) error {
	why := err
	at := slices.Index(c.endpoints, c.at)
	for i, e := range c.endpoints {
		seen := s.cause(ctx, u, e)
		switch {
		case i == at:
			why = explain(err, seen)
			seen = why
		case seen == nil && at < 0 && ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded): // none is left that might connect
			seen = errors.New("the server does not answer as etcd does")
		}
		if seen != nil && (ctx.Err() == nil || c.failed[i] == nil) { // when time is up, what it failed with before says more
			c.failed[i] = seen
		}
	}
	s.retire(u, at)
	return why
}

// explain says why an attempt failed, by what the server said or, if it did
// not, by what was seen of its connection.
func explain(err, seen error) error {
	switch {
	case errors.As(err, new(*cause)):
		return err
	case seen == nil || errors.As(err, new(rpctypes.EtcdError)):
		return saying(err, "%s", reason(err))
	}
	return seen
}

// ends is how a call ends that a server refused. An attempt may have been
// performed all the same: an earlier one, or this one itself.
func (c *call) ends(err error, performed bool) error {
	if !performed {
		return err
	}
	c.said = err
	return c.unknown(err)
}

// settle is how a call ends with an error, when an earlier attempt may have been
// performed all the same.
func (c *call) settle(err error) error {
	if c.doubt == nil {
		return err
	}
	return c.unknown(err)
}

// unknown is the error of a call that may have been performed. What the error
// would promise of it holds for its last attempt alone: only its text is kept.
func (c *call) unknown(err error) error {
	kept := c.doubt
	if errors.Is(err, context.Canceled) {
		kept = err
	}
	return &store.UnknownError{Err: saying(kept, "%s", err)}
}

// refusal is the error of a request that no server would perform.
func (c *call) refusal(err error) error {
	switch {
	case isAny(err, rpctypes.ErrNoSpace):
		return c.only(saying(err, "the store is full, it takes no writes until somebody made room (etcdctl alarm list)"))
	case isAny(err, rpctypes.ErrCorrupt):
		return c.only(saying(err, "the members of the store contradict each other (etcdctl alarm list)"))
	}
	return saying(err, "refused by the store: %s", reason(err))
}

// only is the error of a call that one endpoint decided.
func (c *call) only(err error) error {
	return &store.UnavailableError{Tried: []store.Endpoint{{Address: c.at.address, Err: err}}}
}

// unavailable is the error of a call that failed at all endpoints. One that was
// mute in its last attempt has not answered within the budget.
func (c *call) unavailable() error {
	e := &store.UnavailableError{Tried: make([]store.Endpoint, len(c.endpoints))}
	for i, at := range c.endpoints {
		e.Tried[i] = store.Endpoint{Address: at.address, Err: c.inTime(c.failed[i])}
	}
	return e
}

// inTime is an error, or that there was no answer within the budget.
func (c *call) inTime(err error) error {
	if err == nil || errors.Is(err, context.DeadlineExceeded) {
		return noAnswer(c.budget)
	}
	return err
}

// gaveUp is the error of a call whose time is over.
func (c *call) gaveUp(ctx context.Context) error {
	err := ctx.Err()
	if !errors.Is(err, context.Canceled) {
		err = c.unavailable()
	}
	return c.settle(err)
}
