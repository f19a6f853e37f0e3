// Package config reads the configuration of a site and a user: config.yaml, which
// the Python tool reads too, confctl.yaml beside it, the etcdrc files and the
// environment. It also writes the files of a new configuration.
//
// A mistake is an error only if it makes unknown where the objects are. Other
// mistakes are returned by Settings.Mistakes and stop only what needs the
// setting. Errors are a *yamldoc.Error for a position in a file, or an *Error or
// another type of this package. They quote nothing that may be a secret and
// suggest no commands.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/viper"

	"github.com/conftool/confctl/internal/account"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Settings is the result of reading the configuration files and the environment.
type Settings struct {
	File          string // path of config.yaml; empty without a configuration
	SchemaFile    string // empty if there is none
	Driver        string // etcd or local
	Hosts         []string
	Namespace     string
	APIVersion    string
	PoolsPath     string
	Sinks         []sal.Sink    // where changes are announced
	Timeout       time.Duration // of one request to the store
	SafetyMode    safety.Mode   // the strictest mode of the rules
	Output        string        // name of the format; empty for the default
	DataDirectory string
	Editor        string
	Serve         Serve

	driverOptions map[string]yamldoc.Node
	mistakes      []mistake
	owner         account.Account
}

// Options selects the configuration to load.
type Options struct {
	File    string          // path of config.yaml; empty for the standard path
	Schema  string          // path of the schema file; empty for the standard path
	Formats []string        // allowed values of the setting output
	Account account.Account // the owner of the user's files
}

// standardTimeout is the timeout if the setting is missing or wrong.
const standardTimeout = 5 * time.Second

// Default returns the settings of a user without a configuration.
func Default() *Settings {
	return &Settings{PoolsPath: "pools", SafetyMode: safety.Refuse, Timeout: standardTimeout, owner: account.Self()}
}

// Load reads config.yaml, confctl.yaml beside it, and the environment. Later ones
// take precedence.
func Load(o Options) (*Settings, error) {
	file, err := FindFile(o.Account, o.File)
	if err != nil {
		return nil, err
	}
	s := &Settings{File: file, owner: o.Account}
	v := viper.New()
	v.SetEnvPrefix("confctl")
	shared, err := s.merge(v, file, sharedKeys())
	if err != nil {
		return nil, err
	}
	own, err := s.merge(v, s.ownFile(), ownKeys(o.Formats))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.mistaken(err, namesOf(ownKeys(o.Formats))...)
	}
	if err := s.Mistake(placeSettings()...); err != nil {
		return nil, err
	}
	s.readStore(v, shared)
	if err := s.checkRoot(); err != nil {
		return nil, err
	}
	s.readOwn(v, own)
	s.SchemaFile, err = FindSchema(o.Schema, file)
	return s, err
}

// ownFile returns the path of confctl.yaml, which only confctl reads.
func (s *Settings) ownFile() string { return filepath.Join(filepath.Dir(s.File), "confctl.yaml") }

// SafetyFile returns the path of the file in which a site declares safety rules
// for types that its schema file does not declare. It is beside the schema.
func (s *Settings) SafetyFile() string { return s.besideSchema("safety.yaml") }

// ReadersFile returns the path of the file in which a site declares the readers
// of the store.
func (s *Settings) ReadersFile() string { return s.besideSchema("readers.yaml") }

func (s *Settings) besideSchema(name string) string {
	beside := s.SchemaFile
	if beside == "" {
		beside = s.File
	}
	return filepath.Join(filepath.Dir(beside), name)
}

// readStore reads the settings of the store from config.yaml.
func (s *Settings) readStore(v *viper.Viper, nodes map[string]yamldoc.Node) {
	s.Driver = v.GetString("driver")
	s.Hosts = v.GetStringSlice("hosts")
	s.Namespace = v.GetString("namespace")
	s.APIVersion = v.GetString("api_version")
	s.PoolsPath = v.GetString("pools_path")
	s.driverOptions = map[string]yamldoc.Node{}
	if pairs, err := nodes["driver_options"].Pairs("driver_options"); err == nil { // merge has checked that it is a map
		for _, p := range pairs {
			s.driverOptions[p.Name] = p.Value
		}
	}
	if err := checkHosts(nodes["hosts"]); err != nil {
		s.mistaken(err, "hosts")
	}
}

