// Package app assembles what a command works with: the settings, the schema with its
// safety rules, the store and the catalog of its objects. It does not depend on a
// command line or a terminal.
package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/conftool/confctl/internal/config"
	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd"
	"github.com/conftool/confctl/pkg/store/local"
)

// App is one site: its settings, its schema and its store.
type App struct {
	Settings *config.Settings
	Schema   *schema.Schema
	Rules    *safety.Rules
	Unruled  []schema.Problem // mistakes in the declared rules
	// Store and Catalog are nil until Open has returned without an error.
	Store   store.Store
	Catalog *catalog.Catalog
}

// Load reads the schema and the safety rules that the settings name. It does not use
// the store. It returns an error if the schema cannot be loaded; it records mistakes
// in the rules in Unruled.
func Load(settings *config.Settings) (*App, error) {
	s, err := loadSchema(settings)
	if err != nil {
		return nil, err
	}
	rules, wrong := safety.Load(s, settings.SafetyFile())
	return &App{Settings: settings, Schema: s, Rules: rules, Unruled: wrong}, nil
}

func loadSchema(s *config.Settings) (*schema.Schema, error) {
	if s.SchemaFile == "" {
		return schema.BuiltIn(s.PoolsPath), nil
	}
	return schema.LoadWith(s.SchemaFile, s.PoolsPath, schema.Options{Time: s.Timeout})
}

// Messages are the functions that report to the operator while a store is opened and
// used. All of them must be set.
type Messages struct {
	Say   func(format string, args ...any)
	Warn  func(msg string)
	Debug func(format string, args ...any) // reports each request to the store
}

// Open opens the store that the settings name and sets Store and Catalog. An etcd
// store connects on its first request. The caller must call Close.
func (a *App) Open(m Messages) error {
	s, err := openStore(a.Settings, m)
	if err != nil {
		return err
	}
	a.Store, a.Catalog = s, catalog.New(s, a.Settings.Namespace, a.Settings.APIVersion)
	return nil
}

func openStore(s *config.Settings, m Messages) (store.Store, error) {
	if s.Driver == "local" {
		path, err := s.LocalPath()
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			m.Say("the local store %s is not there yet, so it is empty; the first change makes it", path)
		}
		return local.Open(path, local.Options{Timeout: s.Timeout, Debug: m.Debug})
	}
	c, err := s.Etcd(m.Warn, m.Debug)
	if err != nil {
		return nil, err
	}
	return etcd.Open(c)
}

// Close closes the store.
func (a *App) Close() error {
	if err := a.Store.Close(); err != nil {
		return fmt.Errorf("closing the store: %w", err)
	}
	return nil
}

// Journal returns the log of changes, with the sinks that announce them.
func (a *App) Journal() *sal.Log {
	return &sal.Log{
		Store:  a.Store,
		Prefix: a.Catalog.Own(""),
		Sinks:  a.Settings.Sinks,
		Self:   sal.ThisProcess(Hostname()),
	}
}

// Hostname returns the name of this host without its domain, or "unknown" if the
// name cannot be read.
func Hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	short, _, _ := strings.Cut(name, ".")
	return short
}
