package etcd

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/metadata"

	"github.com/conftool/confctl/pkg/store"
)

// stagger is how long an endpoint has to connect before the next one is tried
// beside it.
const stagger = 30 * time.Millisecond

// call is one request to the store: attempts at one endpoint after the other,
// until one is answered or the budget is used up.
type call struct {
	what    string // for the debug log
	needs   []need // the permissions it takes
	writes  bool   // it changes the store
	once    bool   // it must not be sent again when it may have been performed
	patient bool   // it goes on although no endpoint can be reached
	do      func(ctx context.Context, l *link) error

	endpoints []*endpoint
	budget    time.Duration
	attempts  int
	failed    []error // what each endpoint failed with last; nil for not yet
	passed    []bool  // endpoints not to ask again in this round
	rounds    int
	logins    int
	doubt     error // of an attempt that may have been performed
}

// errNowhere says that all endpoints failed, each for a cause that is certain.
var errNowhere = errors.New("no endpoint can be reached")

// run performs a call within the store's timeout.
func (s *Store) run(ctx context.Context, c *call) error {
	begun := time.Now()
	at, err := s.perform(ctx, c)
	if s.cfg.Debug != nil {
		outcome := "ok"
		if err != nil {
			outcome = err.Error()
		}
		s.debugf("etcd: %s: %s in %v, %d attempts, %s", c.what, outcome, time.Since(begun).Round(100*time.Microsecond), c.attempts, at)
	}
	return err
}

// perform is run, and says which endpoint answered.
func (s *Store) perform(parent context.Context, c *call) (at string, err error) {
	if err := parent.Err(); err != nil {
		return "not sent", err
	}
	ctx, cancel := context.WithTimeout(parent, s.cfg.Timeout)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	c.budget = within(ctx)
	if c.endpoints, err = s.resolve(ctx, c.budget); err != nil {
		if errors.Is(parent.Err(), context.Canceled) {
			err = parent.Err()
		}
		return "not sent", err
	}
	c.failed, c.passed = make([]error, len(c.endpoints)), make([]bool, len(c.endpoints))
	for {
		i, l, err := s.connect(ctx, c)
		switch {
		case err == nil:
			verdict, err := s.attempt(ctx, c, i, l)
			if verdict == done || verdict == refused {
				return c.endpoints[i].address, err
			}
			if verdict == lost && c.once {
				return c.endpoints[i].address, c.settle(c.inTime(err))
			}
		case !errors.Is(err, errNowhere):
			return "gave up", c.gaveUp(parent)
		case c.doubt == nil && !c.patient && !slices.Contains(c.passed, true):
			return "gave up", c.unavailable()
		}
		if !c.next(ctx, err != nil) {
			return "gave up", c.gaveUp(parent)
		}
	}
}

// next prepares the next attempt. When all endpoints have had their turn it
// waits a little; it reports whether there is time left.
func (c *call) next(ctx context.Context, nowhere bool) bool {
	if !nowhere && slices.Contains(c.passed, false) {
		return ctx.Err() == nil
	}
	clear(c.passed)
	pause := min(20*time.Millisecond<<c.rounds, 250*time.Millisecond)
	c.rounds = min(c.rounds+1, 8)
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pause/2 + rand.N(pause)):
		return true
	}
}

// connect returns a connection to an endpoint that has not had its turn in
// this round, preferring one that is there, then the order of configuration.
// Endpoints that keep it waiting are joined by the next, so that one that is
// dead or mute costs little.
func (s *Store) connect(ctx context.Context, c *call) (int, *link, error) {
	var order []int
	for i, e := range c.endpoints {
		if c.passed[i] {
			continue
		}
		if e.ready() {
			if l, _, _ := e.get(s); l != nil {
				return i, l, nil
			}
		}
		order = append(order, i)
	}
	return s.race(ctx, c, order)
}

// race connects to endpoints, each a little later than the one before or as
// soon as that has failed, and returns the first connection. A connection that
// was being made already may fail for what is over by now: it is made again.
func (s *Store) race(ctx context.Context, c *call, order []int) (int, *link, error) {
	over := make(chan int, len(order))
	quit := make(chan struct{})
	defer close(quit)
	start := time.NewTimer(0)
	defer start.Stop()
	before := make([]bool, len(c.endpoints))
	for waiting := 0; waiting > 0 || len(order) > 0; {
		select {
		case <-start.C:
			if len(order) == 0 {
				continue
			}
			i := order[0]
			order = order[1:]
			l, pending, older := c.endpoints[i].get(s)
			if l != nil {
				return i, l, nil
			}
			before[i] = older
			waiting++
			go tell(over, i, pending, quit)
			start.Reset(stagger)
		case i := <-over:
			l, err := c.endpoints[i].made()
			if l != nil {
				return i, l, nil
			}
			c.failed[i] = err
			waiting--
			if before[i] {
				order = append(order, i)
			}
			start.Reset(0)
		case <-ctx.Done():
			return 0, nil, ctx.Err()
		}
	}
	return 0, nil, errNowhere
}

