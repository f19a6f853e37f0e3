package cli

import (
	"time"

	"github.com/conftool/confctl/internal/account"
	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/sal"
)

// session is what a command works with.
type session struct {
	term.Streams
	*globals
	*app.App
	shown  bool     // a dry run has shown something
	repeat []string // the words that do what was not done yet; nil for all
	// mayBeGone says that the verb is for taking out a host, which may be down.
	mayBeGone bool
	neverAsks bool // the verb is one of those that never ask
	editing   bool // what is refused is kept in files
	undoing   bool // a change is taken back whole or not at all
}

// hasty is how long a name is looked up, and how long each of the two requests
// of a change may take, where the answer has to be there within three seconds: a
// host that is going down does not wait.
const hasty = time.Second

// open reads the configuration and the schema and prepares the store, which the
// caller closes. What prepares the session comes before the store.
func open(std term.Streams, g *globals, prepare ...func(*session)) (*session, error) {
	s, err := openSchema(std, g)
	if err != nil {
		return nil, err
	}
	for _, p := range prepare {
		p(s)
	}
	if err := s.Open(messages(std, g)); err != nil {
		return nil, err
	}
	return s, nil
}

// messages are for what the store says while it is used.
func messages(std term.Streams, g *globals) app.Messages {
	return app.Messages{Say: std.Say, Warn: std.Warn, Debug: func(format string, args ...any) {
		if g.debug {
			std.Say(format, args...)
		}
	}}
}

// openSchema is open for a command that does not ask the store.
func openSchema(std term.Streams, g *globals) (*session, error) {
	s, err := g.loadSettings()
	if err != nil {
		return nil, err
	}
	if err := s.Mistake(g.needed()...); err != nil {
		return nil, err
	}
	warnMistakes(std, s)
	if g.terms.gone {
		s.Timeout = min(s.Timeout, hasty)
	}
	if g.output == "" {
		g.output = s.Output
	}
	if g.yaml {
		g.output = "yaml"
	}
	if err := checkFormat(g.output); err != nil {
		return nil, err
	}
	a, err := app.Load(s)
	if err != nil {
		return nil, err
	}
	return &session{Streams: std, globals: g, App: a}, nil
}

// with runs a command that works on a store.
func with(std term.Streams, g *globals, f func(*session) error, prepare ...func(*session)) error {
	s, err := open(std, g, prepare...)
	if err != nil {
		return err
	}
	err = f(s)
	if closed := s.Close(); err == nil {
		err = closed
	}
	return err
}

// whoami returns who makes a change. A directory service may have to be asked.
func whoami() sal.User {
	name, id := account.Self().Person()
	return sal.User{Name: name, ID: id}
}

// whoami is the same, found out once.
func (g *globals) whoami() sal.User {
	g.identified.Do(func() { g.user = whoami() })
	return g.user
}