// readOwn reads the settings of confctl.yaml.
func (s *Settings) readOwn(v *viper.Viper, nodes map[string]yamldoc.Node) {
	s.Output = v.GetString("output")
	s.DataDirectory = v.GetString("data_directory")
	s.Editor = v.GetString("editor")
	s.readTimeout(v)
	s.readSafetyMode(v)
	s.readSinks(nodes["sal"], v)
	if s.Mistake("serve") != nil {
		return
	}
	var err error
	if s.Serve, err = readServe(nodes["serve"]); err != nil {
		s.mistaken(err, "serve")
	}
}

// checkRoot checks the settings that are part of the keys of all objects.
func (s *Settings) checkRoot() error {
	steps := strings.Split(strings.Trim(s.Namespace, "/")+"/"+s.APIVersion+"/"+strings.Trim(s.PoolsPath, "/"), "/")
	for _, step := range steps {
		if err := object.CheckName("a part of namespace, api_version or pools_path", step); err != nil {
			return &Error{Setting: "namespace", Msg: err.Error(), Fix: "they are like namespace: /conftool, api_version: v1 and pools_path: pools"}
		}
		if step == ".confctl" {
			return &Error{Setting: "namespace", Msg: "namespace and api_version cannot hold .confctl: confctl keeps its own keys there"}
		}
	}
	return nil
}

func checkHosts(n yamldoc.Node) error {
	if !n.IsList() {
		return nil // no hosts
	}
	hosts, err := n.Items("hosts")
	if err != nil {
		return err
	}
	for _, h := range hosts {
		if h.Text() == "" {
			return h.Errorf("hosts takes URLs such as http://localhost:2379, not %s", h.Describe())
		}
	}
	return nil
}

// readTimeout reads the timeout. After a mistake it is standardTimeout.
func (s *Settings) readTimeout(v *viper.Viper) {
	text := v.GetString("timeout")
	d, err := time.ParseDuration(text)
	if err != nil || d < 100*time.Millisecond || d > time.Hour {
		d = standardTimeout
		s.mistaken(&Error{
			Setting: "timeout",
			Msg:     fmt.Sprintf("timeout cannot be %q; it is a time such as 5s or 1m30s, from 100ms to 1h", text),
			Fix:     "it is set in confctl.yaml or by CONFCTL_TIMEOUT",
		}, "timeout")
	}
	s.Timeout = d
}

// safetyModes returns the names of safety.Refuse, Warn and None.
func safetyModes() []string { return []string{"enforce", "warn", "off"} }

func safetyMode(name string) safety.Mode {
	return safety.Refuse - safety.Mode(slices.Index(safetyModes(), name))
}

// readSafetyMode reads the mode from the files, or a stricter one from the
// environment, which cannot loosen it. After a mistake it is the strictest.
func (s *Settings) readSafetyMode(v *viper.Viper) {
	configured := v.GetString("safety_mode")
	s.SafetyMode = safetyMode(configured)
	if s.Mistake("safety_mode") != nil {
		s.SafetyMode = safety.Refuse
	}
	variable := envName("safety_mode")
	switch asked := os.Getenv(variable); {
	case asked == "":
	case !slices.Contains(safetyModes(), asked):
		s.SafetyMode = safety.Refuse
		s.mistaken(&Error{
			Setting: "safety_mode",
			Msg:     fmt.Sprintf("environment variable %s: safety_mode cannot be %q; it takes one of %s", variable, asked, strings.Join(safetyModes(), ", ")),
		}, "safety_mode")
	case safetyMode(asked) < s.SafetyMode:
		s.mistaken(&Error{
			Reason: Looser, Setting: "safety_mode",
			Msg: fmt.Sprintf("environment variable %s cannot loosen the safety_mode %s of the configuration", variable, configured),
		}, "safety_mode")
	default:
		s.SafetyMode = safetyMode(asked)
	}
}