// tell sends a number when something is over, unless nobody listens any more.
func tell(over chan<- int, i int, pending, quit <-chan struct{}) {
	select {
	case <-pending:
	case <-quit:
		return
	}
	select {
	case over <- i:
	case <-quit:
	}
}

// attempt sends the request once, and keeps what came of it.
func (s *Store) attempt(ctx context.Context, c *call, i int, l *link) (verdict, error) {
	defer l.release()
	c.attempts++
	m := &mark{}
	err := s.send(ctx, c, l, m)
	v := judge(err, m.sent.Load())
	if v == denied && s.cfg.User != "" && isAny(rpctypes.Error(err), rpctypes.ErrUserEmpty) {
		v = login // the store began to ask after the last one
	}
	switch v {
	case done:
		return done, nil
	case denied:
		return refused, c.settle(s.denied(ctx, c, l, err))
	case refused:
		return refused, c.settle(c.refusal(i, err))
	case login:
		if c.logins++; c.logins > 3 {
			return refused, c.settle(&store.DeniedError{User: s.who, Err: errors.New(reason(err))})
		}
		s.setToken("")
		c.failed[i] = errors.New(reason(err))
		return again, err
	}
	why := s.broken(l, err)
	if ctx.Err() == nil || c.failed[i] == nil {
		c.failed[i] = why // but when time is up, what it failed with before says more
	}
	c.passed[i] = true
	if v == lost && c.writes {
		c.doubt = why
	}
	return v, why
}

// send logs in if need be and performs the call's own part, for as long as an
// attempt may last. An answer that has begun to arrive may take the rest of
// the budget, and so may a request that is sent but once.
func (s *Store) send(ctx context.Context, c *call, l *link, m *mark) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	mute := time.AfterFunc(s.cfg.Attempt, func() {
		if alone := c.once && m.sent.Load(); !alone && !m.answered.Load() {
			cancel(noAnswer(s.cfg.Attempt))
		}
	})
	defer mute.Stop()
	token, err := s.login(ctx, l)
	if err == nil {
		err = c.do(context.WithValue(asking(ctx, token), markKey{}, m), l)
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// asking adds to a context what every request says: who asks, and that a
// member without a leader is to say so rather than to wait for one.
func asking(ctx context.Context, token string) context.Context {
	pairs := []string{rpctypes.MetadataRequireLeaderKey, rpctypes.MetadataHasLeader}
	if token != "" {
		pairs = append(pairs, rpctypes.TokenFieldNameGRPC, token)
	}
	return metadata.AppendToOutgoingContext(ctx, pairs...)
}

// broken says why an attempt failed. Unless it was the server that said so, the
// next one has a new connection.
func (s *Store) broken(l *link, err error) error {
	if errors.As(rpctypes.Error(err), new(rpctypes.EtcdError)) {
		return saying(err, "%s", reason(err))
	}
	l.retire()
	if errors.As(err, new(*cause)) {
		return err
	}
	if seen := l.seen.cause(); seen != nil {
		return plainly(seen, s.cfg.CACert)
	}
	return saying(err, "%s", reason(err))
}

// settle is how a call ends that a server refused, when an earlier attempt may
// have been performed all the same.
func (c *call) settle(err error) error {
	if c.doubt == nil {
		return err
	}
	// What the error would promise of this request holds for its last attempt
	// alone: only its text is kept.
	kept := c.doubt
	if errors.Is(err, context.Canceled) {
		kept = err
	}
	return &store.UnknownError{Err: saying(kept, "%s", err)}
}

// refusal is the error of a request that no server would perform.
func (c *call) refusal(i int, err error) error {
	known := rpctypes.Error(err)
	switch {
	case isAny(known, rpctypes.ErrNoSpace):
		return c.only(i, saying(err, "the store is full, it takes no writes until somebody made room (etcdctl alarm list)"))
	case isAny(known, rpctypes.ErrCorrupt):
		return c.only(i, saying(err, "the members of the store contradict each other (etcdctl alarm list)"))
	case isAny(known, rpctypes.ErrRequestTooLarge, rpctypes.ErrTooManyOps):
		return &tooLarge{saying(err, "%s", reason(err))}
	}
	return saying(err, "refused by the store: %s", reason(err))
}

// tooLarge marks a request beyond what the server takes. Commit knows its size.
type tooLarge struct{ error }

// only is the error of a call that one endpoint decided.
func (c *call) only(i int, err error) error {
	return &store.UnavailableError{Tried: []store.Endpoint{{Address: c.endpoints[i].address, Err: err}}}
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

// within is how long a context lasts, in round figures.
func within(ctx context.Context) time.Duration {
	end, _ := ctx.Deadline()
	left := time.Until(end)
	if left > time.Second {
		return left.Round(100 * time.Millisecond)
	}
	return left.Round(time.Millisecond)
}
