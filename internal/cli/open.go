package cli

import (
	"time"

	"github.com/conftool/confctl/internal/account"
	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/sal"
)

// goneTimeout limits a name lookup and each of the two requests of a change with
// --gone, so that the command ends within three seconds: a host that is going down
// does not wait.
const goneTimeout = time.Second

// loadApp reads the configuration and the schema. It does not open the store.
func loadApp(std term.Streams, g *globals) (*app.App, error) {
	s, err := g.loadSettings()
	if err != nil {
		return nil, err
	}
	if err := s.Mistake(g.requiredSettings()...); err != nil {
		return nil, err
	}
	warnMistakes(std, s)
	if g.terms.Gone {
		s.Timeout = min(s.Timeout, goneTimeout)
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
	return app.Load(s)
}

// with loads the configuration and the schema, and runs f with the store open.
func with(std term.Streams, g *globals, f func(*app.App) error) error {
	a, err := loadApp(std, g)
	if err != nil {
		return err
	}
	return withStore(std, g, a, f)
}

// withStore opens the store, runs f and closes the store.
func withStore(std term.Streams, g *globals, a *app.App, f func(*app.App) error) error {
	if err := a.Open(messages(std, g)); err != nil {
		return err
	}
	err := f(a)
	if closed := a.Close(); err == nil {
		err = closed
	}
	return err
}

// messages returns the functions by which the store reports to the operator.
func messages(std term.Streams, g *globals) app.Messages {
	return app.Messages{Say: std.Say, Warn: std.Warn, Debug: func(format string, args ...any) {
		if g.debug {
			std.Say(format, args...)
		}
	}}
}

// whoami returns the user that makes a change. The first call may query a directory
// service; later ones return the same user.
func (g *globals) whoami() sal.User {
	g.identified.Do(func() {
		name, id := account.Self().Person()
		g.user = sal.User{Name: name, ID: id}
	})
	return g.user
}
