// Package config reads what a site and a user have configured: config.yaml, which
// the Python tool reads too, confctl.yaml beside it, the etcdrc files and the
// environment. It also writes the files that a new configuration starts from.
//
// A mistake is an error only if it leaves open where the objects are. Any other is
// among the Mistakes of the Settings, and stops only what needs the setting. Errors
// name a place in a file (*yamldoc.Error) or what is wrong (*Error and its likes);
// they quote nothing that may be a secret, and suggest no commands.
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

// Settings are what the configuration files and the environment say.
type Settings struct {
	File          string // config.yaml, as it was found; empty without a configuration
	SchemaFile    string // empty if there is none
	Driver        string // etcd or local
	Hosts         []string
	Namespace     string
	APIVersion    string
	PoolsPath     string
	Sinks         []sal.Sink    // where announcements go
	Timeout       time.Duration // of one request to the store
	SafetyMode    safety.Mode   // the strictest that a rule has
	Output        string        // format; empty for the default one
	DataDirectory string
	Editor        string
	Serve         Serve

	driverOptions map[string]yamldoc.Node
	mistakes      []mistake
	who           account.Account
}

// Options say which configuration to load.
type Options struct {
	File    string          // config.yaml; empty for the standard one
	Schema  string          // the schema file; empty for the standard one
	Formats []string        // what the setting output takes
	Account account.Account // whose files are read
}

// standardTimeout is the timeout without a setting, or with a wrong one.
const standardTimeout = 5 * time.Second

// Default returns the settings of somebody without a configuration.
func Default() *Settings {
	return &Settings{PoolsPath: "pools", SafetyMode: safety.Refuse, Timeout: standardTimeout, who: account.Self()}
}

// Load reads config.yaml, confctl.yaml beside it, and the environment; the later
// ones take precedence.
func Load(o Options) (*Settings, error) {
	file, err := FindFile(o.Account, o.File)
	if err != nil {
		return nil, err
	}
	s := &Settings{File: file, who: o.Account}
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

// ownFile is the file with the settings of confctl alone.
func (s *Settings) ownFile() string { return filepath.Join(filepath.Dir(s.File), "confctl.yaml") }

// SafetyFile returns the file where a site declares safety rules for types that its
// schema file does not declare: it is beside the schema.
func (s *Settings) SafetyFile() string { return s.besideSchema("safety.yaml") }

// ReadersFile returns the file where a site declares who reads the store.
func (s *Settings) ReadersFile() string { return s.besideSchema("readers.yaml") }

func (s *Settings) besideSchema(name string) string {
	beside := s.SchemaFile
	if beside == "" {
		beside = s.File
	}
	return filepath.Join(filepath.Dir(beside), name)
}

// readStore reads what config.yaml says about the store.
func (s *Settings) readStore(v *viper.Viper, nodes map[string]yamldoc.Node) {
	s.Driver = v.GetString("driver")
	s.Hosts = v.GetStringSlice("hosts")
	s.Namespace = v.GetString("namespace")
	s.APIVersion = v.GetString("api_version")
	s.PoolsPath = v.GetString("pools_path")
	s.driverOptions = map[string]yamldoc.Node{}
	if pairs, err := nodes["driver_options"].Pairs("driver_options"); err == nil { // it was read as a map already
		for _, p := range pairs {
			s.driverOptions[p.Name] = p.Value
		}
	}
	if err := checkHosts(nodes["hosts"]); err != nil {
		s.mistaken(err, "hosts")
	}
}

// readOwn reads what confctl.yaml says.
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

// checkRoot checks what goes into the keys of all objects.
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
		return nil // there are none
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

// readTimeout reads the timeout; after a mistake it is the standard one.
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

// safetyModes are the words for safety.Refuse, Warn and None.
func safetyModes() []string { return []string{"enforce", "warn", "off"} }

func safetyMode(word string) safety.Mode {
	return safety.Refuse - safety.Mode(slices.Index(safetyModes(), word))
}

// readSafetyMode reads the mode in the files, or a stricter one in the environment,
// which cannot loosen it. After a mistake it is the strictest.
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
