package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/conftool/confctl/internal/account"
	"github.com/conftool/confctl/internal/config"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd"
	"github.com/conftool/confctl/pkg/store/local"
)

// session is what a command works with: the settings, the schema and the
// store, wired together in this one place.
type session struct {
	term.Streams
	*globals
	settings *config.Settings
	schema   *schema.Schema
	rules    *safety.Rules
	unruled  []schema.Problem // what is wrong with the declared rules
	shown    bool             // a dry run has shown something
	repeat   []string         // the words that do what was not done yet; nil for all
	// mayBeGone says that the verb is for taking out a host, which may be down.
	mayBeGone bool
	neverAsks bool // the verb is one of those that never ask
	editing   bool // what is refused is kept in files
	undoing   bool // a change is taken back whole or not at all
	store     store.Store
	catalog   *catalog.Catalog
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
	if s.store, err = openStore(std, g, s.settings); err != nil {
		return nil, err
	}
	s.catalog = catalog.New(s.store, s.settings.Namespace, s.settings.APIVersion)
	return s, nil
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
	sc, err := loadSchema(s)
	if err != nil {
		return nil, err
	}
	rules, wrong := safety.Load(sc, s.SafetyFile())
	return &session{Streams: std, globals: g, settings: s, schema: sc, rules: rules, unruled: wrong}, nil
}

func loadSchema(s *config.Settings) (*schema.Schema, error) {
	if s.SchemaFile == "" {
		return schema.BuiltIn(s.PoolsPath), nil
	}
	return schema.LoadWith(s.SchemaFile, s.PoolsPath, schema.Options{Time: s.Timeout})
}

func openStore(std term.Streams, g *globals, s *config.Settings) (store.Store, error) {
	debug := func(format string, args ...any) {
		if g.debug {
			std.Say(format, args...)
		}
	}
	if s.Driver == "local" {
		path, err := s.LocalPath()
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			std.Say("the local store %s is not there yet, so it is empty; the first change makes it", path)
		}
		return local.Open(path, local.Options{Timeout: s.Timeout, Debug: debug})
	}
	c, err := s.Etcd(std.Warn, debug)
	if err != nil {
		return nil, err
	}
	return etcd.Open(c)
}

// with runs a command that works on a store.
func with(std term.Streams, g *globals, f func(*session) error, prepare ...func(*session)) error {
	s, err := open(std, g, prepare...)
	if err != nil {
		return err
	}
	err = f(s)
	if closed := s.store.Close(); err == nil && closed != nil {
		return fmt.Errorf("closing the store: %w", closed)
	}
	return err
}

// typ returns the type the command is about.
func (s *session) typ() (*schema.Type, error) { return s.schema.Type(s.objectType) }

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

// journal returns the log of changes, and the sinks that announce them.
func (s *session) journal() *sal.Log {
	return &sal.Log{
		Store:  s.store,
		Prefix: s.catalog.Own(""),
		Sinks:  s.settings.Sinks,
		Self:   sal.ThisProcess(hostname()),
	}
}
