package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/conftool/confctl/internal/account"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/nearest"
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
	settings *settings
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
	s.catalog = catalog.New(s.store, s.settings.namespace, s.settings.apiVersion)
	return s, nil
}

// openSchema is open for a command that does not ask the store.
func openSchema(std term.Streams, g *globals) (*session, error) {
	s, err := loadSettings(g)
	if err != nil {
		return nil, err
	}
	if err := s.mistakes.of(g.needed()...); err != nil {
		return nil, err
	}
	s.mistakes.warn(std)
	if g.terms.gone {
		s.timeout = min(s.timeout, hasty)
	}
	if g.output == "" {
		g.output = s.output
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
	rules, wrong := safety.Load(sc, safetyFile(s))
	return &session{Streams: std, globals: g, settings: s, schema: sc, rules: rules, unruled: wrong}, nil
}

func loadSchema(s *settings) (*schema.Schema, error) {
	if s.schemaFile == "" {
		return schema.BuiltIn(s.poolsPath), nil
	}
	return schema.LoadWith(s.schemaFile, s.poolsPath, schema.Options{Time: s.timeout})
}

// safetyFile is where a site declares rules for types that its schema file does
// not: beside it.
func safetyFile(s *settings) string {
	beside := s.schemaFile
	if beside == "" {
		beside = s.file
	}
	return filepath.Join(filepath.Dir(beside), "safety.yaml")
}

func openStore(std term.Streams, g *globals, s *settings) (store.Store, error) {
	debug := func(format string, args ...any) {
		if g.debug {
			std.Say(format, args...)
		}
	}
	if s.driver == "local" {
		path, err := localPath(s)
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			std.Say("the local store %s is not there yet, so it is empty; the first change makes it", path)
		}
		return local.Open(path, local.Options{Timeout: s.timeout, Debug: debug})
	}
	c, err := etcdConfig(s, account.Self(), std.Warn, debug)
	if err != nil {
		return nil, err
	}
	return etcd.Open(c)
}

// localPath returns the file of the local driver.
func localPath(s *settings) (string, error) {
	known := []string{"path", "etcd_config_file", "allow_reconnect", "suppress_san_warnings"}
	for name, n := range s.driverOptions {
		if !slices.Contains(known, name) {
			return "", n.Errorf("the local driver has no option %q%s; it is named with path", name, nearest.Suggest(name, known))
		}
	}
	if n, ok := s.driverOptions["path"]; ok {
		if n.Text() == "" {
			return "", n.Errorf("path must name a file, not %s", n.Describe())
		}
		return n.Text(), nil
	}
	state := account.Self().StateDir()
	if state == "" {
		return "", &usageError{"no place for the local store: neither XDG_STATE_HOME nor HOME is set, and the passwd file has no home either", "name a file with driver_options: {path: FILE} in " + s.file}
	}
	return filepath.Join(state, "conftool", "state.db"), nil
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
